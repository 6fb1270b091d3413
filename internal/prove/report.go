package prove

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/ingotmetal/ingot/firewall"
)

// Report is the outcome of a proof.
type Report struct {
	Site string `json:"site"`
	Seed uint64 `json:"seed"`
	// Hosts are the nodes that were proved.
	Hosts []string `json:"hosts"`
	// Packets is how many were sent and compared.
	Packets int     `json:"packets"`
	Counts  []Count `json:"counts"`
	// LeftOut is how many packets were not sent because of Options.MaxPackets.
	LeftOut int `json:"leftOut"`
	// Unsendable are classes that no real packet has, by reason.
	Unsendable map[string]int `json:"unsendable,omitempty"`
	// Differences are the packets on which the three verdicts are not one.
	Differences []Difference `json:"differences"`
	// Counters are the rules that the kernel counted another number of packets at than the tree says.
	Counters []CounterDifference `json:"counters"`
}

// Count is how many packets of a kind were sent and what the model says of them.
type Count struct {
	Hook     string `json:"hook"`
	Family   string `json:"family"`
	Protocol uint8  `json:"protocol"`
	State    string `json:"state"`
	Accepted int    `json:"accepted"`
	Dropped  int    `json:"dropped"`
}

// Difference is a packet on which model, rule tree and kernel are not of one mind.
type Difference struct {
	Node   string `json:"node"`
	Packet string `json:"packet"`
	Model  string `json:"model"`
	Tree   string `json:"tree"`
	Kernel string `json:"kernel"`
	// ModelBy and TreeBy are the rules that decided, as package firewall names them.
	ModelBy string `json:"modelBy"`
	TreeBy  string `json:"treeBy"`
}

// CounterDifference is a rule of a host whose counter is not what the rule tree says.
type CounterDifference struct {
	Node   string `json:"node"`
	Rule   string `json:"rule"`
	Tree   uint64 `json:"tree"`
	Kernel uint64 `json:"kernel"`
}

func newReport(site string, o Options) Report {
	return Report{Site: site, Seed: o.Seed, Hosts: []string{}, Counts: []Count{}, Differences: []Difference{}, Counters: []CounterDifference{}}
}

// Proved says that something was sent and nothing differs.
func (r Report) Proved() bool {
	return r.Packets > 0 && len(r.Differences) == 0 && len(r.Counters) == 0
}

func (r *Report) count(p firewall.Packet, v firewall.Verdict) {
	family := "IPv4"
	if p.Source.Is6() {
		family = "IPv6"
	}
	key := Count{Hook: p.Hook.String(), Family: family, Protocol: p.Protocol, State: p.State.String()}
	i := slices.IndexFunc(r.Counts, func(c Count) bool {
		return c.Hook == key.Hook && c.Family == key.Family && c.Protocol == key.Protocol && c.State == key.State
	})
	if i < 0 {
		i = len(r.Counts)
		r.Counts = append(r.Counts, key)
	}
	if v == firewall.Accept {
		r.Counts[i].Accepted++
	} else {
		r.Counts[i].Dropped++
	}
	r.Packets++
}

func (r *Report) sort() {
	slices.SortFunc(r.Counts, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Hook, b.Hook), cmp.Compare(a.Family, b.Family), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.State, b.State))
	})
}

// Text prints the report for people.
func (r Report) Text(w io.Writer) {
	fmt.Fprintf(w, "%s: %d hosts, %d packets, seed %d\n\n", r.Site, len(r.Hosts), r.Packets, r.Seed)
	fmt.Fprintf(w, "%-8s %-6s %-8s %-12s %9s %9s\n", "hook", "family", "protocol", "state", "accepted", "dropped")
	for _, c := range r.Counts {
		fmt.Fprintf(w, "%-8s %-6s %-8d %-12s %9d %9d\n", c.Hook, c.Family, c.Protocol, c.State, c.Accepted, c.Dropped)
	}
	if r.LeftOut > 0 {
		fmt.Fprintf(w, "\n%d packets were left out: the bound is smaller than the site\n", r.LeftOut)
	}
	reasons := make([]string, 0, len(r.Unsendable))
	for reason := range r.Unsendable {
		reasons = append(reasons, reason)
	}
	slices.Sort(reasons)
	for _, reason := range reasons {
		fmt.Fprintf(w, "%d classes have no real packet: %s\n", r.Unsendable[reason], reason)
	}
	fmt.Fprintf(w, "\n%d differences between model, rule tree and kernel\n", len(r.Differences))
	for _, d := range r.Differences {
		fmt.Fprintf(w, "%s: %s\n  model %s by %s, tree %s by %s, kernel %s\n", d.Node, d.Packet, d.Model, d.ModelBy, d.Tree, d.TreeBy, d.Kernel)
	}
	fmt.Fprintf(w, "%d rules with another count in the kernel\n", len(r.Counters))
	for _, c := range r.Counters {
		fmt.Fprintf(w, "%s: %s: tree %d, kernel %d\n", c.Node, c.Rule, c.Tree, c.Kernel)
	}
}

// add joins one host's part.
func (r *Report) add(part Report) {
	r.Hosts = append(r.Hosts, part.Hosts...)
	r.Packets += part.Packets
	r.LeftOut += part.LeftOut
	r.Differences = append(r.Differences, part.Differences...)
	r.Counters = append(r.Counters, part.Counters...)
	for reason, n := range part.Unsendable {
		if r.Unsendable == nil {
			r.Unsendable = map[string]int{}
		}
		r.Unsendable[reason] += n
	}
	for _, c := range part.Counts {
		i := slices.IndexFunc(r.Counts, func(k Count) bool {
			return k.Hook == c.Hook && k.Family == c.Family && k.Protocol == c.Protocol && k.State == c.State
		})
		if i < 0 {
			r.Counts = append(r.Counts, c)
			continue
		}
		r.Counts[i].Accepted += c.Accepted
		r.Counts[i].Dropped += c.Dropped
	}
	r.sort()
}
