package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/dynamic"

	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
	"github.com/ingotmetal/ingot/internal/driver/socket/packet"
	"github.com/ingotmetal/ingot/internal/node"
	"github.com/ingotmetal/ingot/internal/node/gateway"
	"github.com/ingotmetal/ingot/internal/node/source"
	"github.com/ingotmetal/ingot/matrix"
)

// sysctlDir is where the kernel's switch for forwarding is.
const sysctlDir = "/proc/sys/net"

func firewallFile(p *places) gateway.File {
	return gateway.File(filepath.Join(p.state, "gateway.json"))
}

// firewallName checks --firewall, and derives the node's name from it.
func (d *running) firewallName() error {
	if d.firewall == "" {
		return nil
	}
	namespace, name, ok := strings.Cut(d.firewall, "/")
	switch {
	case !ok || namespace == "" || name == "" || strings.Contains(name, "/"):
		return fmt.Errorf("--firewall %q: write NAMESPACE/NAME", d.firewall)
	case d.kubeconfig == "":
		return errors.New("--firewall: the Firewall is read from the API: give --kubeconfig")
	case len(d.management) > 0:
		return errors.New("--management: a firewall's machine is closed to all networks, and is reached over the mesh: leave it out")
	case d.name == "":
		d.name = namespace + "." + cmp.Or(d.machine, name)
	}
	return nil
}

// adder gives network cards addresses.
type adder interface {
	Add(ctx context.Context, card string, addresses []netip.Addr) error
}

// neighbours are those on the firewall's links.
type neighbours struct {
	adder
	sockets packet.Sockets
}

// Announce implements gateway.Neighbours.
func (n neighbours) Announce(_ context.Context, card string, addresses []netip.Addr) error {
	return n.sockets.Announce(card, addresses)
}

// forward runs what a Firewall's machine does. It reads no policies.
func (d *running) forward(ctx context.Context, group *errgroup.Group, o *node.Options, client dynamic.Interface) error {
	o.Source = source.None{Failsafes: d.failsafes()}
	namespace, name, _ := strings.Cut(d.firewall, "/")
	adds, ok := o.Host.(adder)
	if !ok {
		return errors.New("--firewall: this host's network stack takes no addresses")
	}
	daemon, err := gateway.New(gateway.Options{
		Source: gateway.API{Client: client, Namespace: namespace, Name: name}, Host: o.Host, Forwarding: gateway.Sysctl(sysctlDir), File: firewallFile(d.places), Look: d.look,
		Sockets: questions{as(matrix.Firewall)}, Report: 30 * time.Second, Machine: d.machine, Neighbours: neighbours{adds, packet.New(as(matrix.Firewall))},
		Log: o.Log,
	})
	if err != nil {
		return err
	}
	group.Go(func() error { return daemon.Run(ctx) })
	return nil
}

// loadFirewall closes the machine, and writes the last rules of a Firewall's machine, and lets it forward.
func loadFirewall(ctx context.Context, p *places, host hostnet.Host, out io.Writer) error {
	generation, err := gateway.Load(ctx, host, firewallFile(p), ruleset.GatewayTable, gateway.Sysctl(sysctlDir))
	if err != nil {
		return err
	}
	if generation == 0 {
		_, err = fmt.Fprintln(out, "the machine is closed, and forwards nothing: there were no rules of its Firewall yet")
		return err
	}
	_, err = fmt.Fprintf(out, "the machine is closed, and generation %d of its Firewall is enforced\n", generation)
	return err
}

// removeFirewall takes the rules of a Firewall's machine away, which forwards nothing any more.
func removeFirewall(ctx context.Context, p *places, host hostnet.Host) error {
	if err := firewallFile(p).Remove(); err != nil {
		return err
	}
	if err := opened(ctx, host); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(p.state, "firewall.env")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove whose firewall this is: %w", err)
	}
	_, err := host.State(ctx, ruleset.GatewayTable)
	if errors.Is(err, hostnet.ErrNoTable) {
		return nil
	}
	if err == nil {
		err = gateway.Sysctl(sysctlDir)(false)
	}
	if err == nil {
		err = host.Apply(ctx, (&ruleset.Ruleset{Table: ruleset.GatewayTable}).Uninstall())
	}
	if err != nil {
		return fmt.Errorf("remove the table %s: %w", ruleset.GatewayTable, err)
	}
	return nil
}

// opened takes away what closes a firewall's machine, where it is there.
func opened(ctx context.Context, host hostnet.Host) error {
	_, err := host.State(ctx, gateway.ClosedTable)
	if errors.Is(err, hostnet.ErrNoTable) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the table %s: %w", gateway.ClosedTable, err)
	}
	return gateway.Open(ctx, host)
}
