package media_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/bootmedia"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/internal/server/media"
	"github.com/ingotmetal/ingot/internal/server/window"
	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/netboot/medium"
)

const (
	size   = 1 << 20
	offset = 200 * 2048
	name   = "5d41402abc4b2a76b9719d911017c592"
	path   = "/media/" + name + ".iso"
)

var opens = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

type site struct {
	handler *media.Handler
	// want is the whole ISO, patched by a plain copy.
	want     []byte
	now      time.Time
	outcomes []string
}

func entry() window.Entry {
	return window.Entry{MediumName: name, Token: secret.New("one-time"), Config: medium.Config{BootID: "boot"},
		Window: netboot.Window{BootID: "boot", Boots: netboot.BootsMedia, OpensAt: opens, ClosesAt: opens.Add(time.Hour)}}
}

func newSite(t testing.TB) *site {
	t.Helper()
	base := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{3}).Read(base) // never fails
	e := entry()
	archive, err := e.Archive()
	if err != nil {
		t.Fatal(err)
	}
	st := &site{want: slices.Clone(base), now: opens}
	copy(st.want[offset:], archive)
	windows := window.New()
	if err := windows.Put(e); err != nil {
		t.Fatal(err)
	}
	st.handler = &media.Handler{
		Windows: windows, ISODigest: "digest", Now: func() time.Time { return st.now }, Log: slog.New(slog.DiscardHandler),
		Count: func(o string) { st.outcomes = append(st.outcomes, o) },
		Patched: func(archive []byte) (*io.SectionReader, error) {
			return bootmedia.Patched(bytes.NewReader(base), size, bootmedia.Region{Offset: offset, Bytes: medium.Size}, archive)
		},
	}
	return st
}

func (st *site) get(method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), method, "https://boot"+path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	st.handler.ServeHTTP(w, r)
	return w
}

func TestWhole(t *testing.T) {
	st := newSite(t)
	w := st.get(http.MethodGet, path)
	if w.Code != http.StatusOK || !bytes.Equal(w.Body.Bytes(), st.want) || w.Header().Get("Accept-Ranges") != "bytes" {
		t.Errorf("status %d, %d bytes", w.Code, w.Body.Len())
	}
	head := st.get(http.MethodHead, path)
	if head.Code != http.StatusOK || head.Header().Get("Content-Length") != fmt.Sprint(size) || head.Body.Len() != 0 {
		t.Errorf("HEAD: status %d, length %s, %d bytes", head.Code, head.Header().Get("Content-Length"), head.Body.Len())
	}
	if w.Header().Get("ETag") == "" || w.Header().Get("ETag") != head.Header().Get("ETag") {
		t.Errorf("entity tags %q and %q", w.Header().Get("ETag"), head.Header().Get("ETag"))
	}
}

// Ranges of any size and place are the same bytes as of the whole, and the region's edges are among them.
func TestRanges(t *testing.T) {
	st := newSite(t)
	random := rand.New(rand.NewPCG(3, 4))
	type span struct{ from, to int }
	spans := []span{{0, 0}, {0, size - 1}, {size - 1, size - 1}, {offset - 1, offset}, {offset, offset + medium.Size - 1},
		{offset + medium.Size - 1, offset + medium.Size}, {offset - 2048, offset + medium.Size + 2048}, {offset + 7, offset + 9}}
	for range 300 {
		from := random.IntN(size)
		spans = append(spans, span{from, from + random.IntN(size-from)})
	}
	for _, s := range spans {
		w := st.get(http.MethodGet, path, "Range", fmt.Sprintf("bytes=%d-%d", s.from, s.to))
		if w.Code != http.StatusPartialContent || !bytes.Equal(w.Body.Bytes(), st.want[s.from:s.to+1]) {
			t.Fatalf("bytes %d to %d: status %d, %d bytes", s.from, s.to, w.Code, w.Body.Len())
		}
	}
	if w := st.get(http.MethodGet, path, "Range", "bytes=-100"); !bytes.Equal(w.Body.Bytes(), st.want[size-100:]) {
		t.Error("the last 100 bytes differ")
	}
	if w := st.get(http.MethodGet, path, "Range", fmt.Sprintf("bytes=%d-", size)); w.Code != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("behind the end: status %d", w.Code)
	}
}

func TestSeveralRanges(t *testing.T) {
	st := newSite(t)
	w := st.get(http.MethodGet, path, "Range", fmt.Sprintf("bytes=0-9,%d-%d", offset, offset+19))
	_, params, err := mime.ParseMediaType(w.Header().Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(w.Body, params["boundary"])
	for _, want := range [][]byte{st.want[:10], st.want[offset : offset+20]} {
		p, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(p); err != nil || !bytes.Equal(got, want) {
			t.Errorf("part % x (%v), want % x", got, err, want)
		}
	}
}

// A BMC that goes on with a download must not join two boots' bytes.
func TestIfRange(t *testing.T) {
	st := newSite(t)
	tag := st.get(http.MethodHead, path).Header().Get("ETag")
	if w := st.get(http.MethodGet, path, "Range", "bytes=5-6", "If-Range", tag); w.Code != http.StatusPartialContent {
		t.Errorf("same boot: status %d", w.Code)
	}
	other := entry()
	other.Token = secret.New("another")
	if err := st.handler.Windows.Put(other); err != nil {
		t.Fatal(err)
	}
	if w := st.get(http.MethodGet, path, "Range", "bytes=5-6", "If-Range", tag); w.Code != http.StatusOK || w.Body.Len() != size {
		t.Errorf("other boot: status %d with %d bytes, want the whole", w.Code, w.Body.Len())
	}
}

// Whatever is not served looks the same.
func TestNotFound(t *testing.T) {
	tests := []struct {
		name, method, path string
		edit               func(st *site)
		want               string
	}{
		{"another name", http.MethodGet, "/media/0.iso", nil, "no-such-medium"},
		{"the directory", http.MethodGet, "/media/", nil, "no-such-medium"},
		{"the root", http.MethodGet, "/", nil, "no-such-medium"},
		{"no suffix", http.MethodGet, "/media/" + name, nil, "no-such-medium"},
		{"no name", http.MethodGet, "/media/.iso", nil, "no-such-medium"},
		{"the boot's ID", http.MethodGet, "/media/boot.iso", nil, "no-such-medium"},
		{"a way out", http.MethodGet, "/media/../media/" + name + ".iso", nil, "no-such-medium"},
		{"a write", http.MethodPut, path, nil, "method-not-allowed"},
		{"too early", http.MethodGet, path, func(st *site) { st.now = opens.Add(-1) }, "window-not-open-yet"},
		{"too late", http.MethodGet, path, func(st *site) { st.now = opens.Add(time.Hour) }, "window-closed"},
		{"redeemed", http.MethodGet, path, func(st *site) {
			e := entry()
			e.Redeemed = true
			_ = st.handler.Windows.Put(e)
		}, "token-already-redeemed"},
	}
	for _, tc := range tests {
		st := newSite(t)
		if tc.edit != nil {
			tc.edit(st)
		}
		w := st.get(tc.method, tc.path)
		if w.Code != http.StatusNotFound || w.Body.String() != "not found\n" || w.Header().Get("ETag") != "" {
			t.Errorf("%s: status %d, %q", tc.name, w.Code, w.Body)
		}
		if !slices.Equal(st.outcomes, []string{tc.want}) {
			t.Errorf("%s: counted %v, want %s", tc.name, st.outcomes, tc.want)
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, seed := range []string{path, "/media/", "//media/x.iso", "/media/%2e%2e/x.iso", "/boot/boot/boot.cpio", "\x00", ""} {
		f.Add(seed)
	}
	st := newSite(f)
	st.handler.Count = func(string) {}
	f.Fuzz(func(t *testing.T, p string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://boot/", nil)
		r.URL.Path = p
		r.Header.Set("Range", "bytes=0-9")
		w := httptest.NewRecorder()
		st.handler.ServeHTTP(w, r)
		if served := w.Code == http.StatusPartialContent; served != (p == path) {
			t.Fatalf("%q: status %d", p, w.Code)
		}
	})
}

// BenchmarkRange is what a BMC does: small ranges, one after the other, over TLS.
func BenchmarkRange(b *testing.B) {
	for _, n := range []int{32 << 10, size} {
		b.Run(fmt.Sprintf("%d KiB", n>>10), func(b *testing.B) {
			st := newSite(b)
			st.handler.Count = func(string) {}
			server := httptest.NewTLSServer(st.handler)
			defer server.Close()
			client := server.Client()
			r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, server.URL+path, nil)
			if err != nil {
				b.Fatal(err)
			}
			r.Header.Set("Range", fmt.Sprintf("bytes=0-%d", n-1))
			b.SetBytes(int64(n))
			for b.Loop() {
				answer, err := client.Do(r)
				if err != nil {
					b.Fatal(err)
				}
				if got, err := io.Copy(io.Discard, answer.Body); err != nil || got != int64(n) {
					b.Fatal(got, err)
				}
				_ = answer.Body.Close()
			}
		})
	}
}
