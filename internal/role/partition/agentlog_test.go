package partition

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
)

var someHost = types.NamespacedName{Namespace: "ns", Name: "a"}

func newTestLogs(dir string) *agentLogs {
	find := func(context.Context, string) (types.NamespacedName, error) { return someHost, nil }
	return newAgentLogs(dir, find, slog.New(slog.DiscardHandler))
}

func lines(texts ...string) []protocol.LogLine {
	var out []protocol.LogLine
	for _, t := range texts {
		out = append(out, protocol.LogLine{Time: time.Unix(0, 0), Level: "INFO", Text: t})
	}
	return out
}

func kept(t *testing.T, l *agentLogs) string {
	t.Helper()
	var b bytes.Buffer
	if err := l.Copy(&b, someHost); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRepeatedLinesAreKeptOnce(t *testing.T) {
	dir := t.TempDir()
	l := newTestLogs(dir)
	l.Append(t.Context(), "boot-1", 1, lines("one", "two"))
	l.Append(t.Context(), "boot-1", 1, lines("one", "two", "three"))
	// A new process knows from the file where the last one stopped.
	l = newTestLogs(dir)
	l.Append(t.Context(), "boot-1", 2, lines("two", "three", "four"))
	if got := strings.Count(kept(t, l), "INFO"); got != 4 {
		t.Errorf("%d lines, want 4:\n%s", got, kept(t, l))
	}
	l.Append(t.Context(), "boot-1", 9, lines("nine"))
	if !strings.Contains(kept(t, l), "[4 lines of the agent are missing]") {
		t.Errorf("the gap is not told:\n%s", kept(t, l))
	}
}

func TestLogsAreBounded(t *testing.T) {
	dir := t.TempDir()
	l := newTestLogs(dir)
	for i := range 10 {
		l.Append(t.Context(), fmt.Sprintf("boot-%d", i), 1, lines("here"))
		// Files are told apart by their times; a file system may have coarse ones.
		at := time.Unix(int64(i), 0)
		if err := os.Chtimes(filepath.Join(dir, "ns", "a", fmt.Sprintf("boot-%d.log", i)), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if got := kept(t, l); strings.Count(got, "=== boot") != maxLogFiles || !strings.Contains(got, "boot-9") || strings.Contains(got, "boot-5") {
		t.Errorf("kept:\n%s", got)
	}
	long := strings.Repeat("x", 1<<20)
	for i := range 8 {
		l.Append(t.Context(), "boot-long", int64(1+i), lines(long))
	}
	if got := len(kept(t, l)); got > maxLogBytes+(1<<10) {
		t.Errorf("%d bytes are kept, at most %d are allowed", got, maxLogBytes)
	}
}
