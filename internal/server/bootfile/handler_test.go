package bootfile_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/internal/server/bootfile"
	"github.com/ingotmetal/ingot/internal/server/window"
	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/netboot/medium"
)

const bootID = "0f3c9b7e5a1d4c2f8e6b0a9d7c5f3e1b"

var opens = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

type site struct {
	handler  *bootfile.Handler
	now      time.Time
	outcomes []string
}

func newSite(t testing.TB) *site {
	t.Helper()
	st := &site{now: opens}
	windows := window.New()
	windows.SetSettings(netboot.Settings{Mode: netboot.Server, BootServer: netip.MustParseAddr("10.0.0.1")})
	mac := netboot.MAC{2}
	err := windows.Put(window.Entry{Token: secret.New("one-time"), Config: medium.Config{BootID: bootID}, Window: netboot.Window{
		BootID: bootID, Boots: netboot.BootsAgent, MACs: []netboot.MAC{mac}, OpensAt: opens, ClosesAt: opens.Add(time.Hour),
		Leases: []netboot.Lease{{MAC: mac, Address: netip.MustParsePrefix("10.0.0.12/24")}}}})
	if err != nil {
		t.Fatal(err)
	}
	st.handler = &bootfile.Handler{
		Windows: windows, CommandLine: netboot.DefaultCommandLine(), Now: func() time.Time { return st.now },
		Log: slog.New(slog.DiscardHandler), Count: func(o string) { st.outcomes = append(st.outcomes, o) },
		File: func(name string) (*io.SectionReader, bool) {
			content := "content of " + name
			return io.NewSectionReader(strings.NewReader(content), 0, int64(len(content))), true
		},
	}
	return st
}

// get gives nil when the connection is closed without an answer.
func (st *site) get(method, path, from string) (w *httptest.ResponseRecorder) {
	r := httptest.NewRequestWithContext(context.Background(), method, "http://10.0.0.1/", nil)
	r.URL.Path, r.RemoteAddr = path, from
	defer func() {
		if reason := recover(); reason != nil {
			if err, ok := reason.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(reason)
			}
			w = nil
		}
	}()
	w = httptest.NewRecorder()
	st.handler.ServeHTTP(w, r)
	return w
}

const machine = "10.0.0.12:1024"

func TestEveryFileThatIsOffered(t *testing.T) {
	st := newSite(t)
	for _, file := range netboot.Files(netboot.HTTP) {
		w := st.get(http.MethodGet, "/boot/"+bootID+"/"+file, machine)
		if w == nil || w.Code != http.StatusOK || w.Body.Len() == 0 {
			t.Fatalf("%s is not served: %+v", file, w)
		}
		switch file {
		case netboot.FileScript:
			if !strings.HasPrefix(w.Body.String(), "#!ipxe\n") || strings.Contains(w.Body.String(), "one-time") {
				t.Errorf("script:\n%s", w.Body)
			}
		case netboot.FileArchive:
			if c, err := medium.Decode(w.Body.Bytes()); err != nil || c.Token != "one-time" {
				t.Errorf("boot configuration: %+v, %v", c, err)
			}
		default:
			if w.Body.String() != "content of "+file {
				t.Errorf("%s: %q", file, w.Body)
			}
		}
	}
}

func TestNothingIsAnswered(t *testing.T) {
	script := "/boot/" + bootID + "/boot.ipxe"
	tests := []struct {
		name, method, path, from string
		now                      time.Time
		want                     string
	}{
		{"a neighbour", http.MethodGet, script, "10.0.0.99:1024", opens, "not-the-address-leased-in-this-window"},
		{"too early", http.MethodGet, script, machine, opens.Add(-1), "window-not-open-yet"},
		{"too late", http.MethodGet, script, machine, opens.Add(time.Hour), "window-closed"},
		{"another boot", http.MethodGet, "/boot/0/boot.ipxe", machine, opens, "no-window-for-this-mac"},
		{"the root", http.MethodGet, "/", machine, opens, "no-such-file"},
		{"the boot's directory", http.MethodGet, "/boot/" + bootID + "/", machine, opens, "no-such-file"},
		{"a file of TFTP", http.MethodGet, "/boot/" + bootID + "/snponly.efi", machine, opens, "no-such-file"},
		{"a way out", http.MethodGet, "/boot/" + bootID + "/../../etc/passwd", machine, opens, "no-such-file"},
		{"a write", http.MethodPost, script, machine, opens, "method-not-allowed"},
	}
	for _, tc := range tests {
		st := newSite(t)
		st.now = tc.now
		if w := st.get(tc.method, tc.path, tc.from); w != nil {
			t.Errorf("%s: answered with status %d", tc.name, w.Code)
		}
		if !slices.Equal(st.outcomes, []string{tc.want}) {
			t.Errorf("%s: counted %v, want %s", tc.name, st.outcomes, tc.want)
		}
	}
}

// A scanner of the real server sees a connection that is closed.
func TestClosedOnTheWire(t *testing.T) {
	st := newSite(t)
	server := httptest.NewUnstartedServer(st.handler)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Start()
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/boot/"+bootID+"/boot.ipxe", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := server.Client().Do(r)
	if err == nil {
		_ = answer.Body.Close()
		t.Fatalf("answered with %s", answer.Status)
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("error %v, want a connection closed without an answer", err)
	}
}

func FuzzPath(f *testing.F) {
	for _, seed := range []string{"/boot/" + bootID + "/boot.ipxe", "/boot/" + bootID + "/vmlinuz/", "/boot//boot.cpio", "boot", "/boot/../boot.cpio", "\x00", ""} {
		f.Add(seed)
	}
	st := newSite(f)
	st.handler.Count = func(string) {}
	f.Fuzz(func(t *testing.T, path string) {
		w := st.get(http.MethodGet, path, machine)
		rest, ours := strings.CutPrefix(path, "/boot/"+bootID+"/")
		if served := w != nil; served != (ours && slices.Contains(netboot.Files(netboot.HTTP), rest)) {
			t.Fatalf("%q: served %v", path, served)
		}
		if w != nil && bytes.Contains(w.Body.Bytes(), []byte("one-time")) && rest != netboot.FileArchive {
			t.Fatalf("%q shows the token", path)
		}
	})
}
