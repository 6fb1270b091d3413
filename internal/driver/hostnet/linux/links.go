package linux

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink"
	vishnetns "github.com/vishvananda/netns"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
)

func (h *Host) route() (*netlink.Handle, error) {
	at := vishnetns.None()
	if h.namespace != nil {
		at = vishnetns.NsHandle(h.descriptor())
	}
	handle, err := netlink.NewHandleAt(at, syscall.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink to the interfaces: %w", err)
	}
	return handle, nil
}

// Interfaces implements hostnet.Links.
func (h *Host) Interfaces(ctx context.Context) ([]firewall.Interface, error) {
	if err := begin(ctx, "list interfaces"); err != nil {
		return nil, err
	}
	handle, err := h.route()
	if err != nil {
		return nil, err
	}
	defer handle.Close()
	links, err := handle.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	addresses, err := handle.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	var all []firewall.Interface
	for _, l := range links {
		i := firewall.Interface{Name: l.Attrs().Name, MAC: l.Attrs().HardwareAddr.String()}
		if v, ok := l.(*netlink.Vlan); ok {
			i.VLAN = v.VlanId
		}
		for _, a := range addresses {
			if ip, ok := netip.AddrFromSlice(a.IP); ok && a.LinkIndex == l.Attrs().Index {
				i.Addresses = append(i.Addresses, ip.Unmap())
			}
		}
		slices.SortFunc(i.Addresses, netip.Addr.Compare)
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, b firewall.Interface) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// Via implements hostnet.Links.
func (h *Host) Via(ctx context.Context, to netip.Addr) (string, error) {
	if err := begin(ctx, "find the route to "+to.String()); err != nil {
		return "", err
	}
	handle, err := h.route()
	if err != nil {
		return "", err
	}
	defer handle.Close()
	routes, err := handle.RouteGet(net.IP(to.AsSlice()))
	if errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH) || err == nil && len(routes) == 0 {
		return "", fmt.Errorf("find the route to %s: %w", to, hostnet.ErrNoRoute)
	}
	if err != nil {
		return "", fmt.Errorf("find the route to %s: %w", to, err)
	}
	link, err := handle.LinkByIndex(routes[0].LinkIndex)
	if err != nil {
		return "", fmt.Errorf("find the interface of the route to %s: %w", to, err)
	}
	return link.Attrs().Name, nil
}

// Add gives an interface addresses, each as one of its own without a network: the route to the network is that of another address. What it has already stays. Nobody is asked whether an address is in use (RFC 4862 section 5.4): whoever
// had it was stopped before.
func (h *Host) Add(ctx context.Context, card string, addresses []netip.Addr) error {
	if err := begin(ctx, "add addresses to "+card); err != nil {
		return err
	}
	handle, err := h.route()
	if err != nil {
		return err
	}
	defer handle.Close()
	link, err := handle.LinkByName(card)
	if err != nil {
		return fmt.Errorf("find interface %s: %w", card, err)
	}
	for _, a := range addresses {
		one := &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}}
		if a.Is6() {
			one.Flags = syscall.IFA_F_NODAD
		}
		if err := handle.AddrReplace(link, one); err != nil {
			return fmt.Errorf("add address %s to %s: %w", a, card, err)
		}
	}
	return nil
}
