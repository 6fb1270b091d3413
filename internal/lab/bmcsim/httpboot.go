package bmcsim

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// maxAuthorities is how many certificates for HTTPS boot a BMC holds.
const maxAuthorities = 8

// authorities are the PEM certificates of ComputerSystem.Boot.Certificates, in the order in which they came.
type authorities []string

func (a authorities) bundle() string { return strings.Join(a, "\n") }

// bootable: UEFI HTTP boot needs something to fetch, and UEFI.
func bootable(o override) bool {
	u, err := url.Parse(o.httpURI)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && o.mode == "UEFI"
}

func (b *BMC) authoritiesPath() string { return b.systemPath() + "/Boot/Certificates" }

// addHTTPBoot is called with mu held.
func (b *BMC) addHTTPBoot(boot doc) {
	if b.who.NoHTTPBoot {
		return
	}
	boot["HttpBootUri"] = b.override.httpURI
	if !b.who.NoAuthorities {
		boot["Certificates"] = ref(b.authoritiesPath())
	}
}

func (b *BMC) authorityRoutes() []route {
	if b.who.NoHTTPBoot || b.who.NoAuthorities {
		return nil
	}
	p := b.authoritiesPath()
	return []route{get(p, b.listAuthorities).and(http.MethodPost, b.addAuthority), get(p+"/*", b.readAuthority)}
}

func (b *BMC) listAuthorities(c *call) reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []string
	for i := range b.authorities {
		ids = append(ids, strconv.Itoa(i+1))
	}
	return ok(collection(c.path, "CertificateCollection", "Certificates for HTTPS boot", ids))
}

func (b *BMC) readAuthority(c *call) reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := strconv.Atoi(c.part)
	if err != nil || n < 1 || n > len(b.authorities) {
		return notFound(c)
	}
	return ok(b.authorityDoc(n))
}

func (b *BMC) authorityDoc(n int) doc {
	id := strconv.Itoa(n)
	return resource(b.authoritiesPath()+"/"+id, "#Certificate.v1_9_0.Certificate", id, "Certificate for HTTPS boot", doc{
		"CertificateType": "PEM", "CertificateString": b.authorities[n-1],
	})
}

func (b *BMC) addAuthority(c *call) reply {
	var ask struct{ CertificateString, CertificateType string }
	if rep := c.into(&ask); rep != nil {
		return *rep
	}
	block, _ := pem.Decode([]byte(ask.CertificateString))
	if ask.CertificateType != "PEM" || block == nil || block.Type != "CERTIFICATE" {
		return refuse(http.StatusBadRequest, "PropertyValueFormatError", "The property CertificateString is not a certificate in PEM.")
	}
	if _, err := x509.ParseCertificate(block.Bytes); err != nil {
		return refuse(http.StatusBadRequest, "PropertyValueFormatError", "The property CertificateString does not hold an X.509 certificate.")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.authorities) >= maxAuthorities {
		return refuse(http.StatusBadRequest, "CreateLimitReachedForResource", "The create operation failed because the resource has reached the limit of possible resources.")
	}
	b.authorities = append(b.authorities, ask.CertificateString)
	rep := ok(b.authorityDoc(len(b.authorities)))
	rep.status = http.StatusCreated
	return rep
}
