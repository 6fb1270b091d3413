package claim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// chooseAnywhere chooses for a request that names neither size nor partition, as a HostClaim does: among all hosts that fit, those with the labels that it prefers come first, then those of
// the rack with the fewest machines of its project, then the first by name. It looks at every host.
func chooseAnywhere(v *Inventory, rules Rules, r Request) Decision {
	type candidate struct {
		host      Host
		preferred int
		has       burden
	}
	var all []candidate
	free := 0
	var refused *Decision
	// What is reserved is weighed once a pool, and not once a host.
	weighed := map[pool]*Decision{}
	for _, name := range slices.Sorted(maps.Keys(v.hosts)) {
		h := v.hosts[name]
		if !available(h) {
			continue
		}
		free++
		if unfit(h, r) != "" {
			continue
		}
		p := pool{h.Partition, h.Size}
		d, known := weighed[p]
		if !known {
			d = held(v, rules, r, p)
			weighed[p] = d
		}
		if d != nil {
			refused = d
			continue
		}
		all = append(all, candidate{h, preferred(h, r), v.burden(h, r)})
	}
	if len(all) == 0 {
		switch {
		case refused != nil:
			return *refused
		case len(v.hosts) == 0:
			return refuse(NoneOfSize, false, "let an operator enrol hosts", "there is no host at all")
		case free == 0:
			return refuse(NoneFree, false, "wait for a release", "none of %d hosts is free: all are held, cordoned or not ready", len(v.hosts))
		}
		return refuse(NoneFits, false, "relax the selector, ask the hosts' owner for a HostDeployPolicy that opens them, or wait",
			"%d of %d hosts are free, and none is opened to the namespace %s and fits what is asked for", free, len(v.hosts), r.Project)
	}
	best := slices.MinFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.preferred, a.preferred), cmp.Compare(a.has.tagged, b.has.tagged), cmp.Compare(a.has.project, b.has.project), cmp.Compare(a.host.Name, b.host.Name))
	})
	return Decision{Host: best.host.Name, Why: fmt.Sprintf("%d hosts fit; it has %d of %d preferred labels, and its rack %q has %d machines of the namespace %s", len(all), best.preferred, len(r.Prefer), best.host.Rack, best.has.project, r.Project)}
}

// preferred counts the labels of a host that a request would like.
func preferred(h Host, r Request) int {
	n := 0
	for k, want := range r.Prefer {
		if have, ok := h.Labels[k]; ok && have == want {
			n++
		}
	}
	return n
}

// burden is what the rack of a host has already of a request's project, among the hosts of its pool.
func (v *Inventory) burden(h Host, r Request) burden {
	k := v.shelf(h).rack(h.Rack)
	b := burden{project: k.of[r.Project]}
	for _, tag := range distinct(r.Placement) {
		b.tagged += k.tagged[tagKey{r.Project, tag}]
	}
	return b
}

// closed says why a host's namespace is not the request's to take from, empty where it is.
func closed(h Host, r Request) string {
	if r.Within != "" && h.Namespace != r.Within {
		return fmt.Sprintf("is in the namespace %s, not in %s", h.Namespace, r.Within)
	}
	if r.Open == nil {
		return ""
	}
	why, known := r.Open[h.Namespace]
	switch {
	case !known:
		return fmt.Sprintf("is in the namespace %s, which has no HostDeployPolicy", h.Namespace)
	case why != "":
		return fmt.Sprintf("is in the namespace %s, which is not opened to %s: %s", h.Namespace, r.Project, why)
	}
	return ""
}
