package netconf

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// lowerUp is IFF_LOWER_UP: the driver sees a link.
const lowerUp = unix.IFF_LOWER_UP

const (
	// askTimeout is how long one request waits; a request is sent asks times before the round is given up.
	askTimeout = 3 * time.Second
	asks       = 3
	// askAgain is the wait between two rounds.
	askAgain = 3 * time.Second
	// minLease keeps a server with odd ideas from making the client spin.
	minLease = 30 * time.Second
)

// vendorClass tells a DHCP server who asks (RFC 2132 §9.13).
const vendorClass = "ingot-agent"

// lease keeps an interface addressed by DHCP until ctx ends.
func (n *Network) lease(ctx context.Context, l netlink.Link, metric int) {
	name := l.Attrs().Name
	for ctx.Err() == nil {
		if err := carrier(ctx, name); err != nil {
			if ctx.Err() == nil {
				n.o.Logger.Warn("Network interface is gone", "nic", name, "err", err)
			}
			return
		}
		if err := n.hold(ctx, l, metric); err != nil && ctx.Err() == nil {
			n.o.Logger.Warn("No address by DHCP", "nic", name, "mac", l.Attrs().HardwareAddr.String(), "err", err)
		}
		sleep(ctx, askAgain)
	}
}

// hold gets a lease, and renews it until that fails and the lease ends.
func (n *Network) hold(ctx context.Context, l netlink.Link, metric int) error {
	name, mac := l.Attrs().Name, l.Attrs().HardwareAddr
	conn, err := n.o.Sockets.DHCPClient(name)
	if err != nil {
		return fmt.Errorf("open a DHCP client's socket on %s: %w", name, err)
	}
	client, err := nclient4.NewWithConn(conn, mac, nclient4.WithTimeout(askTimeout), nclient4.WithRetry(asks))
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	defer func() { _ = client.Close() }()
	options := []dhcpv4.Modifier{
		dhcpv4.WithOption(dhcpv4.OptClassIdentifier(vendorClass)),
		dhcpv4.WithRequestedOptions(dhcpv4.OptionSubnetMask, dhcpv4.OptionRouter, dhcpv4.OptionDomainNameServer, dhcpv4.OptionHostName, dhcpv4.OptionClasslessStaticRoute, dhcpv4.OptionInterfaceMTU),
	}
	got, err := client.Request(ctx, options...)
	if err != nil {
		return fmt.Errorf("ask for a lease on %s: %w", name, err)
	}
	for {
		given, err := parseLease(got.ACK)
		if err != nil {
			return fmt.Errorf("lease on %s: %w", name, err)
		}
		if err := n.apply(l, given, metric); err != nil {
			return fmt.Errorf("use the lease of %s on %s: %w", given.address, name, err)
		}
		n.o.Logger.Info("Address by DHCP", "nic", name, "mac", mac.String(), "address", given.address.String(), "lease", given.lifetime)
		n.ready()
		ends := time.Now().Add(given.lifetime)
		for {
			// Half of what is left (RFC 2131 §4.4.5), by broadcast: the client's socket has no address of its own.
			sleep(ctx, max(time.Until(ends)/2, minLease/2))
			if ctx.Err() != nil {
				return nil
			}
			renewed, err := client.Renew(ctx, got, options...)
			if err == nil {
				got = renewed
				break
			}
			if time.Now().After(ends) || errors.As(err, new(*nclient4.ErrNak)) {
				return errors.Join(fmt.Errorf("the lease of %s on %s was lost: %w", given.address, name, err), n.withdraw(l, given))
			}
		}
	}
}

// given is what a DHCP server gave.
type given struct {
	address  netip.Prefix
	routes   []route
	dns      []netip.Addr
	hostname string
	mtu      int
	lifetime time.Duration
}

// route is a way; an invalid Via is a direct one.
type route struct {
	to  netip.Prefix
	via netip.Addr
}

// parseLease checks an acknowledgement. The bytes are foreign.
func parseLease(ack *dhcpv4.DHCPv4) (given, error) {
	var g given
	addr, ok := netip.AddrFromSlice(ack.YourIPAddr.To4())
	if !ok || !addr.IsGlobalUnicast() {
		return g, fmt.Errorf("address %s cannot be used", ack.YourIPAddr)
	}
	mask := ack.SubnetMask()
	if mask == nil {
		mask = ack.YourIPAddr.DefaultMask()
	}
	ones, size := mask.Size()
	if size != 32 || ones == 0 {
		return g, fmt.Errorf("netmask %s cannot be used", mask)
	}
	g.address = netip.PrefixFrom(addr, ones)
	g.lifetime = max(ack.IPAddressLeaseTime(time.Hour), minLease)
	// Classless routes replace the router option (RFC 3442).
	if classless := ack.ClasslessStaticRoute(); len(classless) > 0 {
		for _, c := range classless {
			g.routes = appendRoute(g.routes, c.Dest, c.Router)
		}
	} else if routers := ack.Router(); len(routers) > 0 {
		g.routes = appendRoute(g.routes, &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}, routers[0])
	}
	for _, ip := range ack.DNS() {
		if a, ok := netip.AddrFromSlice(ip.To4()); ok {
			g.dns = append(g.dns, a)
		}
	}
	if name := ack.HostName(); validHostname(name) {
		g.hostname = name
	}
	if mtu, err := dhcpv4.GetUint16(dhcpv4.OptionInterfaceMTU, ack.Options); err == nil && mtu >= 576 {
		g.mtu = int(mtu)
	}
	return g, nil
}

func appendRoute(all []route, to *net.IPNet, via net.IP) []route {
	if to == nil {
		return all
	}
	addr, ok := netip.AddrFromSlice(to.IP.To4())
	ones, size := to.Mask.Size()
	if !ok || size != 32 {
		return all
	}
	r := route{to: netip.PrefixFrom(addr, ones).Masked()}
	if gateway, ok := netip.AddrFromSlice(via.To4()); ok && !gateway.IsUnspecified() {
		r.via = gateway
	}
	return append(all, r)
}

// validHostname: letters, digits, hyphens and dots (RFC 1123 §2.1).
func validHostname(name string) bool {
	return name != "" && len(name) <= 253 && strings.IndexFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.'
	}) < 0
}

// resolver writes the DNS servers of all interfaces into one file.
type resolver struct {
	file string

	mu      sync.Mutex
	servers []netip.Addr
}

func (r *resolver) add(servers []netip.Addr) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := len(r.servers)
	for _, s := range servers {
		known := false
		for _, k := range r.servers {
			known = known || k == s
		}
		if !known {
			r.servers = append(r.servers, s)
		}
	}
	if r.file == "" || len(r.servers) == before {
		return nil
	}
	var text strings.Builder
	for _, s := range r.servers {
		fmt.Fprintf(&text, "nameserver %s\n", s)
	}
	if err := os.MkdirAll(filepath.Dir(r.file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(r.file, []byte(text.String()), 0o644)
}
