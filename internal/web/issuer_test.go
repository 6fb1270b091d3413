package web

import (
	"crypto/sha256"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheWayBackStaysInThePage(t *testing.T) {
	for path, want := range map[string]string{
		"/hosts?state=available": "/hosts?state=available", "/": "/", "": "/", "hosts": "/", "//evil.example/x": "/", "/\\evil.example": "/",
		"https://evil.example/": "/", "/login/callback?code=x": "/", "/login": "/", "/a\nb": "/",
	} {
		if got := own(path); got != want {
			t.Errorf("%q leads to %q, want %q", path, got, want)
		}
	}
}

// TestLoginsUnderWayAreBounded: whoever begins many ends the oldest, not the memory.
func TestLoginsUnderWayAreBounded(t *testing.T) {
	now := time.Now()
	a := &attempts{open: map[[sha256.Size]byte]attempt{}}
	for i := range 2 * mostLogins {
		a.begin(attempt{until: now.Add(loginTime + time.Duration(i))}, now)
	}
	if len(a.open) != mostLogins {
		t.Errorf("%d logins are kept", len(a.open))
	}
	a.begin(attempt{}, now.Add(2*loginTime))
	if len(a.open) != 1 {
		t.Errorf("%d logins are kept after their time", len(a.open))
	}
}

// TestAnIssuerIsOneOfTheFile: no other is asked, and a file that cannot be read says so.
func TestAnIssuerIsOneOfTheFile(t *testing.T) {
	s := newServer(t, time.Now)
	s.o.Issuers = filepath.Join(t.TempDir(), "authentication.yaml")
	s.o.Log = slog.New(slog.DiscardHandler)
	ask := func(method, path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, "https://ingot.example"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		return w
	}
	if w := ask(http.MethodGet, "/session/issuers", ""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("without the file: %d %s", w.Code, w.Body)
	}
	if err := os.WriteFile(s.o.Issuers, []byte("jwt: [{issuer: {url: https://login.example, audiences: [ingot]}}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if w := ask(http.MethodGet, "/session/issuers", ""); strings.TrimSpace(w.Body.String()) != `["https://login.example"]` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(http.MethodPost, "/session/issuer", `{"issuer":"https://evil.example"}`); w.Code != http.StatusBadGateway || !strings.Contains(w.Body.String(), "no issuer of this site") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(http.MethodPost, "/session/code", `{"state":"x","code":"y"}`); w.Code != http.StatusForbidden {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
