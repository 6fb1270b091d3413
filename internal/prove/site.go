package prove

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
)

// SiteOf makes a site of policies: a host for each node that an endpoint names, with an interface for each endpoint, which has the endpoint's
// addresses, virtual ones included. Endpoints that name no interface, or all, get one that is made up.
func SiteOf(name string, o calico.Objects, failsafes []firewall.Failsafe) (Site, error) {
	policies, err := firewall.NewSite(o, failsafes)
	if err != nil {
		return Site{}, fmt.Errorf("prove %s: %w", name, err)
	}
	s := Site{Name: name, Policies: policies}
	endpoints := slices.Clone(o.HostEndpoints)
	slices.SortFunc(endpoints, func(a, b calico.HostEndpoint) int { return cmp.Compare(a.Name, b.Name) })
	for _, e := range endpoints {
		i := slices.IndexFunc(s.Hosts, func(h Host) bool { return h.Node == e.Node })
		if i < 0 {
			i = len(s.Hosts)
			s.Hosts = append(s.Hosts, Host{Node: e.Node})
		}
		h := &s.Hosts[i]
		iface := e.InterfaceName
		if iface == "" || iface == calico.AllInterfaces {
			iface = fmt.Sprintf("ingot-any%d", len(h.Interfaces))
		}
		if j := slices.IndexFunc(h.Interfaces, func(x firewall.Interface) bool { return x.Name == iface }); j < 0 {
			h.Interfaces = append(h.Interfaces, firewall.Interface{Name: iface, Addresses: slices.Clone(e.ExpectedIPs)})
		}
	}
	slices.SortFunc(s.Hosts, func(a, b Host) int { return cmp.Compare(a.Node, b.Node) })
	return s, nil
}
