package object

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firewall"
)

// Place is by what a network's interface is found: the card's MAC address and the VLAN, or, where no card is known, the firewall's addresses in the network.
type Place struct {
	MAC       string       `json:"mac,omitempty"`
	VLAN      int          `json:"vlan,omitempty"`
	Addresses []netip.Addr `json:"addresses,omitempty"`
}

// Places are those of a Firewall's networks on one of its machines; nil for a machine that is none of them.
func Places(f *ingot.Firewall, machine string) map[string]Place {
	all := map[string]Place{}
	place := func(network string, nic *ingot.MachineNICStatus, addresses []string) {
		p := Place{Addresses: parsed(addresses)}
		if nic != nil {
			p.MAC, p.VLAN = strings.ToLower(nic.MACAddress), int(nic.VLAN)
		}
		all[network] = p
	}
	r := f.Status.Replacement
	switch {
	case machine == Current(f):
		for i := range f.Status.Networks {
			n := &f.Status.Networks[i]
			place(n.Network, n.NIC, slices.Concat(n.MachineAddresses, n.Addresses))
		}
	case r != nil && machine == r.Machine:
		for i := range r.Networks {
			place(r.Networks[i].Network, r.Networks[i].NIC, r.Networks[i].Addresses)
		}
	default:
		return nil
	}
	return all
}

// Interfaces finds each network's interface among the machine's. A name says nothing: a kernel may give the cards others at each boot. The error names the networks of which there is none.
func Interfaces(places map[string]Place, cards []firewall.Interface) (map[string]string, error) {
	found := map[string]string{}
	var problems []error
	for network, p := range places {
		name, err := p.find(network, cards)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		found[network] = name
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return found, errors.Join(problems...)
}

func (p Place) find(network string, cards []firewall.Interface) (string, error) {
	var of, addressed []string
	for _, c := range cards {
		has := slices.ContainsFunc(p.Addresses, func(a netip.Addr) bool { return slices.Contains(c.Addresses, a) })
		if has && (p.MAC == "" || c.MAC == p.MAC && c.VLAN == p.VLAN) {
			addressed = append(addressed, c.Name)
		}
		if c.MAC == p.MAC && c.VLAN == p.VLAN {
			of = append(of, c.Name)
		}
	}
	what := "the MAC address " + p.MAC
	if p.VLAN > 0 {
		what = fmt.Sprintf("VLAN %d of %s", p.VLAN, what)
	}
	switch {
	case len(addressed) > 0:
		return addressed[0], nil
	case p.MAC == "":
		return "", fmt.Errorf("no network card has one of the addresses %s of network %s: give it to one", written(p.Addresses), network)
	case len(of) == 1:
		return of[0], nil
	case len(of) > 1:
		return "", fmt.Errorf("the interfaces %s all have %s of network %s, and none has one of its addresses %s: give them to one", strings.Join(of, ", "), what, network, written(p.Addresses))
	}
	return "", fmt.Errorf("no network card has %s of network %s: was the card replaced, or is the VLAN not set up? the machine's interfaces come from its config drive: have it installed anew", what, network)
}

func written(all []netip.Addr) string {
	texts := make([]string, len(all))
	for i, a := range all {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}
