package boot

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/bootmedia"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/role/identity"
	"github.com/ingotmetal/ingot/internal/server/window"
	"github.com/ingotmetal/ingot/matrix"
)

// process is the role while it runs.
type process struct {
	o   Options
	log *slog.Logger

	// bound is for BMCs, operators and the API server; provisioning is for machines.
	bound, provisioning *socket.Bound
	httpBind            netip.AddrPort
	artifacts           *bootmedia.Artifacts
	index               *window.Index
	feed                *feed
	unknown             *unknown
	registry            *prometheus.Registry
	requests            *prometheus.CounterVec
	// trace is told what is served; nil without a collector.
	trace window.Trace
	// synced is set once the watches have shown what there is; networkError is why the provisioning network is not served, nil for no reason.
	synced       atomic.Bool
	networkError atomic.Pointer[string]
}

// Run is the role until ctx ends.
func Run(ctx context.Context, o Options, log *slog.Logger) error {
	ctrllog.SetLogger(logr.FromSlogHandler(log.Handler()))
	network, leave, err := o.Network(log) // the network's life is the process's, and Close ends it
	if err != nil {
		return err
	}
	defer func() {
		if err := leave.Close(); err != nil {
			log.Warn("provisioning network not left", "err", err)
		}
	}()
	p, err := newProcess(o, network, log)
	if err != nil {
		return err
	}
	return errors.Join(p.run(ctx), p.artifacts.Close())
}

func newProcess(o Options, network socket.Network, log *slog.Logger) (*process, error) {
	p := &process{o: o, log: log, index: window.New(), registry: prometheus.NewRegistry()}
	var err error
	if p.bound, err = p.o.Bind(matrix.Boot, log); err != nil {
		return nil, err
	}
	p.provisioning = p.bound.On(network)
	if p.httpBind, err = netip.ParseAddrPort(o.HTTPBind); err != nil {
		return nil, fmt.Errorf("--http-bind %q: an address with a port is needed, like 10.0.0.2:8080", o.HTTPBind)
	}
	if o.NetworkBoot {
		// It is opened when the Partition asks for it, and tried again then; a port that the matrix does not have is no matter of time.
		if err := p.provisioning.MayListen(matrix.MachineToBootHTTP, matrix.TCP, p.httpBind); err != nil {
			return nil, fmt.Errorf("--http-bind: %w", err)
		}
	}
	if p.artifacts, err = bootmedia.Open(o.Artifacts); err != nil {
		return nil, fmt.Errorf("--artifacts: %w", err)
	}
	p.unknown = &unknown{}
	p.feed = newFeed(o.Partition, p.index, ownAddress(network, p.httpBind), p.httpBind.Port(), log)
	p.feed.recorded = &p.unknown.wanted
	p.requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ingot_boot_requests_total", Help: "What machines and BMCs asked the boot role for, and what came of it: an answer, or the reason for silence.",
	}, []string{"server", "outcome"})
	p.registry.MustRegister(p.requests, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return p, nil
}

// ownAddress is this boot server's address on the provisioning network, as far as it is known here.
func ownAddress(network socket.Network, bind netip.AddrPort) netip.Addr {
	if !bind.Addr().IsUnspecified() {
		return bind.Addr()
	}
	if host, ok := network.(interface{ Address() netip.Addr }); ok {
		return host.Address()
	}
	return netip.Addr{}
}

// count is the counter of one server.
func (p *process) count(server string) func(outcome string) {
	return func(outcome string) { p.requests.WithLabelValues(server, outcome).Inc() }
}

func (p *process) run(ctx context.Context) error {
	config, err := p.o.RESTConfig(p.bound, matrix.BootToAPIServer)
	if err != nil {
		return err
	}
	certificates, err := pki.NewReloader(p.o.TLS)
	if err != nil {
		return err
	}
	media, err := p.listenMedia(ctx, certificates)
	if err != nil {
		return err
	}
	trace, err := p.traces(ctx)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return trace(ctx) })
	group.Go(func() error { return p.watch(ctx, config) })
	health := identity.Health{Flow: matrix.HealthOfBoot, Bind: p.o.HealthBind, Metrics: p.registry, Ready: p.ready, Log: p.log}
	group.Go(func() error { return health.Start(ctx, p.bound) })
	for flow, l := range media {
		group.Go(func() error { return p.serveMedia(ctx, flow, l) })
	}
	if p.o.NetworkBoot {
		group.Go(func() error { return p.serveNetwork(ctx) })
		group.Go(func() error { return p.recordUnknown(ctx, config) })
	}
	p.log.Info("boot role starts", "partition", p.o.Partition, "version", p.artifacts.Version)
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("boot role %s: %w", p.o.Partition, err)
	}
	return nil
}

// ready says what keeps machines from booting.
func (p *process) ready() error {
	if !p.synced.Load() {
		return errors.New("waiting for the API server to show the boot windows")
	}
	if refused := p.feed.refused.Load(); refused != nil {
		return fmt.Errorf("the provisioning network of Partition %s cannot be served: %w", p.o.Partition, *refused)
	}
	if reason := p.networkError.Load(); reason != nil {
		return errors.New(*reason)
	}
	return nil
}

// listenMedia opens the media's listeners: the one for BMCs, and the one for firmware that boots by HTTP.
func (p *process) listenMedia(ctx context.Context, certificates *pki.Reloader) (map[matrix.FlowName]net.Listener, error) {
	open := map[matrix.FlowName]net.Listener{}
	err := errors.Join(
		listenAt("--media-bind", p.o.MediaBind, func(a netip.AddrPort) error {
			l, err := p.bound.Listen(ctx, matrix.BMCToBootMedia, a)
			if err == nil {
				open[matrix.BMCToBootMedia] = tls.NewListener(bounded(l, maxMediaConnections), mediaTLS(certificates))
			}
			return err
		}),
		listenAt("--https-bind", p.o.HTTPSBind, func(a netip.AddrPort) error {
			config, err := pki.FirmwareServer(p.o.HTTPSTLS)
			if err != nil {
				return err
			}
			l, err := p.provisioning.Listen(ctx, matrix.MachineToBootMedia, a)
			if err == nil {
				open[matrix.MachineToBootMedia] = tls.NewListener(bounded(l, maxMediaConnections), config)
			}
			return err
		}),
	)
	if err == nil {
		return open, nil
	}
	for _, l := range open {
		err = errors.Join(err, l.Close())
	}
	return nil, err
}

// listenAt opens what a flag asks for; nothing where it is empty.
func listenAt(flag, bind string, open func(netip.AddrPort) error) error {
	if bind == "" {
		return nil
	}
	addr, err := netip.ParseAddrPort(bind)
	if err != nil {
		return fmt.Errorf("%s %q: an address with a port is needed, like 10.1.0.2:8081", flag, bind)
	}
	if err := open(addr); err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	return nil
}

// mediaTLS takes TLS 1.2 too, as only the servers for BMCs and firmware do: a site cannot update all of them.
func mediaTLS(certificates *pki.Reloader) *tls.Config {
	current := certificates.ServerConfig(tls.NoClientCert)
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			c, err := current.GetConfigForClient(hello)
			if err != nil {
				return nil, err
			}
			return &c.Certificates[0], nil
		},
	}
}

// watch feeds the index from the API server until ctx ends. Connections that are lost are made again by the watches; until then the index stays as it is.
func (p *process) watch(ctx context.Context, config *rest.Config) error {
	objects, err := cache.New(config, cacheOptions(p.o.Partition))
	if err != nil {
		return fmt.Errorf("watch the API server: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return objects.Start(ctx) })
	var synced []func() bool
	for _, kind := range []client.Object{&ingot.Partition{}, &corev1.Secret{}, &ingot.BootWindow{}} {
		informer, err := informerOf(ctx, objects, kind)
		if err != nil {
			return err
		}
		handler, err := informer.AddEventHandler(p.feed)
		if err != nil {
			return fmt.Errorf("watch %T: %w", kind, err)
		}
		synced = append(synced, handler.HasSynced)
	}
	group.Go(func() error { return p.awaitSync(ctx, synced) })
	return group.Wait()
}

// syncPoll is how often the watches are asked whether they have shown everything.
const syncPoll = 50 * time.Millisecond

func (p *process) awaitSync(ctx context.Context, synced []func() bool) error {
	tick := time.NewTicker(syncPoll)
	defer tick.Stop()
	for len(synced) > 0 {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if synced[0]() {
			synced = synced[1:]
		}
	}
	p.synced.Store(true)
	p.log.Info("boot windows known", "count", len(p.index.Boots()))
	return nil
}

// informerOf waits for an API server that does not know our kinds yet.
func informerOf(ctx context.Context, objects cache.Cache, kind client.Object) (cache.Informer, error) {
	const pause = time.Second
	for {
		informer, err := objects.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
		if err == nil || ctx.Err() != nil {
			return informer, errors.Join(err, ctx.Err())
		}
		ctrllog.Log.Info("API server not ready", "kind", fmt.Sprintf("%T", kind), "err", err.Error())
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// cacheOptions watch one Partition, and the boot namespace's windows and Secrets.
func cacheOptions(partition string) cache.Options {
	here := map[string]cache.Config{ingot.BootNamespace: {}}
	return cache.Options{
		Scheme: scheme(), DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&ingot.Partition{}:  {Field: fields.OneTermEqualSelector("metadata.name", partition)},
			&ingot.BootWindow{}: {Namespaces: here},
			&corev1.Secret{}:    {Namespaces: here},
		},
	}
}

// scheme holds the kinds that this role reads.
func scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, ingot.AddToScheme} {
		if err := add(s); err != nil {
			panic(err) // two of our own kinds under one name: no test would pass
		}
	}
	return s
}
