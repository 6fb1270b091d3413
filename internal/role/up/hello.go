package up

import (
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ingotmetal/ingot/internal/issuer"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/web/ticket"
)

// webLogin is how long the person who uses the link stays logged in.
const webLogin = 12 * time.Hour

// hello says how to use what runs.
func (s *site) hello(ids *identities) {
	fmt.Fprintf(s.o.Out, `Ingot is up: partition %s, data in %s

  export KUBECONFIG=%s
  ingot host list                  what each host is doing
  kubectl get baremetalhosts -A    the same objects, with any Kubernetes tool
%s
Logs are in %s. Ctrl-C stops everything; starting again goes on where it stood.
`, s.o.Partition, s.o.DataDir, s.admin, s.webHello(ids), filepath.Join(s.o.DataDir, "logs"))
	if s.o.Mesh.On {
		fmt.Fprintf(s.o.Out, "The mesh is joined at https://%s; who has joined: kubectl get meshnodes -A\n", s.o.Mesh.Bind)
	}
}

func (s *site) tickets() string { return filepath.Join(s.o.DataDir, "web", "tickets") }

func (s *site) webEndpoint() string { return cmp.Or(s.o.WebEndpoint, "https://"+s.o.WebBind) }

// webIssuers is the file with the issuers of the embedded API server; empty where it has none.
func (s *site) webIssuers() string {
	if !s.o.People.Configured() {
		return ""
	}
	return cmp.Or(s.o.People.File, issuer.Path(filepath.Join(s.o.DataDir, "pki")))
}

// webHello is the web page's address and, with the embedded API server, a link that logs its administrator in. A foreign cluster says itself who its people are.
func (s *site) webHello(ids *identities) string {
	if s.o.WebBind == "" {
		return ""
	}
	where := "\nThe web page: " + s.webEndpoint() + "\n"
	if ids.foreign != nil {
		return where + "  log in with a token of the cluster's\n"
	}
	code, err := s.webLink(ids, time.Now())
	if err != nil {
		s.log.Error("login link of the web page not made; log in with a token", "err", err)
		return where
	}
	return where + fmt.Sprintf(`
  %s/login#%s

This link logs you in as administrator, once, within %d minutes; starting again gives another one.
The browser does not know the site's CA: trust %s,
or compare the certificate's SHA-256 fingerprint: %s
`, s.webEndpoint(), code, int(ticket.Life.Minutes()), filepath.Join(s.o.DataDir, "pki", "ca.crt"), s.webFingerprint(ids))
}

// webLink makes a client certificate for the person at the page, and the ticket that holds it.
func (s *site) webLink(ids *identities, now time.Time) (string, error) {
	p := pki.OperatorProfile("web-admin")
	p.Lifetime = webLogin
	who, err := ids.ca.NewIdentity(p, now)
	if err != nil {
		return "", err
	}
	return ticket.Write(s.tickets(), who.CertPEM, []byte(who.KeyPEM.Reveal()), now)
}

func (s *site) webFingerprint(ids *identities) string {
	files, _ := ids.files(controllerName)
	text, err := os.ReadFile(files.Cert)
	if err != nil {
		return "not readable: " + err.Error()
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return "no certificate in " + files.Cert
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "no certificate in " + files.Cert
	}
	return fmt.Sprintf("%X", sha256.Sum256(c.Raw))
}
