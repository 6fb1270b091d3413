package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/kubernetes/pkg/controlplane/apiserver/options"

	"github.com/ingotmetal/ingot/internal/issuer"
	"github.com/ingotmetal/ingot/internal/pki"
)

// People says who people are by tokens of an issuer.
type People struct {
	// Configuration is an AuthenticationConfiguration, written to the data directory; File one of the site's own, in its place. Either is read again when it changes.
	Configuration []byte
	File          string
	// Dial opens the connections to the issuer that Configuration speaks of with egressSelectorType "controlplane".
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// egressConfiguration has the API server ask for its connections to issuers at a Unix socket: its authenticator dials by itself otherwise.
const egressConfiguration = `apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: controlplane
  connection:
    proxyProtocol: HTTPConnect
    transport:
      uds:
        udsName: %q
`

func (p People) configured() bool { return len(p.Configuration) > 0 || p.File != "" }

func authenticationFile(l Layout) string { return issuer.Path(l.PKI()) }

func egressFile(l Layout) string { return filepath.Join(l.PKI(), "egress.yaml") }

// apply tells the API server of the files that startEgress wrote.
func (p People) apply(o *options.Options, l Layout) {
	if !p.configured() {
		return
	}
	o.Authentication.AuthenticationConfigFile = p.File
	if p.File == "" {
		o.Authentication.AuthenticationConfigFile = authenticationFile(l)
	}
	o.EgressSelector.ConfigFile = egressFile(l)
}

// egress connects the API server with the issuer: HTTP CONNECT on a Unix socket in the data directory, which nobody else can open.
type egress struct {
	server *http.Server
	open   sync.WaitGroup
}

// startEgress writes the files and listens. Without people there is nothing to do.
func startEgress(l Layout, p People) (*egress, error) {
	if !p.configured() {
		return nil, nil
	}
	if err := pki.WriteFile(egressFile(l), fmt.Appendf(nil, egressConfiguration, l.EgressSocket()), 0o600); err != nil {
		return nil, err
	}
	if p.File == "" {
		if err := pki.WriteFile(authenticationFile(l), p.Configuration, 0o600); err != nil {
			return nil, err
		}
	}
	listener, err := net.Listen("unix", l.EgressSocket()) //nolint:noctx // a Unix socket is bound at once
	if err != nil {
		return nil, fmt.Errorf("listen for the API server's connections to the issuer: %w", err)
	}
	if err := os.Chmod(l.EgressSocket(), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("make the socket private: %w", err), listener.Close())
	}
	e := &egress{}
	e.server = &http.Server{Handler: e.handler(p.Dial), ReadHeaderTimeout: 10 * time.Second}
	e.open.Go(func() { _ = e.server.Serve(listener) })
	return e, nil
}

func (e *egress) close() {
	if e == nil {
		return
	}
	_ = e.server.Close()
	e.open.Wait()
}

// handler opens one connection a request, and carries bytes between the two until either side ends.
func (e *egress) handler(dial func(ctx context.Context, network, address string) (net.Conn, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "connections only", http.StatusMethodNotAllowed)
			return
		}
		far, err := dial(r.Context(), "tcp", r.Host)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		near, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			_ = far.Close()
			return
		}
		if _, err := io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
			_, _ = far.Close(), near.Close()
			return
		}
		carry(near, far)
	})
}

func carry(a, b net.Conn) {
	var both sync.WaitGroup
	one := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		// The other direction ends with it: TLS has no half-open connections.
		_, _ = to.Close(), from.Close() // nothing is left to say to either
	}
	both.Go(func() { one(a, b) })
	both.Go(func() { one(b, a) })
	both.Wait()
}
