package dhcp

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/ingotmetal/ingot/netboot"
)

// asked are packets of clients as the library writes them, among them one whose option comes in two parts (RFC 3396).
func asked(f *testing.F) [][]byte {
	f.Helper()
	var out [][]byte
	for _, kind := range []dhcpv4.MessageType{dhcpv4.MessageTypeDiscover, dhcpv4.MessageTypeRequest, dhcpv4.MessageTypeInform} {
		for _, mods := range [][]dhcpv4.Modifier{
			nil,
			{dhcpv4.WithOption(dhcpv4.OptClassIdentifier("PXEClient:Arch:00007:UNDI:003001")), dhcpv4.WithGeneric(dhcpv4.OptionClientSystemArchitectureType, []byte{0, 7, 0, 9})},
			{dhcpv4.WithGeneric(dhcpv4.OptionUserClassInformation, []byte("iPXE")), dhcpv4.WithGeneric(dhcpv4.OptionClientMachineIdentifier, make([]byte, 17))},
			{dhcpv4.WithGeneric(dhcpv4.OptionClassIdentifier, make([]byte, 300)), dhcpv4.WithGeneric(dhcpv4.OptionServerIdentifier, []byte{10, 0, 0, 1}), dhcpv4.WithGeneric(dhcpv4.OptionRequestedIPAddress, []byte{10, 0, 0, 12})},
		} {
			p, err := dhcpv4.New(append([]dhcpv4.Modifier{dhcpv4.WithMessageType(kind), dhcpv4.WithHwAddr([]byte{2, 0, 0, 0, 0, 1}), dhcpv4.WithRelay([]byte{10, 9, 0, 1})}, mods...)...)
			if err != nil {
				f.Fatal(err)
			}
			out = append(out, p.ToBytes())
		}
	}
	return out
}

// FuzzReadAsTheLibraryDoes holds the reader in place against the library's: they take the same packets, and find the same options in them.
func FuzzReadAsTheLibraryDoes(f *testing.F) {
	for _, packet := range asked(f) {
		f.Add(packet)
		f.Add(packet[:len(packet)-3])
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		m, err := parse(slices.Clone(packet))
		peer, peerErr := dhcpv4.FromBytes(packet)
		if (err == nil) != (peerErr == nil) {
			if err == nil && packet[2] > 16 {
				return // the library refuses a hardware address longer than its field at once, decode does later
			}
			t.Fatalf("we say %v, the library %v", err, peerErr)
		}
		if err != nil {
			return
		}
		for code := 1; code < optionEnd; code++ {
			ours, theirs := m.option(dhcpv4.GenericOptionCode(code)), peer.Options.Get(dhcpv4.GenericOptionCode(code))
			if string(ours) != string(theirs) {
				t.Fatalf("option %d: % x, the library has % x", code, ours, theirs)
			}
		}
		r, err := decode(m, false)
		if err != nil {
			return
		}
		if r.VendorClass != peer.ClassIdentifier() || r.Current.String() != peer.ClientIPAddr.String() || r.Relay.String() != peer.GatewayIPAddr.String() || string(r.MAC[:]) != string(peer.ClientHWAddr) {
			t.Fatalf("%+v of %s", r, peer.Summary())
		}
	})
}

// What is read and answered must not leave more behind than the few words that the decision and the log need: garbage is collected in time that grows with the windows that are known.
func TestAnAnswerLeavesLittleGarbage(t *testing.T) {
	p, err := dhcpv4.NewDiscovery([]byte{2, 0, 0, 0, 0, 1}, dhcpv4.WithOption(dhcpv4.OptClassIdentifier("PXEClient:Arch:00007:UNDI:003001")))
	if err != nil {
		t.Fatal(err)
	}
	packet := p.ToBytes()
	allocations := testing.AllocsPerRun(100, func() {
		m, err := parse(packet)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decode(m, false); err != nil {
			t.Fatal(err)
		}
		if encode(m, netboot.Answer{Type: netboot.Offer, ServerID: netip.AddrFrom4([4]byte{10, 0, 0, 1})}) == nil {
			t.Fatal("no answer")
		}
	})
	if allocations > 8 { // 36 with a map of options
		t.Errorf("%v allocations for a packet", allocations)
	}
}
