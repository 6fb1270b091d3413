package qemu

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

const greeting = `{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}}, "capabilities": ["oob"]}}` + "\n"

// serve plays QEMU: it greets, acknowledges the negotiation, and hands each later command's name to answer.
func serve(t *testing.T, answer func(command string) string) (net.Conn, func()) {
	t.Helper()
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = far.Close() }()
		_, _ = io.WriteString(far, greeting)
		for lines := bufio.NewScanner(far); lines.Scan(); {
			var got struct {
				Execute string `json:"execute"`
				ID      int    `json:"id"`
			}
			if json.Unmarshal(lines.Bytes(), &got) != nil {
				return
			}
			id, _ := json.Marshal(got.ID)
			reply := `{"return": {}, "id": ` + string(id) + "}\n"
			if got.Execute != "qmp_capabilities" {
				reply = strings.ReplaceAll(answer(got.Execute), "ID", string(id))
			}
			if reply == "" {
				return
			}
			_, _ = io.WriteString(far, reply)
		}
	}()
	return near, func() { _ = near.Close(); <-done }
}

func TestMonitorAnswersErrorsAndEvents(t *testing.T) {
	events := make(chan string, 1)
	conn, end := serve(t, func(command string) string {
		switch command {
		case "bad":
			return `{"id": ID, "error": {"class": "GenericError", "desc": "no such thing"}}` + "\n"
		case "die":
			return ""
		}
		return `{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}}` + "\n" +
			`{"return": {}, "id": ID}` + "\n"
	})
	defer end()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	m, err := openMonitor(ctx, conn, func(name string, data json.RawMessage) { events <- name + string(data) })
	if err != nil {
		t.Fatal(err)
	}
	if err := m.execute(ctx, "cont", nil); err != nil {
		t.Fatal(err)
	}
	if got := <-events; !strings.Contains(got, "guest-reset") {
		t.Fatalf("event %q", got)
	}
	if err := m.execute(ctx, "bad", map[string]any{"a": 1}); err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Fatalf("refused command gives %v", err)
	}
	if err := m.execute(ctx, "die", nil); !errors.Is(err, errMonitorEnded) {
		t.Fatalf("command to a dying QEMU gives %v", err)
	}
	if err := m.execute(ctx, "cont", nil); err == nil {
		t.Fatal("command to a dead QEMU succeeded")
	}
}

type stream struct {
	io.Reader
	io.Writer
}

func (stream) Close() error { return nil }

// FuzzMonitor: whatever comes, opening ends when the stream does, and nothing panics.
func FuzzMonitor(f *testing.F) {
	f.Add([]byte(greeting + `{"return": {}, "id": 1}` + "\n"))
	f.Add([]byte(greeting + `{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-shutdown"}}` + "\n"))
	f.Add([]byte("{}\n{}\n"))
	f.Add([]byte(`{"id": "text"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := &process{kill: func() {}}
		m, err := openMonitor(t.Context(), stream{strings.NewReader(string(b)), io.Discard}, p.onEvent)
		if err == nil && m == nil {
			t.Fatal("neither a monitor nor an error")
		}
	})
}
