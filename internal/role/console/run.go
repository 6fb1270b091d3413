package console

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/role/identity"
	"github.com/ingotmetal/ingot/internal/server/caller"
	server "github.com/ingotmetal/ingot/internal/server/console"
	"github.com/ingotmetal/ingot/internal/server/console/gate"
	"github.com/ingotmetal/ingot/internal/server/console/recording"
	"github.com/ingotmetal/ingot/matrix"
)

// process is the role while it runs.
type process struct {
	o   Options
	log *slog.Logger

	bound        *socket.Bound
	certificates *pki.Reloader
	config       *rest.Config
	live         client.WithWatch
	gate         *gate.Gate
	store        *recording.Store
	server       *server.Server
	ready        atomic.Bool
}

// scheme has the kinds that the role reads.
func scheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, metal3.AddToScheme, ingot.AddToScheme} {
		if err := add(s); err != nil {
			return nil, fmt.Errorf("register kinds: %w", err)
		}
	}
	return s, nil
}

// Run is the role until ctx ends.
func Run(ctx context.Context, o Options, log *slog.Logger) error {
	ctrllog.SetLogger(logr.FromSlogHandler(log.Handler()))
	p := &process{o: o, log: log}
	if err := p.open(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tasks := make(chan error)
	running := 0
	start := func(task func(context.Context) error) {
		running++
		go func() { tasks <- task(ctx) }()
	}
	health := identity.Health{Flow: matrix.HealthOfConsole, Bind: o.HealthBind, Metrics: p.metrics(), Ready: p.isReady, Log: log}
	start(func(ctx context.Context) error { return health.Start(ctx, p.bound) })
	start(p.serve)
	var problems []error
	for range running {
		err := <-tasks
		cancel() // one part without the others is of no use
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

func (p *process) isReady() error {
	if !p.ready.Load() {
		return errors.New("waiting for the API server, or for its watches")
	}
	return nil
}

// open reads what is in files.
func (p *process) open() (err error) {
	if p.bound, err = p.o.Bind(matrix.Console, p.log); err != nil {
		return err
	}
	if p.certificates, err = pki.NewReloader(p.o.TLS); err != nil {
		return err
	}
	if p.config, err = p.o.RESTConfig(p.bound, matrix.ConsoleToAPIServer); err != nil {
		return err
	}
	s, err := scheme()
	if err != nil {
		return err
	}
	if p.live, err = client.NewWithWatch(p.config, client.Options{Scheme: s}); err != nil {
		return fmt.Errorf("client of the API server: %w", err)
	}
	p.gate = &gate.Gate{Partition: p.o.Partition, Live: p.live, Reviewer: caller.Reviewer{Live: p.live}, Now: time.Now, Log: p.log}
	p.store, err = recording.OpenStore(filepath.Join(p.o.DataDir, "recordings"), p.o.Largest, time.Now)
	return err
}

// serve waits for the API server, and then serves until ctx ends.
func (p *process) serve(ctx context.Context) error {
	authority, err := p.authority(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	p.server = server.New(ctx, server.Options{
		Gate: p.gate, Reviewer: p.gate.Reviewer, Live: p.live, Store: p.store, RecordInput: p.o.RecordInput, Reach: p.reach,
		Authority: authority, SSHNames: append([]string{"127.0.0.1", "::1", "localhost"}, p.o.SSHNames...), Partition: p.o.Partition, Now: time.Now, Log: p.log,
	})
	web, err := p.listen(ctx, matrix.OperatorToConsole, "--bind", p.o.WebBind)
	if err != nil {
		return err
	}
	defer func() { _ = web.Close() }()
	parts := []func(context.Context) error{p.watch, p.sweep, func(ctx context.Context) error { return p.serveWeb(ctx, web) }}
	var over net.Listener
	if p.o.SSHBind != "" {
		if over, err = p.listen(ctx, matrix.OperatorToConsoleSSH, "--ssh-bind", p.o.SSHBind); err != nil {
			return err
		}
		defer func() { _ = over.Close() }()
		parts = append(parts, func(ctx context.Context) error { return p.server.ServeSSH(ctx, over) })
	}
	p.log.Info("console role starts", "partition", p.o.Partition, "address", web.Addr().String())
	if p.o.ready != nil {
		p.o.ready(addressOf(web), addressOf(over))
	}
	return together(ctx, parts)
}

// together runs parts until ctx ends, or one of them does.
func together(ctx context.Context, parts []func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error)
	for _, part := range parts {
		go func() { ended <- part(ctx) }()
	}
	var problems []error
	for range parts {
		problems = append(problems, <-ended)
		cancel()
	}
	return errors.Join(problems...)
}

func addressOf(l net.Listener) netip.AddrPort {
	if l == nil {
		return netip.AddrPort{}
	}
	a, _ := netip.ParseAddrPort(l.Addr().String()) // a TCP listener's address
	return a
}

func (p *process) listen(ctx context.Context, flow matrix.FlowName, flag, text string) (net.Listener, error) {
	a, err := loopback(flag, text)
	if err != nil {
		return nil, err
	}
	l, err := p.bound.Listen(ctx, flow, a)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return l, nil
}

func (p *process) serveWeb(ctx context.Context, l net.Listener) error {
	s := &http.Server{
		Handler: p.server.Handler(), TLSConfig: p.certificates.ServerConfig(tls.VerifyClientCertIfGiven), ReadHeaderTimeout: 10 * time.Second,
		// Sessions outlive the server's care for its requests: they end with the role.
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
	return identity.Serve(ctx, s, func(s *http.Server) error { return s.ServeTLS(l, "", "") })
}

// sweepEvery is how often recordings are looked through.
const sweepEvery = 10 * time.Minute

// sweep removes recordings that are not kept.
func (p *process) sweep(ctx context.Context) error {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
		if n, err := p.store.Sweep(p.o.Keep); err != nil {
			p.log.Error("recordings not swept", "err", err)
		} else if n > 0 {
			p.log.Info("recordings removed", "count", n)
		}
		t.Reset(sweepEvery)
	}
}
