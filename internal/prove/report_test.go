package prove

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/ruleset"
)

func TestReportsAddUp(t *testing.T) {
	v4 := firewall.Packet{Source: netip.MustParseAddr("192.0.2.1"), Protocol: 6}
	v6 := firewall.Packet{Source: netip.MustParseAddr("2001:db8::1"), Protocol: 6}
	a, b := newReport("site", Options{Seed: 7}), newReport("site", Options{Seed: 7})
	a.Hosts, b.Hosts = []string{"a"}, []string{"b"}
	a.count(v4, firewall.Accept)
	a.count(v4, firewall.Drop)
	b.count(v6, firewall.Drop)
	b.count(v4, firewall.Drop)
	b.LeftOut, b.Unsendable = 3, map[string]int{reasonAddress: 2}
	whole := newReport("site", Options{Seed: 7})
	if whole.Proved() {
		t.Error("a report about nothing proves something")
	}
	whole.add(b)
	whole.add(a)
	want := Report{
		Site: "site", Seed: 7, Hosts: []string{"b", "a"}, Packets: 4, LeftOut: 3, Unsendable: map[string]int{reasonAddress: 2}, Differences: []Difference{}, Counters: []CounterDifference{},
		Counts: []Count{
			{Hook: "input", Family: "IPv4", Protocol: 6, State: "new", Accepted: 1, Dropped: 2}, {Hook: "input", Family: "IPv6", Protocol: 6, State: "new", Dropped: 1},
		},
	}
	if diff := cmp.Diff(want, whole); diff != "" {
		t.Error(diff)
	}
	if !whole.Proved() {
		t.Error("four packets without a difference are no proof")
	}
	for name, differ := range map[string]func(*Report){
		"a packet": func(r *Report) {
			r.Differences = append(r.Differences, Difference{Node: "a", Packet: "p", Model: "accept", Tree: "accept", Kernel: "drop", ModelBy: "rule"})
		},
		"a counter": func(r *Report) {
			r.Counters = append(r.Counters, CounterDifference{Node: "a", Rule: "rule", Tree: 1, Kernel: 2})
		},
	} {
		r := whole
		differ(&r)
		var text strings.Builder
		r.Text(&text)
		if r.Proved() || !strings.Contains(text.String(), "rule") || !strings.Contains(text.String(), "3 packets were left out") || !strings.Contains(text.String(), reasonAddress) {
			t.Errorf("%s that differs: proved %v, said\n%s", name, r.Proved(), text.String())
		}
	}
}

const listing = `{"nftables": [{"metainfo": {"version": "1.0.9"}}, {"table": {"family": "inet", "name": "ingot"}},
	{"rule": {"chain": "c", "comment": "r1", "expr": [{"match": {}}, {"counter": {"packets": 5, "bytes": 7}}, {"accept": null}]}},
	{"rule": {"chain": "d", "comment": "r2", "expr": [{"counter": {"packets": 2, "bytes": 7}}]}},
	{"rule": {"chain": "d", "comment": "state/new", "expr": [{"counter": {"packets": 9, "bytes": 7}}]}},
	{"rule": {"chain": "d", "expr": [{"counter": {"packets": 100, "bytes": 7}}]}}, {"rule": {"chain": "d", "comment": "r1", "expr": []}}]}`

func TestCountersOfNftablesListing(t *testing.T) {
	counts := map[string]uint64{}
	names := map[string]ruleset.Name{"r1": {ID: "p/ingress/0"}, "r2": {ID: "p/ingress/0"}}
	if err := addCounters([]byte(listing), names, counts); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]uint64{"p/ingress/0": 7, "state/new": 9}, counts); diff != "" {
		t.Error(diff)
	}
}

// FuzzCounters: whatever the reader takes for counts, a rule that is not in the listing has none.
func FuzzCounters(f *testing.F) {
	f.Add([]byte(listing))
	for _, seed := range []string{"", "null", "[]", `{"nftables": null}`, `{"nftables": [{"rule": null}, {"rule": {"comment": "r1", "expr": [null, {"counter": null}, {"counter": {"packets": -1}}]}}]}`,
		`{"nftables": [{"rule": {"comment": "r1", "expr": [{"counter": {"packets": 18446744073709551615}}, {"counter": {"packets": 1}}]}}]}`} {
		f.Add([]byte(seed))
	}
	names := map[string]ruleset.Name{"r1": {ID: "p/ingress/0"}, "r2": {ID: "p/ingress/1"}}
	f.Fuzz(func(t *testing.T, b []byte) {
		counts := map[string]uint64{}
		err := addCounters(b, names, counts)
		if err != nil && len(counts) > 0 {
			t.Errorf("counts %v of a listing that is not understood: %v", counts, err)
		}
		for name := range counts {
			if name == "" || name == "r1" || name == "r2" {
				t.Errorf("a count for %q, which is no rule's name", name)
			}
		}
	})
}
