package firewall

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/firewall/calico"
)

func endpointOn(name, node, iface string, ips ...string) calico.HostEndpoint {
	e := calico.HostEndpoint{Meta: calico.Meta{Name: name}, Node: node, InterfaceName: iface}
	for _, ip := range ips {
		e.ExpectedIPs = append(e.ExpectedIPs, netip.MustParseAddr(ip))
	}
	return e
}

func TestWhichEndpointIsActive(t *testing.T) {
	s, err := NewSite(calico.Objects{HostEndpoints: []calico.HostEndpoint{
		endpointOn("b", "n", "eth0"), endpointOn("a", "n", "eth0"), endpointOn("elsewhere", "m", "eth1"),
		endpointOn("by-ip", "n", "", "10.0.0.2"), endpointOn("absent", "n", "", "10.0.0.9"),
		endpointOn("rest", "n", "*"), endpointOn("rest2", "n", "*"), endpointOn("loop", "n", "lo"),
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := s.Host("n", []Interface{{Name: "eth0"}, {Name: "eth1", Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.2")}}, {Name: "eth2"}})
	got := map[string]string{}
	for _, name := range []string{"eth0", "eth1", "eth2", "lo"} {
		if e := h.Endpoint(name); e != nil {
			got[name] = e.Name
		}
	}
	if diff := cmp.Diff(map[string]string{"eth0": "a", "eth1": "by-ip", "eth2": "rest"}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"absent", "b", "loop", "rest2"}, h.Inactive); diff != "" {
		t.Error(diff)
	}
}

func TestFailsafesAreChecked(t *testing.T) {
	good := Failsafe{ID: "a", Direction: calico.Ingress, Protocol: 6, Ports: []uint16{22}}
	change := func(f func(*Failsafe)) Failsafe { c := good; f(&c); return c }
	cases := []struct {
		rows []Failsafe
		want string
	}{
		{[]Failsafe{good, good}, "used twice"},
		{[]Failsafe{change(func(f *Failsafe) { f.ID = "a b" })}, "has other than"},
		{[]Failsafe{change(func(f *Failsafe) { f.Direction = "in" })}, "want Ingress or Egress"},
		{[]Failsafe{change(func(f *Failsafe) { f.Protocol = 0 })}, "names no protocol"},
		{[]Failsafe{change(func(f *Failsafe) { f.Protocol = 1 })}, "has no ports"},
		{[]Failsafe{change(func(f *Failsafe) { f.ICMPTypes = []uint8{8} })}, "has no ICMP types"},
		{[]Failsafe{change(func(f *Failsafe) {
			f.Nets = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
		})}, "make two rows"},
	}
	for _, c := range cases {
		if _, err := NewSite(calico.Objects{}, c.rows); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: want %q, got %v", c.rows, c.want, err)
		}
	}
	if _, err := NewSite(calico.Objects{}, append(NeighbourDiscovery(), CalicoDefaults()...)); err != nil {
		t.Error(err)
	}
}

func TestTiersSort(t *testing.T) {
	order := func(f float64) *float64 { return &f }
	policy := func(name, tier string, o *float64) calico.Policy {
		return calico.Policy{Meta: calico.Meta{Name: name}, Kind: calico.GlobalNetworkPolicy, Tier: tier, Order: o, Types: []calico.Direction{calico.Ingress}}
	}
	s, err := NewSite(calico.Objects{
		HostEndpoints: []calico.HostEndpoint{endpointOn("e", "n", "eth0")},
		Tiers:         []calico.Tier{{Meta: calico.Meta{Name: "z"}}, {Meta: calico.Meta{Name: "y"}, Order: order(5)}, {Meta: calico.Meta{Name: "x"}, Order: order(5)}, {Meta: calico.Meta{Name: "empty"}}},
		Policies: []calico.Policy{
			policy("a", "z", nil), policy("b", "y", nil), policy("c", "x", nil), policy("d", "default", order(2)), policy("e", "default", nil), policy("f", "default", order(-1)),
			policy("g", "kube-admin", nil), policy("h", "kube-baseline", nil),
		},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, tier := range s.Host("n", nil).Endpoint("eth0").Tiers(Local, calico.Ingress) {
		for _, p := range tier.Policies {
			got = append(got, tier.Name+"/"+p.Name)
		}
	}
	want := []string{"x/c", "y/b", "kube-admin/g", "default/f", "default/d", "default/e", "kube-baseline/h", "z/a"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
