package web_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/internal/ship/shiptest"
	"github.com/ingotmetal/ingot/internal/ship/web"
)

// archive is a receiver as a site would write one: it keeps each number once.
type archive struct {
	mu    sync.Mutex
	lines []string
	last  uint64
	calls int
	t     *testing.T
}

func (a *archive) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls++
	switch {
	case req.Header.Get("Authorization") != "Bearer the-token":
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	case a.calls%4 == 1:
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	case a.calls%4 == 2:
		http.Redirect(w, req, "https://elsewhere.invalid/", http.StatusTemporaryRedirect)
		return
	}
	if req.Header.Get(web.HeaderInstallation) == "" || req.Header.Get(web.HeaderFirst) == "" || req.Header.Get("Content-Type") != "application/x-ndjson" {
		a.t.Errorf("headers %v", req.Header)
	}
	in := bufio.NewScanner(req.Body)
	in.Buffer(nil, 2*audit.MaxLine)
	for in.Scan() {
		r, _, err := audit.Parse(in.Bytes())
		if err != nil {
			a.t.Error(err)
			continue
		}
		if r.Seq > a.last {
			a.last = r.Seq
			a.lines = append(a.lines, in.Text())
		}
	}
	if a.calls%4 == 3 {
		// It has them, and its answer is lost.
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusNoContent)
}

func TestByHTTPS(t *testing.T) {
	tr := shiptest.New(t)
	a := &archive{t: t}
	server := httptest.NewTLSServer(a)
	defer server.Close()
	target, err := url.Parse(server.URL + "/audit")
	if err != nil {
		t.Fatal(err)
	}
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sink, err := web.New(target, token, server.Client().Transport.(*http.Transport))
	if err != nil {
		t.Fatal(err)
	}
	tr.Write(t, 700)
	tr.Run(t, sink, func(context.Context) bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.calls > 1
	})
	if len(a.lines) > 0 {
		t.Error("records were taken with a wrong token")
	}
	// The token is renewed in its file.
	if err := os.WriteFile(token, []byte("the-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		tr.Write(t, 10)
		tr.Run(t, sink, func(context.Context) bool { return tr.Sent(t) })
	}
	tr.Whole(t, a.lines)
}

func TestRefusedURLs(t *testing.T) {
	for text, want := range map[string]string{
		"http://archive.example/x": "https is needed", "https://user:pw@archive.example/": "--secret-file", "ftp://archive.example/": "https is needed",
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := web.New(u, "", nil); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pw") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	for _, text := range []string{"http://127.0.0.1:8080/x", "http://[::1]:8080/x", "https://archive.example/x"} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := web.New(u, "", nil); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
