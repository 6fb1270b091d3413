package machine

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ingotmetal/ingot/netboot/medium"
)

func TestBootInterface(t *testing.T) {
	for cmdline, want := range map[string]string{
		"quiet BOOTIF=01-52-54-00-AB-00-01 panic=30\n": "52:54:00:ab:00:01",
		"BOOTIF=52-54-00-ab-00-01":                     "",
		"BOOTIF=":                                      "",
		"":                                             "",
	} {
		if got := bootInterface(cmdline); got != want {
			t.Errorf("%q: %q, want %q", cmdline, got, want)
		}
	}
}

func TestReadConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "boot.json")
	if _, err := readConfig(file); err == nil || !strings.Contains(err.Error(), "outside of a boot window") {
		t.Errorf("no file: %v", err)
	}
	for content, fits := range map[string]bool{
		`{"bootID":"b","token":"t","endpoint":"https://h:1","caPEM":"x"}`: true, `{"bootID":"b","endpoint":"https://h:1"}`: false, `{}`: false, `nothing`: false,
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readConfig(file); (err == nil) != fits {
			t.Errorf("%s: %v", content, err)
		}
	}
}

// What Encode of the medium writes is what the agent reads.
func TestReadConfigIsTheMediums(t *testing.T) {
	want := medium.Config{BootID: "b", Token: "t", Endpoint: "https://h:1", CAPEM: "x", IssuedAt: time.Unix(1, 0).UTC()}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "boot.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := readConfig(file); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
}

func event(kind, code uint16, value uint32) []byte {
	e := make([]byte, eventSize)
	binary.NativeEndian.PutUint16(e[eventSize-8:], kind)
	binary.NativeEndian.PutUint16(e[eventSize-6:], code)
	binary.NativeEndian.PutUint32(e[eventSize-4:], value)
	return e
}

func TestPowerPressed(t *testing.T) {
	for name, c := range map[string]struct {
		events []byte
		want   bool
	}{
		"pressed after others": {slices.Concat(event(4, 4, 1), event(1, 30, 1), event(1, 116, 1), event(0, 0, 0)), true},
		"released":             {event(1, 116, 0), false},
		"another key":          {event(1, 30, 1), false},
		"cut off":              {event(1, 116, 1)[:eventSize-1], false},
	} {
		if got := powerPressed(c.events); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestOpenPorts(t *testing.T) {
	root := fstest.MapFS{
		"proc/net/tcp": {Data: []byte("  sl  local_address rem_address   st tx_queue\n   0: 0100007F:0016 00000000:0000 0A 0\n   1: 0F02000A:8001 0202000A:01BB 01 0\n")},
		"proc/net/udp": {Data: []byte("  sl  local_address rem_address   st tx_queue\n   0: 00000000:0044 00000000:0000 07 0\n")},
	}
	if got := openPorts(root); !slices.Equal(got, []string{"tcp 0100007F:0016", "udp 00000000:0044"}) {
		t.Errorf("%v", got)
	}
}

// stuckWriter never takes its first line until it is let go.
type stuckWriter struct{ release chan struct{} }

func (s stuckWriter) Write(p []byte) (int, error) {
	<-s.release
	return len(p), nil
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func TestAStuckConsoleHoldsNobodyUp(t *testing.T) {
	stuck, screen := stuckWriter{make(chan struct{})}, &lockedBuffer{}
	defer close(stuck.release)
	c := newConsole(screen, stuck)
	logger := slog.New(c.handler())
	for range 3 * consoleLines {
		logger.Info("line")
	}
	logger.Info("last")
	c.drain()
	screen.mu.Lock()
	defer screen.mu.Unlock()
	if text := screen.b.String(); !strings.Contains(text, "msg=line") || strings.Contains(strings.ReplaceAll(text, "\r\n", ""), "\n") {
		t.Errorf("printed %q", text)
	}
}
