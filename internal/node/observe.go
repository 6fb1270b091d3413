package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/evaluate"
	"github.com/ingotmetal/ingot/firewall/guard"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
	"github.com/ingotmetal/ingot/internal/node/source"
)

// observed is what was seen besides what is decided.
type observed struct {
	failure           string
	kernel            []hostnet.Difference
	drift             []Drift
	drops             []Drop
	refused, accepted uint64
	rules             []RuleCount
	rows              []RowTraffic
	// counted is the generation that counters are of, with what each row had met at the last look.
	counted uint32
	packets map[string]uint64
	written time.Time
}

// maxDrift bounds how many things of one kind are reported.
const maxDrift = 50

// maxDrops bounds how many of those who were refused a status has. A host that is scanned refuses tens of thousands; the latest say that and by whom.
const maxDrops = 64

// observe compares the host with the policies. What can't be read is logged and left out.
func (n *Node) observe(ctx context.Context, k guard.Kernel) {
	var drift []Drift
	add := func(kind DriftKind, row, format string, args ...any) {
		same := 0
		for _, d := range drift {
			if d.Kind == kind {
				same++
			}
		}
		if same < maxDrift {
			drift = append(drift, Drift{kind, fmt.Sprintf(format, args...), row})
		}
	}
	n.counters(ctx, k)
	if k.Drift != "" {
		for _, d := range n.observed.kernel {
			add(DriftKernel, "", "%s", d)
		}
	}
	if others, err := n.o.Host.Others(ctx, n.o.Table); err != nil {
		n.o.Log.Warn("other managers of the firewall can't be found", "err", err)
	} else {
		for _, o := range others {
			if len(o.Hooks) > 0 {
				add(DriftManager, "", "%s decides as well at %s (%s): %s", o.Name, strings.Join(o.Hooks, ", "), o.Evidence, o.Advice)
			}
		}
	}
	if r := n.ruling; r != nil {
		n.listeners(ctx, r, add)
		n.flows(ctx, r, add)
		n.unused(r, add)
	}
	n.observed.drift = drift
	drops, err := n.refused(ctx, maxDrops)
	if err != nil {
		n.o.Log.Warn("who was refused can't be read", "err", err)
	}
	n.observed.drops = drops
}

type report func(kind DriftKind, row, format string, args ...any)

// counters reads what each rule met.
func (n *Node) counters(ctx context.Context, k guard.Kernel) {
	n.observed.rules, n.observed.rows, n.observed.refused, n.observed.accepted = nil, nil, 0, 0
	if k.Active == 0 && k.Pending == 0 {
		return
	}
	if n.ruling == nil {
		n.observed.rows = rowsOf(n.disk.Traffic) // what was confirmed rules, though nobody says what it was made of: what its rows met is known
		return
	}
	counters, err := n.o.Host.Counters(ctx, n.o.Table)
	if err != nil {
		n.o.Log.Warn("the counters can't be read", "err", err)
		return
	}
	names := n.ruling.rules.Names()
	first := n.observed.packets == nil
	if n.observed.counted != n.ruling.Generation || first {
		n.observed.counted, n.observed.packets = n.ruling.Generation, map[string]uint64{}
	}
	rows, matrices := map[string]uint64{}, matricesOf(n.ruling.policies)
	for _, c := range counters {
		name, ok := names[c.Comment]
		if !ok {
			continue
		}
		verdict := verdictOf(n.ruling.policies, name.ID)
		n.observed.rules = append(n.observed.rules, RuleCount{name.ID, name.Flow, verdict, c.Packets, c.Bytes})
		switch {
		case name.ID == firewall.ByLoopback || name.ID == firewall.ByEstablished:
		case verdict == "drop":
			n.observed.refused += c.Packets
		case verdict == "accept":
			n.observed.accepted += c.Packets
		}
		if name.Flow != "" {
			policy, _, _ := strings.Cut(name.ID, "/")
			rows[trafficKey(matrices[policy], name.Flow)] += c.Packets
		}
	}
	n.traffic(rows, first)
}

// listeners are held against the policies: one that nobody can reach is undeclared, and a row that nobody listens for is dead.
func (n *Node) listeners(ctx context.Context, r *ruling, add report) {
	sockets, err := n.o.Host.Listening(ctx)
	if err != nil {
		n.o.Log.Warn("the listening sockets can't be read", "err", err)
		return
	}
	open := map[[2]uint16]bool{}
	for _, s := range sockets {
		if s.Raw || s.Address.IsLoopback() {
			continue
		}
		open[[2]uint16{uint16(s.Protocol), s.Port}] = true
		ways := guard.Management(r.scene, []guard.Row{{Protocol: s.Protocol, Ports: []uint16{s.Port}}})
		reachable := slices.ContainsFunc(ways, func(w guard.Way) bool { return w.Open })
		if !reachable && len(ways) > 0 {
			add(DriftListener, "", "%s (pid %d) listens on %s port %d, and no row lets anybody reach it", orUnknown(s.Process), s.PID, protocolName(s.Protocol), s.Port)
		}
	}
	for _, m := range r.policies.Matrices {
		for _, row := range m.Rows {
			protocol, ok := row.Protocol.Number()
			port, one := row.Ports.Default()
			if !ok || !one || !firewall.HasPorts(protocol) || row.Feature != "" || len(row.Stages) > 0 || !endsHere(r.policies.Objects, n.o.Name, row.To) {
				continue
			}
			if !open[[2]uint16{uint16(protocol), port}] {
				add(DriftListener, row.ID, "row %s (%s) is for %s port %d, and nothing listens there", row.ID, row.Name, protocolName(protocol), port)
			}
		}
	}
}

// flows that were seen are held against the rules as they are now.
func (n *Node) flows(ctx context.Context, r *ruling, add report) {
	seen, err := n.o.Host.Tuples(ctx, n.o.Table, hostnet.Seen)
	if err != nil {
		n.o.Log.Warn("the seen flows can't be read", "err", err)
		return
	}
	named := usesRows(r.policies)
	for _, t := range seen {
		packets := n.placed(ctx, r.scene, packetOf(t))
		if len(packets) == 0 {
			continue
		}
		d := evaluate.Packet(r.scene.Site, r.scene.Host, packets[0]) // one way is enough: the tuple does not say which it was
		switch {
		case d.Verdict == firewall.Drop:
			add(DriftFlow, d.Flow, "%s was let in %s ago, and %s refuses it now", tupleText(t), t.Idle.Round(time.Second), d.By)
		case named && d.Flow == "" && d.By != firewall.ByLoopback && d.By != firewall.ByNoEndpoint && !strings.HasPrefix(d.By, "failsafe/"):
			add(DriftFlow, "", "%s is let through by %s, which is no row of the matrix", tupleText(t), d.By)
		}
	}
}

// usesRows says whether any rule is a row's.
func usesRows(p *source.Policies) bool {
	of := func(rules []calico.Rule) bool {
		return slices.ContainsFunc(rules, func(r calico.Rule) bool { return r.Annotations[calico.FlowAnnotation] != "" })
	}
	return slices.ContainsFunc(p.Objects.Policies, func(p calico.Policy) bool { return of(p.Ingress) || of(p.Egress) })
}

// verdictOf says what the named rule does: "accept", "drop", or "" where it goes on.
func verdictOf(p *source.Policies, id string) string {
	switch {
	case id == firewall.ByInvalid, id == firewall.ByNoProfile, strings.HasPrefix(id, "tier/"):
		return "drop"
	case id == firewall.ByLoopback, id == firewall.ByEstablished, id == firewall.ByNoEndpoint, id == firewall.ByForward, strings.HasPrefix(id, "failsafe/"):
		return "accept"
	}
	words := map[calico.Action]string{calico.Allow: "accept", calico.Deny: "drop"}
	find := func(owner string, name func(string, calico.Direction, int) string, ingress, egress []calico.Rule) (string, bool) {
		for _, one := range []struct {
			d     calico.Direction
			rules []calico.Rule
		}{{calico.Ingress, ingress}, {calico.Egress, egress}} {
			for i := range one.rules {
				if name(owner, one.d, i) == id {
					return words[one.rules[i].Action], true
				}
			}
		}
		return "", false
	}
	for _, policy := range p.Objects.Policies {
		if strings.HasPrefix(id, policy.Name+"/") {
			if word, ok := find(policy.Name, firewall.ByRule, policy.Ingress, policy.Egress); ok {
				return word
			}
		}
	}
	for _, profile := range p.Objects.Profiles {
		if word, ok := find(profile.Name, firewall.ByProfile, profile.Ingress, profile.Egress); ok {
			return word
		}
	}
	if strings.HasPrefix(id, "profile/"+calico.DefaultAllow+"/") {
		return "accept"
	}
	return ""
}

func orUnknown(process string) string {
	if process == "" {
		return "the kernel, or a process that has ended,"
	}
	return process
}
