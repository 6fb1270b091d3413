package hostnettest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/evaluate"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
)

// drift: whatever somebody changes behind our back is named.
func drift(t *testing.T, f Fixture) {
	h := f.Host()
	r := compiled(t, 3, 1)
	install := r.Install(nil)
	var set, allow string
	for _, s := range r.Sets {
		if !s.IPv6 && len(s.Values) == 3 {
			set = s.Name
		}
	}
	for _, c := range r.Chains {
		for _, rule := range c.Rules {
			if rule.Flow == "peers" {
				allow = c.Name
			}
		}
	}
	if set == "" || allow == "" {
		t.Fatal("the ruleset has no set of three peers, or no rule for them")
	}
	for name, tamper := range map[string]struct {
		text         string
		what         hostnet.What
		object, name string
	}{
		"a rule more":   {"add rule inet ingot input udp dport 53 accept\n", hostnet.Foreign, "rule", "input"},
		"rules less":    {"flush chain inet ingot " + allow + "\n", hostnet.Missing, "rule", allow},
		"a chain more":  {"add chain inet ingot mine\n", hostnet.Foreign, "chain", "mine"},
		"a member less": {"delete element inet ingot " + set + " { " + PeerAddress(1).String() + " }\n", hostnet.Missing, "member", set},
		"a member more": {"add element inet ingot " + set + " { 192.0.2.1 }\n", hostnet.Foreign, "member", set},
		"a set more":    {"add set inet ingot mine { type ipv4_addr; }\n", hostnet.Foreign, "set", "mine"},
		"no way in":     {"flush chain inet ingot active_input\n", hostnet.Missing, "rule", "active_input"},
	} {
		apply(t, h, r.Uninstall()+install)
		apply(t, h, tamper.text)
		all := hostnet.Compare(expect(t, h, install), state(t, h))
		if !slices.ContainsFunc(all, func(d hostnet.Difference) bool {
			return d.What == tamper.what && d.Object == tamper.object && d.Name == tamper.name && d.String() != ""
		}) {
			t.Errorf("%s: the differences are %v, want a %s %s of %s", name, all, tamper.what, tamper.object, tamper.name)
		}
	}
}

// members: deltas make of one ruleset the other, one by one and many at once, and through the empty set.
func members(t *testing.T, f Fixture) {
	h := f.Host()
	clean(t, h)
	was := compiled(t, 0, 1)
	apply(t, h, was.Install(nil))
	for _, peers := range []int{1, 2, 1, 0, 700, 701, 1200, 3} {
		is := compiled(t, peers, 1)
		d, ok := ruleset.Difference(was, is)
		if !ok || len(d.Changes) != 1 {
			t.Fatalf("%d peers are no change of one set: %v, %v", peers, d, ok)
		}
		if err := h.Change(t.Context(), d); err != nil {
			t.Fatalf("%d peers: %v", peers, err)
		}
		same(t, h, is.Install(nil))
		was = is
	}
}

func staleMembers(t *testing.T, f Fixture) {
	h := f.Host()
	clean(t, h)
	three, two, four := compiled(t, 3, 1), compiled(t, 2, 1), compiled(t, 4, 1)
	apply(t, h, two.Install(nil))
	for name, d := range map[string]ruleset.Delta{
		"a member that isn't there": difference(t, three, two),
		"beside one that is new":    {Table: "ingot", Changes: append(difference(t, three, four).Changes, difference(t, three, two).Changes...)},
		"a set that isn't there":    {Table: "ingot", Changes: []ruleset.Change{{Name: "g9_s9", Add: difference(t, two, three).Changes[0].Add}}},
	} {
		if err := h.Change(t.Context(), d); !errors.Is(err, hostnet.ErrStale) {
			t.Errorf("%s: %v, want %v", name, err, hostnet.ErrStale)
		}
		same(t, h, two.Install(nil))
	}
}

func difference(t *testing.T, old, new *ruleset.Ruleset) ruleset.Delta {
	t.Helper()
	d, ok := ruleset.Difference(old, new)
	if !ok {
		t.Fatal("the rulesets differ in more than members")
	}
	return d
}

// send sends a packet from a peer to a port of the host, and gives what the model says of it.
func send(t *testing.T, f Fixture, peers, from int, port uint16) evaluate.Decision {
	t.Helper()
	s, host := Site(t, peers)
	p := firewall.Packet{
		Hook: firewall.Input, In: Interface, Source: PeerAddress(from), Destination: Address, Protocol: 17, SourcePort: 40000 + port, DestinationPort: port,
	}
	d := evaluate.Packet(s, host, p)
	comment := ""
	for c, n := range compiled(t, peers, 1).Names() {
		if n.ID == d.By {
			comment = c
		}
	}
	if comment == "" {
		t.Fatalf("no rule is called %s", d.By)
	}
	f.Send(t, p, d.Verdict, comment)
	return d
}

func counted(t *testing.T, h hostnet.Host, r *ruleset.Ruleset, id string) hostnet.Counter {
	t.Helper()
	all, err := h.Counters(t.Context(), "ingot")
	if err != nil {
		t.Fatal(err)
	}
	names := r.Names()
	for _, c := range all {
		name, known := names[c.Comment]
		if !known {
			t.Fatalf("a counter is called %q, and no rule is", c.Comment)
		}
		if name.ID == id {
			return c
		}
	}
	t.Fatalf("no counter of %s", id)
	return hostnet.Counter{}
}

func tuples(t *testing.T, h hostnet.Host, kind hostnet.Kind) []hostnet.Tuple {
	t.Helper()
	all, err := h.Tuples(t.Context(), "ingot", kind)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(u hostnet.Tuple) bool { return u.Source.Is6() }) // the kernel's own multicast
}

// inventory: what comes in is counted by the rule that the model names, and noted.
func inventory(t *testing.T, f Fixture) {
	h := f.Host()
	clean(t, h)
	r := compiled(t, 1, 1)
	apply(t, h, r.Install(nil))
	allowed := send(t, f, 1, 0, Port)
	if allowed.Verdict != firewall.Accept || allowed.Flow != "peers" {
		t.Fatalf("the model refuses a peer: %+v", allowed)
	}
	until(t, "packet in the counter", func() bool { c := counted(t, h, r, allowed.By); return c.Packets == 1 && c.Bytes > 0 })
	until(t, "seen tuple", func() bool { return len(tuples(t, h, hostnet.Seen)) == 1 })
	if s := tuples(t, h, hostnet.Seen)[0]; s.Source != PeerAddress(0) || s.Destination != Address || s.Protocol != 17 || s.Port != Port || s.Packets != 1 {
		t.Errorf("seen is %+v", s)
	}
	var refused int
	for range 3 {
		if d := send(t, f, 1, 1, Port); d.Verdict == firewall.Drop { // no peer of the site
			refused++
		}
	}
	send(t, f, 1, 0, Port+1)
	until(t, "two refused tuples", func() bool { all := tuples(t, h, hostnet.Refused); return len(all) == 2 && all[0].Packets == 3 })
	first := tuples(t, h, hostnet.Refused)[0]
	if refused != 3 || first.Source != PeerAddress(1) || first.Port != Port || first.Bytes == 0 || first.Expires <= 0 || first.Idle < 0 {
		t.Errorf("refused are %+v", first)
	}
	drained, err := h.Drain(t.Context(), "ingot", hostnet.Refused)
	if err != nil || len(drained) < 2 {
		t.Errorf("drained are %v, %v", drained, err)
	}
	if left := tuples(t, h, hostnet.Refused); len(left) != 0 {
		t.Errorf("after draining there are %v", left)
	}
	send(t, f, 1, 1, Port)
	until(t, "refused tuple again", func() bool { return len(tuples(t, h, hostnet.Refused)) == 1 })
}

// flows: accepted ones are tracked, refused ones never, and a cut one is forgotten alone.
func flows(t *testing.T, f Fixture) {
	h := f.Host()
	clean(t, h)
	apply(t, h, compiled(t, 2, 1).Install(nil))
	for _, from := range []int{0, 1, 2} {
		send(t, f, 2, from, Port)
	}
	tracked := func() []hostnet.Flow {
		all, err := h.Flows(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(all, func(f hostnet.Flow) bool { return f.Protocol != 17 || f.Destination != Address })
	}
	until(t, "two tracked flows", func() bool { return len(tracked()) == 2 })
	for _, flow := range tracked() {
		if flow.DestinationPort != Port || flow.SourcePort != 40000+Port || flow.ReplySource != Address || flow.Answered || flow.Expires <= 0 {
			t.Errorf("a flow is %+v", flow)
		}
	}
	cut, err := h.Cut(t.Context(), func(f hostnet.Flow) bool { return f.Source == PeerAddress(0) })
	if err != nil || len(cut) != 1 {
		t.Errorf("cut are %v, %v", cut, err)
	}
	if left := tracked(); len(left) != 1 || left[0].Source != PeerAddress(1) {
		t.Errorf("left are %v", left)
	}
	if left := tracked(); len(left) == 1 && !strings.HasPrefix(left[0].Source.String(), "10.99.") {
		t.Errorf("left is %v", left[0])
	}
}
