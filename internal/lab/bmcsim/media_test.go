package bmcsim_test

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
)

// mediaHost is a TLS server for media that counts how it is read.
type mediaHost struct {
	*httptest.Server
	whole, ranges atomic.Int32
	content       atomic.Value
}

func newMediaHost(t *testing.T) *mediaHost {
	t.Helper()
	h := &mediaHost{}
	h.content.Store(strings.Repeat("0123456789abcdef", 20_000))
	h.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") == "" {
			h.whole.Add(1)
		} else {
			h.ranges.Add(1)
		}
		content := h.content.Load().(string) // stored above
		w.Header().Set("ETag", `"`+content[:4]+`"`)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
	}))
	h.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that fail are a test
	h.StartTLS()
	t.Cleanup(h.Close)
	return h
}

func (h *mediaHost) insert(t *testing.T, r rig) (int, map[string]any) {
	t.Helper()
	return r.do(t, http.MethodPost, "/redfish/v1/Managers/1/VirtualMedia/Cd/Actions/VirtualMedia.InsertMedia", map[string]any{"Image": h.URL + "/a.iso"})
}

func eject(t *testing.T, r rig) {
	t.Helper()
	if status, doc := r.do(t, http.MethodPost, "/redfish/v1/Managers/1/VirtualMedia/Cd/Actions/VirtualMedia.EjectMedia", map[string]any{}); status != http.StatusNoContent {
		t.Fatalf("eject: %d %v", status, doc)
	}
}

func TestMediaByRange(t *testing.T) {
	h := newMediaHost(t)
	r := newRig(t, bmcsim.Options{MediaRoots: h.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}, nil) // httptest's client
	if status, doc := h.insert(t, r); status != http.StatusNoContent {
		t.Fatalf("insert: %d %v", status, doc)
	}
	m := r.bmc.PeekBoot().Medium
	want := h.content.Load().(string) // stored by newMediaHost
	for _, at := range []struct{ off, n int }{{0, 16}, {65530, 12}, {3, 200_000}, {len(want) - 5, 5}} {
		got := make([]byte, at.n)
		n, err := m.Image.ReadAt(got, int64(at.off))
		if n != at.n || (err != nil && !errors.Is(err, io.EOF)) || string(got) != want[at.off:at.off+at.n] {
			t.Errorf("read %d at %d: %d, %v", at.n, at.off, n, err)
		}
	}
	if n, err := m.Image.ReadAt(make([]byte, 10), m.Size-4); n != 4 || !errors.Is(err, io.EOF) {
		t.Errorf("read over the end: %d, %v, want 4 and EOF", n, err)
	}
	if h.whole.Load() != 0 || h.ranges.Load() == 0 {
		t.Errorf("%d whole downloads and %d ranges, want ranges only", h.whole.Load(), h.ranges.Load())
	}
	h.content.Store(strings.Repeat("another image!!!", 20_000))
	if _, err := m.Image.ReadAt(make([]byte, 100_000), 0); err == nil {
		t.Error("a file that changed under its reader was read on")
	}
	if status, _ := h.insert(t, r); status != http.StatusConflict {
		t.Errorf("insert into a full drive: %d, want %d", status, http.StatusConflict)
	}
	eject(t, r)
	if changes := r.machine.Changes(); len(changes) != 2 || changes[0] != m || changes[1] != nil {
		t.Errorf("the machine was told of %v, want the medium and its end", changes)
	}
}

func TestMediaByDownload(t *testing.T) {
	h := newMediaHost(t)
	dir := t.TempDir()
	r := newRig(t, bmcsim.Options{Dir: dir}, func(c *bmcsim.Config) { c.Fetch = bmcsim.Download })
	for range 2 {
		if status, doc := h.insert(t, r); status != http.StatusNoContent {
			t.Fatalf("insert: %d %v", status, doc)
		}
		m := r.bmc.PeekBoot().Medium
		content, err := os.ReadFile(m.Path)
		must(t, err)
		if string(content) != h.content.Load() || m.Size != int64(len(content)) {
			t.Errorf("the file has %d bytes, the medium says %d", len(content), m.Size)
		}
		eject(t, r)
	}
	if status, _ := h.insert(t, r); status != http.StatusNoContent {
		t.Fatalf("insert: %d", status)
	}
	must(t, r.bmc.Close())
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	must(t, err)
	if len(files) != 0 {
		t.Errorf("media stay behind: %v", files)
	}
}

func TestMediaCertificate(t *testing.T) {
	h := newMediaHost(t)
	other := newRig(t, bmcsim.Options{}, nil).server.Roots()
	r := newRig(t, bmcsim.Options{MediaRoots: other}, nil)
	status, doc := h.insert(t, r)
	if status != http.StatusBadRequest || !strings.Contains(mustJSON(t, doc), "certificate") {
		t.Fatalf("a medium from a server that is not trusted: %d %v", status, doc)
	}
	if status, _ := r.do(t, http.MethodPatch, "/redfish/v1/Managers/1/VirtualMedia/Cd", map[string]any{"VerifyCertificate": false}); status != http.StatusNoContent {
		t.Fatalf("switch the verification off: %d", status)
	}
	if status, doc := h.insert(t, r); status != http.StatusNoContent {
		t.Errorf("with verification off: %d %v", status, doc)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	must(t, err)
	return string(b)
}
