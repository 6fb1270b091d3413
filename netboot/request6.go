package netboot

import (
	"net/netip"
	"slices"
)

// MessageType6 is a DHCPv6 message type that clients send (RFC 8415 §7.3).
type MessageType6 string

// The types.
const (
	Solicit  MessageType6 = "solicit"
	Ask6     MessageType6 = "request"
	Confirm  MessageType6 = "confirm"
	Renew    MessageType6 = "renew"
	Rebind   MessageType6 = "rebind"
	Release6 MessageType6 = "release"
	Decline6 MessageType6 = "decline"
	Inform6  MessageType6 = "information-request"
)

// Request6 is a decoded DHCPv6 message of a client, out of all relays' envelopes, as far as the answer depends on it.
type Request6 struct {
	Type MessageType6
	// MACs are the Ethernet addresses that the message speaks of, the surest first: what the relay saw (option 79, RFC 6939), what the client's link-local address is made of
	// (RFC 4291 appendix A), and what its identifier (DUID-LLT or DUID-LL, RFC 8415 §11) has, which may be another interface's.
	MACs []MAC
	// MAC is the one that the message was taken to come from.
	MAC MAC
	// MachineID is the 16 bytes of a DUID-UUID (RFC 6355), as sent; nil for none.
	MachineID []byte
	// VendorClass is the first text of option 16, UserClass option 15, Architectures option 61.
	VendorClass   string
	UserClass     []string
	Architectures []Architecture
	// ServerID is option 2; nil for none.
	ServerID []byte
	// RapidCommit is option 14: the client takes an answer of two messages.
	RapidCommit bool
	// Associations are the client's IA_NA (option 3), in its order.
	Associations []Association
}

// Association is one IA_NA (RFC 8415 §21.4) of a client.
type Association struct {
	ID [4]byte
	// Addresses are those that the client has, or would like.
	Addresses []netip.Addr
}

// likeIPv4 is the same client over IPv4: firmware says the same words (UEFI 2.10 §24.3, RFC 5970).
func (r Request6) likeIPv4() Request {
	return Request{MAC: r.MAC, VendorClass: r.VendorClass, UserClass: r.UserClass, Architectures: r.Architectures}
}

// Kind says which kind of program sent the message.
func (r Request6) Kind() Kind { return r.likeIPv4().Kind() }

// Sighted is the message as the record of unknown machines takes it.
func (r Request6) Sighted() Request {
	s := r.likeIPv4()
	if len(r.MachineID) == 16 {
		s.MachineID = append([]byte{0}, r.MachineID...) // RFC 4578 §2.3: a type, 0, and the UUID
	}
	switch r.Type {
	case Solicit:
		s.Type = Discover
	case Ask6:
		s.Type = Ask
	default:
		s.Type = Inform
	}
	return s
}

// MACOf is the Ethernet address that a link-local address was made of (RFC 4291 appendix A); false where it was made of something else.
func MACOf(a netip.Addr) (MAC, bool) {
	if !a.Is6() || !a.IsLinkLocalUnicast() {
		return MAC{}, false
	}
	b := a.As16()
	return MAC{b[8] ^ 2, b[9], b[10], b[13], b[14], b[15]}, b[11] == 0xff && b[12] == 0xfe
}

// madeOf says whether an address is the one that a machine makes itself in a network of 64 bits (RFC 4862 §5.5.3) of one of some MACs.
func madeOf(a netip.Addr, network netip.Prefix, macs []MAC) bool {
	own, ok := MACOf(linkLocal(a.As16()))
	return ok && network.Bits() == 64 && network.Contains(a) && slices.Contains(macs, own)
}

// linkLocal is fe80::/64 with an address's interface identifier.
func linkLocal(b [16]byte) netip.Addr {
	out := [16]byte{0xfe, 0x80}
	copy(out[8:], b[8:])
	return netip.AddrFrom16(out)
}
