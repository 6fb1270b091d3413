package verified_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/image/fetch"
	"github.com/ingotmetal/ingot/internal/image/verified"
	"github.com/ingotmetal/ingot/step"
)

func options(dir string) verified.Options {
	return verified.Options{
		Transport: func(fetch.Policy) http.RoundTripper { return http.DefaultTransport }, Folder: dir, MaxBytes: 128 << 20, AtOnce: 1,
		Retry: fetch.Retry{Attempts: 2, First: time.Millisecond},
	}
}

func empty(t *testing.T, dir string) {
	t.Helper()
	if all, err := os.ReadDir(dir); err != nil || len(all) != 0 {
		t.Errorf("files are left: %v, %v", all, err)
	}
}

func TestAFileIsHeldOnceItsDigestIsRight(t *testing.T) {
	const size = 100 << 20
	sum := sha256.New()
	if _, err := io.CopyN(sum, zeros{}, size); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.CopyN(w, zeros{}, size) }))
	t.Cleanup(s.Close)
	dir := t.TempDir()
	f := verified.New(options(dir))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	file, err := f.Fetch(t.Context(), s.URL+"/bios.bin", hex.EncodeToString(sum.Sum(nil)))
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
		t.Errorf("%d MiB were allocated for a file of 100 MiB", grown>>20)
	}
	if b := make([]byte, 10); file.Size() != size {
		t.Errorf("%d bytes", file.Size())
	} else if n, err := file.ReadAt(b, size-5); n != 5 || !errors.Is(err, io.EOF) {
		t.Error(n, err)
	}
	empty(t, dir)
	if _, err := f.Fetch(t.Context(), s.URL, ""); !errors.Is(err, verified.ErrBusy) {
		t.Errorf("a second file at once: %v", err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	var wrong *step.Failure
	if _, err := f.Fetch(t.Context(), s.URL+"/bios.bin", strings.Repeat("0", 64)); !errors.As(err, &wrong) || wrong.Kind != step.Invalid || !strings.Contains(wrong.Message, "digest") {
		t.Errorf("a wrong digest: %v", err)
	}
	empty(t, dir)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestWhatIsNotHeld(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/huge":
			_, _ = io.CopyN(w, zeros{}, 130<<20)
		case "/announced":
			w.Header().Set("Content-Length", "200000000")
			_, _ = w.Write(nil)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	dir := t.TempDir()
	f := verified.New(options(dir))
	for url, text := range map[string]string{
		s.URL + "/huge": "too large", s.URL + "/announced": "too large", s.URL + "/missing": "404", "ftp://files/bios": "not http or https", "http://169.254.169.254/latest": "not one that images come from",
	} {
		_, err := f.Fetch(t.Context(), url, strings.Repeat("0", 64))
		var failure *step.Failure
		if !errors.As(err, &failure) || failure.Kind != step.Invalid || !strings.Contains(failure.Message, text) {
			t.Errorf("%s: %v", url, err)
		}
	}
	empty(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Fetch(ctx, s.URL+"/huge", ""); err == nil {
		t.Error("fetched after the context's end")
	}
}
