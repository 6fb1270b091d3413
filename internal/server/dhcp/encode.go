package dhcp

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/ingotmetal/ingot/netboot"
)

// Options that the library has no names for.
const (
	optionIPXE  = 175 // iPXE's encapsulated options
	ipxeNoProxy = 176 // in option 175: do not wait for a proxyDHCP
)

// The fields of a packet (RFC 2131 §2) and the sizes that matter.
const (
	opReply        = 2
	fieldCIAddr    = 12
	fieldYIAddr    = 16
	fieldSIAddr    = 20
	fieldGIAddr    = 24
	fieldHardware  = 28
	fieldFile      = 108
	fieldCookie    = 236
	headerBytes    = 240
	shortest       = 300 // of BOOTP (RFC 951 §3); some relays and clients drop shorter ones
	maxFileField   = 127 // the room of the file field with its NUL
	maxOption      = 255
	magicCookie    = 0x63825363
	typicalMessage = 512
)

// packet is an answer in the making: the header, then options in the order in which they are added. It is written by hand, since a thousand machines that are turned on together are
// thousands of answers, each of a dozen options.
type packet []byte

// encode is the packet for an answer to a request.
func encode(m message, a netboot.Answer) []byte {
	b := make(packet, headerBytes, typicalMessage)
	b[0], b[1], b[2] = opReply, m[1], m[2]
	copy(b[4:8], m[4:8])   // the transaction
	copy(b[10:12], m[10:]) // the flags
	copy(b[fieldGIAddr:fieldHardware], m[fieldGIAddr:])
	copy(b[fieldHardware:], m[fieldHardware:fieldHardware+int(m[2])])
	binary.BigEndian.PutUint32(b[fieldCookie:], magicCookie)
	switch a.Type {
	case netboot.Refuse:
		b.add(dhcpv4.OptionDHCPMessageType, byte(dhcpv4.MessageTypeNak))
	case netboot.Offer:
		b.add(dhcpv4.OptionDHCPMessageType, byte(dhcpv4.MessageTypeOffer))
	case netboot.Accept:
		b.add(dhcpv4.OptionDHCPMessageType, byte(dhcpv4.MessageTypeAck))
		copy(b[fieldCIAddr:fieldYIAddr], m[fieldCIAddr:]) // RFC 2131 table 3
	}
	b.addAddress(dhcpv4.OptionServerIdentifier, a.ServerID)
	if a.Type != netboot.Refuse {
		if a.Address.IsValid() {
			b.lease(a)
		}
		b.boot(m, a)
	}
	b.echo(m)
	b = append(b, optionEnd)
	if short := shortest - len(b); short > 0 {
		b = append(b, make([]byte, short)...)
	}
	return b
}

// add appends an option, in parts where it is longer than one can be (RFC 3396).
func (b *packet) add(code dhcpv4.OptionCode, value ...byte) {
	for {
		part := value[:min(len(value), maxOption)]
		*b = append(append(*b, code.Code(), byte(len(part))), part...)
		if value = value[len(part):]; len(value) == 0 {
			return
		}
	}
}

func (b *packet) addAddress(code dhcpv4.OptionCode, a netip.Addr) {
	four := a.As4()
	b.add(code, four[:]...)
}

func (b *packet) addTime(code dhcpv4.OptionCode, d time.Duration) {
	var four [4]byte
	binary.BigEndian.PutUint32(four[:], uint32(d/time.Second))
	b.add(code, four[:]...)
}

// echo adds what a server must send back: the client's identifiers (RFC 6842 §3, RFC 4578 §2.3) and, at the end, the relay's information (RFC 3046 §2.2).
func (b *packet) echo(m message) {
	for _, code := range [...]dhcpv4.OptionCode{dhcpv4.OptionClientIdentifier, dhcpv4.OptionClientMachineIdentifier, dhcpv4.OptionRelayAgentInformation} {
		if value := m.option(code); len(value) > 0 {
			b.add(code, value...)
		}
	}
}

func (b *packet) lease(a netboot.Answer) {
	four := a.Address.Addr().As4()
	copy((*b)[fieldYIAddr:fieldSIAddr], four[:])
	b.add(dhcpv4.OptionSubnetMask, binary.BigEndian.AppendUint32(nil, ^uint32(0)<<(32-a.Address.Bits()))...)
	b.addTime(dhcpv4.OptionIPAddressLeaseTime, a.Lease)
	b.addTime(dhcpv4.OptionRenewTimeValue, a.Renew)
	b.addTime(dhcpv4.OptionRebindingTimeValue, a.Rebind)
	if a.Gateway.Is4() {
		b.addAddress(dhcpv4.OptionRouter, a.Gateway)
	}
	b.servers(dhcpv4.OptionDomainNameServer, a.DNSServers)
	b.servers(dhcpv4.OptionNTPServers, a.NTPServers)
}

// servers adds a list of IPv4 addresses; of none, nothing (RFC 2132 §3.8, §8.3).
func (b *packet) servers(code dhcpv4.OptionCode, all []netip.Addr) {
	var servers []byte
	for _, s := range all {
		if s.Is4() {
			servers = append(servers, s.AsSlice()...)
		}
	}
	if len(servers) > 0 {
		b.add(code, servers...)
	}
}

// boot tells of the boot file in the file field, which is all that PXE ROMs read, and in option 67 for who asks for it or when it is too long for the field.
func (b *packet) boot(m message, a netboot.Answer) {
	if a.VendorClass != "" {
		b.add(dhcpv4.OptionClassIdentifier, []byte(a.VendorClass)...)
	}
	if len(a.VendorOptions) > 0 {
		b.add(dhcpv4.OptionVendorSpecificInformation, a.VendorOptions...)
	}
	if a.NoProxy {
		b.add(dhcpv4.GenericOptionCode(optionIPXE), ipxeNoProxy, 1, 1)
	}
	if a.NextServer.Is4() {
		four := a.NextServer.As4()
		copy((*b)[fieldSIAddr:fieldGIAddr], four[:])
	}
	if a.BootFile == "" {
		return
	}
	if len(a.BootFile) <= maxFileField {
		copy((*b)[fieldFile:fieldCookie], a.BootFile)
	}
	asked := m.option(dhcpv4.OptionParameterRequestList)
	if len(a.BootFile) > maxFileField || slices.Contains(asked, dhcpv4.OptionBootfileName.Code()) {
		b.add(dhcpv4.OptionBootfileName, []byte(a.BootFile)...)
	}
}
