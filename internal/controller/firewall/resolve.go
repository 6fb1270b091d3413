package firewall

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firewall/gateway/object"
)

// problem is what keeps a Firewall from being resolved, in words for the tenant.
type problem struct{ reason, message string }

func (p *problem) Error() string { return p.message }

func failed(reason, format string, args ...any) error {
	return &problem{reason, fmt.Sprintf(format, args...)}
}

// resolve writes status.networks for the present generation, or gives the problem where the Firewall, or something that it names, is at fault; then the status stays as it is.
func (r *Reconciler) resolve(ctx context.Context, f *ingot.Firewall, m *ingot.Machine) (*problem, error) {
	var all []ingot.FirewallNetworkStatus
	for i := range f.Spec.Networks {
		n, err := r.network(ctx, f, &f.Spec.Networks[i], m)
		var p *problem
		if errors.As(err, &p) {
			return p, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	servers, err := r.nameServers(ctx, f, m)
	if err != nil {
		return nil, err
	}
	if len(servers) == 0 && slices.ContainsFunc(f.Spec.Egress, func(rule ingot.FirewallRule) bool { return len(rule.ToFQDNs) > 0 }) {
		return &problem{reasonInvalid, "spec.dns: rules have toFQDNs, and neither the firewall nor its partition nor its networks have a DNS server: name one"}, nil
	}
	next := f.DeepCopy()
	next.Status.Networks, next.Status.ResolvedGeneration = all, f.Generation
	if _, err := object.Gateway(next, nil); err != nil {
		return &problem{reasonInvalid, strings.ReplaceAll(err.Error(), "\n", "; ")}, nil
	}
	f.Status.Networks, f.Status.ResolvedGeneration, f.Status.DNSServers = all, f.Generation, servers
	return nil, nil
}

// nameServers are those that a Firewall asks for its clients: its own, or the machine's, or the partition's, or those of its networks.
func (r *Reconciler) nameServers(ctx context.Context, f *ingot.Firewall, m *ingot.Machine) ([]string, error) {
	if f.Spec.DNS != nil && len(f.Spec.DNS.Servers) > 0 {
		return f.Spec.DNS.Servers, nil
	}
	if len(m.Spec.DNSServers) > 0 {
		return m.Spec.DNSServers, nil
	}
	if name := m.Spec.Partition; name != "" {
		site := &ingot.Partition{}
		if err := r.cached.Get(ctx, types.NamespacedName{Name: name}, site); err != nil && !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("read Partition %s: %w", name, err)
		}
		if len(site.Spec.DNSServers) > 0 {
			return site.Spec.DNSServers, nil
		}
	}
	var all []string
	for _, a := range m.Status.Addresses {
		for _, server := range a.DNSServers {
			if !slices.Contains(all, server) {
				all = append(all, server)
			}
		}
	}
	return all, nil
}

func (r *Reconciler) network(ctx context.Context, f *ingot.Firewall, n *ingot.FirewallNetwork, m *ingot.Machine) (ingot.FirewallNetworkStatus, error) {
	var s ingot.FirewallNetworkStatus
	key := types.NamespacedName{Namespace: cmp.Or(n.Namespace, f.Namespace), Name: n.Name}
	network := &ingot.Network{}
	err := r.cached.Get(ctx, key, network)
	// A network of another project is not told from one that is not there.
	usable := key.Namespace == f.Namespace || network.Spec.Type == ingot.ExternalNetwork || network.Spec.Type == ingot.SharedNetwork
	switch {
	case apierrors.IsNotFound(err) || err == nil && !usable:
		return s, failed(ingot.ReasonNotAllowed, "spec.networks: network %s is not there, or neither this project's nor External nor Shared: name another, or ask its provider", key)
	case err != nil:
		return s, fmt.Errorf("read Network %s: %w", key, err)
	case network.Spec.Type == ingot.SuperNetwork || network.Spec.Type == ingot.UnderlayNetwork:
		return s, failed(ingot.ReasonNotAllowed, "spec.networks: network %s is of type %s: a firewall joins External, Child and Shared networks", key, network.Spec.Type)
	case len(network.Status.Prefixes) == 0:
		return s, failed(ingot.ReasonNetworkNotReady, "spec.networks: network %s has no prefix yet", key)
	}
	s = ingot.FirewallNetworkStatus{Network: key.String(), Inside: network.Spec.Type != ingot.ExternalNetwork, Prefixes: reached(network)}
	if s.Inside && len(n.Masquerade)+len(n.OneToOne) > 0 {
		return s, failed(reasonInvalid, "spec.networks: network %s is inside, and addresses are translated where packets go outside: write masquerade and oneToOne under an External network", key)
	}
	byIP := map[string]string{}
	own, err := r.addresses(ctx, f, &s, m)
	if err != nil {
		return s, err
	}
	for _, a := range own {
		s.Addresses, s.IPs = append(s.Addresses, a.Address), append(s.IPs, a.IP)
		byIP[a.IP] = a.Address
	}
	for i := range m.Status.NICs {
		if m.Status.NICs[i].Network == s.Network {
			s.NIC = m.Status.NICs[i].DeepCopy()
		}
	}
	if len(s.Addresses) == 0 {
		return s, failed(reasonWaiting, "the machine has no address in network %s yet", key)
	}
	return s, translate(&s, n, byIP)
}

// addresses are the Firewall's in a network. Its first machine was installed with them; a later one has some of its own, and the Firewall's are the IPs that they were.
func (r *Reconciler) addresses(ctx context.Context, f *ingot.Firewall, s *ingot.FirewallNetworkStatus, m *ingot.Machine) ([]ingot.MachineAddress, error) {
	var all []ingot.MachineAddress
	for _, a := range m.Status.Addresses {
		if a.Network == s.Network {
			all = append(all, a)
		}
	}
	if m.Name == f.Name && f.Status.Term == 0 {
		return all, nil
	}
	if m.Name != f.Name {
		for _, a := range all {
			s.MachineAddresses = append(s.MachineAddresses, a.Address)
		}
	}
	i := slices.IndexFunc(f.Status.Networks, func(n ingot.FirewallNetworkStatus) bool { return n.Network == s.Network })
	if i < 0 {
		return nil, failed(reasonWaiting, "it is not known which IPs are the firewall's in network %s", s.Network)
	}
	all = nil
	for _, name := range f.Status.Networks[i].IPs {
		ip := &ingot.IP{}
		err := r.live.Get(ctx, types.NamespacedName{Namespace: f.Namespace, Name: name}, ip)
		if apierrors.IsNotFound(err) || err == nil && ip.Status.Address == "" {
			return nil, failed(reasonWaiting, "the IP %s has no address in network %s", name, s.Network)
		}
		if err != nil {
			return nil, fmt.Errorf("read IP %s/%s: %w", f.Namespace, name, err)
		}
		all = append(all, ingot.MachineAddress{Network: s.Network, IP: name, Address: ip.Status.Address})
	}
	return all, nil
}

// reached are the prefixes behind a network: its own, and its destinations. An External network without destinations is the way to everything in its families.
func reached(n *ingot.Network) []string {
	all := slices.Clone(n.Status.Prefixes)
	all = append(all, n.Spec.DestinationPrefixes...)
	if n.Spec.Type == ingot.ExternalNetwork && len(n.Spec.DestinationPrefixes) == 0 {
		for _, text := range n.Status.Prefixes {
			if p, err := netip.ParsePrefix(text); err == nil {
				everything, _ := p.Addr().Prefix(0)
				all = append(all, everything.String())
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// translate writes the addresses to which others are translated.
func translate(s *ingot.FirewallNetworkStatus, n *ingot.FirewallNetwork, byIP map[string]string) error {
	paired := map[string]bool{}
	for _, p := range n.OneToOne {
		outside, ok := byIP[p.IP]
		if !ok {
			return failed(reasonWaiting, "the IP %s has no address in network %s yet", p.IP, s.Network)
		}
		paired[outside] = true
		s.OneToOne = append(s.OneToOne, ingot.FirewallPairStatus{Outside: outside, Inside: p.To})
	}
	for _, family := range n.Masquerade {
		i := slices.IndexFunc(s.Addresses, func(text string) bool {
			a, err := netip.ParseAddr(text)
			return err == nil && a.Is6() == (family == ingot.IPv6) && !paired[text]
		})
		if i < 0 {
			return failed(reasonInvalid, "spec.networks: masquerade: the firewall has no %s address of its own in network %s: name an IP of the family among its addresses, or remove the family", family, s.Network)
		}
		s.Masquerade = append(s.Masquerade, s.Addresses[i])
	}
	return nil
}
