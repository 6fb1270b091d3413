package registry_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	server "github.com/google/go-containerregistry/pkg/registry"

	"github.com/ingotmetal/ingot/artifact"
	"github.com/ingotmetal/ingot/internal/image/fetch"
	"github.com/ingotmetal/ingot/internal/image/registry"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/step"
)

const (
	user     = "robot"
	password = "pass-w0rd"
)

// site is a real registry over TLS behind the doors that a test puts before it.
type site struct {
	t     *testing.T
	store http.Handler
	s     *httptest.Server
	roots *x509.CertPool

	mu   sync.Mutex
	seen []*http.Request
}

// newSite serves the registry; door may be nil for an open one.
func newSite(t *testing.T, door func(s *site, next http.Handler) http.Handler) *site {
	t.Helper()
	s := &site{t: t, store: server.New(server.Logger(log.New(io.Discard, "", 0))), roots: x509.NewCertPool()}
	h := s.store
	if door != nil {
		h = door(s, s.store)
	}
	s.s = s.listen(h)
	return s
}

func (s *site) listen(h http.Handler) *httptest.Server {
	out := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.seen = append(s.seen, r)
		s.mu.Unlock()
		h.ServeHTTP(w, r)
	}))
	s.t.Cleanup(out.Close)
	s.roots.AddCert(out.Certificate())
	return out
}

func (s *site) host() string { return strings.TrimPrefix(s.s.URL, "https://") }

func (s *site) transport() *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12}}
}

// put stores something past the doors and gives its digest.
func (s *site) put(kind, repository, name, mediaType string, content []byte) string {
	s.t.Helper()
	sum := sha256.Sum256(content)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	method, at := http.MethodPut, "/v2/"+repository+"/manifests/"+name
	if kind == "blob" {
		method, at = http.MethodPost, "/v2/"+repository+"/blobs/uploads/?digest="+url.QueryEscape(digest)
	}
	r := httptest.NewRequestWithContext(s.t.Context(), method, at, bytes.NewReader(content))
	r.Header.Set("Content-Type", mediaType)
	w := httptest.NewRecorder()
	s.store.ServeHTTP(w, r)
	if w.Code != http.StatusCreated {
		s.t.Fatalf("put %s: %d %s", at, w.Code, w.Body)
	}
	return digest
}

// image stores an image of one layer and gives its manifest's digest and its layer's.
func (s *site) image(repository, tag string, content []byte) (manifest, blob string) {
	s.t.Helper()
	blob = s.put("blob", repository, "", "application/octet-stream", content)
	config := s.put("blob", repository, "", "application/octet-stream", []byte("{}"))
	body, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": artifact.TypeManifest, "config": map[string]any{"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2},
		"layers": []any{map[string]any{"mediaType": "application/octet-stream", "digest": blob, "size": len(content)}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.put("manifest", repository, tag, artifact.TypeManifest, body), blob
}

func (s *site) index(repository, tag string, entries ...any) string {
	s.t.Helper()
	body, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": artifact.TypeIndex, "manifests": entries})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.put("manifest", repository, tag, artifact.TypeIndex, body)
}

func (s *site) find(ref string, c registry.Credentials) (registry.Image, error) {
	s.t.Helper()
	r, err := artifact.Parse(artifact.Scheme + s.host() + "/" + ref)
	if err != nil {
		s.t.Fatal(err)
	}
	return registry.Find(s.t.Context(), r, registry.Options{Transport: s.transport(), Credentials: c, Want: artifact.Want{Architecture: "amd64"},
		Retry: fetch.Retry{Attempts: 2, First: time.Millisecond, Longest: time.Millisecond, Stall: 5 * time.Second}})
}

func read(t *testing.T, i registry.Image) ([]byte, error) {
	t.Helper()
	s, err := (&fetch.Client{Transport: i.Transport}).Open(t.Context(), i.URL)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	return io.ReadAll(s)
}

func robot() registry.Credentials {
	return registry.Credentials{Username: user, Password: secret.New(password)}
}

func failure(t *testing.T, err error) *step.Failure {
	t.Helper()
	var f *step.Failure
	if !errors.As(err, &f) {
		t.Fatalf("%v is no *step.Failure", err)
	}
	if strings.Contains(f.Message+f.Fix, password) {
		t.Errorf("the error shows the password: %v", f)
	}
	return f
}

// basic lets in who shows the password.
func basic(_ *site, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok || u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// bearer lets in who shows the newest token of a token server that is another server, and that wants the password. Each token is good for uses requests.
func bearer(uses int) func(*site, http.Handler) http.Handler {
	return func(s *site, next http.Handler) http.Handler {
		var mu sync.Mutex
		made, left := 0, 0
		tokens := s.listen(basic(s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if q := r.URL.Query(); q.Get("service") != "site" || !strings.HasPrefix(q.Get("scope"), "repository:") || !strings.HasSuffix(q.Get("scope"), ":pull") || q.Get("account") != "kept" {
				s.t.Errorf("a token is asked for with %s", r.URL.RawQuery)
			}
			made++
			left = uses
			_ = json.NewEncoder(w).Encode(map[string]string{"token": fmt.Sprint("token-", made)})
		})))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			good := left > 0 && r.Header.Get("Authorization") == fmt.Sprint("Bearer token-", made)
			left--
			mu.Unlock()
			if !good {
				w.Header().Set("WWW-Authenticate", `Bearer realm="`+tokens.URL+`/token?account=kept",service="site",scope="repository:everything:*"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

func TestAnImageIsFoundAndRead(t *testing.T) {
	content := bytes.Repeat([]byte("image "), 50_000)
	for name, door := range map[string]func(*site, http.Handler) http.Handler{"open": nil, "basic": basic, "token": bearer(1000), "a token a request": bearer(1)} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, door)
			manifest, blob := s.image("os/debian", "12", content)
			for _, ref := range []string{"os/debian:12", "os/debian@" + manifest, "os/debian:gone@" + manifest} {
				i, err := s.find(ref, robot())
				if err != nil {
					t.Fatal(err)
				}
				if i.Digest != blob || i.Manifest != manifest || i.SizeBytes != int64(len(content)) {
					t.Errorf("%s: %+v", ref, i)
				}
				if got, err := read(t, i); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%s: %d bytes, %v", ref, len(got), err)
				}
			}
		})
	}
}

func TestWhoMayNot(t *testing.T) {
	for name, door := range map[string]func(*site, http.Handler) http.Handler{"basic": basic, "token": bearer(1000)} {
		s := newSite(t, door)
		s.image("os", "1", []byte("x"))
		_, err := s.find("os:1", registry.Credentials{})
		if f := failure(t, err); f.Kind != step.Denied || !strings.Contains(f.Fix, "ociAuthSecretName") {
			t.Errorf("%s, anonymous: %+v", name, f)
		}
		_, err = s.find("os:1", registry.Credentials{Username: user, Password: secret.New("wrong")})
		if f := failure(t, err); f.Kind != step.Denied || !strings.Contains(f.Fix, "correct the pull secret") {
			t.Errorf("%s, wrong: %+v", name, f)
		}
	}
}

func TestAnIndexIsFollowed(t *testing.T) {
	s := newSite(t, nil)
	entry := func(digest, architecture string) any {
		return map[string]any{"mediaType": artifact.TypeManifest, "digest": digest, "size": 1, "platform": map[string]any{"os": "linux", "architecture": architecture}}
	}
	arm, _ := s.image("os", "arm", []byte("arm"))
	amd, blob := s.image("os", "amd", []byte("amd"))
	s.index("os", "all", entry(arm, "arm64"), entry(amd, "amd64"))
	if i, err := s.find("os:all", registry.Credentials{}); err != nil || i.Digest != blob {
		t.Errorf("%+v, %v", i, err)
	}
	s.index("os", "arms", entry(arm, "arm64"))
	_, err := s.find("os:arms", registry.Credentials{})
	if f := failure(t, err); f.Kind != step.Invalid || !strings.Contains(f.Message, "linux/amd64") {
		t.Error(f)
	}
	_, err = s.find("os:none", registry.Credentials{})
	if f := failure(t, err); f.Kind != step.Invalid {
		t.Error(f)
	}
}

// TestARedirectGetsNoCredentials has blobs on another host, as at every large registry.
func TestARedirectGetsNoCredentials(t *testing.T) {
	for name, door := range map[string]func(*site, http.Handler) http.Handler{"basic": basic, "token": bearer(1000)} {
		var elsewhere []*http.Request
		s := newSite(t, func(s *site, next http.Handler) http.Handler {
			far := s.listen(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				elsewhere = append(elsewhere, r)
				next.ServeHTTP(w, r)
			}))
			return door(s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if path.Base(path.Dir(r.URL.Path)) == "blobs" {
					http.Redirect(w, r, far.URL+r.URL.Path+"?signature=1", http.StatusTemporaryRedirect)
					return
				}
				next.ServeHTTP(w, r)
			}))
		})
		s.image("os", "1", []byte("content"))
		i, err := s.find("os:1", robot())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := read(t, i); err != nil || string(got) != "content" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if len(elsewhere) != 1 {
			t.Fatalf("%s: %d requests to the other host", name, len(elsewhere))
		}
		for key, values := range elsewhere[0].Header {
			if key == "Authorization" || key == "Cookie" || key == "Referer" {
				t.Errorf("%s: the other host gets %s: %s", name, key, values)
			}
		}
	}
}

// TestARegistryThatLies gives other documents than were asked for, or credentials to the wrong place.
func TestARegistryThatLies(t *testing.T) {
	asked := "sha256:" + strings.Repeat("a", 64)
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"another manifest": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"schemaVersion":2,"layers":[{"digest":"`+asked+`","size":1}]}`)
		}, "another one than was asked for"},
		"an endless manifest": {func(w http.ResponseWriter, _ *http.Request) {
			for range artifact.MaxManifestBytes/(64<<10) + 2 {
				_, _ = w.Write(make([]byte, 64<<10))
			}
		}, "too large"},
		"a realm without TLS": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://tokens.example/"`)
			w.WriteHeader(http.StatusUnauthorized)
		}, "over https"},
		"a realm that is a file": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="file:///etc/passwd"`)
			w.WriteHeader(http.StatusUnauthorized)
		}, "over https"},
		"a realm in the link": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="https://169.254.169.254/token"`)
			w.WriteHeader(http.StatusUnauthorized)
		}, "169.254.169.254"},
		"a way out of TLS": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://plain.example/", http.StatusFound)
		}, "leave https"},
	} {
		s := newSite(t, func(*site, http.Handler) http.Handler { return c.answer })
		_, err := s.find("os@"+asked, robot())
		if f := failure(t, err); f.Kind != step.Invalid || !strings.Contains(f.Message, c.want) {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestAnUntrustedRegistry(t *testing.T) {
	s := newSite(t, nil)
	s.roots = x509.NewCertPool()
	s.s.Config.ErrorLog = log.New(io.Discard, "", 0)
	_, err := s.find("os:1", robot())
	if f := failure(t, err); f.Kind != step.Invalid || !strings.Contains(f.Message, "not trusted") {
		t.Error(f)
	}
	for _, r := range s.seen {
		t.Errorf("the untrusted registry was asked for %s", r.URL)
	}
}

func TestCancelled(t *testing.T) {
	s := newSite(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := artifact.Parse(artifact.Scheme + s.host() + "/os")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := registry.Find(ctx, r, registry.Options{Transport: s.transport()}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
