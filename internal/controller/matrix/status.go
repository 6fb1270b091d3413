package matrix

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "github.com/ingotmetal/ingot/api/projectcalico/v3"
	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// The conditions of a matrix.
const (
	// conditionAccepted: the matrix, its parts included, has a meaning.
	conditionAccepted = "Accepted"
	// conditionCompiled: what it means stands in the API as policies, sets and endpoints.
	conditionCompiled = "Compiled"
	// conditionEnforced: every host has confirmed the rules that follow from it.
	conditionEnforced = "Enforced"
)

// Bounds of what is for people. A condition's message may have 32 KiB, an event's note 1 KiB; nobody reads either.
const (
	maxMessage = 2048
	maxNote    = 1000
	maxNamed   = 5
)

// report writes the status, if it says anything new.
func (r *Reconciler) report(ctx context.Context, root *ingot.CommunicationMatrix, last, good *compilation, out outcome) error {
	status := ingot.CommunicationMatrixStatus{ObservedGeneration: root.Generation, Findings: last.findings[:min(len(last.findings), ingot.MatrixMaxFindings)]}
	m := last.matrix
	status.Counts = ingot.MatrixCounts{
		Zones: int32(len(m.Zones)), Roles: int32(len(m.Roles)), Hosts: int32(len(m.Hosts)), Flows: int32(len(m.Rows)), Findings: int32(len(last.findings)),
	}
	enforced, hosts, err := r.enforced(ctx, root.Name, good)
	if err != nil {
		return err
	}
	status.HostsEnforced = int32(hosts)
	setConditions(&status, root, acceptedOf(last), compiledOf(last, good, out), enforced)
	return r.writeStatus(ctx, root, status)
}

func acceptedOf(last *compilation) metav1.Condition {
	c := metav1.Condition{Type: conditionAccepted, Status: metav1.ConditionTrue, Reason: "Accepted", Message: fmt.Sprintf("%d findings", len(last.findings))}
	if last.refused != "" {
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, "Refused", last.refused
	}
	return c
}

func compiledOf(last, good *compilation, out outcome) metav1.Condition {
	c := metav1.Condition{Type: conditionCompiled, Status: metav1.ConditionTrue, Reason: "Compiled"}
	switch {
	case !last.good() && good != nil:
		c.Status, c.Reason = metav1.ConditionFalse, "KeptLastGood"
		c.Message = "what was compiled last with a meaning stays in force: " + last.failed + last.refused
	case !last.good():
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, "Refused", "what is in the API stays as it is: "+last.failed+last.refused
	case len(out.conflicts) > 0:
		c.Status, c.Reason = metav1.ConditionFalse, "Conflict"
		c.Message = fmt.Sprintf("%d objects of the same name are somebody else's: %s: delete or rename them", len(out.conflicts), some(out.conflicts))
	default:
		c.Message = contents(good)
	}
	return c
}

// contents counts what a matrix was compiled to.
func contents(c *compilation) string {
	counts := map[string]int{}
	for k := range c.objects {
		counts[k.kind]++
	}
	text := fmt.Sprintf("%d policies, %d network sets, %d host endpoints", counts["GlobalNetworkPolicy"], counts["GlobalNetworkSet"], counts["HostEndpoint"])
	if len(c.left) > 0 {
		var rows []string
		for _, l := range c.left {
			rows = append(rows, l.Row+" ("+l.Why+")")
		}
		text += fmt.Sprintf("; %d rows are not the firewall's: %s", len(c.left), some(rows))
	}
	return text
}

// enforced says on how many hosts the rules of the matrix are confirmed.
func (r *Reconciler) enforced(ctx context.Context, name string, good *compilation) (metav1.Condition, int, error) {
	c := metav1.Condition{Type: conditionEnforced, Status: metav1.ConditionUnknown, Reason: "NotCompiled", Message: "nothing was compiled yet"}
	if good == nil {
		return c, 0, nil
	}
	there, err := r.there(ctx, kind{name: "HostEndpoint", list: func() client.ObjectList { return &api.HostEndpointList{} }})
	if err != nil {
		return c, 0, err
	}
	waiting := map[string]string{}
	hosts := map[string]bool{}
	for id, w := range good.objects {
		if id.kind != "HostEndpoint" {
			continue
		}
		node := w.typed.(*api.HostEndpoint).Spec.Node
		hosts[node] = true
		live, found := there[id.name].(*api.HostEndpoint)
		if !found || belongsTo(live) != name {
			waiting[node] = node + " (" + id.name + " is not in the API)"
		} else if why := notEnforced(live, w.content.GetAnnotations()[api.RevisionAnnotation]); why != "" {
			waiting[node] = node + " (" + why + ")"
		}
	}
	done := len(hosts) - len(waiting)
	c.Message = fmt.Sprintf("%d of %d hosts", done, len(hosts))
	switch {
	case len(hosts) == 0:
		c.Reason, c.Message = "NoHosts", "the matrix names no hosts, and makes no endpoints"
	case len(waiting) == 0:
		c.Status, c.Reason = metav1.ConditionTrue, "Enforced"
	default:
		c.Status, c.Reason = metav1.ConditionFalse, "Waiting"
		c.Message += ", not on " + some(slices.Sorted(maps.Values(waiting)))
	}
	return c, done, nil
}

// notEnforced says what an endpoint's host lacks; empty: it enforces this revision.
func notEnforced(e *api.HostEndpoint, revision string) string {
	s := e.Status
	switch {
	case s.Phase == "" || s.Phase == api.PhaseNone:
		return "no ingot-node has reported"
	case s.Phase != api.PhaseConfirmed:
		return fmt.Sprintf("%s at generation %d", strings.ToLower(string(s.Phase)), s.Generation)
	case s.Revision != revision:
		return fmt.Sprintf("generation %d has older rules", s.Generation)
	}
	return ""
}

// some names the first few of many.
func some(all []string) string {
	if len(all) <= maxNamed {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:maxNamed], ", "), len(all)-maxNamed)
}

func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + " …"
}

// setConditions keeps the times of conditions that did not change.
func setConditions(status *ingot.CommunicationMatrixStatus, of *ingot.CommunicationMatrix, conditions ...metav1.Condition) {
	for _, c := range conditions {
		c.ObservedGeneration, c.Message = of.Generation, cut(c.Message, maxMessage)
		if old := meta.FindStatusCondition(of.Status.Conditions, c.Type); old != nil {
			status.Conditions = append(status.Conditions, *old)
		}
		meta.SetStatusCondition(&status.Conditions, c)
	}
}

// writeStatus replaces the status alone: the spec may have a megabyte.
func (r *Reconciler) writeStatus(ctx context.Context, of *ingot.CommunicationMatrix, status ingot.CommunicationMatrixStatus) error {
	if equality.Semantic.DeepEqual(of.Status, status) {
		return nil
	}
	text, err := json.Marshal([]map[string]any{{"op": "test", "path": "/metadata/uid", "value": of.UID}, {"op": "add", "path": "/status", "value": status}})
	if err != nil {
		return fmt.Errorf("encode the status of matrix %s: %w", of.Name, err)
	}
	target := &ingot.CommunicationMatrix{ObjectMeta: metav1.ObjectMeta{Name: of.Name}}
	err = r.live.Status().Patch(ctx, target, client.RawPatch(types.JSONPatchType, text), client.FieldOwner(fieldManager))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("write the status of matrix %s: %w", of.Name, err)
	}
	return nil
}
