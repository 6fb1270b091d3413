package pki_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/pki"
)

// Firmware without elliptic curves reads from the server; one that does not know the certificate doesn't; the certificate stays until its hosts change or its half life is over.
func TestFirmwareServer(t *testing.T) {
	f := pki.FilesIn(t.TempDir(), "firmware")
	now := time.Now()
	if err := pki.IssueFirmware(f, "boot server", now, "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	first := read(t, f.Cert)
	config, err := pki.FirmwareServer(f)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = c.(*tls.Conn).HandshakeContext(context.Background()); _ = c.Close() }()
		}
	}()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(first)
	withoutCurves := &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_256_GCM_SHA384}}
	for _, tc := range []struct {
		name   string
		client *tls.Config
		pool   *x509.CertPool
		good   bool
	}{
		{"without curves", withoutCurves, pool, true},
		{"of today", &tls.Config{}, pool, true},
		{"without the certificate", &tls.Config{}, x509.NewCertPool(), false},
		{"with TLS 1.1", &tls.Config{MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11}, pool, false},
	} {
		tc.client.RootCAs, tc.client.ServerName = tc.pool, "127.0.0.1"
		c, err := (&tls.Dialer{NetDialer: &net.Dialer{}, Config: tc.client}).DialContext(t.Context(), "tcp", l.Addr().String())
		if (err == nil) != tc.good {
			t.Errorf("firmware %s: %v", tc.name, err)
		}
		if err == nil {
			_ = c.Close()
		}
	}
	for _, tc := range []struct {
		name string
		at   time.Time
		host string
		same bool
	}{{"again", now, "127.0.0.1", true}, {"after two years", now.AddDate(2, 0, 0), "127.0.0.1", true}, {"after three", now.AddDate(3, 0, 0), "127.0.0.1", false}, {"for another address", now.AddDate(3, 0, 0), "127.0.0.2", false}} {
		before := read(t, f.Cert)
		if err := pki.IssueFirmware(f, "boot server", tc.at, tc.host); err != nil {
			t.Fatal(err)
		}
		if same := string(before) == string(read(t, f.Cert)); same != tc.same {
			t.Errorf("%s: the certificate stayed: %v", tc.name, same)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
