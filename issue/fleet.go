package issue

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// shared finds what only one host may have, and several do.
func shared(hosts []Host) []finding {
	bmcs, addresses, macs := map[string][]string{}, map[string][]string{}, map[string][]string{}
	for i := range hosts {
		h := &hosts[i]
		add(bmcs, h.BMC, h.Name)
		add(addresses, strings.TrimRight(strings.ToLower(h.BMCAddress), "/"), h.Name)
		add(macs, h.BootMAC, h.Name)
	}
	all := several(BMCShared, addresses, "the BMC address %s is also that of %s")
	told := map[string]bool{}
	for _, f := range all {
		told[f.name] = true
	}
	for _, f := range several(BMCShared, bmcs, "the BMC's machine %s is also that of %s, by another address") {
		if !told[f.name] {
			all = append(all, f)
		}
	}
	return append(all, several(MACShared, macs, "%s is also the boot MAC address of %s")...)
}

func add(m map[string][]string, key, name string) {
	if key != "" {
		m[key] = append(m[key], name)
	}
}

// several says of each that has something together with others with whom.
func several(id ID, by map[string][]string, format string) []finding {
	var all []finding
	for _, what := range slices.Sorted(maps.Keys(by)) {
		names := slices.Sorted(slices.Values(by[what]))
		if len(names) < 2 {
			continue
		}
		for _, name := range names {
			others := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name })
			all = append(all, finding{id: id, name: name, cause: fmt.Sprintf(format, what, few(others))})
		}
	}
	return all
}

// few names the first of many.
func few(names []string) string {
	const shown = 3
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}

// firmware finds hosts whose firmware is another than that of most hosts of their model and size. Where no version has the most, there is nothing to hold a host to.
func firmware(hosts []Host) []finding {
	type group struct{ size, model, part string }
	counts := map[group]map[string]int{}
	for i := range hosts {
		h := &hosts[i]
		for part, version := range h.Firmware {
			g := group{h.Size, h.Model, part}
			if h.Model == "" || version == "" {
				continue
			}
			if counts[g] == nil {
				counts[g] = map[string]int{}
			}
			counts[g][version]++
		}
	}
	var all []finding
	for i := range hosts {
		h := &hosts[i]
		var other []string
		for _, part := range slices.Sorted(maps.Keys(h.Firmware)) {
			version := h.Firmware[part]
			most, n := majority(counts[group{h.Size, h.Model, part}])
			if version != "" && most != "" && version != most {
				other = append(other, fmt.Sprintf("%s %s, where %d hosts have %s", part, version, n, most))
			}
		}
		if len(other) > 0 {
			all = append(all, finding{id: FirmwareDiffers, name: h.Name, cause: strings.Join(other, "; ")})
		}
	}
	return all
}

// majority is the version that more than half have.
func majority(counts map[string]int) (version string, n int) {
	total := 0
	for v, c := range counts {
		total += c
		if c > n {
			version, n = v, c
		}
	}
	if 2*n <= total {
		return "", 0
	}
	return version, n
}

// rest finds what is wrong with what is no host, and with hosts by what else there is.
func rest(f Facts, now time.Time) []finding {
	var all []finding
	for i := range f.Hosts {
		if h := &f.Hosts[i]; f.Sized && h.Size == "" && !h.Left && !h.Elsewhere && !h.InspectedAt.IsZero() && now.Sub(h.InspectedAt) > settling {
			all = append(all, finding{id: NoSize, name: h.Name, cause: "it was inspected and has no label ingot.dev/size", since: h.InspectedAt})
		}
	}
	for _, p := range f.Partitions {
		if !p.Served && now.Sub(p.CreatedAt) > settling {
			all = append(all, finding{id: PartitionUnserved, name: p.Name, cause: "its status has no endpoint", since: p.CreatedAt})
		}
		if p.ScanProblem != "" {
			all = append(all, finding{id: ScanImpossible, name: p.Name, cause: p.ScanProblem})
		}
	}
	for _, r := range f.Reservations {
		if open := r.Amount - r.Used; open > r.Free {
			all = append(all, finding{id: ReservationShort, name: r.Name, cause: fmt.Sprintf("%d of size %s are held back, %d are in use, %d are free", r.Amount, r.Size, r.Used, r.Free)})
		}
	}
	for i := range f.Machines {
		all = append(all, machine(&f.Machines[i], now)...)
	}
	for _, a := range f.IPs {
		if a.Leaked != "" {
			all = append(all, finding{id: AddressLeaked, name: a.Name, cause: a.Leaked})
		}
	}
	all = append(all, numbers(f.Networks)...)
	return append(append(all, networks(f.Networks, now)...), addresses(f.IPs, now)...)
}

// scarce is the part of a network's addresses below which few are free.
const scarce = 10

func networks(all []Network, now time.Time) []finding {
	var found []finding
	for _, n := range all {
		if n.NotReady != "" && now.Sub(n.Since) > settling {
			found = append(found, finding{id: NetworkNotReady, name: n.Name, cause: n.NotReady, since: n.Since})
		}
		switch {
		case n.Size > 0 && n.Free == 0:
			found = append(found, finding{id: NetworkFull, name: n.Name, cause: fmt.Sprintf("all %d are held or resting", n.Size)})
		case n.Size > 0 && n.Free < n.Size/scarce:
			found = append(found, finding{id: NetworkScarce, name: n.Name, cause: fmt.Sprintf("%d of %d are free", n.Free, n.Size)})
		}
	}
	return found
}

// forgotten is how old an ephemeral IP without an owner is that somebody may have forgotten.
const forgotten = 24 * time.Hour

func addresses(all []IP, now time.Time) []finding {
	var found []finding
	by := map[string][]string{}
	for _, a := range all {
		if a.Address != "" {
			add(by, fmt.Sprintf("%s in VRF %s", a.Address, a.VRF), a.Name)
		}
		if a.Refused != "" && now.Sub(a.Since) > settling {
			found = append(found, finding{id: AddressRefused, name: a.Name, cause: a.Refused, since: a.Since})
		}
		if a.Unrecorded != "" && now.Sub(a.Since) > settling {
			found = append(found, finding{id: AddressUnrecorded, name: a.Name, cause: a.Unrecorded, since: a.Since})
		}
		if a.Orphaned != "" {
			found = append(found, finding{id: AddressOrphaned, name: a.Name, cause: a.Orphaned})
		}
		if a.Unowned && now.Sub(a.CreatedAt) > forgotten {
			found = append(found, finding{id: AddressUnowned, name: a.Name, cause: "it is Ephemeral and has no owner", since: a.CreatedAt})
		}
	}
	return append(found, several(AddressShared, by, "%s is also that of %s")...)
}

// machine finds what is wrong with a tenant's machine, by what its own object says.
func machine(m *Machine, now time.Time) []finding {
	var all []finding
	if m.Lost {
		all = append(all, finding{id: MachineLost, name: m.Name, cause: m.Why})
	}
	if m.Waits != "" && now.Sub(m.WaitsFrom) > waiting {
		all = append(all, finding{id: MachineWaiting, name: m.Name, cause: m.Waits, since: m.WaitsFrom})
	}
	if m.Unwell != "" {
		all = append(all, finding{id: MachineUnwell, name: m.Name, cause: m.Unwell, since: m.UnwellFrom})
	}
	if !m.ExpiredAt.IsZero() && now.After(m.ExpiredAt) {
		all = append(all, finding{id: ImageExpired, name: m.Name, cause: fmt.Sprintf("image %s expired at %s", m.Image, stamp(m.ExpiredAt)), since: m.ExpiredAt})
	}
	return all
}

func numbers(networks []Network) []finding {
	by := map[string][]string{}
	for _, n := range networks {
		if n.ASN != 0 {
			add(by, fmt.Sprintf("ASN %d", n.ASN), n.Name)
		}
		if n.VRF != 0 {
			add(by, fmt.Sprintf("VRF %d", n.VRF), n.Name)
		}
	}
	// A network that shares both numbers has one issue.
	merged := map[string]*finding{}
	var order []string
	for _, f := range several(NumberShared, by, "%s is also that of %s") {
		if m := merged[f.name]; m != nil {
			m.cause += "; " + f.cause
			continue
		}
		merged[f.name] = &f
		order = append(order, f.name)
	}
	all := make([]finding, len(order))
	for i, name := range order {
		all[i] = *merged[name]
	}
	return all
}
