package agentapi_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/server/agentapi/agentapitest"
	"github.com/ingotmetal/ingot/step"
)

const mac = "52:54:00:00:00:01"

// caller is an agent of one key.
type caller struct {
	t    testing.TB
	site *agentapitest.Site
	key  *ecdsa.PrivateKey
	// shown is the certificate that it shows, nil for none.
	shown *tls.Certificate
}

func newCaller(t testing.TB, site *agentapitest.Site) *caller {
	t.Helper()
	key, err := pki.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return &caller{t: t, site: site, key: key}
}

// client makes a new connection for every request, so that each shows the certificate of the moment.
func (c *caller) client() *http.Client {
	config := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: c.site.CA().Pool()}
	if c.shown != nil {
		config.Certificates = []tls.Certificate{*c.shown}
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
}

// post sends a body and gives status and answer; status 0 when the connection was refused.
func (c *caller) post(path, kind string, body []byte) (int, []byte) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.site.Endpoint()+path, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	resp, err := c.client().Do(req)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, answer
}

func (c *caller) json(path string, body, answer any) int {
	c.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	status, got := c.post(path, "application/json", data)
	if answer != nil && status == http.StatusOK {
		if err := json.Unmarshal(got, answer); err != nil {
			c.t.Fatal(err)
		}
	}
	return status
}

func (c *caller) csr() []byte {
	c.t.Helper()
	csr, err := pki.NewRequest(c.key, pki.Profile{CommonName: "admin", Client: true, Lifetime: time.Hour})
	if err != nil {
		c.t.Fatal(err)
	}
	return csr
}

func (c *caller) enroll(bootID, token string, macs ...string) int {
	c.t.Helper()
	var answer protocol.EnrollResponse
	status := c.json(protocol.PathEnroll, protocol.EnrollRequest{BootID: bootID, Token: token, CSR: c.csr(), MACAddresses: macs}, &answer)
	if status == http.StatusOK {
		leaf, err := x509.ParseCertificate(answer.CertificateDER[0])
		if err != nil {
			c.t.Fatal(err)
		}
		if leaf.Subject.CommonName != "ingot:agent:"+bootID {
			c.t.Errorf("the certificate is named %q", leaf.Subject.CommonName)
		}
		c.shown = &tls.Certificate{Certificate: answer.CertificateDER, PrivateKey: c.key, Leaf: leaf}
	}
	return status
}

func idle(bootID string) protocol.ExchangeRequest {
	return protocol.ExchangeRequest{BootID: bootID, Phase: step.Idle}
}
