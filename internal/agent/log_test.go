package agent

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/secret"
)

func TestLogKeepsABoundedNumberOfLines(t *testing.T) {
	l := NewLog(slog.DiscardHandler)
	logger := slog.New(l).With("boot", "b").WithGroup("g")
	for i := range logLines + 10 {
		logger.Info("line", "count", i, "password", secret.New("hunter2"), "long", strings.Repeat("é", logLineBytes)) //nolint:sloglint // what is tested is the values
	}
	logger.Debug("not kept")
	first, lines := l.ring.pending(3)
	if first != 11 || len(lines) != 3 || !strings.Contains(lines[0].Text, "g.count=10 ") || !strings.Contains(lines[0].Text, "boot=b") {
		t.Errorf("first %d, lines %+v", first, lines)
	}
	for _, line := range lines {
		if len(line.Text) > logLineBytes+2 || strings.Contains(line.Text, "hunter2") || strings.Contains(line.Text, "level=") || line.Level != "INFO" || line.Time.IsZero() {
			t.Errorf("line %+v", line)
		}
	}
	l.ring.acknowledge(13)
	if first, lines := l.ring.pending(logLines + 100); first != 13 || len(lines) != logLines-2 || !strings.Contains(lines[0].Text, fmt.Sprintf("g.count=%d ", 12)) {
		t.Errorf("after an acknowledgement: first %d, %d lines", first, len(lines))
	}
	// An answer that comes twice, or too late, takes nothing away.
	l.ring.acknowledge(5)
	if first, _ := l.ring.pending(1); first != 13 {
		t.Errorf("after an old acknowledgement: first %d", first)
	}
}
