// Package controller is the controller role: the process that turns communication matrices into policies and confirms what hosts make of them, and gives tenants' claims their hosts.
//
// It owns the wiring: flags, clients, caches, leader election, health. It refuses decisions: matrices are internal/controller/matrix's, trials
// internal/controller/hostendpoint's, nodes' certificates internal/controller/certificate's, hosts' sizes internal/controller/size's, images' states internal/controller/catalog's, the sense of policies written by hand internal/controller/calico's, tenants' claims of hosts internal/controller/hostclaim's, their Machines internal/controller/machine's, the fleet's metrics internal/controller/gauge's, in which namespaces the
// partition role may read Secrets internal/controller/hostnamespace's, addresses internal/controller/address's. It reads no Secret but those that claims name, and talks
// to no BMC.
//
// One process leads; others wait. Everything that it knows is in API objects: kill it at any moment and start it anywhere. While none runs, hosts keep what was confirmed last,
// and what they try reverts by itself.
//
// Invariant: every socket is opened by a flow of the matrix.
package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/address"
	"github.com/ingotmetal/ingot/internal/controller/calico"
	"github.com/ingotmetal/ingot/internal/controller/catalog"
	"github.com/ingotmetal/ingot/internal/controller/certificate"
	"github.com/ingotmetal/ingot/internal/controller/gauge"
	"github.com/ingotmetal/ingot/internal/controller/hostclaim"
	"github.com/ingotmetal/ingot/internal/controller/hostendpoint"
	"github.com/ingotmetal/ingot/internal/controller/hostnamespace"
	"github.com/ingotmetal/ingot/internal/controller/machine"
	matrixcontroller "github.com/ingotmetal/ingot/internal/controller/matrix"
	"github.com/ingotmetal/ingot/internal/controller/size"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/role/identity"
	"github.com/ingotmetal/ingot/internal/role/leader"
	"github.com/ingotmetal/ingot/matrix"
)

// The leader election's times: a dead leader is replaced by another process after leaseTime at the latest, and by its own successor, or where it stops in good order, at once.
const (
	leaseTime    = 15 * time.Second
	renewTime    = 10 * time.Second
	retryTime    = 2 * time.Second
	shutdownTime = 20 * time.Second
)

// Options are the flags.
type Options struct {
	identity.Flags
	LeaderElect bool
	// Settle is how long a matrix's objects must have been left alone before they are compiled; 0: the controller's own.
	Settle time.Duration
	// MeshKeys is the URL of the mesh role's listener for keys; empty: there is no mesh. MeshCA is the file of the CA that members are told; empty: the CA of the role's own certificate.
	MeshKeys, MeshCA string
	// NoMetal3Addresses leaves Metal3's IPPools and IPClaims to its own manager.
	NoMetal3Addresses bool
	// WebBind is the loopback address of the web page; empty: there is none. WebTickets is the folder of its login links; empty: it gives none.
	WebBind, WebTickets string
	// WebIssuers is the AuthenticationConfiguration with the issuers of the page's people; WebEndpoint the URL that they reach the page by.
	WebIssuers, WebEndpoint string
	// Verbose logs at debug level.
	Verbose bool
}

// Command is `ingot controller`.
func Command() *cobra.Command {
	var o Options
	c := &cobra.Command{
		Use:   "controller",
		Short: "Run the controller role: make policies from communication matrices, confirm what hosts try, give claims their hosts",
		Long: "Runs the role that compiles CommunicationMatrix objects into policies, network sets and host endpoints in the API, dials hosts back that have new rules on trial, " +
			"approves the certificates by which nodes renew who they are, binds HostClaims to hosts, lets the partition role read Secrets in the namespaces with hosts, shows people the web page with their own rights, and gives networks their prefixes and claims their addresses. All state is in the API server: the process may be killed at any moment.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.CheckCentral(); err != nil {
				return err
			}
			return Run(c.Context(), o, identity.Logger(o.Verbose))
		},
	}
	o.AddCentral(c.Flags())
	c.Flags().BoolVar(&o.LeaderElect, "leader-elect", true, "wait for the leadership; off where only one process is ever started")
	c.Flags().StringVar(&o.MeshKeys, "mesh-keys", "", "URL at which the mesh role hands out keys, like https://192.0.2.1:8450: firewalls join the mesh by their first-boot data; empty: there is no mesh")
	c.Flags().StringVar(&o.MeshCA, "mesh-ca", "", "PEM file of the CA of the mesh's coordinator and relays, for members (default: --tls-ca)")
	c.Flags().BoolVar(&o.NoMetal3Addresses, "no-metal3-addresses", false, "leave Metal3's IPPools and IPClaims alone, where Metal3's own ip-address-manager serves them")
	c.Flags().StringVar(&o.WebBind, "web-bind", "", "loopback address of the web page, which people elsewhere reach through the mesh; empty: none")
	c.Flags().StringVar(&o.WebTickets, "web-tickets", "", "folder of login links that ingot up writes; empty: there are none")
	c.Flags().StringVar(&o.WebIssuers, "web-issuers", "", "file with the API server's AuthenticationConfiguration: people log in at its issuers, where the URL of --web-endpoint with /login/callback must be registered; empty: by tokens and links only")
	c.Flags().StringVar(&o.WebEndpoint, "web-endpoint", "", "URL that people reach --web-bind by (default: its address)")
	c.Flags().BoolVar(&o.Verbose, "verbose", false, "log more")
	return c
}

// Run is the role until ctx ends.
func Run(ctx context.Context, o Options, log *slog.Logger) error {
	bound, err := o.Bind(matrix.Controller, log)
	if err != nil {
		return err
	}
	cfg, err := o.RESTConfig(bound, matrix.ControllerToAPIServer)
	if err != nil {
		return err
	}
	scheme, err := matrixcontroller.Scheme()
	if err != nil {
		return err
	}
	if err := metal3.AddToScheme(scheme); err != nil {
		return fmt.Errorf("register kinds: %w", err)
	}
	if err := address.AddToScheme(scheme); err != nil {
		return err
	}
	h, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return fmt.Errorf("client of the API server: %w", err)
	}
	live, err := client.New(cfg, client.Options{HTTPClient: h, Scheme: scheme})
	if err != nil {
		return fmt.Errorf("client of the API server: %w", err)
	}
	name, err := leader.Take(o.Kubeconfig)
	if err != nil {
		return fmt.Errorf("controller role: %w", err)
	}
	defer func() { _ = name.Close() }()
	lease, err := name.Lease(cfg, ingot.SystemNamespace, "controller", renewTime)
	if err != nil {
		return fmt.Errorf("controller role: %w", err)
	}
	logger := logr.FromSlogHandler(log.Handler())
	ctrllog.SetLogger(logger)
	mgr, err := manager.New(cfg, manager.Options{
		Scheme: scheme, Logger: logger,
		Cache:                               cache.Options{ByObject: caches()},
		Metrics:                             metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress:              "0",
		LeaderElection:                      o.LeaderElect,
		LeaderElectionResourceLockInterface: lease,
		LeaderElectionReleaseOnCancel:       true,
		LeaseDuration:                       ptr.To(leaseTime), RenewDeadline: ptr.To(renewTime), RetryPeriod: ptr.To(retryTime),
		GracefulShutdownTimeout: ptr.To(shutdownTime),
		// Names are checked per process, and a test runs several roles in one.
		Controller: config.Controller{SkipNameValidation: ptr.To(true)},
	})
	if err != nil {
		return fmt.Errorf("controller role: %w", err)
	}
	if err := add(ctx, mgr, o, bound, live, log); err != nil {
		return fmt.Errorf("controller role: %w", err)
	}
	if o.WebBind != "" {
		if err := mgr.Add(page{o: o, bound: bound, api: cfg, mapper: mgr.GetRESTMapper(), log: log}); err != nil {
			return fmt.Errorf("controller role: %w", err)
		}
	}
	log.Info("controller role starts")
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("controller role: %w", err)
	}
	return nil
}

// caches are what the watches keep, where it is not the whole object.
func caches() map[client.Object]cache.ByObject {
	all := hostclaim.Caches()
	maps.Copy(all, size.Caches())
	maps.Copy(all, hostnamespace.Caches())
	return all
}

// add hangs the controllers and the health endpoint into the manager.
func add(ctx context.Context, mgr manager.Manager, o Options, bound *socket.Bound, live client.Client, log *slog.Logger) error {
	matrices, err := matrixcontroller.Add(mgr, matrixcontroller.Options{Live: live, Log: log, Settle: o.Settle})
	if err != nil {
		return err
	}
	if err := hostendpoint.Add(mgr, hostendpoint.Options{Live: live, Dial: management{bound, log}, Matrix: matrices.Matrix, Log: log}); err != nil {
		return err
	}
	if err := certificate.Add(mgr, live, log); err != nil {
		return err
	}
	counters := prometheus.NewRegistry()
	mesh, err := o.mesh(bound)
	if err != nil {
		return err
	}
	if err := addClaims(ctx, mgr, machine.Options{Live: live, Log: log, Mesh: mesh}, counters); err != nil {
		return err
	}
	if err := hostnamespace.Add(mgr, live, log); err != nil {
		return err
	}
	if err := size.Add(mgr, size.Options{Live: live, Log: log}); err != nil {
		return err
	}
	if err := catalog.Add(mgr, catalog.Options{Live: live, Log: log}); err != nil {
		return err
	}
	if _, err := address.Add(ctx, mgr, address.Options{Live: live, Log: log, NoMetal3: o.NoMetal3Addresses}); err != nil {
		return err
	}
	if err := calico.Add(mgr, counters, log); err != nil {
		return err
	}
	gauges := gauge.New(gauge.Options{Live: live, Log: log})
	counters.MustRegister(gauges)
	if err := mgr.Add(gauges); err != nil {
		return err
	}
	var leading atomic.Bool
	health := identity.Health{Flow: matrix.HealthOfController, Bind: o.HealthBind, Metrics: prometheus.Gatherers{metrics.Registry, counters}, Log: log, Ready: func() error {
		if !leading.Load() {
			return errors.New("waiting for caches or for the leadership")
		}
		return nil
	}}
	if err := mgr.Add(always(func(ctx context.Context) error { return health.Start(ctx, bound) })); err != nil {
		return err
	}
	return mgr.Add(manager.RunnableFunc(func(context.Context) error {
		leading.Store(true)
		return nil
	}))
}

// management dials hosts at the ports of their site's management rows.
type management struct {
	bound *socket.Bound
	log   *slog.Logger
}

// Dial implements hostendpoint.Dialer. The port is the word of the site's own matrix, which an operator wrote into the API: our row follows it.
func (m management) Dial(ctx context.Context, flow matrix.FlowName, address string) (net.Conn, error) {
	if _, text, err := net.SplitHostPort(address); err == nil {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("dial %s for flow %s: %w", address, flow, err)
		}
		missing, err := m.bound.Reach(flow, uint16(port))
		if err != nil {
			return nil, err
		}
		if missing != nil {
			m.log.Warn("management port that our own row does not have; a firewall compiled from it cuts the controller off", "flow", string(flow), "err", missing)
		}
	}
	return m.bound.Dial(ctx, flow, address)
}

// always is a runnable that needs no leadership.
type always func(context.Context) error

// Start implements manager.Runnable.
func (a always) Start(ctx context.Context) error { return a(ctx) }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (always) NeedLeaderElection() bool { return false }
