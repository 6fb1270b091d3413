// Package object makes a gateway.Gateway of a Firewall, as the API has it.
//
// It owns the translation, for the controller that checks it, the machine that enforces it, and the program that explains it: all three say the same of one object. It refuses to find
// out anything: networks with their addresses stand in the Firewall's status, and which card has which address comes in.
//
// Invariant: the same Firewall and cards give the same Gateway.
package object

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firewall/gateway"
	"github.com/ingotmetal/ingot/firewall/names"
)

// ErrUnresolved: the controller has not looked at this generation of the Firewall yet.
var ErrUnresolved = errors.New("the controller has not resolved the networks of this generation yet")

// Gateway is what a Firewall declares. interfaces are the network cards by network ("namespace/name"); where nil, each network has a card of its own name, which serves to check and to explain. The
// error says everything that does not fit together; ErrUnresolved where the status is of another generation.
func Gateway(f *ingot.Firewall, interfaces map[string]string) (*gateway.Gateway, error) {
	if f.Status.ResolvedGeneration != f.Generation || len(f.Status.Networks) != len(f.Spec.Networks) {
		return nil, ErrUnresolved
	}
	g := &gateway.Gateway{Owner: f.Namespace + "/" + f.Name}
	var problems []error
	for i := range f.Status.Networks {
		n, err := network(&f.Status.Networks[i], f.Spec.Networks[i].NewConnectionsPerSecond)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		n.Resolver = resolver(&f.Status.Networks[i])
		n.Interface = n.Name
		if interfaces != nil {
			n.Interface = interfaces[n.Name]
		}
		g.Networks = append(g.Networks, n)
	}
	var err error
	if g.Egress, err = rules(gateway.Egress, f.Spec.Egress); err != nil {
		problems = append(problems, err)
	}
	if g.Ingress, err = rules(gateway.Ingress, f.Spec.Ingress); err != nil {
		problems = append(problems, err)
	}
	for _, text := range f.Status.DNSServers {
		a, err := netip.ParseAddr(text)
		if err != nil {
			problems = append(problems, fmt.Errorf("DNS server: %w", err))
			continue
		}
		if g.HasNames() {
			g.Servers = append(g.Servers, a)
		}
	}
	if l := f.Spec.DropLog; l != nil {
		g.DropLog = gateway.DropLog{Group: uint16(l.Group), PerSecond: uint32(max(1, l.PacketsPerSecond))}
	}
	if len(problems) == 0 {
		problems = append(problems, g.Check())
	}
	return g, errors.Join(problems...)
}

func network(s *ingot.FirewallNetworkStatus, limit int32) (gateway.Network, error) {
	n := gateway.Network{Name: s.Network, Inside: s.Inside, Limit: gateway.Limit{PerSecond: uint32(max(0, limit))}}
	var err error
	if n.Prefixes, err = prefixes(s.Prefixes); err != nil {
		return n, fmt.Errorf("network %s: %w", s.Network, err)
	}
	for _, text := range s.Masquerade {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return n, fmt.Errorf("network %s: masquerade: %w", s.Network, err)
		}
		n.Own = append(n.Own, a)
	}
	for _, p := range s.OneToOne {
		outside, err := netip.ParseAddr(p.Outside)
		inside, other := netip.ParseAddr(p.Inside)
		if err := errors.Join(err, other); err != nil {
			return n, fmt.Errorf("network %s: oneToOne: %w", s.Network, err)
		}
		n.Pairs = append(n.Pairs, gateway.Pair{Outside: outside, Inside: inside})
	}
	return n, nil
}

// resolver are the firewall's first addresses of each family in an inside network.
func resolver(s *ingot.FirewallNetworkStatus) []netip.Addr {
	var all []netip.Addr
	for _, text := range s.Addresses {
		a, err := netip.ParseAddr(text)
		if err == nil && s.Inside && !slices.ContainsFunc(all, func(b netip.Addr) bool { return a.Is4() == b.Is4() }) {
			all = append(all, a)
		}
	}
	return all
}

// Resolved are the addresses of names as the machine told them last, for explaining.
func Resolved(f *ingot.Firewall) func(patterns []string, a netip.Addr) bool {
	return func(patterns []string, a netip.Addr) bool {
		return slices.ContainsFunc(f.Status.Names, func(n ingot.FirewallName) bool {
			return names.Any(patterns, n.Name) && slices.Contains(n.Addresses, a.String())
		})
	}
}

func prefixes(texts []string) ([]netip.Prefix, error) {
	all := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("read the prefix %q: %w", text, err)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

func rules(direction string, declared []ingot.FirewallRule) ([]gateway.Rule, error) {
	var problems []error
	all := make([]gateway.Rule, 0, len(declared))
	for i := range declared {
		d := &declared[i]
		r := gateway.Rule{Name: d.Name, Protocol: gateway.Protocol(d.Protocol), Limit: gateway.Limit{PerSecond: uint32(max(0, d.NewConnectionsPerSecond))}}
		var err, other error
		r.From, err = prefixes(d.From)
		r.To, other = prefixes(d.To)
		r.Names = d.ToFQDNs
		r.Family = map[ingot.IPFamily]uint8{ingot.IPv4: 4, ingot.IPv6: 6}[d.Family]
		var third error
		r.Ports, third = Ports(d.Ports)
		if err := errors.Join(err, other, third); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", gateway.ByRule(direction, d.Name), err))
		}
		all = append(all, r)
	}
	return all, errors.Join(problems...)
}

// Ports reads ports and ranges such as "443" and "8000-8100".
func Ports(texts []string) ([]gateway.Ports, error) {
	var all []gateway.Ports
	for _, text := range texts {
		first, last, ranged := strings.Cut(text, "-")
		if !ranged {
			last = first
		}
		a, err := strconv.ParseUint(first, 10, 16)
		b, other := strconv.ParseUint(last, 10, 16)
		if err := errors.Join(err, other); err != nil || a == 0 || a > b {
			return nil, fmt.Errorf("read the ports %q: write a port from 1 to 65535, or a range like 8000-8100", text)
		}
		all = append(all, gateway.Ports{First: uint16(a), Last: uint16(b)})
	}
	return all, nil
}
