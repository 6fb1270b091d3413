package claim_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/claim"
)

func offered(name, rack string) claim.Host {
	return claim.Host{Name: name, Partition: "fra", Size: "c1", Rack: rack, State: claim.Offered}
}

func heldBy(name, rack, project string, tags ...string) claim.Host {
	h := offered(name, rack)
	h.State, h.Holder = claim.Held, claim.Holder{Request: "r-" + name, Project: project, Role: claim.Machine, Placement: tags}
	return h
}

func ask(project string) claim.Request {
	return claim.Request{ID: "new", Project: project, Role: claim.Machine, Partition: "fra", Size: "c1"}
}

func with(h claim.Host, change func(*claim.Host)) claim.Host {
	change(&h)
	return h
}

func TestChoose(t *testing.T) {
	for name, c := range map[string]struct {
		hosts  []claim.Host
		rules  claim.Rules
		change func(*claim.Request)
		want   string
		reason claim.Reason
		says   string
	}{
		"the first by name": {hosts: []claim.Host{offered("b", "1"), offered("a", "1")}, want: "a"},
		"the rack with fewer machines of the project": {
			hosts: []claim.Host{offered("a", "1"), heldBy("x", "1", "p"), offered("b", "2")}, want: "b"},
		"other projects' machines do not matter": {
			hosts: []claim.Host{offered("a", "1"), heldBy("x", "1", "q"), offered("b", "2")}, want: "a"},
		"the same placement tags come before the project's others": {
			hosts:  []claim.Host{offered("a", "1"), heldBy("x", "1", "p", "db"), offered("b", "2"), heldBy("y", "2", "p"), heldBy("z", "2", "p")},
			change: func(r *claim.Request) { r.Placement = []string{"db"} }, want: "b"},
		"the fuller rack among equals": {hosts: []claim.Host{offered("a", "1"), offered("b", "2"), offered("c", "2")}, want: "b"},
		"a held host is given again to its request": {
			hosts: []claim.Host{offered("a", "1"), heldBy("x", "1", "p")}, change: func(r *claim.Request) { r.ID = "r-x" }, want: "x"},
		"by label": {
			hosts:  []claim.Host{offered("a", "1"), with(offered("b", "1"), func(h *claim.Host) { h.Labels = map[string]string{"gpu": "h200"} })},
			change: func(r *claim.Request) { r.Labels = map[string]string{"gpu": "h200"} }, want: "b"},
		"by label, in a rack that is not the best": {
			hosts:  []claim.Host{offered("a", "1"), offered("a2", "1"), with(offered("b", "2"), func(h *claim.Host) { h.Labels = map[string]string{"gpu": "h200"} })},
			change: func(r *claim.Request) { r.Labels = map[string]string{"gpu": "h200"} }, want: "b"},
		"a taint that is tolerated": {
			hosts:  []claim.Host{with(offered("a", "1"), func(h *claim.Host) { h.Taints = []claim.Taint{{Key: "flaky", Value: "fan"}} })},
			change: func(r *claim.Request) { r.Tolerations = []claim.Toleration{{Key: "flaky"}} }, want: "a"},
		"a taint with another value": {
			hosts:  []claim.Host{with(offered("a", "1"), func(h *claim.Host) { h.Taints = []claim.Taint{{Key: "flaky", Value: "fan"}} })},
			change: func(r *claim.Request) { r.Tolerations = []claim.Toleration{{Key: "flaky", Value: "psu"}} }, reason: claim.NoneFits},
		"the named one": {hosts: []claim.Host{offered("a", "1"), offered("b", "1")},
			change: func(r *claim.Request) { r.Host, r.Partition, r.Size = "b", "", "" }, want: "b"},
		"a name that is not there":  {hosts: []claim.Host{offered("a", "1")}, change: func(r *claim.Request) { r.Host = "z" }, reason: claim.HostUnknown, says: "z"},
		"a named one that is taken": {hosts: []claim.Host{heldBy("a", "1", "q")}, change: func(r *claim.Request) { r.Host = "a" }, reason: claim.HostTaken, says: "project q"},
		"a named one of other size": {hosts: []claim.Host{offered("a", "1")}, change: func(r *claim.Request) { r.Host, r.Size = "a", "c2" }, reason: claim.HostUnfit, says: "not c2"},
		"a named one that is cordoned": {hosts: []claim.Host{with(offered("a", "1"), func(h *claim.Host) { h.Cordoned = "new PSU" })},
			change: func(r *claim.Request) { r.Host = "a" }, reason: claim.HostTaken, says: "new PSU"},
		"nothing to look for": {hosts: []claim.Host{offered("a", "1")}, change: func(r *claim.Request) { r.Size = "" }, reason: claim.Incomplete},
		"no such size":        {hosts: []claim.Host{offered("a", "1")}, change: func(r *claim.Request) { r.Size = "c9" }, reason: claim.NoneOfSize, says: "c9"},
		"none free": {hosts: []claim.Host{heldBy("x", "1", "q"), with(offered("a", "1"), func(h *claim.Host) { h.State, h.Why = claim.NotReady, "cleaning" }),
			with(offered("b", "1"), func(h *claim.Host) { h.Cordoned = "x" })}, reason: claim.NoneFree},
		"quota": {hosts: []claim.Host{offered("a", "1"), heldBy("x", "1", "p")}, rules: claim.Rules{Quotas: map[string]claim.Quota{"p": {Machines: 1, Firewalls: 9}}},
			reason: claim.QuotaExceeded, says: "1 of 1"},
		"the tenant's quota is of all its projects": {hosts: []claim.Host{offered("a", "1"), with(heldBy("x", "1", "q"), func(h *claim.Host) { h.Holder.Tenant = "t" })},
			rules:  claim.Rules{Quotas: map[string]claim.Quota{"p": {Machines: 5, Firewalls: 5}}, TenantQuotas: map[string]claim.Quota{"t": {Machines: 1, Firewalls: 9}}},
			change: func(r *claim.Request) { r.Tenant = "t" }, reason: claim.QuotaExceeded, says: "tenant t holds 1 of 1"},
		"another tenant's quota": {hosts: []claim.Host{offered("a", "1"), with(heldBy("x", "1", "q"), func(h *claim.Host) { h.Holder.Tenant = "t" })},
			rules: claim.Rules{TenantQuotas: map[string]claim.Quota{"t": {Machines: 1, Firewalls: 9}}}, want: "a"},
		"reserved for a tenant": {hosts: []claim.Host{offered("a", "1")},
			rules: claim.Rules{Reservations: []claim.Reservation{{Name: "r", Tenant: "t", Size: "c1", Partitions: []string{"fra"}, Amount: 1}}}, reason: claim.Reserved, says: "r (1 for tenant t)"},
		"reserved for its own tenant": {hosts: []claim.Host{offered("a", "1")},
			rules:  claim.Rules{Reservations: []claim.Reservation{{Name: "r", Tenant: "t", Size: "c1", Partitions: []string{"fra"}, Amount: 1}}},
			change: func(r *claim.Request) { r.Tenant = "t" }, want: "a"},
		"reserved for another project of its tenant": {hosts: []claim.Host{offered("a", "1")},
			rules:  claim.Rules{Reservations: []claim.Reservation{{Name: "r", Tenant: "t", Project: "q", Size: "c1", Partitions: []string{"fra"}, Amount: 1}}},
			change: func(r *claim.Request) { r.Tenant = "t" }, reason: claim.Reserved, says: "project q"},
		"a project's reservation is filled before its tenant's": {
			hosts: []claim.Host{offered("a", "1"), with(heldBy("x", "1", "q"), func(h *claim.Host) { h.Holder.Tenant = "t" })},
			rules: claim.Rules{Reservations: []claim.Reservation{
				{Name: "a", Tenant: "t", Size: "c1", Partitions: []string{"fra"}, Amount: 1}, {Name: "b", Tenant: "t", Project: "q", Size: "c1", Partitions: []string{"fra"}, Amount: 1}}},
			reason: claim.Reserved, says: "a (1 for tenant t)"},
		"a quota of none": {hosts: []claim.Host{offered("a", "1")}, rules: claim.Rules{Quotas: map[string]claim.Quota{"p": {Machines: 0, Firewalls: -1}}}, reason: claim.QuotaExceeded},
		"firewalls have a quota of their own": {hosts: []claim.Host{offered("a", "1"), heldBy("x", "1", "p")}, rules: claim.Rules{Quotas: map[string]claim.Quota{"p": {Machines: 1, Firewalls: 1}}},
			change: func(r *claim.Request) { r.Role = claim.Firewall }, want: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			r := ask("p")
			if c.change != nil {
				c.change(&r)
			}
			d := claim.Choose(claim.NewInventory(c.hosts), c.rules, r)
			switch {
			case c.want != d.Host:
				t.Errorf("chose %q, want %q: %+v", d.Host, c.want, d.Refusal)
			case c.want != "" && (d.Refusal != nil || d.Why == ""):
				t.Errorf("chose %q with the refusal %+v and the reason %q", d.Host, d.Refusal, d.Why)
			case c.want == "" && (d.Refusal == nil || d.Refusal.Reason != c.reason || !strings.Contains(d.Refusal.Message, c.says) || d.Refusal.Fix == ""):
				t.Errorf("refused with %+v, want %s with %q and a fix", d.Refusal, c.reason, c.says)
			}
		})
	}
}

func reserve(name, project string, amount int, partitions ...string) claim.Reservation {
	return claim.Reservation{Name: name, Project: project, Size: "c1", Partitions: partitions, Amount: amount}
}

func TestReservations(t *testing.T) {
	hosts := func(partitions ...string) []claim.Host {
		var all []claim.Host
		for i, p := range partitions {
			all = append(all, with(offered(fmt.Sprintf("h%d", i), "1"), func(h *claim.Host) { h.Partition = p }))
		}
		return all
	}
	for name, c := range map[string]struct {
		hosts   []claim.Host
		reserve []claim.Reservation
		project string
		refused bool
	}{
		"the last free one is another's":                {hosts("fra"), []claim.Reservation{reserve("r", "q", 1, "fra")}, "p", true},
		"there is one more than is reserved":            {hosts("fra", "fra"), []claim.Reservation{reserve("r", "q", 1, "fra")}, "p", false},
		"one's own reservation is no obstacle":          {hosts("fra"), []claim.Reservation{reserve("r", "p", 1, "fra")}, "p", false},
		"of another size":                               {hosts("fra"), []claim.Reservation{{Name: "r", Project: "q", Size: "c2", Partitions: []string{"fra"}, Amount: 5}}, "p", false},
		"in another partition":                          {hosts("fra"), []claim.Reservation{reserve("r", "q", 1, "muc")}, "p", false},
		"it can be served elsewhere":                    {hosts("fra", "muc"), []claim.Reservation{reserve("r", "q", 1, "fra", "muc")}, "p", false},
		"it can be served elsewhere, but another can't": {hosts("fra", "muc"), []claim.Reservation{reserve("r", "q", 1, "fra", "muc"), reserve("s", "z", 1, "muc")}, "p", true},
		"more is reserved than there is, by all":        {hosts("fra"), []claim.Reservation{reserve("r", "q", 1, "fra"), reserve("s", "p", 1, "fra")}, "p", false},
		"what the project holds is served already": {append(hosts("fra"), with(heldBy("x", "1", "q"), func(*claim.Host) {})),
			[]claim.Reservation{reserve("r", "q", 1, "fra")}, "p", false},
		"one host serves one reservation only": {append(hosts("fra"), heldBy("x", "1", "q")),
			[]claim.Reservation{reserve("r", "q", 1, "fra"), reserve("s", "q", 1, "fra")}, "p", true},
	} {
		t.Run(name, func(t *testing.T) {
			d := claim.Choose(claim.NewInventory(c.hosts), claim.Rules{Reservations: c.reserve}, ask(c.project))
			if refused := d.Refusal != nil && d.Refusal.Reason == claim.Reserved; refused != c.refused {
				t.Errorf("%+v, %+v, want refused for a reservation: %v", d, d.Refusal, c.refused)
			}
		})
	}
}

func TestExplain(t *testing.T) {
	hosts := []claim.Host{
		offered("b", "1"), offered("a", "2"), heldBy("x", "2", "p"), with(offered("t", "1"), func(h *claim.Host) { h.Taints = []claim.Taint{{Key: "old"}} }),
		with(offered("far", "1"), func(h *claim.Host) { h.Partition = "muc" }), with(offered("big", "1"), func(h *claim.Host) { h.Size = "c2" }),
	}
	e := claim.Explain(claim.NewInventory(hosts), claim.Rules{}, ask("p"))
	var lines []string
	for _, v := range e.Verdicts {
		lines = append(lines, fmt.Sprintf("%s %v %v %s", v.Host, v.Chosen, v.Fits, v.Why))
	}
	want := `b true true 
a false true 
big false false it has size c2, not c1
t false false it has the taint old=, which the request does not tolerate
x false false it is held by r-x of project p`
	if got := strings.Join(lines, "\n"); got != want || e.Decision.Host != "b" {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}
