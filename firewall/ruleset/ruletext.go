package ruleset

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/ingotmetal/ingot/firewall"
)

// rule is a rule's line in a family's chain.
func (r *Ruleset) rule(rule *Rule, ipv6 bool) string {
	var words []string
	for _, m := range rule.Matches {
		words = append(words, r.match(m, ipv6))
	}
	if rule.ID != "" {
		words = append(words, "counter")
	}
	if rule.Log != "" {
		words = append(words, `log prefix "`+shorten(rule.Log, maxLog)+`"`)
		if rule.LogGroup != 0 {
			words = append(words, fmt.Sprintf("group %d", rule.LogGroup))
		}
	}
	if rule.NoTrack {
		words = append(words, "notrack")
	}
	if rule.SetMark {
		words = append(words, fmt.Sprintf("meta mark set meta mark | 0x%08x", r.MarkBit))
	}
	switch rule.Action {
	case Accept:
		words = append(words, "accept")
	case Drop:
		words = append(words, "drop")
	case Goto:
		words = append(words, "goto "+rule.Target)
	case Translate:
		words = append(words, translationText(rule.Translation, ipv6))
	case Lookup:
		if strings.HasPrefix(rule.Target, "active_") { // in the kernel a chain: see Barrier
			words = append(words, "goto "+rule.Target)
			break
		}
		if on, ok := strings.CutPrefix(rule.Target, "pending_"); ok {
			words = append(words, "jump trial_"+on)
			break
		}
		words = append(words, fieldText(rule.Key, ipv6)+" vmap @"+rule.Target)
	case Continue:
		if rule.Record != "" {
			words = append(words, recordText(rule, ipv6))
		}
	}
	if rule.ID != "" {
		words = append(words, "comment "+quoted(comment(rule)))
	}
	return strings.Join(words, " ")
}

func translationText(t *Translation, ipv6 bool) string {
	verb, family, asked := "dnat", "ip", Destination
	if t.Source {
		verb, asked = "snat", Source
	}
	if ipv6 {
		family = "ip6"
	}
	to := t.To.String()
	if t.Pairs != nil {
		to = fieldText(asked, ipv6) + " map @" + t.Pairs.Name
	}
	return verb + " " + family + " to " + to
}

func comment(rule *Rule) string {
	if rule.Flow == "" {
		return rule.ID
	}
	return "flow " + rule.Flow + ": " + rule.ID
}

func recordText(rule *Rule, ipv6 bool) string {
	tuple := fieldText(Source, ipv6) + " . " + fieldText(Destination, ipv6) + " . meta l4proto"
	if rule.RecordPorts {
		tuple += " . th dport"
	}
	return "update @" + rule.Record + " { " + tuple + " }"
}

func fieldText(f Field, ipv6 bool) string {
	family, icmp := "ip", "icmp"
	if ipv6 {
		family, icmp = "ip6", "icmpv6"
	}
	switch f {
	case Protocol:
		return "meta l4proto"
	case DestinationPort:
		return "th dport"
	case SourcePort:
		return "th sport"
	case Source:
		return family + " saddr"
	case Destination:
		return family + " daddr"
	case SourceService:
		return family + " saddr . th sport"
	case DestinationService:
		return family + " daddr . th dport"
	case ICMPType:
		return icmp + " type"
	case ICMPHead:
		return "@th,0,16" // type and code
	case InInterface:
		return "iifname"
	case OutInterface:
		return "oifname"
	case State:
		return "ct state"
	case Mark:
		return "meta mark"
	default: // Family
		return "meta nfproto"
	}
}

func (r *Ruleset) match(m Match, ipv6 bool) string {
	switch m.Field {
	case Mark:
		return fmt.Sprintf("meta mark & 0x%08x != 0", r.MarkBit)
	case State:
		return "ct state " + stateNames[firewall.State(m.Values[0].From.Low)]
	case Resolved:
		return fieldText(Destination, ipv6) + " @" + m.Names.Name
	case Limited:
		return fmt.Sprintf("limit name %q", m.Limit.Name)
	case InInterface, OutInterface:
		if m.Negate {
			return fieldText(m.Field, ipv6) + ` != "` + m.Interface + `"`
		}
		if m.Interface == firewall.Loopback { // it is always there, so that its number serves, which costs less to compare
			return strings.TrimSuffix(fieldText(m.Field, ipv6), "name") + ` "` + m.Interface + `"`
		}
		return fieldText(m.Field, ipv6) + ` "` + m.Interface + `"`
	default: // values, below
	}
	not := ""
	if m.Negate {
		not = "!= "
	}
	var value string
	switch {
	case m.Set != nil:
		value = "@" + m.Set.Name
	case len(m.Values) == 1:
		value = rangeText(m.Values[0], m.Field, ipv6)
	default:
		values := make([]string, len(m.Values))
		for i, v := range m.Values {
			values[i] = rangeText(v, m.Field, ipv6)
		}
		value = "{ " + strings.Join(values, ", ") + " }"
	}
	return fieldText(m.Field, ipv6) + " " + not + value
}

func rangeText(r Range, f Field, ipv6 bool) string {
	text := func(v Value) string {
		if f == Source || f == Destination {
			return v.addr(ipv6).String()
		}
		return strconv.FormatUint(v.Low, 10)
	}
	if r.Single() {
		return text(r.From)
	}
	if f == Source || f == Destination {
		for bits := range universe(f, ipv6).From.addr(ipv6).BitLen() {
			if p := netip.PrefixFrom(r.From.addr(ipv6), bits); network(p) == r {
				return p.String()
			}
		}
	}
	return text(r.From) + "-" + text(r.To)
}
