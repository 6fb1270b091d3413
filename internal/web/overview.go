package web

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/ingotmetal/ingot/capacity"
	"github.com/ingotmetal/ingot/capacity/stock"
	"github.com/ingotmetal/ingot/internal/fleet"
	"github.com/ingotmetal/ingot/issue"
	"github.com/ingotmetal/ingot/issue/evidence"
	"github.com/ingotmetal/ingot/journey"
)

// OverviewBody is the fleet at a glance.
type OverviewBody struct {
	Hosts int `json:"hosts"`
	// States are how many hosts are in each of Metal3's provisioning states, in the order of a host's life; Outcomes how many wait, work, are done, are blocked.
	States   []Count        `json:"states"`
	Outcomes map[string]int `json:"outcomes"`
	// Issues are what is wrong, the worst first; IssueCount all of them, of which no more than mostIssues are told.
	Issues     []issue.Issue  `json:"issues"`
	IssueCount int            `json:"issueCount"`
	Capacity   []capacity.Row `json:"capacity"`
	Recent     []Recent       `json:"recent"`
}

// Count is a number of hosts.
type Count struct {
	Name  string `json:"name"`
	Hosts int    `json:"hosts"`
}

// Recent is something that was done to a host.
type Recent struct {
	Host    string `json:"host"`
	At      string `json:"at"`
	Stage   string `json:"stage"`
	Step    string `json:"step,omitempty"`
	Result  string `json:"result,omitempty"`
	Message string `json:"message,omitempty"`
}

const (
	mostIssues = 50
	mostRecent = 15
)

func overview(ctx context.Context, c *reader, a ask) (Content, error) {
	c.begin(ctx, fleet.Kinds()...)
	o, err := fleet.Read(ctx, c)
	if err != nil {
		return Content{}, err
	}
	b := OverviewBody{Hosts: len(o.Hosts), States: states(o), Outcomes: map[string]int{}, Issues: issue.Find(evidence.Facts(o), a.now), Recent: recent(o)}
	for i := range o.Records {
		if k := o.Records[i].Status.Outcome.Kind; k != "" {
			b.Outcomes[k]++
		}
	}
	slices.SortStableFunc(b.Issues, func(x, y issue.Issue) int {
		return cmp.Compare(slices.Index(issue.Severities(), y.Severity), slices.Index(issue.Severities(), x.Severity))
	})
	b.IssueCount = len(b.Issues)
	b.Issues = b.Issues[:min(len(b.Issues), mostIssues)]
	b.Capacity = stock.Rows(o.Facts, o.ByHost())
	return Content{Body: b}, nil
}

// states counts hosts in the order of their life; a state that no host is in is not told.
func states(o evidence.Objects) []Count {
	n := map[string]int{}
	for i := range o.Hosts {
		n[cmp.Or(string(o.Hosts[i].Status.Provisioning.State), "new")]++
	}
	var all []Count
	for _, s := range journey.States() {
		if k := string(s); n[k] > 0 {
			all = append(all, Count{k, n[k]})
			delete(n, k)
		}
	}
	var rest []Count
	for k, v := range n {
		rest = append(rest, Count{k, v})
	}
	slices.SortFunc(rest, func(x, y Count) int { return cmp.Compare(x.Name, y.Name) })
	return slices.Concat(rest, all)
}

func recent(o evidence.Objects) []Recent {
	type one struct {
		Recent
		t time.Time
	}
	var all []one
	for i := range o.Records {
		r := &o.Records[i]
		// The last ones of each host are enough for the last ones of all.
		line := r.Status.Timeline
		for _, e := range line[max(0, len(line)-mostRecent):] {
			t := e.StartedAt
			if e.EndedAt != nil {
				t = *e.EndedAt
			}
			all = append(all, one{Recent{r.Namespace + "/" + r.Name, at(&t), e.Stage, e.Step, e.Result, e.Message}, t.Time})
		}
	}
	slices.SortStableFunc(all, func(x, y one) int { return cmp.Or(y.t.Compare(x.t), cmp.Compare(x.Host, y.Host)) })
	out := make([]Recent, 0, mostRecent)
	for _, x := range all[:min(len(all), mostRecent)] {
		out = append(out, x.Recent)
	}
	return out
}
