package calico

import (
	"encoding/json"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/ingotmetal/ingot/firewall/selector"
)

// portName excludes what is a number or a range: those are never names.
var portName = regexp.MustCompile(`^[a-zA-Z0-9_-]{0,127}[a-zA-Z_][a-zA-Z0-9_-]{0,127}$`)

// hasPorts says whether rules may name ports of a protocol. UDP-Lite has ports, but Calico's rules can't name them.
func hasPorts(number uint8) bool {
	return number == ProtocolTCP || number == ProtocolUDP || number == ProtocolSCTP
}

func rulesInto(rules *[]Rule) func(field) {
	return func(f field) {
		f.list(maxRules, func(f field) { *rules = append(*rules, decodeRule(f)) })
	}
}

func decodeRule(f field) Rule {
	var r Rule
	f.object(readers{
		"action": func(f field) {
			r.Action = Action(f.oneOf(string(Allow), string(Deny), string(Log), string(Pass)))
		},
		"ipVersion": func(f field) {
			v, ok := f.integer(4, 6)
			if ok && v == 5 {
				f.problem("want 4 or 6, found 5")
			}
			r.IPVersion = int(v)
		},
		"protocol":    func(f field) { p := decodeProtocol(f); r.Protocol = &p },
		"notProtocol": func(f field) { p := decodeProtocol(f); r.NotProtocol = &p },
		"icmp":        func(f field) { r.ICMP = decodeICMP(f) },
		"notICMP":     func(f field) { r.NotICMP = decodeICMP(f) },
		"source":      func(f field) { r.Source = decodePeer(f) },
		"destination": func(f field) { r.Destination = decodePeer(f) },
		"http": func(f field) {
			f.problem("matches requests, which need an application proxy: a host firewall sees packets. Remove it")
		},
		"metadata": func(f field) {
			f.object(readers{"annotations": func(f field) { r.Annotations = f.texts(func(field, string) {}) }})
		},
	})
	if f.get("action").value == nil {
		f.get("action").problem("is required")
	}
	checkPorts(f, &r)
	checkICMP(f, &r)
	checkFamilies(f, &r)
	return r
}

func checkPorts(f field, r *Rule) {
	for _, side := range []string{"source", "destination"} {
		for _, list := range []string{"ports", "notPorts"} {
			at := f.get(side).get(list)
			if at.value != nil && (r.Protocol == nil || !hasPorts(r.Protocol.Number)) {
				at.problem("needs protocol TCP, UDP or SCTP in the rule: no other protocol has ports here")
			}
		}
	}
}

func checkICMP(f field, r *Rule) {
	for _, name := range []string{"icmp", "notICMP"} {
		if at := f.get(name); at.value != nil && (r.Protocol == nil || r.Protocol.Number != ProtocolICMP && r.Protocol.Number != ProtocolICMPv6) {
			at.problem("needs protocol ICMP or ICMPv6 in the rule")
		}
	}
	if r.Protocol == nil {
		return
	}
	if r.Protocol.Name == "ICMP" && r.IPVersion == 6 {
		f.get("ipVersion").problem("ICMP is of IPv4: want ipVersion 4, or protocol ICMPv6")
	}
	if r.Protocol.Name == "ICMPv6" && r.IPVersion == 4 {
		f.get("ipVersion").problem("ICMPv6 is of IPv6: want ipVersion 6, or protocol ICMP")
	}
}

// checkFamilies: all networks of a rule are of one family, and of the family that the rule says.
func checkFamilies(f field, r *Rule) {
	family, from := r.IPVersion, "ipVersion"
	if r.Protocol != nil && family == 0 {
		switch r.Protocol.Name {
		case "ICMP":
			family, from = 4, "protocol"
		case "ICMPv6":
			family, from = 6, "protocol"
		}
	}
	check := func(path string, nets []netip.Prefix) {
		for i, n := range nets {
			if !n.IsValid() {
				continue
			}
			version := 6
			if n.Addr().Is4() {
				version = 4
			}
			if family != 0 && version != family {
				at := field{join(f.path, path) + "[" + strconv.Itoa(i) + "]", nil, f.c}
				at.problem("%s is IPv%d, but %s says IPv%d: make two rules", n, version, from, family)
				continue
			}
			family, from = version, path
		}
	}
	check("source.nets", r.Source.Nets)
	check("source.notNets", r.Source.NotNets)
	check("destination.nets", r.Destination.Nets)
	check("destination.notNets", r.Destination.NotNets)
}

var protocolNames = map[string]uint8{
	"TCP": ProtocolTCP, "UDP": ProtocolUDP, "ICMP": ProtocolICMP, "ICMPv6": ProtocolICMPv6, "SCTP": ProtocolSCTP, "UDPLite": ProtocolUDPLite,
}

func decodeProtocol(f field) Protocol {
	if _, ok := f.value.(json.Number); ok {
		n, _ := f.integer(1, 255)
		return Protocol{Number: uint8(n)}
	}
	s, ok := f.value.(string)
	if !ok {
		f.problem("want a protocol's name or number, found %s", f.kindOf())
		return Protocol{}
	}
	number, known := protocolNames[s]
	if !known {
		f.problem("%q is no protocol's name: want TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite, or a number from 1 to 255 without quotes (VRRP is 112)", s)
	}
	return Protocol{s, number}
}

func decodeICMP(f field) *ICMP {
	var i ICMP
	f.object(readers{
		"type": func(f field) {
			v, _ := f.integer(0, 254)
			i.Type = uint8(v)
		},
		"code": func(f field) {
			v, _ := f.integer(0, 255)
			code := uint8(v)
			i.Code = &code
		},
	})
	if f.get("type").value == nil {
		f.get("type").problem("is required: a code alone means nothing")
	}
	return &i
}

func decodePeer(f field) Peer {
	var p Peer
	refuse := func(why string) func(field) {
		return func(f field) { f.problem("%s", why) }
	}
	f.object(readers{
		"nets":        func(f field) { f.list(maxNets, func(f field) { p.Nets = append(p.Nets, decodeNet(f)) }) },
		"notNets":     func(f field) { f.list(maxNets, func(f field) { p.NotNets = append(p.NotNets, decodeNotNet(f)) }) },
		"selector":    func(f field) { p.Selector = peerSelector(f) },
		"notSelector": func(f field) { p.NotSelector = peerSelector(f) },
		"namespaceSelector": func(f field) {
			text, ok := f.str()
			s, err := selector.Parse(text)
			switch {
			case !ok || text == "":
			case err != nil:
				f.problem("%v", err)
			case !s.IsGlobal():
				f.problem("selects pods by their namespace, and a host firewall knows no pods: want global() or nothing")
			default:
				p.GlobalOnly = true
			}
		},
		"ports":           func(f field) { f.list(maxPorts, func(f field) { p.Ports = append(p.Ports, decodePort(f)) }) },
		"notPorts":        func(f field) { f.list(maxPorts, func(f field) { p.NotPorts = append(p.NotPorts, decodePort(f)) }) },
		"services":        refuse("names a Kubernetes Service, whose addresses only a cluster's data plane knows: name the endpoints by selector or nets"),
		"serviceAccounts": refuse("names Kubernetes service accounts, which only pods have: name the endpoints by selector or nets"),
	})
	return p
}

// peerSelector is nil for the empty text: no selector is anybody, while all() is every known endpoint.
func peerSelector(f field) *selector.Selector {
	if f.value == "" {
		return nil
	}
	s := decodeSelector(f)
	return &s
}

func decodeNotNet(f field) netip.Prefix {
	p := decodeNet(f)
	if p.IsValid() && p.Bits() == 0 {
		f.problem("%s excludes every address: the rule could never match", p)
	}
	return p
}

func decodePort(f field) Port {
	if _, ok := f.value.(json.Number); ok {
		v, _ := f.integer(0, 65535)
		return Port{Min: uint16(v), Max: uint16(v)}
	}
	s, ok := f.value.(string)
	if !ok {
		f.problem("want a port, a range like \"80:90\" or a port's name, found %s", f.kindOf())
		return Port{}
	}
	if portName.MatchString(s) {
		return Port{Name: s}
	}
	first, last, found := strings.Cut(s, ":")
	if !found {
		last = first
	}
	low, err1 := strconv.ParseUint(first, 10, 16)
	high, err2 := strconv.ParseUint(last, 10, 16)
	switch {
	case err1 != nil || err2 != nil:
		f.problem("%q is no port: want a number from 0 to 65535, a range like \"80:90\", or a port's name", s)
	case low > high:
		f.problem("%q is an empty range: its first port is above its last", s)
	}
	return Port{Min: uint16(low), Max: uint16(high)}
}
