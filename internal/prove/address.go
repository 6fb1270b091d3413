package prove

import (
	"net/netip"

	"github.com/ingotmetal/ingot/firewall"
)

// kind is what hosts take an address for: a kernel has opinions of its own on each.
type kind uint8

const (
	// machine is an address of a single machine.
	machine kind = iota
	// nobody is the unspecified address, from which a host without an address speaks.
	nobody
	// link is an IPv6 address that is good on one link.
	link
	// group is a multicast group of the link or wider; everybody is IPv4's limited broadcast.
	group
	everybody
	// reserved is an address that no network gives to a machine, and that Linux takes for one all the same (0.0.0.0/8 since 5.3, 240.0.0.0/4 since 2.6.25).
	reserved
	// none is what stands in no packet on a wire: loopback, and what maps into the other family.
	none
)

func kindOf(a netip.Addr) kind {
	if a.Is4() {
		b := a.As4()
		switch {
		case a.IsUnspecified():
			return nobody
		case b == [4]byte{255, 255, 255, 255}:
			return everybody
		case a.IsMulticast():
			return group
		case b[0] == 127:
			return none
		case b[0] == 0 || b[0] >= 240:
			return reserved
		}
		return machine
	}
	switch {
	case a.IsUnspecified():
		return nobody
	case a.IsLinkLocalUnicast():
		return link
	case a.IsMulticast():
		if a.As16()[1]&0xf < 2 { // reserved, or of the host itself (RFC 4291 §2.7)
			return none
		}
		return group
	case a.IsLoopback(), a.Is4In6():
		return none
	}
	return machine
}

// sendable says whether a real packet can have these addresses on a way. Groups and links' addresses are not routed; who has no address speaks to
// everybody, and over IPv4 only from sockets that no firewall sees.
func sendable(hook firewall.Hook, from, to netip.Addr) bool {
	source, destination := kindOf(from), kindOf(to)
	if destination == nobody || destination == none || source == none || source == group || source == everybody {
		return false
	}
	switch hook {
	case firewall.Forward:
		return (source == machine || source == reserved) && (destination == machine || destination == reserved)
	case firewall.Output:
		return source != nobody || from.Is6()
	default: // Input
		return source != nobody || from.Is6() || destination == everybody || destination == group && to.As4()[1] == 0 && to.As4()[2] == 0
	}
}
