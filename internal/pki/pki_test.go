package pki_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/secret"
)

func newCA(t *testing.T) *pki.CA {
	t.Helper()
	ca, err := pki.NewCA("test CA", time.Now(), pki.CALifetime)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func signed(t *testing.T, ca *pki.CA, p pki.Profile, now time.Time) *x509.Certificate {
	t.Helper()
	key, err := pki.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	der, err := ca.Sign(key.Public(), p, now)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestRoleProfile(t *testing.T) {
	ca, now := newCA(t), time.Now()
	cert := signed(t, ca, pki.RoleProfile("boot", "site1", "10.0.0.3", "Boot.example.com", "fd00::3"), now)
	if cert.Subject.CommonName != "ingot:boot:site1" || !slices.Equal(cert.Subject.Organization, []string{"ingot:boot"}) {
		t.Errorf("subject %s", cert.Subject)
	}
	if got := fmt.Sprint(cert.IPAddresses, cert.DNSNames); got != "[10.0.0.3 fd00::3] [boot.example.com]" {
		t.Errorf("hosts %s", got)
	}
	if life := cert.NotAfter.Sub(now).Round(time.Minute); life != pki.RoleLifetime {
		t.Errorf("lives for %s", life)
	}
	if cert.IsCA || cert.KeyUsage&x509.KeyUsageCertSign != 0 {
		t.Error("a leaf may sign")
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth} {
		if _, err := cert.Verify(x509.VerifyOptions{Roots: ca.Pool(), KeyUsages: []x509.ExtKeyUsage{usage}, CurrentTime: now}); err != nil {
			t.Error(err)
		}
	}
}

func TestUsagesAreNotMixed(t *testing.T) {
	ca, now := newCA(t), time.Now()
	server := signed(t, ca, pki.ServerProfile("s", "10.0.0.3"), now)
	if _, err := server.Verify(x509.VerifyOptions{Roots: ca.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err == nil {
		t.Error("a server's certificate is good for a client")
	}
	client := signed(t, ca, pki.ClientProfile("c", time.Hour), now)
	if _, err := client.Verify(x509.VerifyOptions{Roots: ca.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err == nil {
		t.Error("a client's certificate is good for a server")
	}
}

func TestLeafEndsWithItsCA(t *testing.T) {
	now := time.Now()
	ca, err := pki.NewCA("short", now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if cert := signed(t, ca, pki.RoleProfile("boot", "x"), now); !cert.NotAfter.Equal(ca.NotAfter()) {
		t.Errorf("leaf ends at %s, CA at %s", cert.NotAfter, ca.NotAfter())
	}
	key, err := pki.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ca.Sign(key.Public(), pki.RoleProfile("boot", "x"), now.Add(2*time.Hour)); err == nil || !strings.Contains(err.Error(), "make a new CA") {
		t.Errorf("a CA that has ended signs: %v", err)
	}
}

func TestWhatIsNotSigned(t *testing.T) {
	ca, now := newCA(t), time.Now()
	good, err := pki.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	edKey, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	role := pki.RoleProfile("boot", "x")
	for name, c := range map[string]struct {
		key     any
		profile pki.Profile
	}{
		"RSA key":     {rsaKey.Public(), role},
		"Ed25519 key": {edKey, role},
		"P-384 key":   {p384.Public(), role},
		"no name":     {good.Public(), pki.Profile{Client: true, Lifetime: time.Hour}},
		"no usage":    {good.Public(), pki.Profile{CommonName: "x", Lifetime: time.Hour}},
		"no lifetime": {good.Public(), pki.Profile{CommonName: "x", Client: true}},
	} {
		if _, err := ca.Sign(c.key, c.profile, now); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}

// TestRequestNamesAreIgnored: a request may ask to be anyone; it becomes what the signer says.
func TestRequestNamesAreIgnored(t *testing.T) {
	ca, now := newCA(t), time.Now()
	key, err := pki.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	der, err := pki.NewRequest(key, pki.OperatorProfile("mallory"))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.SignRequest(der, pki.ClientProfile("ingot:agent:boot1", time.Hour), now)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(leaf)
	if err != nil {
		t.Fatal(err)
	}
	if cert.Subject.CommonName != "ingot:agent:boot1" || len(cert.Subject.Organization) != 0 {
		t.Errorf("subject %s", cert.Subject)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		t.Error("another key was signed")
	}
	spoiled := slices.Clone(der)
	spoiled[len(spoiled)-1] ^= 1
	if _, err := ca.SignRequest(spoiled, pki.ClientProfile("x", time.Hour), now); err == nil {
		t.Error("a request with a wrong signature is signed")
	}
}

func FuzzRequestKey(f *testing.F) {
	key, err := pki.NewKey()
	if err != nil {
		f.Fatal(err)
	}
	der, err := pki.NewRequest(key, pki.OperatorProfile("x"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Add(der[:len(der)/2])
	f.Fuzz(func(t *testing.T, der []byte) {
		public, err := pki.RequestKey(der)
		if err != nil {
			return
		}
		if k, ok := public.(*ecdsa.PublicKey); !ok || k.Curve != elliptic.P256() {
			t.Errorf("a key of %T passes", public)
		}
	})
}

func TestLoadCA(t *testing.T) {
	ca, other := newCA(t), newCA(t)
	key, err := ca.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	otherKey, err := other.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(key) != "***" {
		t.Error("the key prints")
	}
	again, err := pki.LoadCA(ca.CertPEM(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf := signed(t, again, pki.RoleProfile("boot", "x"), time.Now())
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: ca.Pool()}); err != nil {
		t.Error(err)
	}
	leafPEM, err := ca.NewIdentity(pki.RoleProfile("boot", "x"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, load := range map[string]func() (*pki.CA, error){
		"another's key":  func() (*pki.CA, error) { return pki.LoadCA(ca.CertPEM(), otherKey) },
		"a leaf":         func() (*pki.CA, error) { return pki.LoadCA(leafPEM.CertPEM, leafPEM.KeyPEM) },
		"no certificate": func() (*pki.CA, error) { return pki.LoadCA(nil, key) },
		"no key":         func() (*pki.CA, error) { return pki.LoadCA(ca.CertPEM(), secret.String{}) },
	} {
		if _, err := load(); err == nil {
			t.Errorf("%s makes a CA", name)
		}
	}
}

// TestOpenCA: an interrupted making is made again, a finished one stays.
func TestOpenCA(t *testing.T) {
	dir := t.TempDir()
	if err := pki.WriteFile(filepath.Join(dir, "ca.crt"), []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	first, err := pki.OpenCA(dir, "x", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	second, err := pki.OpenCA(dir, "x", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if string(first.CertPEM()) != string(second.CertPEM()) {
		t.Error("the second opening made another CA")
	}
	info, err := os.Stat(filepath.Join(dir, "ca.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v (%v)", info.Mode(), err)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) != 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}

// serve is a TLS server over a pipe-like loopback listener; it answers with the client's name.
func serve(t *testing.T, cfg *tls.Config) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answer(t.Context(), c.(*tls.Conn))
		}
	}()
	return l.Addr().String()
}

func answer(ctx context.Context, c *tls.Conn) {
	defer c.Close()
	if err := c.HandshakeContext(ctx); err != nil {
		return
	}
	_, _ = io.WriteString(c, c.ConnectionState().PeerCertificates[0].Subject.CommonName)
}

func ask(t *testing.T, address string, cfg *tls.Config) (server *x509.Certificate, said string, err error) {
	t.Helper()
	raw, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		return nil, "", err
	}
	c := tls.Client(raw, cfg)
	defer c.Close()
	if err := c.HandshakeContext(t.Context()); err != nil {
		return nil, "", err
	}
	text, err := io.ReadAll(c)
	return c.ConnectionState().PeerCertificates[0], string(text), err
}

func TestReloaderTakesUpNewFiles(t *testing.T) {
	dir := t.TempDir()
	ca, now := newCA(t), time.Now()
	server, client := pki.FilesIn(filepath.Join(dir, "s"), "tls"), pki.FilesIn(filepath.Join(dir, "c"), "tls")
	issue := func(f pki.Files, p pki.Profile) {
		t.Helper()
		if err := ca.Issue(f, p, now); err != nil {
			t.Fatal(err)
		}
	}
	issue(server, pki.RoleProfile("partition", "x", "127.0.0.1"))
	issue(client, pki.RoleProfile("boot", "x"))
	servers, err := pki.NewReloader(server)
	if err != nil {
		t.Fatal(err)
	}
	clients, err := pki.NewReloader(client)
	if err != nil {
		t.Fatal(err)
	}
	address := serve(t, servers.ServerConfig(tls.RequireAndVerifyClientCert))
	_, said, err := ask(t, address, clients.ClientConfig("127.0.0.1"))
	if err != nil || said != "ingot:boot:x" {
		t.Fatalf("said %q, %v", said, err)
	}
	issue(server, pki.RoleProfile("partition", "renewed", "127.0.0.1"))
	issue(client, pki.RoleProfile("boot", "renewed"))
	next, said, err := ask(t, address, clients.ClientConfig("127.0.0.1"))
	if err != nil || said != "ingot:boot:renewed" || next.Subject.CommonName != "ingot:partition:renewed" {
		t.Errorf("after renewal: %s and %q, %v", next.Subject, said, err)
	}
	// A key without its certificate, as between two writes of the issuer: the pair that works stays.
	stray, err := ca.NewIdentity(pki.RoleProfile("stray", "x"), now)
	if err != nil {
		t.Fatal(err)
	}
	if err := pki.WriteFile(server.Key, []byte(stray.KeyPEM.Reveal()), 0o600); err != nil {
		t.Fatal(err)
	}
	if kept, _, err := ask(t, address, clients.ClientConfig("127.0.0.1")); err != nil || !kept.Equal(next) {
		t.Errorf("with half a pair on disk: %v", err)
	}
}

func TestStrangersAreRefused(t *testing.T) {
	ca, stranger, now := newCA(t), newCA(t), time.Now()
	files := func(c *pki.CA, p pki.Profile) *pki.Reloader {
		f := pki.FilesIn(t.TempDir(), "tls")
		if err := c.Issue(f, p, now); err != nil {
			t.Fatal(err)
		}
		r, err := pki.NewReloader(f)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	address := serve(t, files(ca, pki.RoleProfile("partition", "x", "127.0.0.1")).ServerConfig(tls.RequireAndVerifyClientCert))
	if _, _, err := ask(t, address, files(stranger, pki.RoleProfile("boot", "x")).ClientConfig("127.0.0.1")); err == nil {
		t.Error("a server of another CA is trusted")
	}
	bare := &tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1"}
	if _, said, err := ask(t, address, bare); err == nil && said != "" {
		t.Error("a client without a certificate is let in")
	}
	id, err := stranger.NewIdentity(pki.RoleProfile("boot", "x"), now)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(id.CertPEM, []byte(id.KeyPEM.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	bare.Certificates = []tls.Certificate{pair}
	if _, said, err := ask(t, address, bare); err == nil && said != "" {
		t.Error("a client of another CA is let in")
	}
	if _, _, err := ask(t, address, files(ca, pki.RoleProfile("boot", "x")).ClientConfig("10.0.0.9")); err == nil {
		t.Error("a server is trusted by a name that it does not have")
	}
}
