package netdata

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const bonded = `{
 "links": [
  {"id": "vlan10", "type": "vlan", "vlan_id": 10, "vlan_link": "bond0"},
  {"id": "bond0", "type": "bond", "bond_links": ["a", "b"], "bond_mode": "802.3ad", "mtu": 9000},
  {"id": "a", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:0A"},
  {"id": "b", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:0b", "mtu": null}
 ],
 "networks": [
  {"id": "n0", "type": "ipv4", "link": "vlan10", "ip_address": "10.1.0.5", "netmask": "255.255.255.0", "gateway": "10.1.0.1",
   "routes": [{"network": "192.168.0.0", "netmask": "255.255.0.0", "gateway": "10.1.0.2"}]},
  {"id": "n1", "type": "ipv6", "link": "vlan10", "ip_address": "2001:db8::5/64", "routes": [{"network": "::", "netmask": "::", "gateway": "2001:db8::1"}]},
  {"id": "n2", "type": "ipv4_dhcp", "link": "a"}
 ],
 "services": [{"type": "dns", "address": "10.1.0.53"}, {"type": "ntp", "address": "10.1.0.1"}]
}`

func TestParse(t *testing.T) {
	got, err := Parse([]byte(bonded))
	if err != nil {
		t.Fatal(err)
	}
	pfx, addr := netip.MustParsePrefix, netip.MustParseAddr
	want := Config{
		Links: []Link{
			{ID: "a", MAC: "52:54:00:00:00:0a"},
			{ID: "b", MAC: "52:54:00:00:00:0b"},
			{ID: "bond0", MTU: 9000, Bond: &Bond{Links: []string{"a", "b"}, Mode: "802.3ad", MonitorMillis: 100}},
			{ID: "vlan10", VLAN: &VLAN{On: "bond0", ID: 10}},
		},
		Networks: []Network{
			{Link: "vlan10", Address: pfx("10.1.0.5/24"), Routes: []Route{{pfx("192.168.0.0/16"), addr("10.1.0.2")}, {pfx("0.0.0.0/0"), addr("10.1.0.1")}}},
			{Link: "vlan10", Address: pfx("2001:db8::5/64"), Routes: []Route{{pfx("::/0"), addr("2001:db8::1")}}},
			{Link: "a", DHCP4: true},
		},
		DNS: []netip.Addr{addr("10.1.0.53")},
	}
	if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestParseRefuses(t *testing.T) {
	const nic = `{"id":"a","type":"phy","ethernet_mac_address":"52:54:00:00:00:0a"}`
	network := func(n string) string { return `{"links":[` + nic + `],"networks":[` + n + `]}` }
	links := func(l string) string { return `{"links":[` + l + `],"networks":[{"type":"ipv4_dhcp","link":"a"}]}` }
	for input, want := range map[string]string{
		`nothing`: "not JSON",
		`{}`:      "no network",
		network(`{"type":"ipv4","link":"b","ip_address":"10.0.0.1/24"}`):                                                           "not listed",
		network(`{"type":"ipv4","link":"a","ip_address":"10.0.0.1"}`):                                                              "netmask",
		network(`{"type":"ipv4","link":"a","ip_address":"10.0.0.1","netmask":"255.0.255.0"}`):                                      "gap",
		network(`{"type":"ipv4","link":"a","ip_address":"10.0.0.1","netmask":"33"}`):                                               "not possible",
		network(`{"type":"ipv4","link":"a","ip_address":"::1/64"}`):                                                                "not of type",
		network(`{"type":"ipv4","link":"a","ip_address":"10.0.0.1/24","gateway":"::1"}`):                                           "family",
		network(`{"type":"ipv4","link":"a","ip_address":"10.0.0.1/24","routes":[{"network":"::/0","gateway":"10.0.0.2"}]}`):        "family",
		network(`{"type":"ipv7","link":"a"}`):                                                                                      "none of",
		`{"links":[` + nic + `],"networks":[{"type":"ipv4_dhcp","link":"a"}],"services":[{"type":"dns","address":"example.org"}]}`: "DNS server",
		links(nic + `,` + nic): "twice",
		links(nic + `,{"id":"v","type":"vlan","vlan_id":5,"vlan_link":"x"}`):                                                      "not listed",
		links(nic + `,{"id":"v","type":"vlan","vlan_id":4095,"vlan_link":"a"}`):                                                   "VLAN ID",
		links(nic + `,{"id":"v","type":"vlan","vlan_id":5,"vlan_link":"w"},{"id":"w","type":"vlan","vlan_id":6,"vlan_link":"v"}`): "made of itself",
		links(nic + `,{"id":"c","type":"bond"}`):                                                                                  "needs links",
		links(nic + `,{"id":"c","type":"bond","bond_links":["a"],"bond_mode":"fast"}`):                                            "bond mode",
		links(`{"id":"a","type":"phy"}`):                                                                                          "needs an ethernet_mac_address",
		links(`{"id":"a","type":"phy","ethernet_mac_address":"52:54"}`):                                                           "no MAC address",
		links(`{"id":"a","type":"phy","ethernet_mac_address":"52:54:00:00:00:0a","mtu":10}`):                                      "MTU",
		links(`{"id":"a","type":"token-ring"}`):                                                                                   "not known",
		links(`{"type":"phy"}`):                                                                                                   "no id",
	} {
		if _, err := Parse([]byte(input)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant an error with %q", input, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(bonded))
	f.Add([]byte(`{"links":[{"id":"a","type":"phy","ethernet_mac_address":"52:54:00:00:00:0a"}],"networks":[{"type":"ipv4_dhcp","link":"a"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, l := range c.Links {
			for _, b := range l.below() {
				if !seen[b] {
					t.Errorf("link %q comes before %q, which it is made of", l.ID, b)
				}
			}
			seen[l.ID] = true
		}
		for _, n := range c.Networks {
			if !seen[n.Link] || n.DHCP4 == n.Address.IsValid() {
				t.Errorf("network %+v", n)
			}
		}
	})
}
