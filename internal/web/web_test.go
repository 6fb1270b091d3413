package web

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

type line struct{ Name, Value string }

func (l line) Key() string { return l.Name }

// TestOnlyWhatChangedIsSent: the first message is all of it, the next ones what differs, and nothing where nothing does.
func TestOnlyWhatChangedIsSent(t *testing.T) {
	s := &sent{}
	for i, step := range []struct {
		content    Content
		body, all  bool
		rows, gone []string
	}{
		{content: Content{Body: 1, Rows: []Row{line{"a", "1"}, line{"b", "1"}}}, body: true, all: true, rows: []string{"a", "b"}},
		{content: Content{Body: 1, Rows: []Row{line{"a", "1"}, line{"b", "1"}}}},
		{content: Content{Body: 1, Rows: []Row{line{"b", "2"}, line{"a", "1"}}}, rows: []string{"b"}},
		{content: Content{Body: 2, Rows: []Row{line{"b", "2"}}}, body: true, gone: []string{"a"}},
		{content: Content{Body: 2, Rows: []Row{line{"a", "1"}, line{"b", "2"}}}, rows: []string{"a"}},
	} {
		c, err := s.next(step.content)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, r := range c.Rows {
			var l line
			if err := json.Unmarshal(r, &l); err != nil {
				t.Fatal(err)
			}
			names = append(names, l.Name)
		}
		if (c.Body != nil) != step.body || c.All != step.all || !slices.Equal(names, step.rows) || !slices.Equal(c.Gone, step.gone) {
			t.Errorf("step %d: %+v, rows %v", i, c, names)
		}
		if want := !step.body && !step.all && len(step.rows)+len(step.gone) == 0; c.empty() != want {
			t.Errorf("step %d: empty is %v", i, c.empty())
		}
	}
}

func TestPagesAreFoundByTheirPaths(t *testing.T) {
	for path, want := range map[string][]string{
		"/": {"/"}, "/hosts": {"/hosts"}, "/hosts/": {"/hosts"}, "/hosts/default/node-0": {"/hosts", "default", "node-0"},
		"/hosts/default": nil, "/hosts/default/": nil, "/hosts//node-0": nil, "/hosts/a/b/c": nil, "/nothing": nil, "/hostsx": nil, "/matrix": {"/matrix"},
	} {
		p, ok := find(path)
		if got := append([]string{p.path}, p.part...); ok != (want != nil) || ok && !slices.Equal(got, want) {
			t.Errorf("%s: %v %v, want %v", path, got, ok, want)
		}
	}
}

func newServer(t *testing.T, now func() time.Time) *Server {
	t.Helper()
	s, err := New(Options{Now: now, Tickets: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// TestNothingIsServedToStrangers: without a session there is the front end and the ways to log in; with a foreign page's request not even those.
func TestNothingIsServedToStrangers(t *testing.T) {
	h := newServer(t, time.Now).Handler()
	for _, x := range []struct {
		method, path, accept, kind, site, body string
		want                                   int
	}{
		{method: "GET", path: "/", accept: "text/html", want: 200},
		{method: "GET", path: "/login", accept: "text/html", want: 200},
		{method: "GET", path: "/nothing", accept: "text/html", want: 404},
		{method: "GET", path: "/assets/nothing.js", want: 404},
		{method: "GET", path: "/index.json", want: 401},
		{method: "GET", path: "/hosts", accept: "application/json", want: 401},
		{method: "GET", path: "/hosts", accept: "text/event-stream", want: 401},
		{method: "GET", path: "/session", want: 401},
		{method: "POST", path: "/hosts", kind: "application/json", body: `{"action":"off","hosts":["a/b"]}`, want: 401},
		{method: "POST", path: "/session/token", kind: "text/plain", body: `{"token":"x"}`, want: 415},
		{method: "POST", path: "/session/token", kind: "application/json", site: "cross-site", body: `{"token":"x"}`, want: 403},
		{method: "POST", path: "/session/token", kind: "application/json", body: `{}`, want: 400},
		{method: "POST", path: "/session/link", kind: "application/json", body: `{"code":"` + strings.Repeat("x", bodyBytes) + `"}`, want: 400},
		{method: "POST", path: "/session/link", kind: "application/json", body: `{"code":"guessed"}`, want: 403},
	} {
		r := httptest.NewRequestWithContext(t.Context(), x.method, "https://ingot.example"+x.path, strings.NewReader(x.body))
		for name, value := range map[string]string{"Accept": x.accept, "Content-Type": x.kind, "Sec-Fetch-Site": x.site} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != x.want {
			t.Errorf("%s %s (%s): %d, want %d: %.200s", x.method, x.path, x.accept+x.kind+x.site, w.Code, x.want, w.Body)
		}
		if p := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(p, "default-src 'none'") || strings.Contains(p, "unsafe") {
			t.Errorf("%s %s: policy %q", x.method, x.path, p)
		}
	}
}

// TestTheFrontEndIsSentOnce: compressed as the browser takes it, and not again where the browser has it.
func TestTheFrontEndIsSentOnce(t *testing.T) {
	h := newServer(t, time.Now).Handler()
	ask := func(encoding, have string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://ingot.example/", http.NoBody)
		r.Header.Set("Accept-Encoding", encoding)
		r.Header.Set("If-None-Match", have)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	tags := map[string]bool{}
	for _, encoding := range []string{"", "gzip", "zstd"} {
		w := ask(strings.Trim("br, "+encoding, ", "), "")
		tag := w.Header().Get("ETag")
		if w.Code != 200 || w.Header().Get("Content-Encoding") != encoding || tags[tag] {
			t.Errorf("%q: %d, encoding %q, tag %s", encoding, w.Code, w.Header().Get("Content-Encoding"), tag)
		}
		tags[tag] = true
		if again := ask(encoding, tag); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("%q again: %d with %d bytes", encoding, again.Code, again.Body.Len())
		}
	}
}
