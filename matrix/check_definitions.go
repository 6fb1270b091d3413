package matrix

import (
	"fmt"
	"net/netip"
)

// maxInterfaceName is the kernel's IFNAMSIZ without the terminating zero.
const maxInterfaceName = 15

// checkDefinitions looks at what the rows speak of.
func checkDefinitions(m Matrix) []error {
	var problems []error
	report := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if !label.MatchString(m.Name) {
		report("the matrix's name %q is no label: a-z, 0-9 and -, at most 63", m.Name)
	}
	seen := map[string]bool{}
	unique := func(kind, name string) {
		if !label.MatchString(name) || seen[kind+name] {
			report("%s %q is no label (a-z, 0-9, -) or listed twice", kind, name)
		}
		seen[kind+name] = true
	}
	for _, z := range m.Zones {
		unique("zone", string(z.Name))
	}
	for _, r := range m.Roles {
		unique("role", string(r.Name))
	}
	owners, known := map[netip.Addr]string{}, definitions(m)
	for _, h := range m.Hosts {
		unique("host", h.Name)
		problems = append(problems, checkHost(known, h, owners)...)
	}
	return problems
}

// checkHost looks at a host's interfaces. owners holds whose an address is.
func checkHost(known defined, h Host, owners map[netip.Addr]string) []error {
	var problems []error
	report := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("host %s: %s", h.Name, fmt.Sprintf(format, args...)))
	}
	names := map[string]bool{}
	for _, i := range h.Interfaces {
		if i.Name == "" || len(i.Name) > maxInterfaceName || names[i.Name] {
			report("interface %q has no name, one of more than %d bytes, or one that is used twice", i.Name, maxInterfaceName)
		}
		names[i.Name] = true
		if z, ok := known.zones[i.Zone]; !ok || z.Outside {
			report("interface %s is in zone %q, which is not listed, or outside", i.Name, i.Zone)
		}
		for _, r := range i.Roles {
			if d, ok := known.roles[r]; !ok || d.Outside {
				report("interface %s has the role %q, which is not listed, or outside", i.Name, r)
			}
		}
		for _, a := range i.Addresses {
			if owner, taken := owners[a]; taken {
				report("address %s of interface %s is %s's: a virtual address stands under virtual", a, i.Name, owner)
			}
			owners[a] = h.Name
		}
	}
	return problems
}
