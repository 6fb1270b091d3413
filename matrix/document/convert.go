package document

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/matrix"
)

// From makes a matrix of an object that is a whole one. The error is a Problems, or what matrix.Check finds.
func From(object *v1alpha1.CommunicationMatrix) (matrix.Matrix, error) { return Join(object) }

// convert reads an object's fields. The matrix is good for nothing where there are problems.
func convert(object *v1alpha1.CommunicationMatrix) (matrix.Matrix, Problems) {
	if problems := check(object); problems != nil {
		return matrix.Matrix{}, problems
	}
	m := matrix.Matrix{Name: object.Name, Title: string(object.Spec.Title), Text: object.Spec.Text}
	for _, z := range object.Spec.Zones {
		m.Zones = append(m.Zones, matrix.ZoneDefinition{
			Name: matrix.Zone(z.Name), Title: string(z.Title), Plane: matrix.Plane(z.Plane), Networks: each(z.Networks, prefixOf),
			Outside: z.Outside, Unlisted: z.Unlisted,
		})
	}
	for _, r := range object.Spec.Roles {
		m.Roles = append(m.Roles, matrix.RoleDefinition{
			Name: matrix.Role(r.Name), Title: string(r.Title), Purpose: string(r.Purpose), Networks: each(r.Networks, prefixOf), Outside: r.Outside,
		})
	}
	for _, h := range object.Spec.Hosts {
		host := matrix.Host{Name: string(h.Name)}
		for _, i := range h.Interfaces {
			host.Interfaces = append(host.Interfaces, matrix.Interface{
				Name: i.Name, Zone: matrix.Zone(i.Zone), Roles: texts[matrix.Role](i.Roles),
				Addresses: each(i.Addresses, addressOf), Virtual: each(i.Virtual, addressOf),
			})
		}
		m.Hosts = append(m.Hosts, host)
	}
	for _, f := range object.Spec.Flows {
		m.Rows = append(m.Rows, row(f))
	}
	return m, nil
}

func row(f v1alpha1.MatrixFlow) matrix.Row {
	r := matrix.Row{
		ID: f.ID, Name: matrix.FlowName(f.Name), From: endpoint(f.From), To: endpoint(f.To),
		Protocol: matrix.Protocol(f.Protocol), Application: matrix.Application(f.Application),
		Confidential: property(f.Confidential), Integrity: property(f.Integrity), Authenticated: property(f.Authenticated), Trusted: property(f.Trusted),
		Identity: f.Identity, ServerIdentity: f.ServerIdentity, Stages: texts[string](f.Stages),
		Purpose: string(f.Purpose), Notes: string(f.Notes), Feature: string(f.Feature), Section: string(f.Section), Reading: string(f.Reading),
		Enforced: matrix.Enforcement(f.Enforced), Failsafe: f.Failsafe, Management: f.Management,
	}
	for _, p := range f.Ports {
		ports, _ := portOf(p.String())
		r.Ports = append(r.Ports, ports)
	}
	for _, t := range f.ICMPTypes {
		r.ICMPTypes = append(r.ICMPTypes, uint8(t))
	}
	for _, right := range f.Rights {
		r.Rights = append(r.Rights, matrix.Right{
			Group: right.Group, Resources: right.Resources, Verbs: right.Verbs, Namespace: string(right.Namespace), Scope: matrix.Scope(right.Scope), Names: right.Names, Paths: right.Paths,
		})
	}
	return r
}

func endpoint(e v1alpha1.MatrixEnd) matrix.Endpoint {
	role, zone, _ := strings.Cut(string(e), "@")
	return matrix.Endpoint{Role: matrix.Role(role), Zone: matrix.Zone(zone)}
}

func property(p *v1alpha1.MatrixProperty) matrix.Property {
	if p == nil {
		return matrix.Property{}
	}
	return matrix.Property{State: matrix.State(p.State), How: string(p.How), Bound: string(p.Bound)}
}

// texts changes the type of a list of strings.
func texts[To, From ~string](all []From) []To {
	var out []To
	for _, s := range all {
		out = append(out, To(s))
	}
	return out
}

// each reads a list of texts that were checked.
func each[From ~string, To any](all []From, read func(string) (To, string)) []To {
	var out []To
	for _, s := range all {
		v, _ := read(string(s))
		out = append(out, v)
	}
	return out
}

// prefixOf reads a prefix; the text is the reason where it is none.
func prefixOf(s string) (netip.Prefix, string) {
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return p, fmt.Sprintf("%q is no network: a prefix like 10.0.0.0/8 or fd00::/8", s)
	case p.Addr().Is4In6():
		return p, fmt.Sprintf("%q is an IPv4 network in IPv6 clothes: write it as IPv4", s)
	case p.Masked() != p:
		return p, fmt.Sprintf("%q has bits beyond its length: write %s", s, p.Masked())
	}
	return p, ""
}

func addressOf(s string) (netip.Addr, string) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return a, fmt.Sprintf("%q is no address: IPv4 or IPv6, without a length", s)
	case a.Zone() != "":
		return a, fmt.Sprintf("%q has a scope: leave out the %% and what follows", s)
	case a.Is4In6():
		return a, fmt.Sprintf("%q is an IPv4 address in IPv6 clothes: write it as IPv4", s)
	}
	return a, ""
}

func portOf(s string) (matrix.PortRange, string) {
	if !portText.MatchString(s) {
		return matrix.PortRange{}, fmt.Sprintf("%q is no port: a number like 443 or a range like 30000-32767", s)
	}
	from, to, isRange := strings.Cut(s, "-")
	if !isRange {
		to = from
	}
	first, err1 := strconv.ParseUint(from, 10, 16)
	last, err2 := strconv.ParseUint(to, 10, 16)
	switch {
	case err1 != nil || err2 != nil:
		return matrix.PortRange{}, fmt.Sprintf("%q is no port: 1 to 65535", s)
	case last < first:
		return matrix.PortRange{}, fmt.Sprintf("%q ends before it begins: smaller port first", s)
	}
	return matrix.PortRange{First: uint16(first), Last: uint16(last)}, ""
}
