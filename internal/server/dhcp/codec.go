package dhcp

import (
	"errors"
	"net"
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/ingotmetal/ingot/netboot"
)

var errNotARequest = errors.New("not a DHCP request from an Ethernet client")

// decode takes what the decision needs out of a packet.
func decode(p *dhcpv4.DHCPv4, pxePort bool) (netboot.Request, error) {
	r := netboot.Request{PXEPort: pxePort, VendorClass: p.ClassIdentifier(), UserClass: userClass(p)}
	if p.OpCode != dhcpv4.OpcodeBootRequest || p.HWType != iana.HWTypeEthernet || len(p.ClientHWAddr) != len(r.MAC) {
		return r, errNotARequest
	}
	copy(r.MAC[:], p.ClientHWAddr)
	switch p.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		r.Type = netboot.Discover
	case dhcpv4.MessageTypeRequest:
		r.Type = netboot.Ask
	case dhcpv4.MessageTypeInform:
		r.Type = netboot.Inform
	case dhcpv4.MessageTypeDecline:
		r.Type = netboot.Decline
	case dhcpv4.MessageTypeRelease:
		r.Type = netboot.Release
	default:
		return r, errNotARequest
	}
	for _, a := range p.ClientArch() {
		r.Architectures = append(r.Architectures, netboot.Architecture(a))
	}
	r.MachineID = p.Options.Get(dhcpv4.OptionClientMachineIdentifier)
	r.ServerID, r.Requested = address(p.ServerIdentifier()), address(p.RequestedIPAddress())
	r.Current, r.Relay = address(p.ClientIPAddr), address(p.GatewayIPAddr)
	return r, nil
}

// userClass reads option 77 in the form of RFC 3004 and in iPXE's, which leaves the lengths out.
func userClass(p *dhcpv4.DHCPv4) []string {
	raw := p.Options.Get(dhcpv4.OptionUserClassInformation)
	if len(raw) == 0 {
		return nil
	}
	classes := []string{string(raw)}
	for len(raw) > 0 {
		n := int(raw[0])
		if n == 0 || 1+n > len(raw) {
			return classes
		}
		classes = append(classes, string(raw[1:1+n]))
		raw = raw[1+n:]
	}
	return classes
}

func address(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip.To4())
	return a
}
