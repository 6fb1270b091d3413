package evaluate

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
)

const (
	self     = "10.0.0.1"
	peer     = "10.0.0.2"
	stranger = "192.0.2.9"
)

// two endpoints of this host and one of another, each with a role.
const hosts = `
{kind: HostEndpoint, metadata: {name: eth0, labels: {role: self}}, spec: {node: here, interfaceName: eth0, expectedIPs: [10.0.0.1, "fd00::1"], profiles: [PROFILES]}}
{kind: HostEndpoint, metadata: {name: eth1, labels: {role: other}}, spec: {node: here, interfaceName: eth1, expectedIPs: [10.1.0.1]}}
{kind: HostEndpoint, metadata: {name: far, labels: {role: peer}}, spec: {node: there, interfaceName: eth0, expectedIPs: [10.0.0.2, "fd00::2"], ports: [{name: web, protocol: TCP, port: 8080}]}}
{kind: HostEndpoint, metadata: {name: blind, labels: {role: blind}}, spec: {node: there, interfaceName: eth1}}
`

// manifests are one object a line, in flow style, without the API version.
func manifests(t *testing.T, lines string) calico.Objects {
	t.Helper()
	var text strings.Builder
	for line := range strings.Lines(lines) {
		if strings.TrimSpace(line) != "" {
			fmt.Fprintf(&text, "---\n{apiVersion: projectcalico.org/v3, %s\n", strings.TrimPrefix(strings.TrimSpace(line), "{"))
		}
	}
	o, err := calico.Decode([]byte(text.String()))
	if err != nil {
		t.Fatalf("%v\n%s", err, text.String())
	}
	return o
}

func policy(name, spec string) string {
	return fmt.Sprintf("{kind: GlobalNetworkPolicy, metadata: {name: %s}, spec: {%s}}\n", name, spec)
}

func tier(name, spec string) string {
	return fmt.Sprintf("{kind: Tier, metadata: {name: %s}, spec: {%s}}\n", name, spec)
}

// in is a new TCP packet to eth0; the changes make others of it.
func in(from string, port uint16, changes ...func(*firewall.Packet)) firewall.Packet {
	p := firewall.Packet{Hook: firewall.Input, In: "eth0", Source: netip.MustParseAddr(from), Destination: netip.MustParseAddr(self), Protocol: 6, SourcePort: 999, DestinationPort: port}
	for _, change := range changes {
		change(&p)
	}
	return p
}

func state(s firewall.State) func(*firewall.Packet) {
	return func(p *firewall.Packet) { p.State = s }
}

func protocol(n uint8) func(*firewall.Packet) {
	return func(p *firewall.Packet) { p.Protocol, p.SourcePort, p.DestinationPort = n, 0, 0 }
}

func forwarded(p *firewall.Packet) {
	p.Hook, p.Out, p.Destination = firewall.Forward, "eth1", netip.MustParseAddr("10.1.0.9")
}

func back(p *firewall.Packet) {
	p.Hook, p.In, p.Out, p.Source, p.Destination = firewall.Output, "", p.In, p.Destination, p.Source
}

func on(iface string) func(*firewall.Packet) {
	return func(p *firewall.Packet) { p.In = iface }
}

type want struct {
	packet firewall.Packet
	by     string // with "+" for accept and "-" for drop
}

func TestCalicoSemantics(t *testing.T) {
	cases := []struct {
		name, objects string
		failsafes     []firewall.Failsafe
		want          []want
	}{
		{"no policy and no profile is closed, except where nothing is decided", "", nil, []want{
			{in(peer, 22), "-no-profile"}, {in(peer, 22, back), "-no-profile"}, {in(peer, 22, state(firewall.Established)), "+established"},
			{in(peer, 22, state(firewall.Invalid)), "-invalid"}, {in(peer, 22, state(firewall.Untracked)), "-no-profile"},
			{in(peer, 22, on("eth9")), "+no-endpoint"}, {in(peer, 22, on("eth9"), state(firewall.Invalid)), "+no-endpoint"},
			{in(peer, 22, on("lo")), "+loopback"}, {in(peer, 22, forwarded), "+forward-default"}, {in(peer, 22, forwarded, state(firewall.Invalid)), "-invalid"},
		}},
		{"the end of a tier drops where a policy applies in the direction", policy("p", "selector: role == 'self', ingress: [{action: Allow, protocol: TCP, destination: {ports: [22]}}]"), nil, []want{
			{in(peer, 22), "+p/ingress/0"}, {in(peer, 23), "-tier/default/end"}, {in(peer, 22, back), "-no-profile"}, {in(peer, 23, on("eth1")), "-no-profile"},
		}},
		{"a policy without rules closes", policy("p", ""), nil, []want{{in(peer, 22), "-tier/default/end"}}},
		{"order, then name; no order is last",
			policy("z", "order: 1, ingress: [{action: Deny}]") + policy("b", "order: 1, ingress: [{action: Allow}]") + policy("a", "ingress: [{action: Deny}]"), nil,
			[]want{{in(peer, 22), "+b/ingress/0"}}},
		{"Log goes on, Deny and Allow end", policy("p", "ingress: [{action: Log}, {action: Deny, protocol: UDP}, {action: Allow}, {action: Deny}]"), nil, []want{
			{in(peer, 22), "+p/ingress/2"}, {in(peer, 22, protocol(17)), "-p/ingress/1"},
		}},
		{"Pass skips the rest of the tier and its end",
			tier("a", "order: 1") + tier("b", "order: 2, defaultAction: Pass") + policy("p", "tier: a, order: 1, ingress: [{action: Pass, protocol: TCP}, {action: Deny}]") +
				policy("q", "tier: a, order: 9, ingress: [{action: Deny}]") + policy("r", "tier: b, ingress: [{action: Allow, protocol: TCP, destination: {ports: [22]}}]") +
				policy("s", "ingress: [{action: Allow, protocol: TCP, destination: {ports: [23]}}]"), nil,
			[]want{{in(peer, 22), "+r/ingress/0"}, {in(peer, 23), "+s/ingress/0"}, {in(peer, 24), "-tier/default/end"}, {in(peer, 0, protocol(17)), "-p/ingress/1"}}},
		{"a tier whose policies don't apply is skipped", tier("a", "order: 1") + policy("p", "tier: a, selector: role == 'other', ingress: [{action: Deny}]") + policy("q", "ingress: [{action: Allow}]"), nil,
			[]want{{in(peer, 22), "+q/ingress/0"}, {in(peer, 22, on("eth1")), "-p/ingress/0"}}},
		{"staged policies count for nothing, not even for the end of the tier",
			"{kind: StagedGlobalNetworkPolicy, metadata: {name: p}, spec: {ingress: [{action: Allow}]}}\n{kind: NetworkPolicy, metadata: {name: p, namespace: x}, spec: {ingress: [{action: Allow}]}}\n" +
				policy("pods", "namespaceSelector: all(), ingress: [{action: Allow}]"), nil, []want{{in(peer, 22), "-no-profile"}}},
		{"a Pass in the last tier leads to the profiles", "PROFILES: open\n" + policy("p", "ingress: [{action: Pass}]") +
			"{kind: Profile, metadata: {name: open}, spec: {ingress: [{action: Deny, protocol: UDP}, {action: Allow, source: {nets: [10.0.0.0/8]}}]}}\n", nil,
			[]want{{in(peer, 22), "+profile/open/ingress/1"}, {in(stranger, 22), "-no-profile"}, {in(peer, 0, protocol(17)), "-profile/open/ingress/0"}}},
		{"the profile of automatic endpoints is open", "PROFILES: projectcalico-default-allow\n", nil, []want{{in(stranger, 1), "+profile/projectcalico-default-allow/ingress/0"}, {in(peer, 1, back), "+profile/projectcalico-default-allow/egress/0"}}},
		{"failsafes come before policies, but not when forwarding", policy("p", "applyOnForward: true, ingress: [{action: Deny}]"),
			[]firewall.Failsafe{{ID: "ssh", Direction: calico.Ingress, Protocol: 6, Ports: []uint16{22}, Nets: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}, []want{
				{in(peer, 22), "+failsafe/ssh"}, {in(stranger, 22), "-p/ingress/0"}, {in(peer, 22, forwarded), "-p/ingress/0"}, {in(peer, 22, state(firewall.Invalid)), "-invalid"},
			}},
		{"a failsafe of ICMP is of its own family, with types or without", policy("p", "ingress: [{action: Deny}]"),
			[]firewall.Failsafe{{ID: "ping", Direction: calico.Ingress, Protocol: calico.ProtocolICMP}, {ID: "six", Direction: calico.Ingress, Protocol: calico.ProtocolICMPv6}}, []want{
				{in(peer, 0, protocol(calico.ProtocolICMP)), "+failsafe/ping"}, {six(in(peer, 0, protocol(calico.ProtocolICMP))), "-p/ingress/0"},
				{six(in(peer, 0, protocol(calico.ProtocolICMPv6))), "+failsafe/six"}, {in(peer, 0, protocol(calico.ProtocolICMPv6)), "-p/ingress/0"},
			}},
		{"forwarding meets the policies that ask for it, on the way in and on the way out",
			policy("a", "selector: role == 'self', applyOnForward: true, ingress: [{action: Allow, source: {nets: [10.0.0.0/8]}}]") +
				policy("b", "selector: role == 'other', applyOnForward: true, egress: [{action: Deny, protocol: TCP, destination: {ports: [23]}}, {action: Allow}]") + policy("c", "ingress: [{action: Deny}]"), nil,
			[]want{{in(peer, 22, forwarded), "+b/egress/1"}, {in(peer, 23, forwarded), "-b/egress/0"}, {in(stranger, 22, forwarded), "-tier/default/end"}, {in(stranger, 22, forwarded, state(firewall.Established)), "+established"}}},
		{"doNotTrack is before connection tracking and drops nothing at its end",
			policy("u", "doNotTrack: true, applyOnForward: true, ingress: [{action: Allow, protocol: TCP, destination: {ports: [53]}}, {action: Deny, protocol: TCP, destination: {ports: [54]}}]") + policy("p", "ingress: [{action: Deny}]"), nil,
			[]want{{in(peer, 53), "+u/ingress/0"}, {in(peer, 53, state(firewall.Invalid)), "+u/ingress/0"}, {in(peer, 54, state(firewall.Established)), "-u/ingress/1"}, {in(peer, 55), "-p/ingress/0"}, {in(peer, 53, forwarded), "+forward-default"}}},
		{"preDNAT is for what comes in, and established packets pass it",
			policy("d", "preDNAT: true, applyOnForward: true, ingress: [{action: Allow, protocol: TCP, destination: {ports: [80]}}, {action: Deny, protocol: TCP, destination: {ports: [81]}}]"), nil,
			[]want{{in(peer, 80), "+d/ingress/0"}, {in(peer, 81), "-d/ingress/1"}, {in(peer, 82), "-no-profile"}, {in(peer, 81, forwarded), "-d/ingress/1"}, {in(peer, 82, forwarded), "+forward-default"}, {in(peer, 81, state(firewall.Established)), "+established"}}},
		{"a selector is the expected IPs of endpoints and the networks of sets",
			policy("p", "ingress: [{action: Deny, source: {selector: role == 'blind'}}, {action: Allow, source: {selector: '!has(zone)'}, protocol: TCP, destination: {ports: [1]}}, "+
				"{action: Allow, source: {notSelector: has(role)}, protocol: TCP, destination: {ports: [2]}}, {action: Allow, source: {selector: zone == 'ntp'}}]") +
				"{kind: GlobalNetworkSet, metadata: {name: s, labels: {zone: ntp}}, spec: {nets: [192.0.2.0/24]}}\n", nil,
			[]want{{in(peer, 1), "+p/ingress/1"}, {in("203.0.113.1", 1), "-tier/default/end"}, {in(peer, 2), "-tier/default/end"}, {in("203.0.113.1", 2), "+p/ingress/2"}, {in(stranger, 3), "+p/ingress/3"}}},
		{"a port's name is a place", policy("p", "egress: [{action: Allow, protocol: TCP, destination: {ports: [web]}}]"), nil, []want{
			{firewall.Packet{Hook: firewall.Output, Out: "eth0", Source: netip.MustParseAddr(self), Destination: netip.MustParseAddr(peer), Protocol: 6, DestinationPort: 8080}, "+p/egress/0"},
			{firewall.Packet{Hook: firewall.Output, Out: "eth0", Source: netip.MustParseAddr(self), Destination: netip.MustParseAddr(stranger), Protocol: 6, DestinationPort: 8080}, "-tier/default/end"},
			{firewall.Packet{Hook: firewall.Output, Out: "eth0", Source: netip.MustParseAddr(self), Destination: netip.MustParseAddr(peer), Protocol: 17, DestinationPort: 8080}, "-tier/default/end"},
		}},
		{"ICMP has families, types and codes", policy("p", "ingress: [{action: Deny, protocol: ICMP, icmp: {type: 8, code: 1}}, {action: Allow, protocol: ICMP, notICMP: {type: 5}}, {action: Allow, protocol: ICMPv6, icmp: {type: 135}}]"), nil, []want{
			{icmp(in(peer, 0, protocol(1)), 8, 0), "+p/ingress/1"}, {icmp(in(peer, 0, protocol(1)), 8, 1), "-p/ingress/0"}, {icmp(in(peer, 0, protocol(1)), 5, 0), "-tier/default/end"},
			{icmp(in(peer, 0, protocol(58)), 135, 0), "-tier/default/end"}, {icmp(six(in(peer, 0, protocol(58))), 135, 0), "+p/ingress/2"}, {icmp(six(in(peer, 0, protocol(1))), 8, 0), "-tier/default/end"},
		}},
		{"families", policy("p", "ingress: [{action: Allow, ipVersion: 6, protocol: TCP}, {action: Allow, source: {notNets: [10.0.0.0/8]}, protocol: UDP}]"), nil, []want{
			{in(peer, 1), "-tier/default/end"}, {six(in(peer, 1)), "+p/ingress/0"}, {in(peer, 1, protocol(17)), "-tier/default/end"}, {six(in(peer, 1, protocol(17))), "+p/ingress/1"},
		}},
		{"lent labels", "PROFILES: lend\n{kind: Profile, metadata: {name: lend}, spec: {labelsToApply: {role: lent, zone: z}}}\n" + policy("p", "selector: zone == 'z' && role == 'self', ingress: [{action: Allow}]"), nil,
			[]want{{in(peer, 1), "+p/ingress/0"}}},
	}
	for _, c := range cases {
		profile, objects := "", c.objects
		if rest, found := strings.CutPrefix(objects, "PROFILES: "); found {
			profile, objects, _ = strings.Cut(rest, "\n")
		}
		s, err := firewall.NewSite(manifests(t, strings.Replace(hosts, "PROFILES", profile, 1)+objects), c.failsafes)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		h := s.Host("here", nil)
		for _, w := range c.want {
			got := Packet(s, h, w.packet)
			sign := "-"
			if got.Verdict == firewall.Accept {
				sign = "+"
			}
			if sign+got.By != w.by {
				t.Errorf("%s: %s: %s%s, want %s", c.name, w.packet, sign, got.By, w.by)
			}
		}
	}
}

func icmp(p firewall.Packet, kind, code uint8) firewall.Packet {
	p.ICMPType, p.ICMPCode = kind, code
	return p
}

func six(p firewall.Packet) firewall.Packet {
	p.Source, p.Destination = netip.MustParseAddr("fd00::2"), netip.MustParseAddr("fd00::1")
	return p
}

func TestTraceAndFlow(t *testing.T) {
	s, err := firewall.NewSite(manifests(t, strings.Replace(hosts, "PROFILES", "", 1)+tier("a", "order: 1")+
		policy("p", "tier: a, ingress: [{action: Log}, {action: Pass}]")+
		policy("q", "ingress: [{action: Log, protocol: UDP}, {action: Allow, metadata: {annotations: {ingot.dev/flow: '7.1'}}}]")), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := Packet(s, s.Host("here", nil), in(peer, 22))
	want := Decision{firewall.Accept, "q/ingress/1", "7.1", []string{"p/ingress/0", "p/ingress/1", "q/ingress/1"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
