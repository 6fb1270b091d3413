package meshkey_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/meshkey"
	"github.com/ingotmetal/ingot/internal/meshkey/meshkeytest"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/identity"
)

func fake() *meshkeytest.Fake {
	f := &meshkeytest.Fake{}
	for _, name := range []string{"good-1", "good-2", "good-3"} {
		f.Add("shop", name, "")
	}
	f.Add("shop", "refused", "the tag is no role of the mesh")
	return f
}

func TestFake(t *testing.T) {
	meshkeytest.Suite(t, meshkeytest.World{Minter: fake(), Namespace: "shop"})
}

// site is a server of keys with a CA of its own.
type site struct {
	ca  *pki.CA
	url string
}

// tokens are people, by what they show: the name of the MeshKey whose key they may have; empty: the world is in the way.
type tokens map[string]string

func (k tokens) May(_ context.Context, r *http.Request, _, name string) (string, error) {
	may, known := k[r.Header.Get("Authorization")]
	switch {
	case known && may == "":
		return "", errors.New("the API server cannot be asked about a SECRET")
	case known && may == name:
		return "somebody", nil
	}
	return "", nil
}

func serve(t *testing.T, m meshkey.Minter, people tokens) site {
	t.Helper()
	ca, err := pki.NewCA("test", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(meshkey.Handler(m, people, slog.New(slog.DiscardHandler)))
	server, err := ca.NewIdentity(pki.RoleProfile("mesh", "", "127.0.0.1"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair(t, server)}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: ca.Pool()}
	s.StartTLS()
	t.Cleanup(s.Close)
	return site{ca, s.URL}
}

func pair(t *testing.T, id pki.Identity) tls.Certificate {
	t.Helper()
	c, err := tls.X509KeyPair(id.CertPEM, []byte(id.KeyPEM.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// as is a client that shows a profile's certificate; nil: none.
func (s site) as(t *testing.T, p *pki.Profile) *meshkey.Client {
	t.Helper()
	config := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: s.ca.Pool()}
	if p != nil {
		id, err := s.ca.NewIdentity(*p, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair(t, id)}
	}
	c, err := meshkey.NewClient(s.url, &http.Client{Transport: &http.Transport{TLSClientConfig: config}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClient(t *testing.T) {
	controller := pki.RoleProfile("controller", "")
	meshkeytest.Suite(t, meshkeytest.World{Minter: serve(t, fake(), nil).as(t, &controller), Namespace: "shop"})
}

// TestOnlyTheControllerAndOperatorsAreGivenKeys asks as every holder of a certificate that the matrix calls for, and as nobody.
func TestOnlyTheControllerAndOperatorsAreGivenKeys(t *testing.T) {
	f := &meshkeytest.Fake{}
	s := serve(t, f, nil)
	ask := func(name string, p *pki.Profile) error {
		f.Add("shop", name, "")
		_, err := s.as(t, p).Mint(t.Context(), "shop", name)
		return err
	}
	for i, p := range identity.Profiles(matrix.Own()) {
		shown := pki.Profile{CommonName: strings.NewReplacer("<", "", ">", "").Replace(p.Name), Organizations: p.Groups, Client: true, Lifetime: time.Hour}
		err := ask(fmt.Sprintf("key-%d", i), &shown)
		if may := p.Role == matrix.Controller || p.Role == matrix.Operator; may != (err == nil) || !may && !errors.Is(err, meshkey.ErrForbidden) {
			t.Errorf("%s in %v: %v", p.Name, p.Groups, err)
		}
	}
	if err := ask("nobody", nil); !errors.Is(err, meshkey.ErrForbidden) {
		t.Errorf("without a certificate: %v, want %v", err, meshkey.ErrForbidden)
	}
	named := pki.ClientProfile("ingot:operator:mallory", time.Hour)
	if err := ask("no-group", &named); !errors.Is(err, meshkey.ErrForbidden) {
		t.Errorf("an operator's name without the group: %v, want %v", err, meshkey.ErrForbidden)
	}
}

// TestPeopleAreGivenTheirKeys: who shows a token is given what people say, and nothing else. A certificate that may not ask is not helped by a token.
func TestPeopleAreGivenTheirKeys(t *testing.T) {
	f := &meshkeytest.Fake{}
	for _, name := range []string{"own", "another's", "with-a-certificate", "away"} {
		f.Add("shop", name, "")
	}
	s := serve(t, f, tokens{"Bearer own": "own", "Bearer role": "with-a-certificate", "Bearer away": ""})
	ask := func(p *pki.Profile, token, name string) error {
		c := s.as(t, p)
		c.Authorization = secret.New(token)
		_, err := c.Mint(t.Context(), "shop", name)
		return err
	}
	if err := ask(nil, "Bearer own", "another's"); !errors.Is(err, meshkey.ErrForbidden) {
		t.Errorf("another person's key: %v, want %v", err, meshkey.ErrForbidden)
	}
	if err := ask(nil, "Bearer invented", "own"); !errors.Is(err, meshkey.ErrForbidden) {
		t.Errorf("an invented token: %v, want %v", err, meshkey.ErrForbidden)
	}
	if err := ask(nil, "Bearer own", "own"); err != nil {
		t.Errorf("their own key: %v", err)
	}
	role := pki.RoleProfile("partition", "fra1")
	if err := ask(&role, "Bearer role", "with-a-certificate"); !errors.Is(err, meshkey.ErrForbidden) {
		t.Errorf("a role's certificate with a person's token: %v, want %v", err, meshkey.ErrForbidden)
	}
	if err := ask(nil, "Bearer away", "away"); err == nil || errors.Is(err, meshkey.ErrForbidden) || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("while nobody can be asked who it is: %v", err)
	}
}

// TestErrorsNeverHaveTheKey: an answer that is cut or foreign is not repeated in an error.
func TestErrorsNeverHaveTheKey(t *testing.T) {
	for _, text := range []string{`{"key":"hskey-auth-SECRET"`, `{"key":"hskey-auth-SECRET"}`, `hskey-auth-SECRET`, ``} {
		s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }))
		c, err := meshkey.NewClient(s.URL, s.Client())
		if err != nil {
			t.Fatal(err)
		}
		if _, err = c.Mint(t.Context(), "shop", "key"); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: %v", text, err)
		}
		s.Close()
	}
	for _, bad := range []string{"http://mesh.example:8450", "mesh.example", "https://", "%"} {
		if _, err := meshkey.NewClient(bad, nil); err == nil {
			t.Errorf("the URL %q is taken", bad)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"key":"k","coordinator":"https://192.0.2.1:8449","expiresAt":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"key":"k"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := meshkey.Decode(text)
		if (err == nil) != (!m.Key.IsZero() && m.Coordinator != "" && !m.ExpiresAt.IsZero()) {
			t.Errorf("%q: %+v, %v", text, m, err)
		}
	})
}
