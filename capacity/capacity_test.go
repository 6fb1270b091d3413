package capacity_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/capacity"
)

func hosts(partition, size string, state capacity.State, tenant, project string, n int) []capacity.Host {
	all := make([]capacity.Host, n)
	for i := range all {
		all[i] = capacity.Host{Name: fmt.Sprintf("%s/%s-%s%s-%d", partition, size, state, project, i), Partition: partition, Size: size, State: state, Why: "because", Tenant: tenant, Project: project}
	}
	return all
}

func TestCount(t *testing.T) {
	all := slices.Concat(
		hosts("east", "c1", capacity.Allocated, "t", "t/a", 3), hosts("east", "c1", capacity.Allocated, "u", "u/a", 2), hosts("east", "c1", capacity.Available, "", "", 4),
		hosts("east", "c1", capacity.Faulty, "", "", 1), hosts("east", "c1", capacity.Other, "", "", 2),
		hosts("west", "c1", capacity.Available, "", "", 3), hosts("west", "c2", capacity.Available, "", "", 1), hosts("", "", capacity.Other, "", "", 1),
	)
	faulty, other := []capacity.Named{{"east/c1-faulty-0", "because"}}, []capacity.Named{{"east/c1-other-0", "because"}, {"east/c1-other-1", "because"}}
	nowhere := capacity.Row{Total: 1, Other: []capacity.Named{{"/-other-0", "because"}}}
	east := capacity.Row{Partition: "east", Size: "c1", Total: 12, Allocated: 5, Available: 4, Free: 4, Faulty: faulty, Other: other}
	west := capacity.Row{Partition: "west", Size: "c1", Total: 3, Available: 3, Free: 3}
	big := capacity.Row{Partition: "west", Size: "c2", Total: 1, Available: 1, Free: 1}
	with := func(r capacity.Row, free, reserved, used int) capacity.Row {
		r.Free, r.Reserved, r.Used = free, reserved, used
		return r
	}
	for name, c := range map[string]struct {
		reservations []capacity.Reservation
		want         []capacity.Row
	}{
		"none":                      {nil, []capacity.Row{nowhere, east, west, big}},
		"one partition, half used":  {[]capacity.Reservation{{Size: "c1", Partitions: []string{"east"}, Amount: 5, Tenant: "t"}}, []capacity.Row{nowhere, with(east, 2, 5, 3), west, big}},
		"more in use than reserved": {[]capacity.Reservation{{Size: "c1", Partitions: []string{"east"}, Amount: 2, Tenant: "t"}}, []capacity.Row{nowhere, with(east, 4, 2, 2), west, big}},
		"another project's hosts":   {[]capacity.Reservation{{Size: "c1", Partitions: []string{"east"}, Amount: 2, Tenant: "t", Project: "t/b"}}, []capacity.Row{nowhere, with(east, 2, 2, 0), west, big}},
		"more than there is":        {[]capacity.Reservation{{Size: "c1", Partitions: []string{"east"}, Amount: 50, Tenant: "u"}}, []capacity.Row{nowhere, with(east, 0, 50, 2), west, big}},
		// The other partition can serve 3 of 5, so that 2 are held back in the east, and 1 in the west.
		"two partitions":      {[]capacity.Reservation{{Size: "c1", Partitions: []string{"west", "east", "east"}, Amount: 5, Tenant: "x"}}, []capacity.Row{nowhere, with(east, 2, 5, 0), with(west, 2, 5, 0), big}},
		"elsewhere will do":   {[]capacity.Reservation{{Size: "c1", Partitions: []string{"west", "east"}, Amount: 3, Tenant: "x"}}, []capacity.Row{nowhere, with(east, 4, 3, 0), with(west, 3, 3, 0), big}},
		"no host of the size": {[]capacity.Reservation{{Size: "c9", Partitions: []string{"west"}, Amount: 1, Tenant: "x"}}, []capacity.Row{nowhere, east, west, big, {Partition: "west", Size: "c9", Reserved: 1}}},
		"nobody's":            {[]capacity.Reservation{{Size: "c2", Partitions: []string{"west"}, Amount: 1}}, []capacity.Row{nowhere, east, west, with(big, 0, 1, 0)}},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, capacity.Count(all, c.reservations)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestServed(t *testing.T) {
	all := slices.Concat(hosts("east", "c1", capacity.Allocated, "t", "t/a", 3), hosts("east", "c1", capacity.Available, "", "", 4), hosts("west", "c1", capacity.Available, "", "", 1))
	if used, free := capacity.Served(capacity.Reservation{Size: "c1", Partitions: []string{"east"}, Amount: 2, Tenant: "t"}, all); used != 2 || free != 4 {
		t.Errorf("%d used, %d free", used, free)
	}
}

// TestInvariants holds every row of any fleet to what the package promises.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"", "a", "b"})
		states := rapid.SampledFrom([]capacity.State{capacity.Allocated, capacity.Available, capacity.Faulty, capacity.Other, "?"})
		var all []capacity.Host
		for i := range rapid.IntRange(0, 40).Draw(t, "hosts") {
			all = append(all, capacity.Host{Name: fmt.Sprint(i), Partition: name.Draw(t, "p"), Size: name.Draw(t, "s"), State: states.Draw(t, "state"), Tenant: name.Draw(t, "t"), Project: name.Draw(t, "j")})
		}
		var reservations []capacity.Reservation
		for range rapid.IntRange(0, 4).Draw(t, "reservations") {
			reservations = append(reservations, capacity.Reservation{
				Size: name.Draw(t, "s"), Partitions: rapid.SliceOfN(name, 1, 3).Draw(t, "in"), Amount: rapid.IntRange(1, 20).Draw(t, "amount"), Tenant: name.Draw(t, "t"), Project: name.Draw(t, "j"),
			})
		}
		rows := capacity.Count(all, reservations)
		total := 0
		for _, r := range rows {
			total += r.Total
			if r.Total != r.Allocated+r.Available+len(r.Faulty)+len(r.Other) || r.Free < 0 || r.Free > r.Available || r.Used < 0 || r.Used > r.Reserved {
				t.Fatalf("%+v", r)
			}
		}
		if total != len(all) {
			t.Fatalf("%d of %d hosts are counted", total, len(all))
		}
		mixed := slices.Clone(all)
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		if d := cmp.Diff(rows, capacity.Count(mixed, reservations)); d != "" {
			t.Fatalf("the order counts: %s", d)
		}
	})
}
