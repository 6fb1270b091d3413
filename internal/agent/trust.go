package agent

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/ingotmetal/ingot/netboot/medium"
)

// trust is how the partition role is known: the CA that the boot medium pins, and the name in the endpoint's URL.
type trust struct {
	endpoint *url.URL
	roots    *x509.CertPool
	// notBefore is the latest beginning of validity among the pinned CAs.
	notBefore time.Time
}

func newTrust(c medium.Config) (trust, error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil {
		return trust{}, fmt.Errorf("read the boot medium: endpoint %q is no URL: %w", c.Endpoint, err)
	}
	if u.Scheme != "https" || u.Hostname() == "" {
		return trust{}, fmt.Errorf("read the boot medium: endpoint %q must be an https URL with a host", c.Endpoint)
	}
	t := trust{endpoint: u, roots: x509.NewCertPool()}
	rest := []byte(c.CAPEM)
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		ca, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return trust{}, fmt.Errorf("read the boot medium: a CA certificate cannot be parsed: %w", err)
		}
		t.roots.AddCert(ca)
		if ca.NotBefore.After(t.notBefore) {
			t.notBefore = ca.NotBefore
		}
	}
	if t.notBefore.IsZero() {
		return trust{}, errors.New("read the boot medium: it pins no CA, so no partition role can be trusted")
	}
	return t, nil
}

// config is the TLS client configuration; certificate may be nil.
func (t trust) config(clock Clock, certificate *tls.Certificate) *tls.Config {
	c := &tls.Config{
		MinVersion: tls.VersionTLS13,
		RootCAs:    t.roots,
		ServerName: t.endpoint.Hostname(),
		Time:       clock.Now,
	}
	if certificate != nil {
		c.Certificates = []tls.Certificate{*certificate}
	}
	return c
}

// provenTime gives the time that a refused handshake proves. A certificate that the pinned CA signed for this name is not given out before it begins to be valid, so
// its beginning is a lower bound of the present: a machine whose clock stands in 1970 may move it forward to there, never back. Zero: nothing is proved.
func (t trust) provenTime(handshake error) time.Time {
	var refused *tls.CertificateVerificationError
	if !errors.As(handshake, &refused) || len(refused.UnverifiedCertificates) == 0 {
		return time.Time{}
	}
	leaf := refused.UnverifiedCertificates[0]
	at := t.notBefore
	between := x509.NewCertPool()
	for _, c := range refused.UnverifiedCertificates {
		between.AddCert(c)
		if c.NotBefore.After(at) {
			at = c.NotBefore
		}
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: t.roots, Intermediates: between, CurrentTime: at, DNSName: t.endpoint.Hostname(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return time.Time{}
	}
	return at
}
