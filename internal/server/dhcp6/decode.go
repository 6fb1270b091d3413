package dhcp6

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/ingotmetal/ingot/netboot"
)

// maxRelays is HOP_COUNT_LIMIT (RFC 8415 §7.6).
const maxRelays = 8

// maxAssociations is more than any client has: each one is answered, so that without a bound a small packet could have a large answer.
const maxAssociations = 8

var (
	errNotAMessage   = errors.New("not a message of a client or a relay")
	errNoClient      = errors.New("the message has no client identifier")
	errManyRelays    = fmt.Errorf("more than %d relays", maxRelays)
	errManyAddresses = fmt.Errorf("more than %d associations or addresses", maxAssociations)
)

// message is a client's message and the envelopes that it came in, the outermost first.
type message struct {
	relays  []*dhcpv6.RelayMessage
	inner   *dhcpv6.Message
	request netboot.Request6
}

func (m message) relayed() bool { return len(m.relays) > 0 }

// relayPort is where a relay takes answers: at the port of servers, or at its own where it says so (RFC 8357 §5.2).
func (m message) relayPort(from uint16) uint16 {
	if m.relays[0].Options.RelayPort() != nil {
		return from
	}
	return ServerPort
}

// open takes a client's message out of its envelopes and reads what the decision needs.
func open(packet []byte, from netip.Addr) (message, error) {
	var m message
	p, err := dhcpv6.FromBytes(packet)
	if err != nil {
		return m, err
	}
	for m.inner == nil {
		switch p := p.(type) {
		case *dhcpv6.Message:
			m.inner = p
		case *dhcpv6.RelayMessage:
			m.relays = append(m.relays, p)
		}
		if m.inner != nil {
			break
		}
		last := m.relays[len(m.relays)-1]
		if last.MessageType != dhcpv6.MessageTypeRelayForward {
			return m, errNotAMessage
		}
		if len(m.relays) > maxRelays {
			return m, errManyRelays
		}
		if p = last.Options.RelayMessage(); p == nil {
			return m, errNotAMessage
		}
	}
	m.request, err = m.decode(from)
	return m, err
}

func (m message) decode(from netip.Addr) (netboot.Request6, error) {
	o := m.inner.Options
	r := netboot.Request6{Type: typeOf(m.inner.MessageType), RapidCommit: o.GetOne(dhcpv6.OptionRapidCommit) != nil}
	client := o.ClientID()
	switch {
	case r.Type == "":
		return r, errNotAMessage
	case client == nil && r.Type != netboot.Inform6:
		return r, errNoClient
	}
	if server := o.ServerID(); server != nil {
		r.ServerID = server.ToBytes()
	}
	r.MACs = m.macs(client, from)
	if uuid, ok := client.(*dhcpv6.DUIDUUID); ok {
		r.MachineID = slices.Clone(uuid.UUID[:])
	}
	for _, class := range o.VendorClasses() {
		if r.VendorClass == "" && len(class.Data) > 0 {
			r.VendorClass = string(class.Data[0])
		}
	}
	if o.GetOne(dhcpv6.OptionUserClass) != nil {
		for _, class := range o.UserClasses() {
			r.UserClass = append(r.UserClass, string(class))
		}
	}
	for _, a := range o.ArchTypes() {
		r.Architectures = append(r.Architectures, netboot.Architecture(a))
	}
	return r, associations(&r, o.IANA())
}

func associations(r *netboot.Request6, all []*dhcpv6.OptIANA) error {
	addresses := 0
	for _, ia := range all {
		a := netboot.Association{ID: ia.IaId}
		for _, option := range ia.Options.Get(dhcpv6.OptionIAAddr) {
			had, ok := option.(*dhcpv6.OptIAAddress)
			if !ok {
				continue
			}
			if addr, ok := netip.AddrFromSlice(had.IPv6Addr); ok {
				a.Addresses = append(a.Addresses, addr)
				addresses++
			}
		}
		r.Associations = append(r.Associations, a)
	}
	if len(r.Associations) > maxAssociations || addresses > maxAssociations {
		return errManyAddresses
	}
	return nil
}

// macs are the Ethernet addresses that a message speaks of, see netboot.Request6.
func (m message) macs(client dhcpv6.DUID, from netip.Addr) []netboot.MAC {
	var all []netboot.MAC
	add := func(mac netboot.MAC, ok bool) {
		if ok && !slices.Contains(all, mac) {
			all = append(all, mac)
		}
	}
	peer := from
	if m.relayed() {
		nearest := m.relays[len(m.relays)-1]
		add(ethernet(nearest.Options.ClientLinkLayerAddress()))
		peer, _ = netip.AddrFromSlice(nearest.PeerAddr)
	}
	add(netboot.MACOf(peer.WithZone("")))
	switch d := client.(type) {
	case *dhcpv6.DUIDLLT:
		add(ethernet(d.HWType, d.LinkLayerAddr))
	case *dhcpv6.DUIDLL:
		add(ethernet(d.HWType, d.LinkLayerAddr))
	}
	return all
}

func ethernet(kind iana.HWType, address net.HardwareAddr) (netboot.MAC, bool) {
	if kind != iana.HWTypeEthernet || len(address) != len(netboot.MAC{}) {
		return netboot.MAC{}, false
	}
	return netboot.MAC(address), true
}

// typeOf is the type of a client's message; empty for one that no client sends to a server.
func typeOf(t dhcpv6.MessageType) netboot.MessageType6 {
	switch t {
	case dhcpv6.MessageTypeSolicit:
		return netboot.Solicit
	case dhcpv6.MessageTypeRequest:
		return netboot.Ask6
	case dhcpv6.MessageTypeConfirm:
		return netboot.Confirm
	case dhcpv6.MessageTypeRenew:
		return netboot.Renew
	case dhcpv6.MessageTypeRebind:
		return netboot.Rebind
	case dhcpv6.MessageTypeRelease:
		return netboot.Release6
	case dhcpv6.MessageTypeDecline:
		return netboot.Decline6
	case dhcpv6.MessageTypeInformationRequest:
		return netboot.Inform6
	default:
		return ""
	}
}
