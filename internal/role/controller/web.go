package controller

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/rest"

	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/role/identity"
	"github.com/ingotmetal/ingot/internal/web"
	"github.com/ingotmetal/ingot/matrix"
)

// page is the web page's server. It needs no leadership: each process of the role shows people what the API server tells them.
type page struct {
	o      Options
	bound  *socket.Bound
	api    *rest.Config
	mapper meta.RESTMapper
	log    *slog.Logger
}

// Start implements manager.Runnable.
func (p page) Start(ctx context.Context) error {
	addr, err := netip.ParseAddrPort(p.o.WebBind)
	if err != nil || !addr.Addr().IsLoopback() {
		return fmt.Errorf("--web-bind %q: a loopback address with a port is needed, like 127.0.0.1:8455; people elsewhere reach it through the mesh", p.o.WebBind)
	}
	certificates, err := pki.NewReloader(p.o.TLS)
	if err != nil {
		return err
	}
	server, err := web.New(web.Options{
		API: p.api, Mapper: p.mapper, Tickets: p.o.WebTickets, Now: time.Now, Log: p.log,
		Issuers: p.o.WebIssuers, Endpoint: cmp.Or(p.o.WebEndpoint, "https://"+addr.String()), DialIssuer: p.bound.DialContext(matrix.ControllerToIssuer),
		DialConsole: p.bound.DialContext(matrix.ControllerToConsole), Certificate: certificates.Certificate,
	})
	if err != nil {
		return err
	}
	defer server.Close()
	l, err := p.bound.Listen(ctx, matrix.OperatorToWeb, addr)
	if err != nil {
		return fmt.Errorf("--web-bind: %w", err)
	}
	p.log.Info("web page open", "address", l.Addr().String())
	s := &http.Server{
		Handler: server.Handler(), TLSConfig: certificates.ServerConfig(tls.NoClientCert), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
	// Streams last for as long as somebody looks: they end before the server waits for its requests.
	defer context.AfterFunc(ctx, server.Close)()
	return identity.Serve(ctx, s, func(s *http.Server) error { return s.ServeTLS(l, "", "") })
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (page) NeedLeaderElection() bool { return false }
