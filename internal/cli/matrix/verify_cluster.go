package matrix

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	calico "github.com/ingotmetal/ingot/api/projectcalico/v3"
	"github.com/ingotmetal/ingot/matrix"
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
	return findings, nil
}

// endpoint judges one.
func endpoint(h *calico.HostEndpoint) []finding {
	where := h.Spec.Node
	if h.Spec.InterfaceName != "" {
		where += "/" + h.Spec.InterfaceName
	}
	f := finding{Where: where, Kind: "endpoint", What: fmt.Sprintf("generation %d, phase %s", h.Status.Generation, cmp.Or(string(h.Status.Phase), "unknown")), Verdict: "declared"}
	if k := h.Status.Counters; k != nil {
		f.What += fmt.Sprintf(", refused %d, accepted %d", k.Refused, k.Accepted)
	}
	wanted := h.Annotations[calico.RevisionAnnotation]
	switch h.Status.Phase {
	case calico.PhaseConfirmed:
		if wanted != "" && h.Status.Revision != wanted {
			f.Verdict, f.Wrong = "enforces an older revision: `kubectl describe hostendpoint "+h.Name+"` says what the host waits for", true
		}
	case calico.PhaseTrial:
		f.Verdict, f.Wrong = "on trial: look again when it is confirmed or has ended", true
	case calico.PhaseReverted:
		f.Verdict, f.Wrong = "reverted: the controller could not reach the host through the new rules", true
	case calico.PhaseFailed:
		f.Verdict, f.Wrong = "failed: what ruled before still does; `journalctl -u ingot-node` on the host says why", true
	case calico.PhaseNone:
		f.Verdict, f.Wrong = "open: no rules are there", true
	default:
		f.Verdict, f.Wrong = "unknown: ingot-node has not reported; is it running on the host?", true
	}
	findings := []finding{f}
	for _, d := range h.Status.Drift {
		one := finding{Where: where, Kind: "drift", What: d.Kind + ": " + d.What, Verdict: "not as declared", Wrong: true}
		if d.Row != "" {
			one.Rows = []string{d.Row}
		}
		if d.Kind == "Unused" {
			one.Verdict, one.Wrong = "unused", false
		}
		findings = append(findings, one)
	}
	return findings
}
