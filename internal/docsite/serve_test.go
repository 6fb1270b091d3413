package docsite

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ingotmetal/ingot/docs"
)

// asked is a request's answer.
func asked(t *testing.T, h http.Handler, url string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestServed(t *testing.T) {
	h := Handler("/docs/", docs.Pages, slog.New(slog.DiscardHandler))
	for _, x := range []struct {
		url  string
		code int
		kind string
		has  string
	}{
		{"/docs/", http.StatusOK, "text/html; charset=utf-8", "<form action=\"search\""},
		{"/docs/index.html", http.StatusOK, "text/html; charset=utf-8", "<a href=\"/\">"},
		{"/docs/howto/mesh.html", http.StatusOK, "text/html; charset=utf-8", "<form action=\"../search\""},
		{"/docs/howto/mesh.md", http.StatusOK, "text/markdown; charset=utf-8", "# "},
		{"/docs/style.css", http.StatusOK, "text/css; charset=utf-8", "body{"},
		{"/docs/reference/drawings/matrix.svg", http.StatusOK, "image/svg+xml", "<svg"},
		{"/docs/search?q=mesh", http.StatusOK, "text/html; charset=utf-8", "<mark>"},
		{"/docs/search", http.StatusOK, "text/html; charset=utf-8", "in the field above"},
		{"/docs/search?q=qqzzqq", http.StatusOK, "text/html; charset=utf-8", "No page has all"},
		{"/docs/man/ingot/ingot.1", http.StatusNotFound, "text/plain; charset=utf-8", "no such page"},
		{"/docs/../go.mod", http.StatusNotFound, "text/plain; charset=utf-8", "no such page"},
		{"/docs/nothing.html", http.StatusNotFound, "text/plain; charset=utf-8", "no such page"},
	} {
		w := asked(t, h, x.url)
		if w.Code != x.code || w.Header().Get("Content-Type") != x.kind || !strings.Contains(w.Body.String(), x.has) {
			t.Errorf("%s: %d %s, want %d %s with %q; it says\n%.300s", x.url, w.Code, w.Header().Get("Content-Type"), x.code, x.kind, x.has, w.Body)
		}
		tag := w.Header().Get("ETag")
		if x.code != http.StatusOK {
			continue
		}
		if again := asked(t, h, x.url, "If-None-Match", tag); tag == "" || again.Code != http.StatusNotModified || again.Body.Len() != 0 {
			t.Errorf("%s: a browser that has it is sent it again: %d with %d bytes", x.url, again.Code, again.Body.Len())
		}
	}
	if w := asked(t, h, "/docs/"); !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("a page's policy is %q", w.Header().Get("Content-Security-Policy"))
	}
}

// TestWhatIsSearchedForIsText: it comes from a link that anybody can send.
func TestWhatIsSearchedForIsText(t *testing.T) {
	h := Handler("/docs/", docs.Pages, slog.New(slog.DiscardHandler))
	for _, query := range []string{`%3Cscript%3Ealert(1)%3C/script%3E`, `%22%20autofocus%20onfocus=alert(1)%20x=%22`, "%ff%fe%3Cb%3E"} {
		body := asked(t, h, "/docs/search?q="+query).Body.String()
		for _, bad := range []string{"<script", `" autofocus`, "<b>"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s: the page has %s", query, bad)
			}
		}
	}
}

func TestBrokenDocumentationIsSaid(t *testing.T) {
	var log strings.Builder
	h := Handler("/docs/", fstest.MapFS{"index.md": {Data: []byte("no title")}}, slog.New(slog.NewTextHandler(&log, nil)))
	if w := asked(t, h, "/docs/"); w.Code != http.StatusInternalServerError || !strings.Contains(log.String(), "has no title") {
		t.Errorf("%d, log %s", w.Code, log.String())
	}
}
