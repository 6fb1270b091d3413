package partition

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/role/identity"
	"github.com/ingotmetal/ingot/internal/server/agentapi"
	"github.com/ingotmetal/ingot/internal/server/caller"
	"github.com/ingotmetal/ingot/matrix"
)

// The host controller's settings that are no flags.
const (
	bmcTimeout    = 3 * time.Minute
	bmcActions    = 64
	progressEvery = 5 * time.Second
)

// process is the role while it runs.
type process struct {
	o     Options
	log   *slog.Logger
	caPEM []byte

	bound, provisioning *socket.Bound
	certificates        *pki.Reloader
	config              *rest.Config
	http                *http.Client
	live                client.Client
	trust               agentTrust
	agents, operators   net.Listener
	// counters are this process's own metrics, beside those of the libraries.
	counters *prometheus.Registry
	// leading is set once caches are filled and the leadership is held.
	leading atomic.Bool
}

// Run is the role until ctx ends.
func Run(ctx context.Context, o Options, log *slog.Logger) error {
	p := &process{o: o, log: log, counters: prometheus.NewRegistry()}
	var err error
	if p.bound, err = p.o.Bind(matrix.Partition, log); err != nil {
		return err
	}
	network, leave, err := o.Network(log)
	if err != nil {
		return err
	}
	p.provisioning = p.bound.On(network)
	err = p.run(ctx)
	return errors.Join(err, leave.Close())
}

func (p *process) run(ctx context.Context) (err error) {
	if err := p.open(ctx); err != nil {
		return err
	}
	defer func() {
		// Closing twice is harmless: the servers close what they served.
		_ = p.agents.Close()
		_ = p.operators.Close()
	}()
	mgr, err := p.manager()
	if err != nil {
		return err
	}
	bmcs, err := p.bmcs()
	if err != nil {
		return err
	}
	hosts, err := p.hosts(ctx, mgr, bmcs)
	if err != nil {
		return err
	}
	if err := p.discoveries(ctx, mgr); err != nil {
		return err
	}
	if err := p.serve(mgr, hosts, bmcs); err != nil {
		return err
	}
	p.log.Info("partition role starts", "partition", p.o.Partition, "agents", p.agentEndpoint(), "operators", p.operatorEndpoint())
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("partition role %s: %w", p.o.Partition, err)
	}
	return nil
}

// open reads what is in files, opens the listeners, and the agents' CA.
func (p *process) open(ctx context.Context) (err error) {
	if p.caPEM, err = os.ReadFile(p.o.TLS.CA); err != nil {
		return fmt.Errorf("--tls-ca: %w", err)
	}
	if p.certificates, err = pki.NewReloader(p.o.TLS); err != nil {
		return err
	}
	if p.config, err = p.o.RESTConfig(p.bound, matrix.PartitionToAPIServer); err != nil {
		return err
	}
	p.config.Wrap(func(next http.RoundTripper) http.RoundTripper { return leanAnswers{next} })
	if p.http, err = rest.HTTPClientFor(p.config); err != nil {
		return fmt.Errorf("client of the API server: %w", err)
	}
	if p.live, err = client.New(p.config, client.Options{HTTPClient: p.http, Scheme: host.Scheme()}); err != nil {
		return fmt.Errorf("client of the API server: %w", err)
	}
	if p.trust, err = p.openTrust(ctx); err != nil {
		return err
	}
	if p.agents, err = listen(ctx, p.provisioning, matrix.AgentToPartition, "--agent-bind", p.o.AgentBind); err != nil {
		return err
	}
	if p.operators, err = listen(ctx, p.bound, matrix.OperatorToPartition, "--operator-bind", p.o.OperatorBind); err != nil {
		return errors.Join(err, p.agents.Close())
	}
	return nil
}

// openTrust waits for an API server that does not answer yet.
func (p *process) openTrust(ctx context.Context) (agentTrust, error) {
	const pause = time.Second
	for {
		trust, err := openAgentTrust(ctx, p.live, p.o.Partition, time.Now())
		if err == nil || !transient(err) {
			return trust, err
		}
		p.log.Warn("API server not ready", "err", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return agentTrust{}, ctx.Err()
		}
	}
}

// manager joins clients, caches and leader election. It opens no socket: metrics and health are served by us, from a flow of the matrix.
func (p *process) manager() (manager.Manager, error) {
	m, err := manager.New(p.config, managerOptions(p.o, p.http, p.log))
	if err != nil {
		return nil, fmt.Errorf("partition role: %w", err)
	}
	return m, nil
}

// authorities reads the PEM file of a flag; nothing where it is empty.
func authorities(flag, path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return pem, nil
}

// hosts adds the host controller.
func (p *process) hosts(ctx context.Context, mgr manager.Manager, bmcs *bmc.Pool) (*host.Reconciler, error) {
	bmcCA, err := authorities("--bmc-ca", p.o.BMCCA)
	if err != nil {
		return nil, err
	}
	httpCA, err := authorities("--uefi-http-ca", p.o.HTTPBootCA)
	if err != nil {
		return nil, err
	}
	if err := mgr.Add(closeSessions(bmcs)); err != nil {
		return nil, fmt.Errorf("partition role: %w", err)
	}
	streams, err := p.streams(mgr, bmcs)
	if err != nil {
		return nil, err
	}
	images, err := p.firmwareImages()
	if err != nil {
		return nil, err
	}
	traces, err := p.traces(ctx, mgr)
	if err != nil {
		return nil, err
	}
	hosts, err := host.Add(ctx, mgr, host.Options{
		Config: host.Config{
			Partition: p.o.Partition, AgentEndpoint: p.agentEndpoint(), MediaEndpoint: p.o.MediaEndpoint, CABundle: p.caPEM,
			HTTPBootEndpoint: strings.TrimSuffix(p.o.HTTPBootEndpoint, "/"), HTTPBootCA: httpCA,
			BMCCAPEM: bmcCA, FirstBootKey: p.trust.firstBootKey,
			BootDeadline: p.o.BootDeadline, BMCTimeout: bmcTimeout, BMCActions: bmcActions, ProgressEvery: progressEvery,
		},
		BMCs: bmcs, Streams: streams, FirmwareImages: images, Traces: traces, Live: p.live, Metrics: p.counters, Workers: p.o.Workers, Log: p.log,
	})
	if err != nil {
		return nil, err
	}
	return hosts, p.subscriptions(mgr, bmcs, hosts)
}

// serve adds the servers. Those for agents and operators start with the leadership, since only the leader knows what agents are at.
func (p *process) serve(mgr manager.Manager, hosts *host.Reconciler, bmcs *bmc.Pool) error {
	logs := newAgentLogs(filepath.Join(p.o.DataDir, "agent-logs"), hosts.HostOfBoot, p.log)
	objects := agentObjects{hosts}
	agents := agentapi.New(agentapi.Options{
		Windows: objects, Boots: objects, Logs: logs, FirstBoots: objects, Authority: p.trust.ca, Logger: p.log,
		Identities: firewallIdentities{hosts, p.config, cmp.Or(p.o.FirewallAPIServer, p.config.Host), p.log},
	})
	operators := &operatorAPI{who: caller.Reviewer{Live: p.live}, hosts: hosts, serials: bmcs, logs: logs, log: p.log}
	health := identity.Health{Flow: matrix.HealthOfPartition, Bind: p.o.HealthBind, Metrics: prometheus.Gatherers{metrics.Registry, p.counters}, Ready: p.ready, Log: p.log}
	published := endpoints{agent: p.agentEndpoint(), media: p.o.MediaEndpoint, httpBoot: strings.TrimSuffix(p.o.HTTPBootEndpoint, "/"), operator: p.operatorEndpoint(), console: p.o.ConsoleEndpoint, consoleSSH: p.o.ConsoleSSHEndpoint, ca: p.caPEM}
	for _, r := range []manager.Runnable{
		always{func(ctx context.Context) error { return health.Start(ctx, p.bound) }},
		manager.RunnableFunc(func(ctx context.Context) error {
			s := agents.HTTPServer(ctx)
			s.TLSConfig = agents.TLSConfig(p.certificate)
			return identity.Serve(ctx, s, func(s *http.Server) error { return s.ServeTLS(p.agents, "", "") })
		}),
		manager.RunnableFunc(func(ctx context.Context) error {
			s := &http.Server{Handler: operators.handler(), TLSConfig: p.certificates.ServerConfig(tls.VerifyClientCertIfGiven), ReadHeaderTimeout: 10 * time.Second,
				// Consoles outlive the server's care for its requests: they end with the role.
				BaseContext: func(net.Listener) context.Context { return ctx }}
			return identity.Serve(ctx, s, func(s *http.Server) error { return s.ServeTLS(p.operators, "", "") })
		}),
		manager.RunnableFunc(func(ctx context.Context) error {
			p.leading.Store(true)
			return published.publish(ctx, p.live, p.o.Partition, p.log)
		}),
	} {
		if err := mgr.Add(r); err != nil {
			return fmt.Errorf("partition role: %w", err)
		}
	}
	return nil
}

// certificate shows agents our current certificate.
func (p *process) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c, err := p.certificates.ServerConfig(tls.NoClientCert).GetConfigForClient(hello)
	if err != nil {
		return nil, err
	}
	return &c.Certificates[0], nil
}

func (p *process) ready() error {
	if !p.leading.Load() {
		return errors.New("waiting for caches or for the leadership of the partition")
	}
	return nil
}

// always is a runnable that needs no leadership.
type always struct{ start func(context.Context) error }

// Start implements manager.Runnable.
func (a always) Start(ctx context.Context) error { return a.start(ctx) }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (always) NeedLeaderElection() bool { return false }
