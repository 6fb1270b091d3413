package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/selector"
	"github.com/ingotmetal/ingot/matrix"
)

// Compiled is what a matrix means for firewalls.
type Compiled struct {
	// Objects has a HostEndpoint for each interface, a GlobalNetworkSet for each outside party and each zone with networks, a GlobalNetworkPolicy for each end of
	// ours, and FailsafeTier where a row is one.
	Objects calico.Objects
	// Failsafes are the Failsafe rows between anybody and anybody. The policies in FailsafeTier say the same.
	Failsafes []firewall.Failsafe
	// Left are the rows, or parts of rows, that no rule came from.
	Left []Left
}

// Left is a row that a firewall cannot say, wholly or in part.
type Left struct {
	// Row is its ID.
	Row string
	// Why is a sentence.
	Why string
}

// Site indexes the objects for evaluation and for rulesets.
func (c Compiled) Site() (*firewall.Site, error) { return firewall.NewSite(c.Objects, c.Failsafes) }

// FailsafeTier is the tier of policies that come from Failsafe rows. Calico wants the names of its policies to begin with it.
const FailsafeTier = "failsafe"

// failsafeOrder is before kube-admin (1000) and whatever a site is likely to declare.
const failsafeOrder = -1000

// Labels of endpoints and network sets.
const (
	zoneLabel  = "zone"
	planeLabel = "plane"
	rolePrefix = "role/"
)

// maxRules and maxPorts are the bounds of Calico's API.
const (
	maxRules    = 1024
	maxPorts    = 50
	maxICMPType = 254
)

// Orders of policies: the most specific end is named where several would let a packet through.
const (
	orderRoleInZone = 100
	orderRole       = 200
	orderZone       = 300
)

// Compile translates a matrix. The error says why it has no meaning.
func Compile(m matrix.Matrix) (Compiled, error) {
	if err := matrix.Check(m); err != nil {
		return Compiled{}, fmt.Errorf("compile matrix %q: %w", m.Name, err)
	}
	if readings := m.Readings(); len(readings) > 1 {
		return Compiled{}, fmt.Errorf("compile matrix %q: it has the readings %s, which contradict each other: choose one", m.Name, strings.Join(readings, ", "))
	}
	c := &compiler{m: m, ours: newOurs(m), policies: map[place]*rules{}, selectors: map[matrix.Endpoint]*selector.Selector{}, peers: map[matrix.Endpoint]bool{}}
	for _, r := range m.Rows {
		c.row(r)
	}
	if err := c.endpoints(); err != nil {
		return Compiled{}, fmt.Errorf("compile matrix %q: %w", m.Name, err)
	}
	c.sets()
	c.write()
	if err := calico.Check(c.out.Objects); err != nil {
		return Compiled{}, fmt.Errorf("compile matrix %q: two of its names become one: %w", m.Name, err)
	}
	return c.out, nil
}

// place is an end of ours with the rules of its rows.
type place struct {
	end      matrix.Endpoint
	failsafe bool
}

type rules struct{ ingress, egress []calico.Rule }

type compiler struct {
	m         matrix.Matrix
	ours      ours
	policies  map[place]*rules
	selectors map[matrix.Endpoint]*selector.Selector
	// peers are the ends that rules name.
	peers map[matrix.Endpoint]bool
	out   Compiled
}

func (c *compiler) at(end matrix.Endpoint, failsafe bool) *rules {
	p := place{end, failsafe}
	if c.policies[p] == nil {
		c.policies[p] = &rules{}
	}
	return c.policies[p]
}

// enforces says whether a row opens an end: it is ours, or everybody's and the row is a failsafe.
func (c *compiler) enforces(end matrix.Endpoint, r matrix.Row) bool {
	return c.ours.has(end) || r.Failsafe && end == matrix.Anybody
}

func (c *compiler) row(r matrix.Row) {
	headers, err := headersOf(r)
	if err != nil {
		c.out.Left = append(c.out.Left, Left{r.ID, err.Error()})
		if len(headers) == 0 {
			return
		}
	}
	ingress, egress := r.Ingress() && c.enforces(r.To, r), r.Egress() && c.enforces(r.From, r)
	if !ingress && !egress {
		c.out.Left = append(c.out.Left, Left{r.ID, "neither end is a host of ours that it is enforced on"})
		return
	}
	g := groupsOf(r)
	if ingress {
		p := c.at(r.To, r.Failsafe)
		p.ingress = append(p.ingress, c.open(r, headers, r.From, g.from, calico.Ingress)...)
	}
	if egress {
		p := c.at(r.From, r.Failsafe)
		p.egress = append(p.egress, c.open(r, headers, r.To, g.to, calico.Egress)...)
	}
	if r.Failsafe && r.From == matrix.Anybody && r.To == matrix.Anybody {
		c.failsafe(r, headers)
	}
}

// open makes the rules of one side of a row: for each header, the other party and the group addresses that stand for it.
func (c *compiler) open(r matrix.Row, headers []header, peer matrix.Endpoint, groups []addresses, d calico.Direction) []calico.Rule {
	var all []calico.Rule
	c.peers[peer] = true
	add := func(h header, p calico.Peer) {
		p.Ports = nil
		rule := calico.Rule{Action: calico.Allow, Protocol: &h.protocol, ICMP: h.icmp, Annotations: map[string]string{calico.FlowAnnotation: r.ID}}
		if d == calico.Ingress {
			rule.Source = p
		} else {
			rule.Destination = p
		}
		rule.Destination.Ports = h.ports
		all = append(all, rule)
	}
	for _, h := range headers {
		add(h, calico.Peer{Selector: c.selector(peer)})
	}
	if peer == matrix.Anybody {
		return all
	}
	for _, g := range groups {
		add(g.header, calico.Peer{Nets: g.nets})
	}
	return all
}

// failsafe gives a row to the list that holds before everything.
func (c *compiler) failsafe(r matrix.Row, headers []header) {
	for _, d := range []calico.Direction{calico.Ingress, calico.Egress} {
		if d == calico.Ingress && !r.Ingress() || d == calico.Egress && !r.Egress() {
			continue
		}
		f := firewall.Failsafe{ID: failsafeID(r.ID, d), Direction: d, Protocol: headers[0].protocol.Number, ICMPTypes: r.ICMPTypes}
		for _, p := range r.Ports {
			if int(p.Last)-int(p.First) >= maxPorts {
				return // the tier has it; a list of single ports would be absurd
			}
			for n := int(p.First); n <= int(p.Last); n++ {
				f.Ports = append(f.Ports, uint16(n))
			}
		}
		c.out.Failsafes = append(c.out.Failsafes, f)
	}
}

// failsafeID is of letters, digits, -, _ and . as firewall.Failsafe wants, at most 64.
func failsafeID(row string, d calico.Direction) string {
	safe := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.' {
			return r
		}
		return '_'
	}, row)
	return safe[:min(len(safe), 56)] + "-" + map[calico.Direction]string{calico.Ingress: "in", calico.Egress: "out"}[d]
}

// selector is how a rule names an end; nil is anybody.
func (c *compiler) selector(end matrix.Endpoint) *selector.Selector {
	if end == matrix.Anybody {
		return nil
	}
	if s, ok := c.selectors[end]; ok {
		return s
	}
	var parts []string
	if end.Zone != matrix.AnyZone {
		parts = append(parts, zoneLabel+" == '"+string(end.Zone)+"'")
	}
	if end.Role != matrix.AnyRole {
		parts = append(parts, "has("+rolePrefix+string(end.Role)+")")
	}
	s := mustSelector(strings.Join(parts, " && "))
	c.selectors[end] = &s
	return &s
}

// mustSelector parses a selector of names that Check let through: they are labels, so that no quote is among them.
func mustSelector(text string) selector.Selector {
	s, err := selector.Parse(text)
	if err != nil {
		panic(fmt.Sprintf("policy: %v", err))
	}
	return s
}

// write turns the collected rules into policies, in a fixed order.
func (c *compiler) write() {
	for p, r := range c.policies {
		parts := max(1, (max(len(r.ingress), len(r.egress))+maxRules-1)/maxRules)
		for part := range parts {
			order := float64(orderOf(p.end))
			policy := calico.Policy{
				Meta: calico.Meta{Name: c.policyName(p, part)}, Kind: calico.GlobalNetworkPolicy, Tier: calico.DefaultTier, Order: &order,
				Types:   []calico.Direction{calico.Ingress, calico.Egress},
				Ingress: chunk(r.ingress, part), Egress: chunk(r.egress, part),
			}
			if s := c.selector(p.end); s != nil {
				policy.Selector = *s
			}
			if p.failsafe {
				policy.Tier = FailsafeTier
			}
			c.out.Objects.Policies = append(c.out.Objects.Policies, policy)
		}
	}
	policies := c.out.Objects.Policies
	slices.SortFunc(policies, func(a, b calico.Policy) int {
		return cmp.Or(cmp.Compare(a.Tier, b.Tier), cmp.Compare(*a.Order, *b.Order), cmp.Compare(a.Name, b.Name))
	})
	if slices.ContainsFunc(policies, func(p calico.Policy) bool { return p.Tier == FailsafeTier }) {
		order := float64(failsafeOrder)
		c.out.Objects.Tiers = append(c.out.Objects.Tiers, calico.Tier{Meta: calico.Meta{Name: FailsafeTier}, Order: &order, DefaultAction: calico.Pass})
	}
}

func chunk(r []calico.Rule, part int) []calico.Rule {
	return slices.Clone(r[min(part*maxRules, len(r)):min((part+1)*maxRules, len(r))])
}

func orderOf(end matrix.Endpoint) int {
	switch {
	case end.Zone == matrix.AnyZone:
		return orderRole
	case end.Role == matrix.AnyRole:
		return orderZone
	}
	return orderRoleInZone
}

// policyName: labels have no dots, so the number of parts, and the fixed words among them, keep the names apart.
func (c *compiler) policyName(p place, part int) string {
	name := c.m.Name
	switch {
	case p.end == matrix.Anybody:
		name += ".for.every.host"
	case p.end.Zone == matrix.AnyZone:
		name += "." + string(p.end.Role) + ".every.zone"
	case p.end.Role == matrix.AnyRole:
		name += "." + string(p.end.Zone)
	default:
		name += "." + string(p.end.Role) + "." + string(p.end.Zone)
	}
	if p.failsafe {
		name = FailsafeTier + "." + name
	}
	if part > 0 {
		name += ".part." + strconv.Itoa(part+1)
	}
	return name
}

var errNoIP = errors.New("its protocol is no IP, which a host firewall does not see")
