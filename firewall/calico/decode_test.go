package calico

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/firewall/calico/calicotest"
	"github.com/ingotmetal/ingot/firewall/selector"
)

func ptr[T any](v T) *T { return &v }

func parsed(t *testing.T, text string) *selector.Selector {
	t.Helper()
	s, err := selector.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return &s
}

func TestDecodeReadsAllThatIsKnown(t *testing.T) {
	got, err := Decode([]byte(calicotest.Everything))
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(got); err != nil {
		t.Fatal(err)
	}
	tcp := Protocol{"TCP", 6}
	want := Objects{
		Tiers: []Tier{{Meta{Name: "platform"}, ptr(100.0), Pass}},
		HostEndpoints: []HostEndpoint{{
			Meta: Meta{Name: "node1-control", Labels: map[string]string{"plane": "control", "role/master": ""}},
			Node: "node1", InterfaceName: "cp0", Profiles: []string{"open"},
			ExpectedIPs: []netip.Addr{netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("fd00::1"), netip.MustParseAddr("10.1.0.100")},
			Ports:       []NamedPort{{"https", tcp, 8443}},
		}},
		Policies: []Policy{
			{
				Meta: Meta{Name: "p"}, Kind: GlobalNetworkPolicy, Tier: "platform", Order: ptr(1.5), Selector: *parsed(t, "plane == 'control'"),
				Types: []Direction{Ingress, Egress}, ApplyOnForward: true,
				Ingress: []Rule{
					{
						Action: Allow, Protocol: &tcp, Annotations: map[string]string{FlowAnnotation: "7.1"},
						Source:      Peer{Selector: parsed(t, "has(role/infra)"), NotNets: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}, GlobalOnly: true},
						Destination: Peer{Ports: []Port{{"", 22, 22}, {"", 80, 90}, {"", 443, 443}, {Name: "https"}}},
					},
					{Action: Log, Protocol: &Protocol{"", 112}},
				},
				Egress: []Rule{
					{
						Action: Deny, IPVersion: 4, Protocol: &Protocol{"ICMP", 1}, ICMP: &ICMP{8, ptr(uint8(0))},
						Destination: Peer{Nets: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
					},
					{Action: Pass, NotProtocol: &Protocol{"UDPLite", 136}},
				},
			},
			{
				Meta: Meta{Name: "s"}, Kind: StagedGlobalNetworkPolicy, Tier: DefaultTier, Types: []Direction{Egress}, StagedDelete: true,
				Egress: []Rule{{Action: Allow}},
			},
			{Meta: Meta{Name: "pods", Namespace: "apps"}, Kind: NetworkPolicy, Tier: DefaultTier, Types: []Direction{Ingress}},
		},
		NetworkSets: []NetworkSet{
			{Meta{Name: "ntp", Labels: map[string]string{"set": "ntp"}}, []netip.Prefix{
				netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8::/32"),
			}},
			{Meta{Name: "ntp", Namespace: "apps"}, nil},
		},
		Profiles: []Profile{{Meta: Meta{Name: "open"}, Ingress: []Rule{{Action: Allow}}, LabelsToApply: map[string]string{"zone": "a"}}},
	}
	same := []cmp.Option{
		cmp.Comparer(func(a, b selector.Selector) bool { return a.Equal(b) }),
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	}
	if diff := cmp.Diff(want, got, same...); diff != "" {
		t.Error(diff)
	}
}

// The default depends on which lists of rules there are, not on what stands in them.
func TestTypesDefault(t *testing.T) {
	cases := []struct {
		spec string
		want []Direction
	}{
		{"{}", []Direction{Ingress}},
		{"{ingress: [{action: Allow}]}", []Direction{Ingress}},
		{"{egress: [{action: Allow}]}", []Direction{Egress}},
		{"{ingress: [{action: Allow}], egress: [{action: Allow}]}", []Direction{Ingress, Egress}},
		{"{types: [Egress], ingress: [{action: Allow}]}", []Direction{Egress}},
	}
	for _, c := range cases {
		o, err := Decode([]byte(policyText(c.spec)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, o.Policies[0].Types); diff != "" {
			t.Errorf("%s: %s", c.spec, diff)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(calicotest.Everything))
	for i, c := range calicotest.Bad() {
		if i%7 == 0 && len(c.Text) < 2000 {
			f.Add([]byte(c.Text))
		}
	}
	examples, err := filepath.Glob("../../examples/artesca/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range examples {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := Decode(text)
		var problems Problems
		if err != nil && (!errors.As(err, &problems) || len(problems) == 0) {
			t.Fatalf("the error is %#v", err)
		}
		again, err2 := Decode(text)
		if (err == nil) != (err2 == nil) || len(again.Policies) != len(o.Policies) {
			t.Fatal("the same text decodes in two ways")
		}
		if err != nil {
			return
		}
		for _, p := range o.Policies {
			if p.Name == "" || len(p.Types) == 0 || p.Tier == "" {
				t.Fatalf("an incomplete policy was accepted: %+v", p)
			}
		}
	})
}
