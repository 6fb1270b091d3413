package fetch

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/ingotmetal/ingot/step"
)

// Policy is where one file may come from, by where it was asked from.
type Policy struct {
	// LoopbackAllowed: the URL that was asked for is on the loopback itself, as in the lab.
	LoopbackAllowed bool
	// TLSOnly: it was asked for over https.
	TLSOnly bool
}

const maxRedirects = 10

// PolicyOf checks a URL and gives the policy that it sets for the connections made for it.
func PolicyOf(rawURL string) (Policy, error) {
	_, p, err := check(rawURL)
	return p, err
}

// Address says whether a connection may be made to an address. A transport's dialer asks it with the address that a name resolved to.
func (p Policy) Address(a netip.Addr) error {
	a = a.Unmap()
	switch {
	case a.IsLinkLocalUnicast(), a.IsMulticast(), a.IsUnspecified(), a.IsInterfaceLocalMulticast():
		return fmt.Errorf("address %s is not one that images come from", a)
	case a.IsLoopback() && !p.LoopbackAllowed:
		return fmt.Errorf("address %s is the machine itself", a)
	}
	return nil
}

func check(rawURL string) (*url.URL, Policy, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, Policy{}, refuse("the URL cannot be parsed")
	}
	p := Policy{TLSOnly: u.Scheme == "https"}
	if a, err := netip.ParseAddr(u.Hostname()); (err == nil && a.Unmap().IsLoopback()) || strings.EqualFold(u.Hostname(), "localhost") {
		p.LoopbackAllowed = true
	}
	return u, p, p.url(u)
}

func (p Policy) url(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return refuse("scheme %q of %s is not http or https", u.Scheme, redact(u))
	case u.Hostname() == "":
		return refuse("%s names no host", redact(u))
	case p.TLSOnly && u.Scheme != "https":
		return refuse("%s would leave https", redact(u))
	case strings.EqualFold(u.Hostname(), "localhost") && !p.LoopbackAllowed:
		return refuse("%s is the machine itself", redact(u))
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		if err := p.Address(a); err != nil {
			return refuse("%s: %v", redact(u), err)
		}
	}
	return nil
}

func (p Policy) redirect(r *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return refuse("more than %d redirects from %s", maxRedirects, redact(via[0].URL))
	}
	if err := p.url(r.URL); err != nil {
		return err
	}
	// The Referer would show a signed URL to the next host. Authorization is only ever built from the URL at hand.
	r.Header.Del("Referer")
	return nil
}

func refuse(format string, args ...any) *step.Failure {
	return &step.Failure{
		Kind: step.Invalid, Message: "image source refused: " + fmt.Sprintf(format, args...),
		Fix: "use an http or https URL of a server that the machine may reach",
	}
}

// untrusted recognises a server whose certificate is not trusted, which no retry cures.
func untrusted(err error) bool {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &invalid)
}
