package claim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Reason is why there is no host for a request, in one CamelCase word for programs.
type Reason string

// The reasons.
const (
	// Incomplete: the request asks for nothing that can be looked for.
	Incomplete Reason = "Incomplete"
	// QuotaExceeded: the project holds as many as it may.
	QuotaExceeded Reason = "QuotaExceeded"
	// NoneOfSize: there is no host of this size in this partition at all.
	NoneOfSize Reason = "NoneOfSize"
	// NoneFree: there are hosts, and none can be had now.
	NoneFree Reason = "NoneFree"
	// NoneFits: there are free hosts, and none has the labels or only taints that are tolerated.
	NoneFits Reason = "NoneFits"
	// Reserved: what is free is held back for other projects.
	Reserved Reason = "Reserved"
	// HostUnknown, HostTaken, HostUnfit: the host that is named is not there, not to be had, or not what else was asked for.
	HostUnknown Reason = "HostUnknown"
	HostTaken   Reason = "HostTaken"
	HostUnfit   Reason = "HostUnfit"
)

// Refusal says why there is no host.
type Refusal struct {
	Reason       Reason
	Message, Fix string
	// Permanent: waiting does not help, the request has to change.
	Permanent bool
}

// Decision is a host, or a refusal.
type Decision struct {
	// Host is empty where Refusal is not nil.
	Host string
	// Why says why this one, for people.
	Why     string
	Refusal *Refusal
}

// Rules are what holds for all requests.
type Rules struct {
	Reservations []Reservation
	// Quotas by project; a project without one is unbounded.
	Quotas map[string]Quota
	// TenantQuotas by tenant hold for the sum of its projects.
	TenantQuotas map[string]Quota
}

func (r Rules) quota(o owner) Quota {
	all := r.Quotas
	if o.tenant {
		all = r.TenantQuotas
	}
	if q, ok := all[o.name]; ok {
		return q
	}
	return Unbounded
}

// Choose gives the host for a request.
func Choose(v *Inventory, rules Rules, r Request) Decision {
	if name, ok := v.holders[r.ID]; ok {
		return Decision{Host: name, Why: "the request holds it already"}
	}
	for _, o := range owners(r.Project, r.Tenant) {
		if bound, has := rules.quota(o).Of(r.Role), v.held[heldKey{o, r.Role}]; bound >= 0 && has >= bound {
			return refuse(QuotaExceeded, false, "release one, or ask for a larger quota", "%s holds %d of %d %ss", o, has, bound, r.Role)
		}
	}
	if r.Host != "" {
		return chooseNamed(v, rules, r)
	}
	if r.Open != nil && r.Partition == "" && r.Size == "" {
		return chooseAnywhere(v, rules, r)
	}
	if r.Partition == "" || r.Size == "" {
		return refuse(Incomplete, true, "name a size and a partition, or a host", "the request names no host, and not both size and partition")
	}
	p := pool{r.Partition, r.Size}
	s := v.pools[p]
	switch {
	case s == nil || s.all == 0:
		return refuse(NoneOfSize, false, "choose another size or partition; `ingot size list` shows what there is", "there is no host of size %s in partition %s", r.Size, r.Partition)
	case s.free == 0:
		return refuse(NoneFree, false, "wait for a release, or choose another size or partition", "all hosts of size %s in partition %s are held, cordoned or not ready", r.Size, r.Partition)
	}
	if d := held(v, rules, r, p); d != nil {
		return *d
	}
	return s.choose(v, r)
}

func refuse(reason Reason, permanent bool, fix, format string, args ...any) Decision {
	return Decision{Refusal: &Refusal{Reason: reason, Message: fmt.Sprintf(format, args...), Fix: fix, Permanent: permanent}}
}

func chooseNamed(v *Inventory, rules Rules, r Request) Decision {
	h, ok := v.Host(r.Host)
	switch {
	case !ok:
		return refuse(HostUnknown, true, "correct the host's name", "there is no host %s", r.Host)
	case h.State == Held:
		return refuse(HostTaken, false, "wait for its release, or leave the choice to Ingot", "host %s is held by %s of project %s", h.Name, h.Holder.Request, h.Holder.Project)
	case !available(h):
		return refuse(HostTaken, false, "wait, or choose another host", "host %s cannot be had: %s", h.Name, unavailable(h))
	}
	if what := unfit(h, r); what != "" {
		return refuse(HostUnfit, true, "correct the request, or leave the choice to Ingot", "host %s %s", h.Name, what)
	}
	if d := held(v, rules, r, pool{h.Partition, h.Size}); d != nil {
		return *d
	}
	return Decision{Host: h.Name, Why: "the request names it"}
}

// unavailable says why a host cannot be had, empty where it can.
func unavailable(h Host) string {
	switch {
	case h.State == Held:
		return fmt.Sprintf("it is held by %s of project %s", h.Holder.Request, h.Holder.Project)
	case h.State != Offered:
		return "it is not ready: " + h.Why
	case h.Cordoned != "":
		return "it is cordoned: " + h.Cordoned
	}
	return ""
}

// unfit says why a host is not what a request asks for, empty where it is.
func unfit(h Host, r Request) string {
	if why := closed(h, r); why != "" {
		return why
	}
	if r.Partition != "" && h.Partition != r.Partition {
		return fmt.Sprintf("is in partition %s, not in %s", h.Partition, r.Partition)
	}
	if r.Size != "" && h.Size != r.Size {
		return fmt.Sprintf("has size %s, not %s", h.Size, r.Size)
	}
	for _, k := range slices.Sorted(maps.Keys(r.Labels)) {
		if have, ok := h.Labels[k]; !ok || have != r.Labels[k] {
			return fmt.Sprintf("has not the label %s=%s", k, r.Labels[k])
		}
	}
	for _, q := range r.Where {
		if !q.holds(h.Labels) {
			return fmt.Sprintf("does not satisfy %q", q)
		}
	}
	for _, t := range h.Taints {
		if !slices.ContainsFunc(r.Tolerations, func(x Toleration) bool { return x.covers(t) }) {
			return fmt.Sprintf("has the taint %s=%s, which the request does not tolerate", t.Key, t.Value)
		}
	}
	return ""
}

// burden is how much a rack has of what a request is to be kept apart from: first of the same placement tags, then of the project.
type burden struct{ tagged, project int }

// choose takes the first fitting host, by name, of the rack that is burdened least. Racks with more free hosts come first among equals, which levels them.
func (s *shelf) choose(v *Inventory, r Request) Decision {
	type candidate struct {
		name string
		free []string
		has  burden
	}
	tags := distinct(r.Placement)
	candidates := make([]candidate, 0, len(s.racks))
	for name, k := range s.racks {
		if len(k.free) == 0 {
			continue
		}
		b := burden{project: k.of[r.Project]}
		for _, t := range tags {
			b.tagged += k.tagged[tagKey{r.Project, t}]
		}
		candidates = append(candidates, candidate{name, k.free, b})
	}
	slices.SortFunc(candidates, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.has.tagged, b.has.tagged), cmp.Compare(a.has.project, b.has.project), cmp.Compare(len(b.free), len(a.free)), strings.Compare(a.name, b.name))
	})
	for _, c := range candidates {
		for _, name := range c.free {
			if unfit(v.hosts[name], r) == "" {
				return Decision{Host: name, Why: fmt.Sprintf("rack %q has %d machines of project %s, %d of them with the same placement tags: no rack with a fitting host has fewer", c.name, c.has.project, r.Project, c.has.tagged)}
			}
		}
	}
	return refuse(NoneFits, false, "relax the labels, tolerate the taints, or wait", "%d hosts of size %s in partition %s are free, and none is open to the project %s, has the labels that are asked for and only taints that are tolerated", s.free, r.Size, r.Partition, r.Project)
}
