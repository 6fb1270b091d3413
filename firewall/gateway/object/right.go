package object

import (
	"cmp"
	"net/netip"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// Current is the name of the Machine that is the Firewall's.
func Current(f *ingot.Firewall) string { return cmp.Or(f.Status.Machine, f.Name) }

// Holds says whether a Machine may answer for the Firewall's addresses, and at which term of that right.
func Holds(f *ingot.Firewall, machine string) (term int64, holds bool) {
	if f.Status.Term == 0 {
		return 0, machine == f.Name
	}
	return f.Status.Term, machine == f.Status.Holder
}

// Addresses are the Firewall's by network, for whichever machine holds them.
func Addresses(f *ingot.Firewall) map[string][]netip.Addr {
	all := map[string][]netip.Addr{}
	for i := range f.Status.Networks {
		n := &f.Status.Networks[i]
		all[n.Network] = parsed(n.Addresses)
	}
	return all
}

func parsed(texts []string) []netip.Addr {
	var all []netip.Addr
	for _, text := range texts {
		if a, err := netip.ParseAddr(text); err == nil {
			all = append(all, a)
		}
	}
	return all
}
