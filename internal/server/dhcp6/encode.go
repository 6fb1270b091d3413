package dhcp6

import (
	"net"
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/ingotmetal/ingot/netboot"
)

// Options that the library has no constructors for.
const (
	preferred = 255 // option 7: do not wait for other servers (RFC 8415 §18.2.1)
	// enterprise is the number that firmware puts before its class in option 16, and looks for no other one: Intel's, whose PXE was.
	enterprise = 343
)

// seal is the packet for an answer to a message: the answer in an envelope for each of the relays that the message came by.
func (m message) seal(a netboot.Answer6) []byte {
	reply := &dhcpv6.Message{MessageType: dhcpv6.MessageTypeReply, TransactionID: m.inner.TransactionID}
	if a.Type == netboot.Advertise {
		reply.MessageType = dhcpv6.MessageTypeAdvertise
	}
	add := reply.Options.Add
	if client := m.inner.GetOneOption(dhcpv6.OptionClientID); client != nil {
		add(client)
	}
	add(&dhcpv6.OptionGeneric{OptionCode: dhcpv6.OptionServerID, OptionData: a.ServerID})
	if a.Preferred {
		add(dhcpv6.OptPreference(preferred))
	}
	if a.RapidCommit {
		add(&dhcpv6.OptionGeneric{OptionCode: dhcpv6.OptionRapidCommit})
	}
	if a.Status != nil {
		add(&dhcpv6.OptStatusCode{StatusCode: iana.StatusCode(*a.Status)})
	}
	for _, g := range a.Associations {
		add(association(g))
	}
	if servers := addresses(a.DNSServers); len(servers) > 0 {
		add(dhcpv6.OptDNS(servers...))
	}
	if servers := addresses(a.NTPServers); len(servers) > 0 {
		add(timeServers(servers))
	}
	if a.VendorClass != "" {
		add(&dhcpv6.OptVendorClass{EnterpriseNumber: enterprise, Data: [][]byte{[]byte(a.VendorClass)}})
	}
	if a.BootFile != "" {
		add(dhcpv6.OptBootFileURL(a.BootFile))
	}
	return m.wrap(reply)
}

// wrap puts an answer into the envelopes of RFC 8415 §19.3, the innermost first. What a relay wants back is its interface's name (option 18).
func (m message) wrap(inner dhcpv6.DHCPv6) []byte {
	for i := len(m.relays) - 1; i >= 0; i-- {
		from := m.relays[i]
		outer := &dhcpv6.RelayMessage{MessageType: dhcpv6.MessageTypeRelayReply, HopCount: from.HopCount, LinkAddr: from.LinkAddr, PeerAddr: from.PeerAddr}
		for _, code := range []dhcpv6.OptionCode{dhcpv6.OptionInterfaceID, dhcpv6.OptionRelayPort} {
			if option := from.GetOneOption(code); option != nil {
				outer.AddOption(option)
			}
		}
		outer.AddOption(dhcpv6.OptRelayMessage(inner))
		inner = outer
	}
	return inner.ToBytes()
}

func association(g netboot.Granted) dhcpv6.Option {
	ia := &dhcpv6.OptIANA{IaId: g.ID, T1: g.Renew, T2: g.Rebind}
	if g.Address.IsValid() {
		ia.Options.Add(&dhcpv6.OptIAAddress{IPv6Addr: g.Address.AsSlice(), PreferredLifetime: g.Lease, ValidLifetime: g.Lease})
	}
	for _, gone := range g.Withdrawn {
		ia.Options.Add(&dhcpv6.OptIAAddress{IPv6Addr: gone.AsSlice()})
	}
	if g.Status != netboot.StatusSuccess {
		ia.Options.Add(&dhcpv6.OptStatusCode{StatusCode: iana.StatusCode(g.Status)})
	}
	return ia
}

// timeServers is option 56 with one suboption for each address (RFC 5908 §4.1).
func timeServers(all []net.IP) dhcpv6.Option {
	option := &dhcpv6.OptNTPServer{}
	for _, a := range all {
		server := dhcpv6.NTPSuboptionSrvAddr(a)
		option.Suboptions = append(option.Suboptions, &server)
	}
	return option
}

func addresses(all []netip.Addr) []net.IP {
	var out []net.IP
	for _, a := range all {
		if a.Is6() {
			out = append(out, a.AsSlice())
		}
	}
	return out
}
