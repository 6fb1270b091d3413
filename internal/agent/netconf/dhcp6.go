package netconf

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/dhcpv6/nclient6"
	"github.com/insomniacslk/dhcp/iana"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// askAgain6 is the wait between two rounds of DHCPv6. Most networks have none, so that it is longer than IPv4's once the first minute is over.
const askAgain6 = 20 * time.Second

// lease6 keeps an interface addressed by DHCPv6 until ctx ends. It asks whatever routers say of DHCPv6: whether one is heard in time is not known. Where the kernel made an address
// of a router's prefix by itself, the network is configured too.
func (n *Network) lease6(ctx context.Context, l netlink.Link) {
	name := l.Attrs().Name
	for round := 0; ctx.Err() == nil; round++ {
		if carrier(ctx, name) != nil {
			return // lease says so
		}
		err := n.hold6(ctx, l)
		if own := autoconfigured(l); len(own) > 0 {
			n.o.Logger.Info("Address by router advertisement", "nic", name, "address", own[0].String())
			n.ready()
		}
		if err != nil && ctx.Err() == nil {
			n.o.Logger.Debug("No address by DHCPv6", "nic", name, "mac", l.Attrs().HardwareAddr.String(), "err", err)
		}
		pause := askAgain
		if round > 5 {
			pause = askAgain6
		}
		sleep(ctx, pause)
	}
}

// hold6 gets a lease, and renews it until that fails and the lease ends.
func (n *Network) hold6(ctx context.Context, l netlink.Link) error {
	name, mac := l.Attrs().Name, l.Attrs().HardwareAddr
	conn, err := n.o.Sockets.DHCPv6Client(name)
	if err != nil {
		return fmt.Errorf("open a DHCPv6 client's socket on %s: %w", name, err)
	}
	group := &net.UDPAddr{IP: dhcpv6.AllDHCPRelayAgentsAndServers, Port: dhcpv6.DefaultServerPort, Zone: name}
	client, err := nclient6.NewWithConn(conn, mac, nclient6.WithTimeout(askTimeout), nclient6.WithRetry(asks), nclient6.WithBroadcastAddr(group))
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	defer func() { _ = client.Close() }()
	// The same identity at each boot, unlike the library's with its time in it.
	identity := dhcpv6.WithClientID(&dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: mac})
	reply, err := client.RapidSolicit(ctx, identity)
	if err != nil {
		return fmt.Errorf("ask for a lease on %s: %w", name, err)
	}
	for {
		given, err := parseLease6(reply)
		if err != nil {
			return fmt.Errorf("lease on %s: %w", name, err)
		}
		if err := n.apply6(l, given); err != nil {
			return fmt.Errorf("use the lease of %s on %s: %w", given.address, name, err)
		}
		n.o.Logger.Info("Address by DHCPv6", "nic", name, "mac", mac.String(), "address", given.address.String(), "lease", given.lifetime)
		n.ready()
		ends := time.Now().Add(given.lifetime)
		for {
			sleep(ctx, max(time.Until(ends)/2, minLease/2))
			if ctx.Err() != nil {
				return nil
			}
			renewed, err := client.SendAndRead(ctx, group, again(reply, time.Until(ends) < given.lifetime/4), nclient6.IsMessageType(dhcpv6.MessageTypeReply))
			if err == nil {
				_, err = parseLease6(renewed)
			}
			if err == nil {
				reply = renewed
				break
			}
			if time.Now().After(ends) {
				return errors.Join(fmt.Errorf("the lease of %s on %s was lost: %w", given.address, name, err), n.withdraw(l, given))
			}
		}
	}
}

// again asks for more time: from the server that gave the lease, or from any when that one has not answered (RFC 8415 §18.2.4 and §18.2.5).
func again(reply *dhcpv6.Message, anybody bool) *dhcpv6.Message {
	m := &dhcpv6.Message{MessageType: dhcpv6.MessageTypeRenew}
	if id, err := dhcpv6.GenerateTransactionID(); err == nil {
		m.TransactionID = id
	}
	keep := []dhcpv6.OptionCode{dhcpv6.OptionClientID, dhcpv6.OptionServerID, dhcpv6.OptionIANA}
	if anybody {
		m.MessageType = dhcpv6.MessageTypeRebind
		keep = []dhcpv6.OptionCode{dhcpv6.OptionClientID, dhcpv6.OptionIANA}
	}
	for _, code := range keep {
		if option := reply.GetOneOption(code); option != nil {
			m.AddOption(option)
		}
	}
	m.AddOption(dhcpv6.OptRequestedOption(dhcpv6.OptionDNSRecursiveNameServer))
	m.AddOption(dhcpv6.OptElapsedTime(0))
	return m
}

// parseLease6 checks a reply. The bytes are foreign.
func parseLease6(reply *dhcpv6.Message) (given, error) {
	var g given
	if s := reply.Options.Status(); s != nil && s.StatusCode != iana.StatusSuccess {
		return g, fmt.Errorf("the server says %s: %q", s.StatusCode, s.StatusMessage)
	}
	ia := reply.Options.OneIANA()
	if ia == nil {
		return g, errors.New("the server gave no address")
	}
	if s := ia.Options.Status(); s != nil && s.StatusCode != iana.StatusSuccess {
		return g, fmt.Errorf("the server says %s: %q", s.StatusCode, s.StatusMessage)
	}
	for _, option := range ia.Options.Get(dhcpv6.OptionIAAddr) {
		a, ok := option.(*dhcpv6.OptIAAddress)
		if !ok || a.ValidLifetime == 0 {
			continue
		}
		addr, ok := netip.AddrFromSlice(a.IPv6Addr)
		if !ok || !addr.Is6() || addr.Is4In6() || !addr.IsGlobalUnicast() {
			return g, fmt.Errorf("address %s cannot be used", a.IPv6Addr)
		}
		// What else is on the link is for routers to say (RFC 5942 §3).
		g.address, g.lifetime = netip.PrefixFrom(addr, addr.BitLen()), max(a.ValidLifetime, minLease)
		break
	}
	if !g.address.IsValid() {
		return g, errors.New("the server gave no address")
	}
	for _, ip := range reply.Options.DNS() {
		if a, ok := netip.AddrFromSlice(ip); ok {
			g.dns = append(g.dns, a)
		}
	}
	return g, nil
}

func (n *Network) apply6(l netlink.Link, g given) error {
	n.routes.mu.Lock()
	defer n.routes.mu.Unlock()
	seconds := int(min(g.lifetime, maxLifetime) / time.Second)
	// Duplicate detection would hold the address back for a second; it is reserved for this machine.
	err := netlink.AddrReplace(l, &netlink.Addr{IPNet: ipNet(g.address), ValidLft: seconds, PreferedLft: seconds, Flags: unix.IFA_F_NODAD})
	if err != nil {
		return fmt.Errorf("add the address: %w", err)
	}
	return n.dns.add(g.dns)
}

// maxLifetime keeps an infinite lifetime (RFC 8415 §7.7) within the kernel's integers.
const maxLifetime = 365 * 24 * time.Hour

// autoconfigured are the addresses that the kernel made of routers' prefixes (RFC 4862).
func autoconfigured(l netlink.Link) []netip.Addr {
	all, err := netlink.AddrList(l, netlink.FAMILY_V6)
	if err != nil {
		return nil
	}
	var out []netip.Addr
	for _, a := range all {
		addr, ok := netip.AddrFromSlice(a.IP)
		made := a.Flags&(unix.IFA_F_PERMANENT|unix.IFA_F_TENTATIVE) == 0
		if ones, _ := a.Mask.Size(); ok && made && ones < addr.BitLen() && addr.IsGlobalUnicast() {
			out = append(out, addr)
		}
	}
	return out
}
