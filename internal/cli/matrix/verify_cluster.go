package matrix

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	calico "github.com/ingotmetal/ingot/api/projectcalico/v3"
	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
	"github.com/ingotmetal/ingot/matrix/live"
	"github.com/ingotmetal/ingot/matrix/report"
)

func wireOf(r matrix.Row) string { return report.Wire(r) }

// endpoints asks the API server what the hosts enforce, for one matrix or for all.
func (o verifying) endpoints(ctx context.Context, name string) ([]finding, error) {
	c, err := o.session.Client()
	if err != nil {
		return nil, err
	}
	var list calico.HostEndpointList
	var options []client.ListOption
	if name != "" {
		options = append(options, client.MatchingLabels{calico.MatrixLabel: name})
	}
	if err := c.List(ctx, &list, options...); err != nil {
		return nil, fmt.Errorf("list the host endpoints: %w", err)
	}
	if len(list.Items) == 0 {
		if name != "" {
			return nil, fmt.Errorf("no HostEndpoint was compiled from the matrix %q: `ingot matrix verify --cluster` looks at all, `ingot matrix show --name %s` at the matrix", name, name)
		}
		return nil, fmt.Errorf("the API server has no HostEndpoint: nothing is enforced; apply a CommunicationMatrix with hosts first")
	}
	slices.SortFunc(list.Items, func(a, b calico.HostEndpoint) int {
		return cmp.Or(cmp.Compare(a.Spec.Node, b.Spec.Node), cmp.Compare(a.Name, b.Name))
	})
	var findings []finding
	for i := range list.Items {
		findings = append(findings, endpoint(&list.Items[i])...)
	}
	rows, err := o.rows(ctx, c, name, list.Items)
	return append(findings, rows...), err
}

// rows says where each row stands, of the matrix that is asked for, or of all that have host endpoints.
func (o verifying) rows(ctx context.Context, c client.Client, name string, endpoints []calico.HostEndpoint) ([]finding, error) {
	names := map[string]bool{}
	for i := range endpoints {
		if of := endpoints[i].Labels[calico.MatrixLabel]; of != "" {
			names[of] = true
		}
	}
	var list ingot.CommunicationMatrixList
	if err := c.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("list the communication matrices: %w", err)
	}
	var findings []finding
	for _, one := range slices.Sorted(maps.Keys(names)) {
		parts := document.Parts(one, list.Items)
		if len(parts) == 0 {
			continue // it was deleted, and its endpoints follow
		}
		m, err := document.Join(parts...)
		if err != nil {
			if name != "" {
				return nil, fmt.Errorf("CommunicationMatrix %s:\n%w", one, err)
			}
			findings = append(findings, finding{Kind: "matrix", What: one, Verdict: "has no meaning: `ingot matrix lint --name " + one + "` says why", Wrong: true})
			continue
		}
		for _, r := range live.Join(m, endpoints) {
			findings = append(findings, rowFinding(m, r))
		}
	}
	return findings, nil
}

// rowFinding says in one line where a row stands. What violates it is a finding of its own.
func rowFinding(m matrix.Matrix, r live.Row) finding {
	row, _ := m.Row(r.ID)
	f := finding{Where: m.Name, Kind: "row", What: row.From.String() + " to " + row.To.String() + ", " + wireOf(row), Rows: []string{r.ID}, Verdict: string(r.State), Wrong: r.State == live.Violated}
	switch {
	case r.Why != "":
		f.Verdict += ": " + r.Why
	case r.State == live.Seen:
		f.Verdict += ", last " + r.Last.UTC().Format(moment)
	default:
		f.Verdict += " since " + r.Since.UTC().Format(moment)
	}
	return f
}

// moment is how times are written: hosts tell them to the minute.
const moment = "2006-01-02 15:04 MST"

// endpoint judges one.
func endpoint(h *calico.HostEndpoint) []finding {
	where := h.Spec.Node
	if h.Spec.InterfaceName != "" {
		where += "/" + h.Spec.InterfaceName
	}
	f := finding{Where: where, Kind: "endpoint", What: fmt.Sprintf("generation %d, phase %s", h.Status.Generation, cmp.Or(string(h.Status.Phase), "unknown"))}
	if k := h.Status.Counters; k != nil {
		f.What += fmt.Sprintf(", refused %d, accepted %d", k.Refused, k.Accepted)
	}
	stands := live.Stands(h)
	f.Verdict, f.Wrong = stands.Words, stands.Wrong
	findings := []finding{f}
	for _, d := range h.Status.Drift {
		one := finding{Where: where, Kind: "drift", What: d.Kind + ": " + d.What, Verdict: "not as declared", Wrong: live.Wrong(d)}
		if d.Row != "" {
			one.Rows = []string{d.Row}
		}
		if !one.Wrong {
			one.Verdict = "unused"
		}
		findings = append(findings, one)
	}
	return findings
}
