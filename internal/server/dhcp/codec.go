package dhcp

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/ingotmetal/ingot/netboot"
)

var (
	errNotARequest = errors.New("not a DHCP request from an Ethernet client")
	errNotDHCP     = errors.New("too short for DHCP, or without its magic cookie")
	errCutOption   = errors.New("the packet ends within its options")
)

// message is a request as it came. It is read in place: a parser that makes a map of the options leaves garbage for the collector with each packet, and what the collector then looks
// through grows with the number of machines that are known.
type message []byte

// The one-byte options (RFC 2132 §3.1 and §3.2), and the hardware type of Ethernet.
const (
	optionPad    = 0
	optionEnd    = 255
	opRequest    = 1
	typeEthernet = 1
)

// parse checks that all options of a packet are within it, and that the end is marked.
func parse(b []byte) (message, error) {
	if len(b) < headerBytes || binary.BigEndian.Uint32(b[fieldCookie:]) != magicCookie {
		return nil, errNotDHCP
	}
	for rest := b[headerBytes:]; ; {
		if len(rest) > 0 && rest[0] == optionEnd {
			return b, nil
		}
		if len(rest) > 0 && rest[0] == optionPad {
			rest = rest[1:]
			continue
		}
		if len(rest) < 2 || len(rest) < 2+int(rest[1]) {
			return nil, errCutOption
		}
		rest = rest[2+int(rest[1]):]
	}
}

// option is an option's value, put together where it comes in parts (RFC 3396); nil for none.
func (m message) option(code dhcpv4.OptionCode) []byte {
	var value []byte
	for rest := m[headerBytes:]; len(rest) > 0 && rest[0] != optionEnd; {
		if rest[0] == optionPad {
			rest = rest[1:]
			continue
		}
		n := 2 + int(rest[1])
		if part := rest[2:n:n]; rest[0] == code.Code() {
			if value == nil {
				value = part
			} else {
				value = append(value, part...) // a copy: a part has no room to grow
			}
		}
		rest = rest[n:]
	}
	return value
}

// address is one of the header's fields.
func (m message) address(field int) netip.Addr { return netip.AddrFrom4([4]byte(m[field:])) }

// addressOption is an option that holds an address; the zero value for none.
func (m message) addressOption(code dhcpv4.OptionCode) netip.Addr {
	if v := m.option(code); len(v) == 4 {
		return netip.AddrFrom4([4]byte(v))
	}
	return netip.Addr{}
}

// decode takes what the decision needs out of a packet.
func decode(m message, pxePort bool) (netboot.Request, error) {
	r := netboot.Request{PXEPort: pxePort}
	if m[0] != opRequest || m[1] != typeEthernet || int(m[2]) != len(r.MAC) {
		return r, errNotARequest
	}
	copy(r.MAC[:], m[fieldHardware:])
	kind := m.option(dhcpv4.OptionDHCPMessageType)
	if len(kind) != 1 {
		return r, errNotARequest
	}
	switch dhcpv4.MessageType(kind[0]) {
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
	r.VendorClass, r.UserClass = string(m.option(dhcpv4.OptionClassIdentifier)), userClass(m.option(dhcpv4.OptionUserClassInformation))
	if raw := m.option(dhcpv4.OptionClientSystemArchitectureType); len(raw)%2 == 0 {
		for ; len(raw) > 0; raw = raw[2:] {
			r.Architectures = append(r.Architectures, netboot.Architecture(binary.BigEndian.Uint16(raw)))
		}
	}
	r.MachineID = m.option(dhcpv4.OptionClientMachineIdentifier)
	r.ServerID, r.Requested = m.addressOption(dhcpv4.OptionServerIdentifier), m.addressOption(dhcpv4.OptionRequestedIPAddress)
	r.Current, r.Relay = m.address(fieldCIAddr), m.address(fieldGIAddr)
	return r, nil
}

// userClass reads option 77 in the form of RFC 3004 and in iPXE's, which leaves the lengths out.
func userClass(raw []byte) []string {
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
