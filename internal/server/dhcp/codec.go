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

// Options that the library has no names for.
const (
	optionIPXE          = dhcpv4.GenericOptionCode(175) // iPXE's encapsulated options
	ipxeNoProxy         = 176                           // in option 175: do not wait for a proxyDHCP
	optionClientMachine = dhcpv4.OptionClientMachineIdentifier
)

// maxFileField is the room of the file field with its NUL (RFC 2131 §2).
const maxFileField = 127

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

// encode is the packet for an answer to a request.
func encode(p *dhcpv4.DHCPv4, a netboot.Answer) []byte {
	reply := &dhcpv4.DHCPv4{
		OpCode: dhcpv4.OpcodeBootReply, HWType: p.HWType, ClientHWAddr: p.ClientHWAddr,
		TransactionID: p.TransactionID, Flags: p.Flags, GatewayIPAddr: p.GatewayIPAddr,
		ClientIPAddr: net.IPv4zero, YourIPAddr: net.IPv4zero, ServerIPAddr: net.IPv4zero,
		Options: dhcpv4.Options{},
	}
	set := func(o dhcpv4.Option) { reply.UpdateOption(o) }
	set(dhcpv4.OptServerIdentifier(a.ServerID.AsSlice()))
	echo(p, reply)
	switch a.Type {
	case netboot.Refuse:
		set(dhcpv4.OptMessageType(dhcpv4.MessageTypeNak))
		return reply.ToBytes()
	case netboot.Offer:
		set(dhcpv4.OptMessageType(dhcpv4.MessageTypeOffer))
	case netboot.Accept:
		set(dhcpv4.OptMessageType(dhcpv4.MessageTypeAck))
		reply.ClientIPAddr = p.ClientIPAddr // RFC 2131 table 3
	}
	if a.Address.IsValid() {
		encodeAddress(reply, a)
	}
	encodeBoot(p, reply, a)
	return reply.ToBytes()
}

// echo copies what a server must send back: the relay's information (RFC 3046 §2.2), the client's identifiers (RFC 6842 §3, RFC 4578 §2.3).
func echo(p, reply *dhcpv4.DHCPv4) {
	for _, code := range []dhcpv4.OptionCode{dhcpv4.OptionRelayAgentInformation, dhcpv4.OptionClientIdentifier, optionClientMachine} {
		if value := p.Options.Get(code); len(value) > 0 {
			reply.UpdateOption(dhcpv4.OptGeneric(code, value))
		}
	}
}

func encodeAddress(reply *dhcpv4.DHCPv4, a netboot.Answer) {
	reply.YourIPAddr = a.Address.Addr().AsSlice()
	reply.UpdateOption(dhcpv4.OptSubnetMask(net.CIDRMask(a.Address.Bits(), 32)))
	reply.UpdateOption(dhcpv4.OptIPAddressLeaseTime(a.Lease))
	reply.UpdateOption(dhcpv4.OptRenewTimeValue(a.Renew))
	reply.UpdateOption(dhcpv4.OptRebindingTimeValue(a.Rebind))
	if a.Gateway.Is4() {
		reply.UpdateOption(dhcpv4.OptRouter(a.Gateway.AsSlice()))
	}
	var servers []net.IP
	for _, s := range a.DNSServers {
		if s.Is4() {
			servers = append(servers, s.AsSlice())
		}
	}
	if len(servers) > 0 {
		reply.UpdateOption(dhcpv4.OptDNS(servers...))
	}
}

// encodeBoot tells of the boot file in the file field, which is all that PXE ROMs read, and in option 67 for who asks for it or when it is too long for the field.
func encodeBoot(p, reply *dhcpv4.DHCPv4, a netboot.Answer) {
	if a.VendorClass != "" {
		reply.UpdateOption(dhcpv4.OptClassIdentifier(a.VendorClass))
	}
	if len(a.VendorOptions) > 0 {
		reply.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionVendorSpecificInformation, a.VendorOptions))
	}
	if a.NoProxy {
		reply.UpdateOption(dhcpv4.OptGeneric(optionIPXE, []byte{ipxeNoProxy, 1, 1}))
	}
	if a.NextServer.Is4() {
		reply.ServerIPAddr = a.NextServer.AsSlice()
	}
	if a.BootFile == "" {
		return
	}
	if len(a.BootFile) <= maxFileField {
		reply.BootFileName = a.BootFile
	}
	if len(a.BootFile) > maxFileField || p.IsOptionRequested(dhcpv4.OptionBootfileName) {
		reply.UpdateOption(dhcpv4.OptBootFileName(a.BootFile))
	}
}
