package knock

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"regexp"
	"strings"

	"github.com/ingotmetal/ingot/discovery"
)

// Bounds of what is read. Service roots have 1 to 4 KiB; maxHeader is for all header lines together.
const (
	maxRoot   = 64 << 10
	maxHeader = 16 << 10
	maxText   = 64
)

func client(o Options) *http.Client {
	return &http.Client{
		Timeout: o.Timeout,
		Transport: &http.Transport{
			DialContext: o.Redfish, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxHeader, TLSHandshakeTimeout: o.Timeout,
			// Nobody is trusted by this: nothing secret is sent, and what is told is an operator's to accept. The fingerprint is kept.
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// redfish asks for the service root, which every service gives without a login (DSP0266 §13.3.1); nil where there is none.
func (p *Prober) redfish(ctx context.Context, at netip.AddrPort) *discovery.RedfishRoot {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+at.String()+"/redfish/v1/", http.NoBody)
	if err != nil {
		return nil
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("OData-Version", "4.0")
	a, err := p.http.Do(req)
	if err != nil {
		return nil
	}
	defer a.Body.Close()
	if a.StatusCode != http.StatusOK || a.TLS == nil || len(a.TLS.PeerCertificates) == 0 {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(a.Body, maxRoot+1))
	if err != nil || len(body) > maxRoot {
		return nil
	}
	root, err := parseRoot(body)
	if err != nil {
		return nil
	}
	sum := sha256.Sum256(a.TLS.PeerCertificates[0].Raw)
	root.Port, root.CertificateSHA256 = at.Port(), hex.EncodeToString(sum[:])
	return root
}

var (
	errNoRoot   = errors.New("it is no Redfish service root: it has no RedfishVersion")
	uuidForm    = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	versionForm = regexp.MustCompile(`^[0-9]{1,4}(\.[0-9]{1,4}){1,3}$`)
)

// parseRoot reads a service root. Members of another type than the schema's count as missing, as in the driver: makers differ.
func parseRoot(body []byte) (*discovery.RedfishRoot, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, err
	}
	text := func(name string) string {
		var s string
		if json.Unmarshal(members[name], &s) != nil {
			return ""
		}
		return printable(s)
	}
	r := &discovery.RedfishRoot{UUID: strings.ToLower(text("UUID")), Vendor: text("Vendor"), Product: text("Product"), Version: text("RedfishVersion")}
	if !versionForm.MatchString(r.Version) {
		return nil, errNoRoot
	}
	if !uuidForm.MatchString(r.UUID) {
		r.UUID = ""
	}
	return r, nil
}

// printable is a text with what is no printable ASCII as dots, and no longer than maxText.
func printable(s string) string {
	b := []byte(s[:min(len(s), maxText)])
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '.'
		}
	}
	return strings.TrimSpace(string(b))
}
