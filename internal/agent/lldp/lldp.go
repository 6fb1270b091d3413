// Package lldp reads what the neighbour on a link says of itself (IEEE 802.1AB-2016).
//
// It owns the parsing of one LLDP data unit; it refuses sockets. The bytes are foreign: anybody on the link can send them.
//
// Invariants: Parse never panics; every text that it gives is printable and bounded.
package lldp

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"github.com/ingotmetal/ingot/step"
)

// EtherType of an LLDP frame (802.1AB §7.4).
const EtherType = 0x88CC

// TLV types (802.1AB §8.4, table 8-1).
const (
	tlvEnd        = 0
	tlvChassisID  = 1
	tlvPortID     = 2
	tlvTTL        = 3
	tlvPortText   = 4
	tlvSystemName = 5
	tlvSystemText = 6
	tlvManagement = 8
	tlvOrganized  = 127
)

// maxText bounds a text; the field's own length could be 511.
const maxText = 255

// Errors of Parse.
var (
	ErrShort     = errors.New("LLDP data unit is cut off")
	ErrMandatory = errors.New("LLDP data unit does not begin with chassis ID, port ID and time to live")
)

// Parse reads a data unit: the frame's payload after the EtherType. A neighbour with time to live 0 is going away; ok is false then.
func Parse(b []byte) (neighbour step.LLDP, ok bool, err error) {
	for i := 0; ; i++ {
		if len(b) < 2 {
			if i >= 3 && len(b) == 0 {
				// The end is optional in practice: some switches leave it out.
				return neighbour, ok, nil
			}
			return step.LLDP{}, false, ErrShort
		}
		head := binary.BigEndian.Uint16(b)
		kind, length := int(head>>9), int(head&0x1FF)
		b = b[2:]
		if length > len(b) {
			return step.LLDP{}, false, fmt.Errorf("%w: field %d of type %d has %d bytes, %d are left", ErrShort, i, kind, length, len(b))
		}
		value := b[:length]
		b = b[length:]
		// The first three are fixed in kind and order (802.1AB §8.2).
		if i < 3 && kind != i+1 {
			return step.LLDP{}, false, ErrMandatory
		}
		switch kind {
		case tlvEnd:
			return neighbour, ok, nil
		case tlvChassisID:
			neighbour.ChassisID = identifier(value, 4, 5)
		case tlvPortID:
			neighbour.PortID = identifier(value, 3, 4)
		case tlvTTL:
			ok = len(value) >= 2 && binary.BigEndian.Uint16(value) > 0
		case tlvSystemName:
			neighbour.SystemName = text(value)
		case tlvPortText:
			neighbour.PortText = text(value)
		case tlvSystemText:
			neighbour.SystemText = text(value)
		case tlvManagement:
			neighbour.ManagementAddress = cmp.Or(neighbour.ManagementAddress, managementAddress(value))
		case tlvOrganized:
			organized(value, &neighbour)
		}
	}
}

// identifier reads a subtype and its value; a MAC address and a network address have forms of their own, everything else is text.
func identifier(b []byte, macSubtype, networkSubtype byte) string {
	if len(b) < 2 {
		return ""
	}
	subtype, value := b[0], b[1:]
	switch {
	case subtype == macSubtype && len(value) == 6:
		return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", value[0], value[1], value[2], value[3], value[4], value[5])
	case subtype == networkSubtype:
		// The first byte is the address family (IANA: 1 IPv4, 2 IPv6).
		if addr, is := netip.AddrFromSlice(value[1:]); is {
			return addr.String()
		}
	}
	return text(value)
}

// managementAddress reads the first address of the TLV (802.1AB §8.5.9): the length of what follows, the address family (IANA: 1 IPv4, 2 IPv6), the address. Others than IP addresses are left out.
func managementAddress(b []byte) string {
	if len(b) < 2 || int(b[0]) < 2 || int(b[0]) > len(b)-1 {
		return ""
	}
	family, value := b[1], b[2:1+int(b[0])]
	addr, is := netip.AddrFromSlice(value)
	if !is || (family == 1) != addr.Is4() || family != 1 && family != 2 {
		return ""
	}
	return addr.String()
}

// organized reads the TLVs of 802.1 and 802.3 that say something of VLANs and frames.
func organized(b []byte, n *step.LLDP) {
	if vlan, is := portVLAN(b); is {
		n.VLAN = vlan
	}
	if vlan, is := vlanName(b); is && len(n.VLANs) < step.MaxLLDPVLANs && !slices.ContainsFunc(n.VLANs, func(v step.LLDPVLAN) bool { return v.ID == vlan.ID }) {
		n.VLANs = append(n.VLANs, vlan)
	}
	// Maximum frame size (802.3 clause 79.3.4): organization 00-12-0F, subtype 4.
	if len(b) == 6 && b[0] == 0x00 && b[1] == 0x12 && b[2] == 0x0F && b[3] == 4 {
		n.MaxFrameBytes = int(binary.BigEndian.Uint16(b[4:]))
	}
}

// vlanName reads the VLAN name TLV (802.1Q annex D.2.3): organization 00-80-C2, subtype 3, the VLAN's ID, the name's length and the name.
func vlanName(b []byte) (step.LLDPVLAN, bool) {
	if len(b) < 7 || b[0] != 0x00 || b[1] != 0x80 || b[2] != 0xC2 || b[3] != 3 || int(b[6]) > len(b)-7 {
		return step.LLDPVLAN{}, false
	}
	v := step.LLDPVLAN{ID: int(binary.BigEndian.Uint16(b[4:])), Name: text(b[7 : 7+int(b[6])])}
	return v, v.ID > 0 && v.ID < 4095
}

// portVLAN reads the port VLAN ID TLV (802.1Q annex D.2.1): organization 00-80-C2, subtype 1.
func portVLAN(b []byte) (int, bool) {
	if len(b) != 6 || b[0] != 0x00 || b[1] != 0x80 || b[2] != 0xC2 || b[3] != 1 {
		return 0, false
	}
	id := int(binary.BigEndian.Uint16(b[4:]))
	return id, id > 0 && id < 4095
}

func text(b []byte) string {
	t := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(b), "?"))
	if len(t) > maxText {
		t = strings.ToValidUTF8(t[:maxText], "")
	}
	return strings.TrimSpace(t)
}
