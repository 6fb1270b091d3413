package image_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/image"
	"github.com/ingotmetal/ingot/internal/image/fetch"
)

// server serves one file and misbehaves as told.
type server struct {
	data []byte
	// drops are positions in the file at which a connection is cut, each once.
	drops []int64
	// noRanges answers every request with the whole file; noSize hides its size; noTag sends no ETag.
	noRanges, noSize, noTag bool
	// changeAfter makes the ETag another one after that many requests.
	changeAfter int
	// changeContentAfter serves another last byte after that many requests.
	changeContentAfter int
	// stallAt sends nothing more after that position, once.
	stallAt int64

	mu       sync.Mutex
	requests int
	extra    map[string]string // other paths with their content
}

func (s *server) start(t testing.TB) string {
	t.Helper()
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return h.URL
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if text, ok := s.extra[r.URL.Path]; ok {
		_, _ = io.WriteString(w, text)
		return
	}
	s.mu.Lock()
	s.requests++
	tag := `"v1"`
	if s.changeAfter > 0 && s.requests > s.changeAfter {
		tag = `"v2"`
	}
	if s.changeContentAfter > 0 && s.requests == s.changeContentAfter+1 {
		s.data = append(s.data[:len(s.data)-1:len(s.data)-1], s.data[len(s.data)-1]^1)
	}
	s.mu.Unlock()
	if !s.noTag {
		w.Header().Set("ETag", tag)
	}
	from, to, status := int64(0), int64(len(s.data)), http.StatusOK
	if ifRange := r.Header.Get("If-Range"); !s.noRanges && (ifRange == "" || ifRange == tag) {
		from, to, status = span(r.Header.Get("Range"), to)
	}
	if !s.noRanges {
		w.Header().Set("Accept-Ranges", "bytes")
	}
	if status == http.StatusPartialContent {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(s.data)))
	}
	if !s.noSize {
		w.Header().Set("Content-Length", strconv.FormatInt(to-from, 10))
	}
	w.WriteHeader(status)
	s.send(w, r, from, to)
}

func span(header string, size int64) (from, to int64, status int) {
	first, last, ok := strings.Cut(strings.TrimPrefix(header, "bytes="), "-")
	if !ok {
		return 0, size, http.StatusOK
	}
	from, _ = strconv.ParseInt(first, 10, 64)
	to = size
	if n, err := strconv.ParseInt(last, 10, 64); err == nil {
		to = n + 1
	}
	return from, to, http.StatusPartialContent
}

func (s *server) send(w http.ResponseWriter, r *http.Request, from, to int64) {
	cut, stall := int64(-1), false
	s.mu.Lock()
	for i, d := range s.drops {
		if d >= from && d < to {
			cut = d
			s.drops = append(s.drops[:i:i], s.drops[i+1:]...)
			break
		}
	}
	if s.stallAt > 0 && s.stallAt >= from && s.stallAt < to {
		cut, stall, s.stallAt = s.stallAt, true, 0
	}
	s.mu.Unlock()
	if cut < 0 {
		_, _ = io.Copy(w, bytes.NewReader(s.data[from:to]))
		return
	}
	_, _ = w.Write(s.data[from:cut])
	_ = http.NewResponseController(w).Flush()
	if stall {
		<-r.Context().Done()
	}
	panic(http.ErrAbortHandler)
}

// options are quick about retries.
func options() image.Options {
	return image.Options{
		Transport: &http.Transport{DisableKeepAlives: true},
		Retry:     fetch.Retry{First: time.Millisecond, Longest: 4 * time.Millisecond, Stall: 2 * time.Second},
	}
}
