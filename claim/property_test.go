package claim_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/claim"
)

// site is a random site whose requests are chosen, bound and released.
type site struct {
	hosts map[string]claim.Host
	rules claim.Rules
	next  int
}

var (
	projects   = []string{"p", "q", "r"}
	partitions = []string{"fra", "muc"}
	sizes      = []string{"c1", "c2"}
	racks      = []string{"1", "2", "3"}
	tags       = []string{"db", "web"}
	// tenants have the projects; r is nobody's.
	tenants = map[string]string{"p": "t", "q": "t"}
)

func randomSite(t *rapid.T) *site {
	s := &site{hosts: map[string]claim.Host{}, rules: claim.Rules{Quotas: map[string]claim.Quota{}}}
	for i := range rapid.IntRange(1, 14).Draw(t, "hosts") {
		h := claim.Host{Name: fmt.Sprintf("h%02d", i), Partition: rapid.SampledFrom(partitions).Draw(t, "partition"), Size: rapid.SampledFrom(sizes).Draw(t, "size"),
			Rack: rapid.SampledFrom(racks).Draw(t, "rack"), State: claim.Offered, Labels: map[string]string{"disk": rapid.SampledFrom([]string{"nvme", "hdd"}).Draw(t, "disk")}}
		if rapid.IntRange(0, 5).Draw(t, "tainted") == 0 {
			h.Taints = []claim.Taint{{Key: "old", Value: "x"}}
		}
		if rapid.IntRange(0, 8).Draw(t, "cordoned") == 0 {
			h.Cordoned = "somebody said so"
		}
		s.hosts[h.Name] = h
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "reservations") {
		project := rapid.SampledFrom(projects).Draw(t, "reserved for")
		tenant := tenants[project]
		if tenant != "" && rapid.Bool().Draw(t, "for all of the tenant") {
			project = ""
		}
		s.rules.Reservations = append(s.rules.Reservations, claim.Reservation{Name: fmt.Sprintf("r%d", i), Project: project, Tenant: tenant,
			Size: rapid.SampledFrom(sizes).Draw(t, "size"), Partitions: slices.Compact(rapid.SliceOfNDistinct(rapid.SampledFrom(partitions), 1, 2, rapid.ID[string]).Draw(t, "in")),
			Amount: rapid.IntRange(1, 4).Draw(t, "amount")})
	}
	if rapid.Bool().Draw(t, "quota") {
		s.rules.Quotas["p"] = claim.Quota{Machines: rapid.IntRange(0, 3).Draw(t, "quota of p"), Firewalls: -1}
	}
	if rapid.Bool().Draw(t, "quota of the tenant") {
		s.rules.TenantQuotas = map[string]claim.Quota{"t": {Machines: rapid.IntRange(0, 5).Draw(t, "quota of t"), Firewalls: -1}}
	}
	return s
}

func (s *site) request(t *rapid.T) claim.Request {
	s.next++
	r := claim.Request{ID: fmt.Sprintf("q%d", s.next), Project: rapid.SampledFrom(projects).Draw(t, "project"), Role: claim.Machine,
		Partition: rapid.SampledFrom(partitions).Draw(t, "partition"), Size: rapid.SampledFrom(sizes).Draw(t, "size"),
		Placement: rapid.SliceOfN(rapid.SampledFrom(tags), 0, 2).Draw(t, "placement")}
	r.Tenant = tenants[r.Project]
	if rapid.Bool().Draw(t, "wants nvme") {
		r.Labels = map[string]string{"disk": "nvme"}
	}
	if rapid.Bool().Draw(t, "tolerant") {
		r.Tolerations = []claim.Toleration{{Key: "old"}}
	}
	return r
}

// list gives the hosts in an order that is not that of their names.
func (s *site) list(t *rapid.T) []claim.Host {
	names := make([]string, 0, len(s.hosts))
	for n := range s.hosts {
		names = append(names, n)
	}
	slices.Sort(names)
	all := make([]claim.Host, 0, len(names))
	for _, n := range rapid.Permutation(names).Draw(t, "order") {
		all = append(all, s.hosts[n])
	}
	return all
}

// fits says, from the facts alone, whether a request may have a host.
func fits(h claim.Host, r claim.Request) bool {
	for k, v := range r.Labels {
		if h.Labels[k] != v {
			return false
		}
	}
	return h.State == claim.Offered && h.Cordoned == "" && h.Partition == r.Partition && h.Size == r.Size && (len(h.Taints) == 0 || len(r.Tolerations) > 0)
}

// burden counts what a rack has of a request's project: of the same tags, and at all.
func (s *site) burden(rack string, r claim.Request) (tagged, project int) {
	for _, h := range s.hosts {
		if h.State != claim.Held || h.Rack != rack || h.Holder.Project != r.Project || h.Partition != r.Partition || h.Size != r.Size {
			continue
		}
		project++
		for _, tag := range slices.Compact(slices.Sorted(slices.Values(r.Placement))) {
			if slices.Contains(h.Holder.Placement, tag) {
				tagged++
			}
		}
	}
	return tagged, project
}

func (s *site) held(project string) int {
	n := 0
	for _, h := range s.hosts {
		if h.State == claim.Held && h.Holder.Project == project {
			n++
		}
	}
	return n
}

// TestClaims lives the life of a site: requests, releases, cordons and restarts in any order. A choice is one that the facts allow and the best by its own rule; an inventory that was kept up to date
// chooses as one that is made anew; nobody holds more than the quota.
func TestClaims(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := randomSite(t)
		live := claim.NewInventory(s.list(t))
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0:
				s.release(t, live)
			case 1:
				live = claim.NewInventory(s.list(t))
			default:
				s.claim(t, live)
			}
			if q, bounded := s.rules.Quotas["p"]; bounded && s.held("p") > q.Machines {
				t.Fatalf("p holds %d of %d", s.held("p"), q.Machines)
			}
			if q, bounded := s.rules.TenantQuotas["t"]; bounded && s.held("p")+s.held("q") > q.Machines {
				t.Fatalf("t holds %d+%d of %d", s.held("p"), s.held("q"), q.Machines)
			}
			s.checkStandings(t, live)
		}
	})
}

func (s *site) release(t *rapid.T, live *claim.Inventory) {
	for _, h := range s.list(t) {
		if h.State == claim.Held {
			h.State, h.Holder = claim.Offered, claim.Holder{}
			s.hosts[h.Name] = h
			live.Set(h)
			return
		}
	}
}

func (s *site) claim(t *rapid.T, live *claim.Inventory) {
	r := s.request(t)
	d := claim.Choose(live, s.rules, r)
	if anew := claim.Choose(claim.NewInventory(s.list(t)), s.rules, r); anew.Host != d.Host {
		t.Fatalf("the kept inventory chooses %q, a new one %q", d.Host, anew.Host)
	}
	if d.Host == "" {
		s.checkRefusal(t, d.Refusal, r)
		return
	}
	h := s.hosts[d.Host]
	if !fits(h, r) {
		t.Fatalf("%+v does not fit %+v", h, r)
	}
	tagged, project := s.burden(h.Rack, r)
	for _, other := range s.hosts {
		if !fits(other, r) {
			continue
		}
		if x, y := s.burden(other.Rack, r); x < tagged || x == tagged && y < project {
			t.Fatalf("%s in rack %s (%d, %d) was chosen, and %s in rack %s (%d, %d) is freer", h.Name, h.Rack, tagged, project, other.Name, other.Rack, x, y)
		}
	}
	h.State, h.Holder = claim.Held, claim.Holder{Request: r.ID, Project: r.Project, Tenant: r.Tenant, Role: r.Role, Placement: r.Placement}
	s.hosts[h.Name] = h
	live.Set(h)
	if again := claim.Choose(live, s.rules, r); again.Host != h.Name {
		t.Fatalf("asked again, the request gets %q and not %q", again.Host, h.Name)
	}
}

// checkRefusal: there is no host that fits, or a rule that speaks against all of them.
func (s *site) checkRefusal(t *rapid.T, refusal *claim.Refusal, r claim.Request) {
	free := 0
	for _, h := range s.hosts {
		if fits(h, r) {
			free++
		}
	}
	switch refusal.Reason {
	case claim.QuotaExceeded:
		own, bounded := s.rules.Quotas[r.Project]
		all, tenantBounded := s.rules.TenantQuotas[r.Tenant]
		if (!bounded || s.held(r.Project) < own.Machines) && (!tenantBounded || s.held("p")+s.held("q") < all.Machines) {
			t.Fatalf("refused for a quota that is not used up: %+v", refusal)
		}
	case claim.Reserved:
		if !slices.ContainsFunc(s.rules.Reservations, func(x claim.Reservation) bool {
			return x.Size == r.Size && x.Project != r.Project && (x.Project != "" || x.Tenant != r.Tenant)
		}) {
			t.Fatalf("refused for reservations that nobody has: %+v", refusal)
		}
	default:
		if free > 0 {
			t.Fatalf("refused with %+v, and %d hosts fit", refusal, free)
		}
	}
}

// checkStandings: no held host fills two reservations, and a reservation has no more than its owner holds.
func (s *site) checkStandings(t *rapid.T, live *claim.Inventory) {
	all := claim.Standings(live, s.rules)
	used := map[string]int{}
	for _, r := range s.rules.Reservations {
		x := all[r.Name]
		if x.Used < 0 || x.Used > r.Amount || x.Short < 0 {
			t.Fatalf("%+v stands at %+v", r, x)
		}
		used[r.Tenant+"/"+r.Project] += x.Used
	}
	if n := used["t/"] + used["t/p"] + used["t/q"]; n > s.held("p")+s.held("q") || used["t/p"] > s.held("p") || used["t/q"] > s.held("q") || used["/r"] > s.held("r") {
		t.Fatalf("reservations count %v, held are %d, %d and %d", used, s.held("p"), s.held("q"), s.held("r"))
	}
}

// TestReservedHostsAreThere: where reservations can be served at the start, each project gets all that is reserved for it, whatever the others claim before.
func TestReservedHostsAreThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const size = "c1"
		s := &site{hosts: map[string]claim.Host{}}
		for i := range rapid.IntRange(4, 12).Draw(t, "hosts") {
			h := claim.Host{Name: fmt.Sprintf("h%02d", i), Partition: rapid.SampledFrom(partitions).Draw(t, "partition"), Size: size, State: claim.Offered}
			s.hosts[h.Name] = h
		}
		count := func(partition string) (n int) {
			for _, h := range s.hosts {
				if h.Partition == partition {
					n++
				}
			}
			return n
		}
		// Reservations that fit: one a partition, and one over both that takes at most what is left.
		fra := rapid.IntRange(0, count("fra")).Draw(t, "fra")
		muc := rapid.IntRange(0, count("muc")).Draw(t, "muc")
		both := rapid.IntRange(0, len(s.hosts)-fra-muc).Draw(t, "both")
		s.rules.Reservations = []claim.Reservation{
			{Name: "a", Project: "p", Size: size, Partitions: []string{"fra"}, Amount: fra}, {Name: "b", Project: "q", Size: size, Partitions: []string{"muc"}, Amount: muc},
			{Name: "c", Project: "r", Size: size, Partitions: partitions, Amount: both},
		}
		v := claim.NewInventory(s.list(t))
		take := func(project, partition string) bool {
			s.next++
			r := claim.Request{ID: fmt.Sprint(s.next), Project: project, Role: claim.Machine, Partition: partition, Size: size}
			d := claim.Choose(v, s.rules, r)
			if d.Host == "" {
				return false
			}
			h, _ := v.Host(d.Host)
			h.State, h.Holder = claim.Held, claim.Holder{Request: r.ID, Project: project, Role: claim.Machine}
			v.Set(h)
			return true
		}
		// A stranger takes all that it gets, in any order.
		for range 30 {
			take("stranger", rapid.SampledFrom(partitions).Draw(t, "stranger in"))
		}
		for range both {
			if !take("r", "fra") && !take("r", "muc") {
				t.Fatalf("r does not get its %d of both", both)
			}
		}
		for range fra {
			if !take("p", "fra") {
				t.Fatalf("p does not get its %d of fra", fra)
			}
		}
		for range muc {
			if !take("q", "muc") {
				t.Fatalf("q does not get its %d of muc", muc)
			}
		}
	})
}

// BenchmarkChoose is one choice among 10,000 hosts with reservations and spreading.
func BenchmarkChoose(b *testing.B) {
	var hosts []claim.Host
	for i := range 10_000 {
		h := claim.Host{Name: fmt.Sprintf("h%05d", i), Partition: "fra", Size: fmt.Sprintf("c%d", i%5), Rack: fmt.Sprintf("rack-%d", i/40), State: claim.Offered}
		if i%3 == 0 {
			h.State, h.Holder = claim.Held, claim.Holder{Request: h.Name, Project: fmt.Sprintf("p%d", i%20), Role: claim.Machine, Placement: []string{"db"}}
		}
		hosts = append(hosts, h)
	}
	rules := claim.Rules{Quotas: map[string]claim.Quota{"p0": {Machines: 1 << 20, Firewalls: 10}}}
	for i := range 50 {
		rules.Reservations = append(rules.Reservations, claim.Reservation{Name: fmt.Sprint(i), Project: fmt.Sprintf("p%d", i%20), Size: fmt.Sprintf("c%d", i%5), Partitions: []string{"fra"}, Amount: 20})
	}
	v := claim.NewInventory(hosts)
	r := claim.Request{ID: "new", Project: "p0", Role: claim.Machine, Partition: "fra", Size: "c1", Placement: []string{"db"}}
	for b.Loop() {
		if d := claim.Choose(v, rules, r); d.Host == "" {
			b.Fatal(d.Refusal)
		}
	}
}
