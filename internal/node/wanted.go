package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/guard"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/firewall/selector"
	"github.com/ingotmetal/ingot/internal/node/source"
	"github.com/ingotmetal/ingot/matrix"
)

// wanted is what the policies mean for this host.
type wanted struct {
	policies *source.Policies
	scene    guard.Scene
	rows     []guard.Row
	digest   string
	refusal  *guard.Refusal
	// change is how this differs from what rules, which was asked for changeFrom.
	change     guard.Change
	changeFrom guard.Version
}

// refresh reads the interfaces, and compiles where they or the policies changed.
func (n *Node) refresh(ctx context.Context) {
	interfaces, err := n.o.Host.Interfaces(ctx)
	if err != nil {
		n.o.Log.Warn("the interfaces can't be read", "err", err)
		interfaces = n.interfaces
	}
	same := slices.EqualFunc(interfaces, n.interfaces, func(a, b firewall.Interface) bool {
		return a.Name == b.Name && slices.Equal(a.Addresses, b.Addresses)
	})
	n.interfaces = interfaces
	if n.policies == nil || same && n.wanted != nil {
		return
	}
	w, err := n.want(n.policies, interfaces)
	if err != nil {
		n.wanted = nil
		if n.source.LostSince.IsZero() {
			n.source.LostSince = n.now()
		}
		n.source.Why = err.Error()
		n.policies = nil // asked again when the source says something else
		n.o.Log.Error("the policies can't be used", "err", err)
		return
	}
	n.wanted = w
	if w.digest == n.disk.Confirmed.Digest {
		n.rule(w)
	}
}

// rule notes that what is wanted is what is confirmed, now that both are known.
func (n *Node) rule(w *wanted) {
	c := n.disk.Confirmed
	n.ruling = &ruling{Version: c.Version, scene: w.scene, policies: w.policies, rules: n.compile(w.scene, c.Generation)}
}

func (n *Node) compile(sc guard.Scene, generation uint32) *ruleset.Ruleset {
	return ruleset.Compile(sc.Site, sc.Host, ruleset.Options{Table: n.o.Table, Generation: generation, Refused: true, Seen: true})
}

// want resolves policies for this host.
func (n *Node) want(p *source.Policies, interfaces []firewall.Interface) (*wanted, error) {
	site, err := firewall.NewSite(p.Objects, p.Failsafes)
	if err != nil {
		return nil, err
	}
	w := &wanted{policies: p, scene: guard.Scene{Site: site, Host: site.Host(n.o.Name, interfaces), Interfaces: interfaces}}
	w.rows = append(slices.Clone(n.o.Management), n.management(p, site)...)
	sum := sha256.Sum256([]byte(n.compile(w.scene, 0).Install(nil)))
	w.digest = hex.EncodeToString(sum[:])
	switch h := w.scene.Host; {
	case n.o.Unguarded:
	case len(h.Endpoints) == 0 && h.Any == nil:
		w.refusal = &guard.Refusal{
			Reason: fmt.Sprintf("no HostEndpoint is for node %q: nothing would be filtered here", n.o.Name),
			Fix:    "give it one, or start ingot-node with --node and the name that the endpoints have; `ingot-node remove` takes the firewall away",
		}
	default:
		w.refusal = guard.CheckManagement(guard.Management(w.scene, w.rows), w.rows)
	}
	return w, nil
}

// maxManagementPorts bounds how many ports of a row are looked at: one that is open is enough.
const maxManagementPorts = 16

// management are the management rows of communication matrices that end at this host.
func (n *Node) management(p *source.Policies, site *firewall.Site) []guard.Row {
	var rows []guard.Row
	for _, m := range p.Matrices {
		for _, r := range m.Rows {
			protocol, ok := r.Protocol.Number()
			if !r.Management || !ok || !r.Ingress() || !endsHere(p.Objects, n.o.Name, r.To) {
				continue
			}
			row := guard.Row{ID: r.ID, Name: string(r.Name), Protocol: protocol}
			for _, ports := range r.Ports {
				for port := int(ports.First); port <= int(ports.Last) && len(row.Ports) < maxManagementPorts; port++ {
					row.Ports = append(row.Ports, uint16(port))
				}
			}
			if r.From != matrix.Anybody {
				row.From = site.Members(selectorOf(r.From), false)
				row.Nobody = len(row.From) == 0
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// endsHere says whether one of a node's endpoints is an end of a row.
func endsHere(o calico.Objects, node string, end matrix.Endpoint) bool {
	sel := selectorOf(end)
	return slices.ContainsFunc(o.HostEndpoints, func(e calico.HostEndpoint) bool { return e.Node == node && sel.Matches(e.Labels) })
}

// Labels by which package policy names ends.
const (
	zoneLabel  = "zone"
	rolePrefix = "role/"
)

// selectorOf is how package policy labels an end.
func selectorOf(end matrix.Endpoint) selector.Selector {
	text := "all()"
	if end.Zone != matrix.AnyZone {
		text = fmt.Sprintf("%s == '%s'", zoneLabel, end.Zone)
	}
	if end.Role != matrix.AnyRole {
		text += fmt.Sprintf(" && has(%s%s)", rolePrefix, end.Role)
	}
	s, err := selector.Parse(text)
	if err != nil {
		return selector.All() // labels of a checked matrix always parse
	}
	return s
}

// change is how the wanted ruleset differs from the ruling one.
func (n *Node) change() guard.Change {
	r := n.ruling
	if r == nil || r.Version != n.disk.Confirmed.Version || n.wanted == nil {
		return guard.ChangeRules
	}
	w := n.wanted
	if w.changeFrom == r.Version {
		return w.change
	}
	w.changeFrom, w.change = r.Version, guard.ChangeRules
	_, members := ruleset.Difference(r.rules, n.compile(w.scene, r.Generation))
	if members && guard.KeepsManagement(r.scene, w.scene, w.rows) {
		w.change = guard.ChangePeers
	}
	return w.change
}

// local says whether an address is the host's own, and on which interface.
func local(interfaces []firewall.Interface, a netip.Addr) (string, bool) {
	for _, i := range interfaces {
		if slices.Contains(i.Addresses, a) {
			return i.Name, true
		}
	}
	return "", false
}

// scene is what packets meet now: the ruling policies where they are known, else the wanted ones.
func (n *Node) scene() (guard.Scene, *source.Policies, bool) {
	switch {
	case n.ruling != nil && n.disk.Attempt.Outcome != guard.Running:
		return n.ruling.scene, n.ruling.policies, true
	case n.wanted != nil:
		return n.wanted.scene, n.wanted.policies, true
	case n.ruling != nil:
		return n.ruling.scene, n.ruling.policies, true
	}
	return guard.Scene{}, nil, false
}
