package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/linux"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/internal/enroll"
	"github.com/ingotmetal/ingot/internal/node"
	"github.com/ingotmetal/ingot/internal/node/control"
	"github.com/ingotmetal/ingot/internal/node/metric"
	"github.com/ingotmetal/ingot/internal/node/report"
	"github.com/ingotmetal/ingot/internal/node/source"
	"github.com/ingotmetal/ingot/internal/node/state"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/matrix"
)

// running is what the run command is told.
type running struct {
	*places
	name, policies, kubeconfig, health string
	// firewall is the Firewall of this machine, as namespace/name; empty where it is none.
	firewall string
	// machine is the name of this Machine of the Firewall's; the Firewall's own where empty.
	machine             string
	management          []string
	trial, look, unused time.Duration
	neighbours          bool
}

func runCommand(p *places, errOut io.Writer) *cobra.Command {
	d := &running{places: p}
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon",
		Long: "Run the daemon. Policies come from the files of a directory (--policies) or from the API (--kubeconfig). New rules are on trial in the kernel until somebody\n" +
			"confirms them over a new connection; otherwise the kernel goes back by itself, even when this process is dead.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return d.run(c.Context(), errOut) },
	}
	f := c.Flags()
	f.StringVar(&d.name, "node", "", "this host's name in HostEndpoints (default: the host name)")
	f.StringVar(&d.policies, "policies", "", "directory of Calico manifests and CommunicationMatrix files")
	f.StringVar(&d.kubeconfig, "kubeconfig", "", "file that says where the API server is and who we are")
	f.StringVar(&d.firewall, "firewall", "", "this machine is the Firewall NAMESPACE/NAME: forward by its rules; needs --kubeconfig, and the node's name is NAMESPACE.NAME where --node is not given")
	f.StringVar(&d.machine, "machine", "", "with --firewall: the name of this Machine, where it is another than the Firewall's, since it replaced an earlier one; the node's name is NAMESPACE.MACHINE then")
	f.StringVar(&d.health, "health-bind", "127.0.0.1:8448", "loopback address of /healthz, /readyz and /metrics; empty: none")
	f.StringArrayVar(&d.management, "management", nil, "a management row besides those of the matrix, as protocol/port or protocol/port/network, like tcp/22/192.0.2.0/24; may be given several times")
	f.DurationVar(&d.trial, "trial", time.Minute, "how long new rules are tried without a confirmation")
	f.DurationVar(&d.look, "look", 10*time.Second, "how often the kernel is compared with what was confirmed")
	f.DurationVar(&d.unused, "unused-after", 30*24*time.Hour, "report rows that met no packet for so long; 0: never")
	f.BoolVar(&d.neighbours, "neighbour-discovery", true, "let IPv6 neighbour discovery through as failsafe rows nd-in and nd-out, which no policy can say for tracked packets")
	return c
}

func (d *running) run(ctx context.Context, errOut io.Writer) error {
	if (d.policies == "") == (d.kubeconfig == "") {
		return errors.New("one of --policies and --kubeconfig is needed: say where policies come from")
	}
	if err := d.firewallName(); err != nil {
		return err
	}
	if d.name == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("find the host's name: %w (give it with --node)", err)
		}
		d.name = name
	}
	rows, err := node.ParseManagement(d.management)
	if err != nil {
		return err
	}
	host, err := linux.New()
	if err != nil {
		return err
	}
	defer func() { _ = host.Close() }()
	dir, err := state.Open(d.state)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(errOut, nil))
	o := node.Options{
		Name: d.name, Table: d.table, Trial: d.trial, Look: d.look, UnusedAfter: d.unused, Management: rows, Host: host, State: dir, Log: log,
	}
	group, ctx := errgroup.WithContext(ctx)
	if err := d.connect(ctx, group, &o); err != nil {
		return err
	}
	n, err := node.New(o)
	if err != nil {
		return err
	}
	group.Go(func() error { return n.Run(ctx) })
	group.Go(func() error { return control.Serve(ctx, d.places.run, n) })
	if d.health != "" {
		group.Go(func() error { return metric.Serve(ctx, d.bound(), d.health, n.Status) })
	}
	return group.Wait()
}

// bound is our way to the network.
func (d *running) bound() *socket.Bound { return as(matrix.Node) }

// as is the way to the network of who we are to the API server: a host's node, or a Firewall's machine.
func as(role matrix.Role) *socket.Bound {
	return socket.Bind(role, matrix.Builtin(), kernel.Network{})
}

// toAPIServer is the flow by which either reaches the API server.
func toAPIServer(role matrix.Role) matrix.FlowName {
	if role == matrix.Firewall {
		return matrix.FirewallToAPIServer
	}
	return matrix.NodeToAPIServer
}

func (d *running) role() matrix.Role {
	if d.firewall != "" {
		return matrix.Firewall
	}
	return matrix.Node
}

func (d *running) failsafes() []firewall.Failsafe {
	if d.neighbours {
		return firewall.NeighbourDiscovery()
	}
	return nil
}

// reportEvery is how often numbers are written to the API where nothing else changes.
const reportEvery = 30 * time.Second

// connect gives the daemon its source, and whom it reports to.
func (d *running) connect(ctx context.Context, group *errgroup.Group, o *node.Options) error {
	if d.policies != "" {
		o.Source = source.Files{Dir: d.policies, Every: time.Second, Failsafes: d.failsafes()}
		return nil
	}
	cfg, err := d.config(o.Log)
	if err != nil {
		return err
	}
	if cfg.CertFile != "" {
		// An identity in files is the node's own: it is renewed there, and taken up from there.
		files := pki.Files{Cert: cfg.CertFile, Key: cfg.KeyFile, CA: filepath.Join(filepath.Dir(cfg.CertFile), "ca.crt")}
		group.Go(func() error {
			enroll.Keep(ctx, cfg, d.name, files, o.Log)
			return nil
		})
	}
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return fmt.Errorf("make a client for %s: %w", cfg.Host, err)
	}
	if d.firewall != "" {
		return d.forward(ctx, group, o, client)
	}
	o.Source = source.API{Client: client, Probe: 10 * time.Second, Failsafes: d.failsafes()}
	o.Reporter = report.New(client, reportEvery)
	return nil
}

// config reads the kubeconfig. The API server is dialed by the matrix.
func (d *running) config(log *slog.Logger) (*rest.Config, error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", d.kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig %s: %w", d.kubeconfig, err)
	}
	b := as(d.role())
	if err := reach(b, d.kubeconfig, cfg.Host, log); err != nil {
		return nil, err
	}
	cfg.QPS, cfg.Burst = -1, -1
	cfg.Dial = alive(b.DialContext(toAPIServer(b.Role())))
	return cfg, nil
}

// keepAlive is how long a connection to the API server is silent until we say something. The first ruleset on a host switches connection tracking on: where the next packet is
// the server's, it is a new one from outside to the tracking, and refused, until one of ours shows which way the connection was opened. A trial is not to wait for that.
const keepAlive = 2 * time.Second

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

func alive(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if tcp, ok := c.(*net.TCPConn); ok {
			if err := tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: keepAlive, Count: 15}); err != nil {
				return nil, errors.Join(fmt.Errorf("keep the connection to %s alive: %w", address, err), c.Close())
			}
		}
		return c, nil
	}
}

// reach lets us dial the port of the API server that a kubeconfig names.
func reach(b *socket.Bound, kubeconfig, host string, log *slog.Logger) error {
	server, err := url.Parse(host)
	if err != nil || server.Scheme != "https" {
		return fmt.Errorf("kubeconfig %s: the server %q is not https", kubeconfig, host)
	}
	if ip, err := netip.ParseAddr(server.Hostname()); err != nil || !ip.IsLoopback() {
		port, err := strconv.ParseUint(cmp.Or(server.Port(), "443"), 10, 16)
		if err != nil {
			return fmt.Errorf("kubeconfig %s: the server's port %q: %w", kubeconfig, server.Port(), err)
		}
		missing, err := b.Reach(toAPIServer(b.Role()), uint16(port))
		if err != nil {
			return fmt.Errorf("kubeconfig %s: %w", kubeconfig, err)
		}
		if missing != nil {
			log.Warn("the API server is at a port that the matrix does not have", "flow", string(toAPIServer(b.Role())), "err", missing)
		}
	}
	return nil
}

func loadCommand(p *places, out io.Writer) *cobra.Command {
	var firewall bool
	c := &cobra.Command{
		Use:   "load",
		Short: "Write the last confirmed rules to the kernel (at boot, before the network)",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			host, err := linux.New()
			if err != nil {
				return err
			}
			defer func() { _ = host.Close() }()
			generation, err := node.Load(c.Context(), host, state.Dir(p.state), p.table)
			if err != nil {
				return err
			}
			if firewall {
				return loadFirewall(c.Context(), p, host, out)
			}
			if generation == 0 {
				_, err = fmt.Fprintln(out, "nothing was confirmed on this host yet: nothing is loaded")
				return err
			}
			_, err = fmt.Fprintf(out, "generation %d rules\n", generation)
			return err
		},
	}
	c.Flags().BoolVar(&firewall, "firewall", false, "this is a Firewall's machine: close it to all networks, and load its last rules, if there are any")
	return c
}

func removeCommand(p *places, out io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "remove",
		Short: "Take our rules out of the kernel, and our state off the disk",
		Long:  "Take our rules out of the kernel, and our state off the disk. The host is as it was found; other tables are not touched. Stop the daemon first.",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := (control.Client{Dir: p.run}).Status(c.Context()); err == nil {
				return errors.New("the daemon runs and would write the rules again: stop it first (systemctl stop ingot-node)")
			}
			host, err := linux.New()
			if err != nil {
				return err
			}
			defer func() { _ = host.Close() }()
			if err := node.Remove(c.Context(), host, state.Dir(p.state), p.table); err != nil {
				return err
			}
			if err := removeFirewall(c.Context(), p, host); err != nil {
				return err
			}
			_, err = fmt.Fprintf(out, "the table %s and %s are gone\n", p.table, p.state)
			return err
		},
	}
}
