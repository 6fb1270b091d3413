package policy

import (
	"bytes"
	"fmt"
	"net/netip"

	"sigs.k8s.io/yaml"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/selector"
)

// YAML writes objects as a stream of Calico v3 manifests, which calico.Decode reads back as they were. The order is that of the kinds in calico.Objects.
func YAML(o calico.Objects) ([]byte, error) {
	var b bytes.Buffer
	for _, m := range Manifests(o) {
		text, err := yaml.Marshal(m)
		if err != nil {
			return nil, fmt.Errorf("write %v as YAML: %w", m["kind"], err)
		}
		b.WriteString("---\n")
		b.Write(text)
	}
	return b.Bytes(), nil
}

// Manifests are the objects as YAML writes them, each ready to be encoded as JSON: for whoever gives thousands of them to an API server, which is ten times as fast
// without a text in between.
func Manifests(o calico.Objects) []map[string]any {
	var all []map[string]any
	add := func(kind string, meta calico.Meta, spec map[string]any) {
		all = append(all, map[string]any{"apiVersion": calico.APIVersion, "kind": kind, "metadata": metaOf(meta), "spec": spec})
	}
	for _, t := range o.Tiers {
		add("Tier", t.Meta, fields("order", t.Order, "defaultAction", t.DefaultAction))
	}
	for _, p := range o.Profiles {
		add("Profile", p.Meta, fields("ingress", rulesOf(p.Ingress), "egress", rulesOf(p.Egress), "labelsToApply", p.LabelsToApply))
	}
	for _, e := range o.HostEndpoints {
		add("HostEndpoint", e.Meta, fields("node", e.Node, "interfaceName", e.InterfaceName, "expectedIPs", texts(e.ExpectedIPs),
			"profiles", e.Profiles, "ports", namedPorts(e.Ports)))
	}
	for _, s := range o.NetworkSets {
		kind := "GlobalNetworkSet"
		if s.Namespace != "" {
			kind = "NetworkSet"
		}
		add(kind, s.Meta, fields("nets", texts(s.Nets)))
	}
	for _, p := range o.Policies {
		add(string(p.Kind), p.Meta, policySpec(p))
	}
	return all
}

// fields makes an object of names and values, without what is empty.
func fields(pairs ...any) map[string]any {
	f := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		if !empty(pairs[i+1]) {
			f[pairs[i].(string)] = pairs[i+1]
		}
	}
	return f
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case calico.Action:
		return v == ""
	case bool:
		return !v
	case int:
		return v == 0
	case *float64:
		return v == nil
	case []string:
		return len(v) == 0
	case []any:
		return len(v) == 0
	case []map[string]any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	case map[string]string:
		return len(v) == 0
	case []calico.Direction:
		return len(v) == 0
	}
	return false
}

func metaOf(m calico.Meta) map[string]any {
	return fields("name", m.Name, "namespace", m.Namespace, "labels", m.Labels, "annotations", m.Annotations)
}

func policySpec(p calico.Policy) map[string]any {
	f := fields("tier", p.Tier, "order", p.Order, "selector", p.Selector.String(), "types", p.Types, "ingress", rulesOf(p.Ingress), "egress", rulesOf(p.Egress),
		"doNotTrack", p.DoNotTrack, "preDNAT", p.PreDNAT, "applyOnForward", p.ApplyOnForward)
	if p.Tier == calico.DefaultTier {
		delete(f, "tier")
	}
	if p.ForWorkloads { // which ones is not kept: none of them is a host
		f["serviceAccountSelector"] = "all()"
	}
	if p.StagedDelete {
		f["stagedAction"] = "Delete"
	}
	return f
}

func rulesOf(rules []calico.Rule) []map[string]any {
	all := make([]map[string]any, 0, len(rules))
	for _, r := range rules {
		f := fields("action", r.Action, "ipVersion", r.IPVersion, "protocol", protocolOf(r.Protocol), "notProtocol", protocolOf(r.NotProtocol),
			"icmp", icmpOf(r.ICMP), "notICMP", icmpOf(r.NotICMP), "source", peerOf(r.Source), "destination", peerOf(r.Destination))
		if len(r.Annotations) > 0 {
			f["metadata"] = map[string]any{"annotations": r.Annotations}
		}
		all = append(all, f)
	}
	return all
}

func protocolOf(p *calico.Protocol) any {
	switch {
	case p == nil:
		return nil
	case p.Name != "":
		return p.Name
	}
	return p.Number
}

func icmpOf(i *calico.ICMP) any {
	switch {
	case i == nil:
		return nil
	case i.Code == nil:
		return map[string]any{"type": i.Type}
	}
	return map[string]any{"type": i.Type, "code": *i.Code}
}

func peerOf(p calico.Peer) map[string]any {
	f := fields("nets", texts(p.Nets), "notNets", texts(p.NotNets), "selector", selectorText(p.Selector), "notSelector", selectorText(p.NotSelector),
		"ports", portsOf(p.Ports), "notPorts", portsOf(p.NotPorts))
	if p.GlobalOnly {
		f["namespaceSelector"] = "global()"
	}
	return f
}

func selectorText(s *selector.Selector) string {
	if s == nil {
		return ""
	}
	return s.String()
}

func portsOf(ports []calico.Port) []any {
	all := make([]any, 0, len(ports))
	for _, p := range ports {
		if p.Name == "" && p.Min == p.Max {
			all = append(all, p.Min)
		} else {
			all = append(all, p.String())
		}
	}
	return all
}

func namedPorts(ports []calico.NamedPort) []map[string]any {
	all := make([]map[string]any, 0, len(ports))
	for _, p := range ports {
		all = append(all, map[string]any{"name": p.Name, "protocol": protocolOf(&p.Protocol), "port": p.Port})
	}
	return all
}

func texts[T netip.Addr | netip.Prefix](values []T) []string {
	all := make([]string, 0, len(values))
	for _, v := range values {
		all = append(all, any(v).(interface{ String() string }).String())
	}
	return all
}
