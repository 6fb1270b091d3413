package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/matrix"
)

// Unsaid is what a manifest says and a matrix cannot, or can only say differently.
type Unsaid struct {
	// Object is "Kind/name", Path the field in it, like "spec.ingress[3].notSelector"; empty for the object as a whole.
	Object, Path string
	// Why is a sentence that also says what happened to the rule.
	Why string
}

// ImportedName is the name of the matrix that Import makes, and ZoneUnlabelled the zone of endpoints that have neither label.
const (
	ImportedName   = "imported"
	ZoneUnlabelled = matrix.Zone("unlabelled")
	zoneNetworks   = matrix.Zone("networks")
)

// maxOpenings is far more than a matrix that anybody reads: a rule between all and all stands for as many rows as there are pairs of zones, and a file of a hundred kilobytes
// could fill the memory.
const maxOpenings = 200_000

// Import reads a matrix from Calico's objects: hosts and outside parties from endpoints and sets by their labels zone, plane and role/…, rows from Allow rules. A rule's
// annotation is its row's ID; the ingress rule and the egress rule of one ID become one row. What a matrix cannot say is listed, and its rule left out: what is imported never
// allows more than the rules did, except where the list says so. Security cells are blank: policies say nothing about them.
//
// The error says why the objects do not fit together.
func Import(o calico.Objects) (matrix.Matrix, []Unsaid, error) {
	if err := calico.Check(o); err != nil {
		return matrix.Matrix{}, nil, fmt.Errorf("the manifests do not fit together:\n%w", err)
	}
	i := &importer{m: matrix.Matrix{Name: ImportedName, Title: "Imported from Calico policies"}, zones: map[matrix.Zone]bool{}, roles: map[matrix.Role]bool{}, flows: map[flow]bool{}}
	i.places(o)
	i.hosts(o)
	i.networks(o)
	for n := range o.Policies {
		i.policy(&o.Policies[n])
		if i.over {
			return matrix.Matrix{}, i.unsaid, fmt.Errorf("with policy %s the manifests stand for more than %d rows: a selector like all() is a row for each pair of %d zones; select a zone, a plane or a role",
				o.Policies[n].Name, maxOpenings, len(i.m.Zones))
		}
	}
	i.rows()
	if err := matrix.Check(i.m); err != nil {
		return matrix.Matrix{}, i.unsaid, fmt.Errorf("the manifests make no matrix: %w", err)
	}
	return i.m, i.unsaid, nil
}

type importer struct {
	m        matrix.Matrix
	zones    map[matrix.Zone]bool
	roles    map[matrix.Role]bool
	openings []opening
	// over says that they would be more than maxOpenings.
	over bool
	// flows are the flows with an opening between parties, by ID, direction and protocol.
	flows  map[flow]bool
	unsaid []Unsaid
}

// flow is a row's rules of one direction.
type flow struct {
	id        string
	direction calico.Direction
	protocol  matrix.Protocol
}

func (i *importer) leave(object, path, format string, args ...any) {
	i.unsaid = append(i.unsaid, Unsaid{object, path, fmt.Sprintf(format, args...)})
}

// opening is one rule, read.
type opening struct {
	id        string
	direction calico.Direction
	from, to  matrix.Endpoint
	protocol  matrix.Protocol
	ports     matrix.Ports
	types     []uint8
	failsafe  bool
	notes     string
}

func (i *importer) policy(p *calico.Policy) {
	object := string(p.Kind) + "/" + p.Name
	switch {
	case p.Kind.Staged():
		i.leave(object, "", "it is a preview, which decides nothing: left out")
	case !p.Kind.Global() || p.ForWorkloads:
		i.leave(object, "", "it is about pods, and a matrix about hosts: left out")
	case p.DoNotTrack:
		i.leave(object, "spec.doNotTrack", "a matrix says nothing about connection tracking: left out")
	case p.PreDNAT:
		i.leave(object, "spec.preDNAT", "a matrix names servers as they are, not as they are translated: left out")
	case p.Tier != calico.DefaultTier && p.Tier != FailsafeTier:
		i.leave(object, "spec.tier", "what tier %s lets pass depends on the order of tiers, and rows have no order: left out", p.Tier)
	default:
		if p.ApplyOnForward {
			i.leave(object, "spec.applyOnForward", "a matrix is about packets to and from hosts: what is forwarded is left out")
		}
		i.rules(object, p)
	}
}

func (i *importer) rules(object string, p *calico.Policy) {
	mine, why := []matrix.Endpoint{matrix.Anybody}, ""
	if p.Tier != FailsafeTier || p.Selector.String() != "all()" { // every host, also where these objects have none
		mine, why = i.ends(p.Selector)
	}
	if why != "" {
		i.leave(object, "spec.selector", "%s: left out with all rules", why)
		return
	}
	for _, d := range p.Types {
		rules := p.Ingress
		if d == calico.Egress {
			rules = p.Egress
		}
		for n := range rules {
			path := fmt.Sprintf("spec.%s[%d]", strings.ToLower(string(d)), n)
			r := reader{i, object, path, d, p, &rules[n]}
			r.read(mine, fmt.Sprintf("%s-%s-%d", p.Name, strings.ToLower(string(d)), n))
		}
	}
}

// reader reads one rule.
type reader struct {
	*importer
	object, path string
	direction    calico.Direction
	policy       *calico.Policy
	rule         *calico.Rule
}

func (r reader) unsay(field, format string, args ...any) {
	path := r.path
	if field != "" {
		path += "." + field
	}
	r.leave(r.object, path, format, args...)
}

func (r reader) read(mine []matrix.Endpoint, id string) {
	if r.rule.Action != calico.Allow {
		r.unsay("action", "%s decides by its place among other rules, and rows only allow: left out, so that later rules of the policy may allow more than before", r.rule.Action)
		return
	}
	head, ok := r.header()
	if !ok {
		return
	}
	own, other, ownName, otherName := r.rule.Destination, r.rule.Source, "destination", "source"
	if r.direction == calico.Egress {
		own, other, ownName, otherName = other, own, otherName, ownName
	}
	if flow := r.rule.Annotations[calico.FlowAnnotation]; flow != "" {
		id = flow
	}
	if r.group(other, head, id) {
		return
	}
	mine, ok = r.own(own, ownName, mine)
	if !ok {
		return
	}
	peers, ok := r.peers(other, otherName)
	if !ok {
		return
	}
	if r.over = r.over || len(r.openings)+len(mine)*len(peers) > maxOpenings; r.over {
		return
	}
	for _, end := range mine {
		for _, peer := range peers {
			o := head
			o.id, o.direction, o.from, o.to, o.failsafe = id, r.direction, peer, end, r.policy.Tier == FailsafeTier
			if r.direction == calico.Egress {
				o.from, o.to = end, peer
			}
			o.notes = r.policy.Name + " " + strings.TrimPrefix(r.path, "spec.")
			r.openings = append(r.openings, o)
			if o.from != matrix.Anybody && o.to != matrix.Anybody {
				r.flows[flow{o.id, o.direction, o.protocol}] = true
			}
		}
	}
}

// group says whether a rule is one that a row brings with it: to or from a group address of its protocol, beside a rule of the same row for the party.
func (r reader) group(other calico.Peer, head opening, id string) bool {
	if len(other.Nets) == 0 || r.rule.Annotations[calico.FlowAnnotation] == "" {
		return false
	}
	g := groupsOf(matrix.Row{Protocol: head.protocol, Ports: head.ports, ICMPTypes: head.types})
	list := g.from
	if r.direction == calico.Egress {
		list = g.to
	}
	known := slices.ContainsFunc(list, func(a addresses) bool { return slices.Equal(a.nets, other.Nets) })
	return known && r.flows[flow{id, r.direction, head.protocol}]
}

// rows joins the openings of one row.
func (i *importer) rows() {
	type key struct {
		id       string
		from, to matrix.Endpoint
		protocol matrix.Protocol
		failsafe bool
	}
	sides := map[key]map[calico.Direction]*matrix.Row{}
	var order []key
	for _, o := range i.openings {
		k := key{o.id, o.from, o.to, o.protocol, o.failsafe}
		if sides[k] == nil {
			sides[k] = map[calico.Direction]*matrix.Row{}
			order = append(order, k)
		}
		if r := sides[k][o.direction]; r != nil {
			widen(r, o)
			continue
		}
		sides[k][o.direction] = &matrix.Row{From: o.from, To: o.to, Protocol: o.protocol, Ports: o.ports, ICMPTypes: o.types, Failsafe: o.failsafe, Notes: o.notes}
	}
	ids, names := map[string]int{}, map[string]int{}
	index := newOurs(i.m)
	enforced := func(e matrix.Endpoint, failsafe bool) bool { return index.has(e) || failsafe && e == matrix.Anybody }
	add := func(k key, r matrix.Row, e matrix.Enforcement) {
		r.ID = unique(ids, k.id, ".")
		r.Name = matrix.FlowName(unique(names, labelOf(k.id), "-"))
		r.Enforced = e
		i.m.Rows = append(i.m.Rows, r)
	}
	for _, k := range order {
		in, out := sides[k][calico.Ingress], sides[k][calico.Egress]
		switch {
		case in != nil && out != nil && in.Ports.String() == out.Ports.String() && slices.Equal(in.ICMPTypes, out.ICMPTypes):
			add(k, *in, matrix.EnforcedBoth)
		default:
			if in != nil {
				add(k, *in, sided(matrix.EnforcedIngress, enforced(k.from, k.failsafe)))
			}
			if out != nil {
				add(k, *out, sided(matrix.EnforcedEgress, enforced(k.to, k.failsafe)))
			}
		}
	}
}

// sided: a row whose other end is not ours is enforced on one side anyway, and needs not say so.
func sided(e matrix.Enforcement, otherIsOurs bool) matrix.Enforcement {
	if otherIsOurs {
		return e
	}
	return matrix.EnforcedBoth
}

// widen adds another rule of the same row and side: empty lists mean all.
func widen(r *matrix.Row, o opening) {
	if len(r.Ports) == 0 || len(o.ports) == 0 {
		r.Ports = nil
	} else {
		r.Ports = append(r.Ports, o.ports...)
	}
	if len(r.ICMPTypes) == 0 || len(o.types) == 0 {
		r.ICMPTypes = nil
	} else {
		r.ICMPTypes = append(r.ICMPTypes, o.types...)
	}
}

// unique numbers what is used again.
func unique(seen map[string]int, s, separator string) string {
	for {
		seen[s]++
		if seen[s] == 1 {
			return s
		}
		next := fmt.Sprintf("%s%s%d", s, separator, seen[s])
		if seen[next] == 0 {
			seen[next]++
			return next
		}
	}
}

// labelOf makes a DNS label of any text.
func labelOf(s string) string {
	safe := objectName(s)
	safe = strings.Trim(safe[:min(len(safe), 56)], "-")
	if safe == "" {
		return "flow"
	}
	return safe
}
