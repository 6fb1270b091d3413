package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/image/fetch"
	"github.com/ingotmetal/ingot/step"
)

func client(rt http.RoundTripper) *fetch.Client {
	if rt == nil {
		rt = http.DefaultTransport
	}
	return &fetch.Client{Transport: rt, Retry: fetch.Retry{Attempts: 3, First: time.Millisecond, Longest: time.Millisecond, Stall: 5 * time.Second}}
}

func get(t *testing.T, c *fetch.Client, url string) ([]byte, error) {
	t.Helper()
	s, err := c.Open(t.Context(), url)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	return io.ReadAll(s)
}

func kind(t *testing.T, err error) step.FailureKind {
	t.Helper()
	var f *step.Failure
	if !errors.As(err, &f) {
		t.Fatalf("error %v is no *step.Failure", err)
	}
	return f.Kind
}

func TestStatuses(t *testing.T) {
	for status, want := range map[int]step.FailureKind{
		401: step.Denied, 403: step.Denied, 404: step.Invalid, 410: step.Invalid, 400: step.Invalid, 204: step.Invalid,
		408: step.Unreachable, 429: step.Unreachable, 500: step.Unreachable, 503: step.Unreachable,
	} {
		tries := 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			tries++
			w.WriteHeader(status)
		}))
		_, err := get(t, client(nil), s.URL+"/i")
		if got := kind(t, err); got != want {
			t.Errorf("status %d: kind %s, want %s", status, got, want)
		}
		if wantTries := map[bool]int{true: 3, false: 1}[want == step.Unreachable]; tries != wantTries {
			t.Errorf("status %d: %d tries, want %d", status, tries, wantTries)
		}
		s.Close()
	}
}

func TestAServerThatRecovers(t *testing.T) {
	tries := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if tries++; tries < 3 {
			w.WriteHeader(503)
			return
		}
		_, _ = io.WriteString(w, "content")
	}))
	defer s.Close()
	if b, err := get(t, client(nil), s.URL); err != nil || string(b) != "content" {
		t.Errorf("%q, %v", b, err)
	}
}

// hosts answers for any host name in memory, so that redirects to far places can be followed without a network.
type hosts struct {
	t        *testing.T
	redirect map[string]string // URL -> where it leads
	seen     []*http.Request
}

func (h *hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	h.seen = append(h.seen, r)
	rec := httptest.NewRecorder()
	if to, ok := h.redirect[r.URL.String()]; ok {
		rec.Header().Set("Location", to)
		rec.WriteHeader(http.StatusFound)
	} else {
		_, _ = io.WriteString(rec, "content")
	}
	resp := rec.Result()
	resp.Request = r
	return resp, nil
}

func TestRedirects(t *testing.T) {
	for _, c := range []struct {
		from, to string
		ok       bool
	}{
		{"http://a.example/i", "http://b.example/i", true},
		{"http://a.example/i", "https://b.example/i", true},
		{"https://a.example/i", "https://b.example/i", true},
		{"https://a.example/i", "http://a.example/i", false},
		{"http://a.example/i", "file:///etc/passwd", false},
		{"http://a.example/i", "ftp://b.example/i", false},
		{"http://a.example/i", "http://127.0.0.1/i", false},
		{"http://a.example/i", "http://localhost:8080/i", false},
		{"http://a.example/i", "http://[::1]/i", false},
		{"http://a.example/i", "http://[::ffff:127.0.0.1]/i", false},
		{"http://a.example/i", "http://169.254.169.254/latest/meta-data", false},
		{"http://a.example/i", "http://[fe80::1]/i", false},
		{"http://a.example/i", "http://0.0.0.0/i", false},
		{"http://a.example/i", "http://224.0.0.1/i", false},
		{"http://127.0.0.1:1/i", "http://127.0.0.1:2/i", true},
		{"http://127.0.0.1:1/i", "http://169.254.0.1/i", false},
	} {
		h := &hosts{t: t, redirect: map[string]string{c.from: c.to}}
		b, err := get(t, client(h), c.from)
		if c.ok != (err == nil) || (c.ok && string(b) != "content") {
			t.Errorf("%s -> %s: %q, %v", c.from, c.to, b, err)
		}
		if !c.ok && (kind(t, err) != step.Invalid || len(h.seen) != 1) {
			t.Errorf("%s -> %s: %v after %d requests", c.from, c.to, err, len(h.seen))
		}
	}
	loop := &hosts{t: t, redirect: map[string]string{"http://a.example/i": "http://a.example/i"}}
	if _, err := get(t, client(loop), "http://a.example/i"); kind(t, err) != step.Invalid {
		t.Errorf("a loop: %v", err)
	}
}

func TestNoSecretTravelsToAnotherHost(t *testing.T) {
	from := "https://user:password@a.example/i?signature=s3cret"
	h := &hosts{t: t, redirect: map[string]string{from: "https://b.example/i"}}
	if _, err := get(t, client(h), from); err != nil {
		t.Fatal(err)
	}
	if len(h.seen) != 2 {
		t.Fatalf("%d requests", len(h.seen))
	}
	if user, password, ok := h.seen[0].BasicAuth(); !ok || user != "user" || password != "password" {
		t.Error("the first host does not get the credentials of its URL")
	}
	for name, values := range h.seen[1].Header {
		for _, v := range values {
			if name == "Authorization" || name == "Cookie" || name == "Referer" || strings.Contains(v, "s3cret") || strings.Contains(v, "password") {
				t.Errorf("the second host gets %s: %s", name, v)
			}
		}
	}
}

func TestErrorsShowNoSecret(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	for _, base := range []string{s.URL, "http://127.0.0.1:1"} {
		u := strings.Replace(base, "http://", "http://user:pass-w0rd@", 1) + "/i?signature=s3cret"
		_, err := get(t, client(nil), u)
		if err == nil || strings.Contains(err.Error(), "pass-w0rd") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("error %v", err)
		}
	}
}

func TestUntrustedCertificate(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	s.Config.ErrorLog = nil
	_, err := get(t, client(nil), s.URL+"/i")
	if kind(t, err) != step.Invalid || !strings.Contains(err.Error(), "not trusted") {
		t.Error(err)
	}
}

func TestContentEncodingIsRefused(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "identity" {
			t.Errorf("Accept-Encoding %q", r.Header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Encoding", "br")
		_, _ = io.WriteString(w, "packed")
	}))
	defer s.Close()
	if _, err := get(t, client(nil), s.URL); kind(t, err) != step.Unsupported {
		t.Error(err)
	}
}

func TestSmall(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "12345") }))
	defer s.Close()
	if b, err := client(nil).Small(t.Context(), s.URL, 5); err != nil || string(b) != "12345" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := client(nil).Small(t.Context(), s.URL, 4); kind(t, err) != step.Invalid {
		t.Error(err)
	}
}

func TestPartsBesideTheStream(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 1000)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"x"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}))
	defer s.Close()
	st, err := client(nil).Open(t.Context(), s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	p := make([]byte, 20)
	if n, err := st.Parts().ReadAt(p, 5003); n != 20 || err != nil || !bytes.Equal(p, content[5003:5023]) {
		t.Errorf("%d, %v, %q", n, err, p)
	}
	if n, err := st.Parts().ReadAt(p, int64(len(content))-5); n != 5 || !errors.Is(err, io.EOF) {
		t.Errorf("over the end: %d, %v", n, err)
	}
	if b, err := io.ReadAll(st); err != nil || !bytes.Equal(b, content) {
		t.Errorf("the stream gives %d bytes, %v", len(b), err)
	}
}

func TestPolicyOfAddresses(t *testing.T) {
	far, err1 := fetch.PolicyOf("https://images.example/i")
	near, err2 := fetch.PolicyOf("http://127.0.0.1:8080/i")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string][2]bool{ // far, near
		"10.1.2.3": {true, true}, "2001:db8::1": {true, true}, "fd00::1": {true, true}, "127.0.0.1": {false, true}, "::1": {false, true},
		"169.254.169.254": {false, false}, "fe80::1": {false, false}, "0.0.0.0": {false, false}, "::": {false, false}, "ff02::1": {false, false},
		"::ffff:169.254.169.254": {false, false},
	} {
		a := netip.MustParseAddr(address)
		if got := [2]bool{far.Address(a) == nil, near.Address(a) == nil}; got != want {
			t.Errorf("%s: %v, want %v", address, got, want)
		}
	}
}

func TestCancelledWhileWaiting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		w.WriteHeader(503)
	}))
	defer s.Close()
	c := client(nil)
	c.Retry.First = time.Hour
	if _, err := c.Open(ctx, s.URL); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestNoTransport(t *testing.T) {
	if _, err := (&fetch.Client{}).Open(t.Context(), "http://a.example/"); kind(t, err) != step.Internal {
		t.Error(err)
	}
}

// FuzzContentRange holds that no header of a server makes a stream give other bytes than the file has.
func FuzzContentRange(f *testing.F) {
	f.Add("bytes 3-9/10", 206, `"a"`)
	f.Add("bytes 0-9/10", 206, `"a"`)
	f.Add("bytes 3-/10", 200, "")
	f.Add("bytes 3-9/*", 206, "")
	f.Fuzz(func(t *testing.T, header string, status int, tag string) {
		if status < 200 || status > 599 {
			return
		}
		first := true
		rt := roundTrip(func(r *http.Request) (*http.Response, error) {
			h := http.Header{"Etag": {`"a"`}, "Accept-Ranges": {"bytes"}}
			if first {
				first = false
				return &http.Response{StatusCode: 200, Header: h, ContentLength: 10, Request: r, Body: io.NopCloser(io.MultiReader(strings.NewReader("012"), failing{}))}, nil
			}
			h.Set("Content-Range", header)
			h.Set("Etag", tag)
			body := "3456789"
			if status == 200 {
				body = "0123456789"
			}
			return &http.Response{StatusCode: status, Header: h, ContentLength: int64(len(body)), Request: r, Body: io.NopCloser(strings.NewReader(body))}, nil
		})
		s, err := client(rt).Open(t.Context(), "http://a.example/i")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		b, err := io.ReadAll(s)
		if err == nil && string(b) != "0123456789" || !strings.HasPrefix("0123456789", string(b)) {
			t.Errorf("%q, %v", b, err)
		}
	})
}

type roundTrip func(r *http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, fmt.Errorf("connection reset") }
