package calico

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/firewall/selector"
)

// The bounds of Calico's API on lists.
const (
	maxRules = 1024
	maxNets  = 256
	maxPorts = 50
	// maxSetNets and maxAddresses bound what the API does not: a set of more networks belongs to a routing table.
	maxSetNets   = 1 << 20
	maxAddresses = 1024
)

func decodeHostEndpoint(f field, all *Objects) {
	var e HostEndpoint
	manifest(f, false, &e.Meta, readers{
		"node":          func(f field) { e.Node, _ = f.str() },
		"interfaceName": func(f field) { e.InterfaceName = decodeInterface(f) },
		"expectedIPs": func(f field) {
			f.list(maxAddresses, func(f field) { e.ExpectedIPs = append(e.ExpectedIPs, decodeAddress(f)) })
		},
		"profiles": func(f field) {
			f.list(maxAddresses, func(f field) {
				if name, ok := f.str(); ok {
					e.Profiles = append(e.Profiles, name)
				}
			})
		},
		"ports": func(f field) {
			f.list(maxAddresses, func(f field) {
				p := decodeNamedPort(f)
				if slices.ContainsFunc(e.Ports, func(o NamedPort) bool { return o.Name == p.Name && o.Protocol.Number == p.Protocol.Number }) {
					f.problem("port %s/%s is named twice", p.Name, p.Protocol)
				}
				e.Ports = append(e.Ports, p)
			})
		},
	})
	spec := f.get("spec")
	if e.Node == "" {
		spec.get("node").problem("is required: an endpoint belongs to one host")
	}
	if e.InterfaceName == "" && len(e.ExpectedIPs) == 0 && spec.get("interfaceName").value == nil {
		spec.problem("needs interfaceName or expectedIPs: nothing says which interface is meant")
	}
	all.HostEndpoints = append(all.HostEndpoints, e)
}

// decodeInterface follows the kernel's dev_valid_name: at most 15 bytes, no slash, colon or space, not "." or "..". A quote would end nft's string.
func decodeInterface(f field) string {
	s, ok := f.str()
	if ok && s != AllInterfaces && (s == "" || s == "." || s == ".." || len(s) > 15 || strings.ContainsFunc(s, notInInterface)) {
		f.problem("%q is no interface's name: want at most 15 bytes without space, slash, colon, quote and *, or %q for all interfaces", s, AllInterfaces)
	}
	return s
}

func notInInterface(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`/:"\*`, r) }

func decodeAddress(f field) netip.Addr {
	s, ok := f.str()
	if !ok {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		f.problem("%q is no IP address", s)
	case a.Zone() != "" || a.Is4In6():
		f.problem("%q has a zone or is an IPv4 address in IPv6: write the plain address", s)
	}
	return a
}

func decodeNet(f field) netip.Prefix {
	s, ok := f.str()
	if !ok {
		return netip.Prefix{}
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, noAddress := netip.ParseAddr(s)
		if noAddress != nil {
			f.problem("%q is no network: want an address, or one with a prefix length like 10.0.0.0/8", s)
			return netip.Prefix{}
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if p.Addr().Zone() != "" || p.Addr().Is4In6() {
		f.problem("%q has a zone or is an IPv4 network in IPv6: write the plain network", s)
	}
	return p.Masked()
}

func decodeNamedPort(f field) NamedPort {
	var p NamedPort
	f.object(readers{
		"name":     func(f field) { p.Name, _ = f.str() },
		"protocol": func(f field) { p.Protocol = decodeProtocol(f) },
		"port": func(f field) {
			v, _ := f.integer(1, 65535)
			p.Port = uint16(v)
		},
	})
	if p.Name != "" && !portName.MatchString(p.Name) {
		f.get("name").problem("%q is no port's name: want at most 128 letters, digits, - and _, and not a number", p.Name)
	}
	for _, name := range []string{"name", "protocol", "port"} {
		if f.get(name).value == nil {
			f.get(name).problem("is required")
		}
	}
	if p.Protocol.Number != 0 && !hasPorts(p.Protocol.Number) {
		f.get("protocol").problem("%s has no ports: want TCP, UDP or SCTP", p.Protocol)
	}
	return p
}

func decodeNetworkSet(f field, all *Objects) {
	var s NetworkSet
	kind, _ := f.get("kind").value.(string)
	manifest(f, kind == "NetworkSet", &s.Meta, readers{
		"nets": func(f field) { f.list(maxSetNets, func(f field) { s.Nets = append(s.Nets, decodeNet(f)) }) },
	})
	all.NetworkSets = append(all.NetworkSets, s)
}

func decodeTier(f field, all *Objects) {
	t := Tier{DefaultAction: Deny}
	manifest(f, false, &t.Meta, readers{
		"order":         func(f field) { t.Order = f.float() },
		"defaultAction": func(f field) { t.DefaultAction = Action(f.oneOf(string(Deny), string(Pass))) },
	})
	for _, fixed := range FixedTiers() {
		if fixed.Name != t.Name {
			continue
		}
		if t.Order == nil || *t.Order != *fixed.Order {
			f.get("spec").get("order").problem("tier %s has order %g and no other", t.Name, *fixed.Order)
		}
		if t.DefaultAction != fixed.DefaultAction {
			f.get("spec").get("defaultAction").problem("tier %s has the default action %s and no other", t.Name, fixed.DefaultAction)
		}
	}
	all.Tiers = append(all.Tiers, t)
}

// FixedTiers are the tiers that exist without being declared, with orders and actions that can't be changed.
func FixedTiers() []Tier {
	tier := func(name string, order float64, action Action) Tier {
		return Tier{Meta{Name: name}, &order, action}
	}
	return []Tier{tier("kube-admin", 1_000, Pass), tier(DefaultTier, 1_000_000, Deny), tier("kube-baseline", 10_000_000, Pass)}
}

func decodeProfile(f field, all *Objects) {
	var p Profile
	manifest(f, false, &p.Meta, readers{
		"ingress":       rulesInto(&p.Ingress),
		"egress":        rulesInto(&p.Egress),
		"labelsToApply": func(f field) { p.LabelsToApply = decodeLabels(f) },
	})
	if p.Name == DefaultAllow {
		f.get("metadata").get("name").problem("profile %s exists by itself and can't be declared", DefaultAllow)
	}
	all.Profiles = append(all.Profiles, p)
}

func decodePolicy(f field, all *Objects) {
	kind, _ := f.get("kind").value.(string)
	p := Policy{Kind: Kind(kind), Tier: DefaultTier}
	spec := readers{
		"tier":                   func(f field) { p.Tier, _ = f.str() },
		"order":                  func(f field) { p.Order = f.float() },
		"selector":               func(f field) { p.Selector = decodeSelector(f) },
		"serviceAccountSelector": func(f field) { p.ForWorkloads = selects(f) || p.ForWorkloads },
		"types":                  func(f field) { p.Types = decodeTypes(f) },
		"ingress":                rulesInto(&p.Ingress),
		"egress":                 rulesInto(&p.Egress),
		"performanceHints":       func(f field) { f.list(1, func(f field) { f.oneOf("AssumeNeededOnEveryNode") }) },
	}
	if p.Kind.Global() {
		spec["namespaceSelector"] = func(f field) { p.ForWorkloads = selects(f) || p.ForWorkloads }
		spec["doNotTrack"] = func(f field) { f.boolean(&p.DoNotTrack) }
		spec["preDNAT"] = func(f field) { f.boolean(&p.PreDNAT) }
		spec["applyOnForward"] = func(f field) { f.boolean(&p.ApplyOnForward) }
	}
	if p.Kind.Staged() {
		spec["stagedAction"] = func(f field) { p.StagedDelete = f.oneOf("Set", "Delete", "Learn", "Ignore") == "Delete" }
	}
	manifest(f, !p.Kind.Global(), &p.Meta, spec)
	checkPolicy(f.get("spec"), &p)
	if len(p.Types) == 0 {
		p.Types = defaultTypes(&p)
	}
	all.Policies = append(all.Policies, p)
}

func checkPolicy(spec field, p *Policy) {
	if p.DoNotTrack && p.PreDNAT {
		spec.get("preDNAT").problem("can't be set together with doNotTrack: a packet that isn't tracked has no DNAT")
	}
	if (p.DoNotTrack || p.PreDNAT) && !p.ApplyOnForward {
		spec.get("applyOnForward").problem("must be true where doNotTrack or preDNAT is: both act before it is known whether a packet is forwarded")
	}
	if p.PreDNAT && (len(p.Egress) > 0 || slices.Contains(p.Types, Egress)) {
		spec.get("egress").problem("a preDNAT policy has only ingress: DNAT happens to packets that come in")
	}
	if p.Tier == "" {
		spec.get("tier").problem("is empty: leave it out for tier %s", DefaultTier)
	}
}

// defaultTypes: Egress alone where there are egress rules only, Ingress alone where there are none, else both.
func defaultTypes(p *Policy) []Direction {
	switch {
	case len(p.Egress) == 0:
		return []Direction{Ingress}
	case len(p.Ingress) == 0:
		return []Direction{Egress}
	}
	return []Direction{Ingress, Egress}
}

func decodeTypes(f field) []Direction {
	var types []Direction
	f.list(2, func(f field) {
		d := Direction(f.oneOf(string(Ingress), string(Egress)))
		if d != "" && slices.Contains(types, d) {
			f.problem("%s stands here twice", d)
		}
		types = append(types, d)
	})
	return types
}

func decodeSelector(f field) selector.Selector {
	text, ok := f.str()
	if !ok {
		return selector.All()
	}
	s, err := selector.Parse(text)
	if err != nil {
		f.problem("%v", err)
	}
	if s.UsesGlobal() {
		f.problem("global() has a meaning in the namespaceSelector of a rule only")
	}
	return s
}

// selects reads a selector of namespaces or service accounts, and says whether it is there: host endpoints have neither.
func selects(f field) bool {
	if text, _ := f.str(); text == "" {
		return false
	}
	decodeSelector(f)
	return true
}
