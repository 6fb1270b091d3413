package object_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/gateway/object"
)

// Interfaces are found by card and VLAN whatever they are called, and whoever else has an address of the network; without a card by the addresses.
func TestInterfaces(t *testing.T) {
	const a, b = "02:00:00:00:00:01", "02:00:00:00:00:02"
	card := func(name, mac string, vlan int, addresses ...string) firewall.Interface {
		i := firewall.Interface{Name: name, MAC: mac, VLAN: vlan}
		for _, text := range addresses {
			i.Addresses = append(i.Addresses, netip.MustParseAddr(text))
		}
		return i
	}
	for name, c := range map[string]struct {
		mac   string
		vlan  int32
		cards []firewall.Interface
		want  string
	}{
		"by its card":                        {a, 0, []firewall.Interface{card("eth1", a, 0, "10.0.0.1"), card("eth0", b, 0)}, "eth1"},
		"in capitals":                        {strings.ToUpper(a), 0, []firewall.Interface{card("eth1", a, 0), card("eth0", b, 0)}, "eth1"},
		"before it has its address":          {a, 0, []firewall.Interface{card("eth1", a, 0), card("eth0", b, 0)}, "eth1"},
		"not where somebody put the address": {a, 0, []firewall.Interface{card("eth1", a, 0), card("eth0", b, 0, "10.0.0.1")}, "eth1"},
		"a VLAN of it":                       {a, 7, []firewall.Interface{card("eth1", a, 0, "10.0.0.1"), card("lan", a, 7), card("eth0", b, 0)}, "lan"},
		"another VLAN is none":               {a, 7, []firewall.Interface{card("eth1", a, 0), card("lan", a, 8, "10.0.0.1")}, "VLAN 7 of the MAC address " + a},
		"a bond has its member's address":    {a, 0, []firewall.Interface{card("eth1", a, 0), card("bond0", a, 0, "10.0.0.1")}, "bond0"},
		"two of one address":                 {a, 0, []firewall.Interface{card("eth1", a, 0), card("bond0", a, 0)}, "eth1, bond0 all have"},
		"a card that is gone":                {a, 0, []firewall.Interface{card("eth0", b, 0, "10.0.0.1")}, "was the card replaced"},
		"by the address":                     {"", 0, []firewall.Interface{card("eth1", a, 0), card("eth0", b, 0, "10.0.0.1")}, "eth0"},
		"by no address":                      {"", 0, []firewall.Interface{card("eth1", a, 0), card("lo", "", 0)}, "none has"},
	} {
		t.Run(name, func(t *testing.T) {
			n := ingot.FirewallNetworkStatus{Network: "web/inside", Addresses: []string{"10.0.0.1"}}
			if c.mac != "" {
				n.NIC = &ingot.MachineNICStatus{MACAddress: c.mac, VLAN: c.vlan}
			}
			found, err := object.Interfaces(object.Places(&ingot.Firewall{Status: ingot.FirewallStatus{Networks: []ingot.FirewallNetworkStatus{n}}}, ""), c.cards)
			got := found["web/inside"]
			if err != nil {
				got = fmt.Sprint(err)
			}
			if got != c.want && (err == nil || !strings.Contains(strings.Replace(got, "no network card has one", "none has one", 1), c.want)) {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}
