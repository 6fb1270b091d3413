// Package stock makes of objects what package capacity counts.
//
// It owns the reading of hosts with their records, and of reservations. It refuses to fetch them. Who has a host, and what keeps one from being had, is said by package survey, as for the choice
// itself.
package stock

import (
	"k8s.io/apimachinery/pkg/types"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/capacity"
	"github.com/ingotmetal/ingot/claim"
	"github.com/ingotmetal/ingot/claim/survey"
	"github.com/ingotmetal/ingot/health"
)

// Rows counts the facts' hosts and reservations, with what the hosts' records (by namespace and name) say.
func Rows(f survey.Facts, records map[types.NamespacedName]*ingot.HostLifecycle) []capacity.Row {
	return capacity.Count(Hosts(f, records), Reservations(f))
}

// Hosts are the hosts of the facts, with what their records (by namespace and name) say.
func Hosts(f survey.Facts, records map[types.NamespacedName]*ingot.HostLifecycle) []capacity.Host {
	s := survey.New(f)
	all := make([]capacity.Host, 0, len(f.Hosts))
	for i := range f.Hosts {
		h := &f.Hosts[i]
		x := s.Host(h)
		one := capacity.Host{Name: x.Name, Partition: x.Partition, Size: x.Size}
		record := records[types.NamespacedName{Namespace: h.Namespace, Name: h.Name}]
		switch fault := faulty(h.Status.ErrorMessage, record); {
		case x.State == claim.Held:
			one.State, one.Tenant, one.Project = capacity.Allocated, x.Holder.Tenant, x.Holder.Project
		case fault != "":
			one.State, one.Why = capacity.Faulty, fault
		default:
			one.State, one.Why = capacity.Other, unfit(x, record)
			if one.Why == "" {
				one.State = capacity.Available
			}
		}
		if _, locked := h.Annotations[ingot.LockAnnotation]; locked && one.State == capacity.Available {
			one.State, one.Why = capacity.Other, "it is locked"
		}
		all = append(all, one)
	}
	return all
}

// faulty is what is broken about a host; empty: nothing.
func faulty(message string, record *ingot.HostLifecycle) string {
	switch {
	case message != "":
		return message
	case record == nil:
		return ""
	case record.Status.Outcome.Kind == "blocked":
		return record.Status.Outcome.Message
	case record.Status.Health != nil && health.ParseLevel(record.Status.Health.Level) == health.Critical:
		return "its BMC says that it is broken"
	case record.Status.BurnIn != nil && record.Status.BurnIn.Result == "failed":
		return "it failed its burn-in"
	}
	return ""
}

// unfit is why a host that is well cannot be had by whoever asks; empty: it can.
func unfit(x claim.Host, record *ingot.HostLifecycle) string {
	switch {
	case x.Why != "":
		return x.Why
	case x.Cordoned != "":
		return "it is cordoned: " + x.Cordoned
	case len(x.Taints) > 0:
		return "it is tainted: " + x.Taints[0].Key
	case record == nil || record.Status.CleanedAt == nil:
		return "the wipe of its disks is not proved"
	}
	return ""
}

// Reservations are those of the facts.
func Reservations(f survey.Facts) []capacity.Reservation {
	rules := survey.New(f).Rules().Reservations
	all := make([]capacity.Reservation, len(rules))
	for i, r := range rules {
		all[i] = capacity.Reservation{Name: r.Name, Size: r.Size, Partitions: r.Partitions, Amount: r.Amount, Tenant: r.Tenant, Project: r.Project}
	}
	return all
}
