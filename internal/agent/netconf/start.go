package netconf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/ingotmetal/ingot/internal/agent/netdata"
	"github.com/ingotmetal/ingot/step"
)

// Sockets opens the packet sockets that configuration needs. Implementation: internal/driver/socket/packet.
type Sockets interface {
	// DHCPClient receives what is sent to the DHCP client's port on an interface, which need not have an address, and broadcasts.
	DHCPClient(iface string) (net.PacketConn, error)
	// DHCPv6Client receives what is sent to the DHCPv6 client's port on an interface, and sends from its link-local address.
	DHCPv6Client(iface string) (net.PacketConn, error)
	// LLDP receives the frames of the neighbour on an interface.
	LLDP(iface string) (net.PacketConn, error)
}

// Options say how to configure the network.
type Options struct {
	// Static is the wanted network; nil: DHCP and DHCPv6 on every NIC.
	Static *netdata.Config
	// BootMAC is the NIC that booted, lower case, or empty.
	BootMAC string
	Sockets Sockets
	// Module loads a kernel module by name: nobody else does when the kernel asks for one.
	Module func(name string)
	// ResolverFile is where DNS servers are written: /etc/resolv.conf.
	ResolverFile string
	Logger       *slog.Logger
}

// Network is a machine's network in operation.
type Network struct {
	o      Options
	routes routes
	dns    resolver
	lldp   neighbours

	// configured is closed when the first address is there.
	configured chan struct{}
	once       sync.Once
	running    sync.WaitGroup
}

// Start configures what can be configured at once and goes on in the background until ctx ends.
func Start(ctx context.Context, o Options) (*Network, error) {
	n := &Network{o: o, configured: make(chan struct{}), lldp: newNeighbours(), dns: resolver{file: o.ResolverFile}}
	if lo, err := netlink.LinkByName("lo"); err == nil {
		if err := netlink.LinkSetUp(lo); err != nil {
			o.Logger.Warn("Loopback interface stays down", "err", err)
		}
	}
	if o.Static != nil {
		return n, n.static(ctx, *o.Static)
	}
	n.running.Go(func() { n.watch(ctx) })
	return n, nil
}

// Wait waits for the background to end, after the context that Start was given.
func (n *Network) Wait() { n.running.Wait() }

// Configured is closed when the first address is there.
func (n *Network) Configured() <-chan struct{} { return n.configured }

// Neighbours gives what the neighbours said, by interface. It waits until each of the given interfaces has been listened to for a while.
func (n *Network) Neighbours(ctx context.Context, interfaces []string) map[string]step.LLDP {
	return n.lldp.gather(ctx, interfaces)
}

// Addresses gives the addresses in prefix form, by interface.
func Addresses() (map[string][]string, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list the network interfaces: %w", err)
	}
	all := map[string][]string{}
	for _, l := range links {
		addrs, err := netlink.AddrList(l, netlink.FAMILY_ALL)
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if a.IPNet != nil && a.IP.IsGlobalUnicast() {
				all[l.Attrs().Name] = append(all[l.Attrs().Name], a.IPNet.String())
			}
		}
	}
	return all, nil
}

// rescan is how often new NICs are looked for: a driver may take seconds to show one.
const rescan = time.Second

// watch brings up each NIC once and serves it from then on.
func (n *Network) watch(ctx context.Context) {
	served := map[string]bool{}
	for ctx.Err() == nil {
		for _, l := range nics() {
			name := l.Attrs().Name
			if served[name] {
				continue
			}
			served[name] = true
			index := len(served)
			if err := netlink.LinkSetUp(l); err != nil {
				n.o.Logger.Warn("Network interface stays down", "nic", name, "mac", l.Attrs().HardwareAddr.String(), "err", err)
				continue
			}
			n.o.Logger.Info("Network interface up", "nic", name, "mac", l.Attrs().HardwareAddr.String())
			n.running.Go(func() { n.listen(ctx, name) })
			n.running.Go(func() { n.lease(ctx, l, n.metric(l, index)) })
			n.running.Go(func() { n.lease6(ctx, l) })
		}
		sleep(ctx, rescan)
	}
}

// nics lists the Ethernet interfaces of devices.
func nics() []netlink.Link {
	links, err := netlink.LinkList()
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(links, func(l netlink.Link) bool {
		a := l.Attrs()
		return l.Type() != "device" || a.EncapType != "ether" || len(a.HardwareAddr) != 6 || a.Flags&net.FlagLoopback != 0
	})
}

// metric orders the default routes.
func (n *Network) metric(l netlink.Link, index int) int {
	const booted, others = 50, 100
	if n.o.BootMAC != "" && strings.EqualFold(l.Attrs().HardwareAddr.String(), n.o.BootMAC) {
		return booted
	}
	return others + index
}

func (n *Network) ready() { n.once.Do(func() { close(n.configured) }) }

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// carrier waits until an interface has a link.
func carrier(ctx context.Context, name string) error {
	for {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return fmt.Errorf("look at network interface %s: %w", name, err)
		}
		if l.Attrs().RawFlags&lowerUp != 0 {
			return nil
		}
		sleep(ctx, 200*time.Millisecond)
		if ctx.Err() != nil {
			return errors.Join(fmt.Errorf("network interface %s has no link", name), ctx.Err())
		}
	}
}
