package netconf

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/internal/agent/netdata"
)

// routes serializes changes of the routing table.
type routes struct{ mu sync.Mutex }

// apply puts a lease into use.
func (n *Network) apply(l netlink.Link, g given, metric int) error {
	n.routes.mu.Lock()
	defer n.routes.mu.Unlock()
	if g.mtu > 0 {
		if err := netlink.LinkSetMTU(l, g.mtu); err != nil {
			n.o.Logger.Warn("MTU from DHCP not set", "nic", l.Attrs().Name, "mtu", g.mtu, "err", err)
		}
	}
	err := netlink.AddrReplace(l, &netlink.Addr{
		IPNet: ipNet(g.address), ValidLft: int(g.lifetime / time.Second), PreferedLft: int(g.lifetime / time.Second),
	})
	if err != nil {
		return fmt.Errorf("add the address: %w", err)
	}
	for _, r := range g.routes {
		if err := addRoute(l, r, metric); err != nil {
			// One bad route of a DHCP server must not cost the address.
			n.o.Logger.Warn("Route from DHCP not used", "nic", l.Attrs().Name, "route", r.to.String(), "err", err)
		}
	}
	if g.hostname != "" {
		if err := unix.Sethostname([]byte(g.hostname)); err != nil {
			n.o.Logger.Warn("Host name from DHCP not set", "err", err)
		}
	}
	return n.dns.add(g.dns)
}

// withdraw takes an address away; its routes go with it.
func (n *Network) withdraw(l netlink.Link, g given) error {
	n.routes.mu.Lock()
	defer n.routes.mu.Unlock()
	return netlink.AddrDel(l, &netlink.Addr{IPNet: ipNet(g.address)})
}

func addRoute(l netlink.Link, r route, metric int) error {
	kernel := &netlink.Route{LinkIndex: l.Attrs().Index, Dst: ipNet(r.to), Priority: metric}
	if r.via.IsValid() {
		kernel.Gw = r.via.AsSlice()
		// The gateway of a /32 lease is on the link all the same.
		kernel.Flags = int(netlink.FLAG_ONLINK)
	} else {
		kernel.Scope = netlink.SCOPE_LINK
	}
	return netlink.RouteReplace(kernel)
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// nicTime is how long a NIC of the network data may take to appear.
const nicTime = 30 * time.Second

// static makes the network of network data.
func (n *Network) static(ctx context.Context, c netdata.Config) error {
	made := map[string]netlink.Link{}
	for _, l := range c.Links {
		link, err := n.makeLink(ctx, l, made)
		if err != nil {
			return fmt.Errorf("network data: link %q: %w", l.ID, err)
		}
		made[l.ID] = link
	}
	for i, w := range c.Networks {
		link := made[w.Link]
		if w.DHCP4 {
			n.running.Go(func() { n.lease(ctx, link, n.metric(link, i+1)) })
			continue
		}
		if err := n.addStatic(link, w, n.metric(link, i+1)); err != nil {
			return fmt.Errorf("network data: address %s on link %q: %w", w.Address, w.Link, err)
		}
		n.o.Logger.Info("Address from network data", "nic", link.Attrs().Name, "address", w.Address.String())
		n.ready()
	}
	return n.dns.add(c.DNS)
}

func (n *Network) addStatic(l netlink.Link, w netdata.Network, metric int) error {
	n.routes.mu.Lock()
	defer n.routes.mu.Unlock()
	a := &netlink.Addr{IPNet: ipNet(w.Address)}
	if w.Address.Addr().Is6() {
		// Duplicate detection would hold the address back for a second; network data is meant.
		a.Flags = unix.IFA_F_NODAD
	}
	if err := netlink.AddrReplace(l, a); err != nil {
		return err
	}
	for _, r := range w.Routes {
		if err := addRoute(l, route{to: r.To, via: r.Via}, metric); err != nil {
			return fmt.Errorf("route to %s by %s: %w", r.To, r.Via, err)
		}
	}
	return nil
}

// makeLink finds or makes a link and brings it up. The links that it is made of were made before.
func (n *Network) makeLink(ctx context.Context, l netdata.Link, made map[string]netlink.Link) (netlink.Link, error) {
	var link netlink.Link
	var err error
	switch {
	case l.VLAN != nil:
		n.o.Module("8021q")
		parent := made[l.VLAN.On]
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.ParentIndex = fmt.Sprintf("vlan%d.%d", l.VLAN.ID, parent.Attrs().Index), parent.Attrs().Index
		link, err = addLink(&netlink.Vlan{LinkAttrs: attrs, VlanId: l.VLAN.ID})
	case l.Bond != nil:
		n.o.Module("bonding")
		link, err = makeBond(l, made)
	default:
		link, err = findNIC(ctx, l.MAC)
	}
	if err != nil {
		return nil, err
	}
	if (l.VLAN != nil || l.Bond != nil) && l.MAC != "" {
		mac, err := net.ParseMAC(l.MAC)
		if err != nil {
			return nil, err
		}
		if err := netlink.LinkSetHardwareAddr(link, mac); err != nil {
			return nil, fmt.Errorf("set the MAC address %s: %w", mac, err)
		}
	}
	if l.MTU > 0 {
		if err := netlink.LinkSetMTU(link, l.MTU); err != nil {
			return nil, fmt.Errorf("set the MTU %d: %w", l.MTU, err)
		}
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return nil, fmt.Errorf("bring up %s: %w", link.Attrs().Name, err)
	}
	if l.VLAN == nil && l.Bond == nil {
		name := link.Attrs().Name
		n.running.Go(func() { n.listen(ctx, name) })
	}
	return link, nil
}

func makeBond(l netdata.Link, made map[string]netlink.Link) (netlink.Link, error) {
	bond := netlink.NewLinkBond(netlink.NewLinkAttrs())
	bond.Name = "bond-" + strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return -1
	}, strings.ToLower(l.ID))
	const maxName = 15 // IFNAMSIZ without its NUL
	bond.Name = bond.Name[:min(len(bond.Name), maxName)]
	bond.Mode = netlink.StringToBondMode(l.Bond.Mode)
	bond.Miimon = l.Bond.MonitorMillis
	link, err := addLink(bond)
	if err != nil {
		return nil, err
	}
	for _, id := range l.Bond.Links {
		member := made[id]
		// A bond takes only links that are down.
		if err := errors.Join(netlink.LinkSetDown(member), netlink.LinkSetMaster(member, link)); err != nil {
			return nil, fmt.Errorf("add link %q: %w", id, err)
		}
	}
	return link, nil
}

func addLink(l netlink.Link) (netlink.Link, error) {
	if err := netlink.LinkAdd(l); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("make %s: %w", l.Attrs().Name, err)
	}
	return netlink.LinkByName(l.Attrs().Name)
}

// findNIC waits for the NIC with a MAC address.
func findNIC(ctx context.Context, mac string) (netlink.Link, error) {
	ctx, cancel := context.WithTimeout(ctx, nicTime)
	defer cancel()
	for {
		var seen []string
		for _, l := range nics() {
			if strings.EqualFold(l.Attrs().HardwareAddr.String(), mac) {
				return l, nil
			}
			seen = append(seen, l.Attrs().HardwareAddr.String())
		}
		sleep(ctx, rescan)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("no NIC has the MAC address %s; the machine has %s: %w", mac, strings.Join(seen, ", "), ctx.Err())
		}
	}
}
