// Package report says in the API what a node enforces: the status of its HostEndpoints, and events about them.
//
// It owns the form: which field says what, what an event is worth, and how often numbers are written. It refuses to keep anything that matters: what could not be
// written is written with the next status, and a host without an API loses nothing but these words.
//
// Invariants: status.confirmed is the controller's; a node only takes it away, once, when a trial begins, so that a number of an earlier life confirms nothing.
package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/ingotmetal/ingot/firewall/guard"
	"github.com/ingotmetal/ingot/internal/node"
	"github.com/ingotmetal/ingot/internal/node/source"
)

// API reports to a Kubernetes API. It is used by one goroutine.
type API struct {
	Client dynamic.Interface
	// Every is how often numbers are written where nothing else changes.
	Every time.Duration

	sent map[string]sent
}

// sent is what an endpoint's status was set to.
type sent struct {
	// rest is the status without its counters, drops and rows.
	rest  map[string]any
	at    time.Time
	trial uint32
	phase guard.Phase
	// since is when the phase began, for the condition.
	since time.Time
	// repairs is how many were told.
	repairs uint64
}

// New makes a reporter.
func New(client dynamic.Interface, every time.Duration) *API {
	return &API{Client: client, Every: every, sent: map[string]sent{}}
}

// Report implements node.Reporter.
func (a *API) Report(ctx context.Context, s node.Status) error {
	var failed []error
	for _, e := range s.Endpoints {
		if err := a.endpoint(ctx, e, s); err != nil {
			failed = append(failed, fmt.Errorf("write the status of HostEndpoint %s: %w", e.Name, err))
		}
	}
	return errors.Join(failed...)
}

func (a *API) endpoint(ctx context.Context, e node.Endpoint, s node.Status) error {
	last := a.sent[e.Name]
	next := sent{at: time.Now(), phase: s.Decision.Phase, since: last.since, trial: last.trial, repairs: s.Repairs.Total}
	if last.phase != next.phase {
		next.since = next.at
	}
	next.rest = status(e, s, next.since)
	begins := s.Decision.Phase == guard.PhaseTrial && s.Attempt.Outcome == guard.Running && s.Attempt.Generation != last.trial
	if !begins && next.repairs == last.repairs && reflect.DeepEqual(next.rest, last.rest) && next.at.Sub(last.at) < a.Every {
		return nil
	}
	patch := make(map[string]any, len(next.rest)+2)
	for field, value := range next.rest {
		patch[field] = value
	}
	// Like counters, these change all the time where somebody knocks: they go along with what is written anyway, and alone only now and then.
	patch["counters"] = map[string]any{"refused": s.Refused, "accepted": s.Accepted}
	patch["drops"], patch["rows"] = drops(e, s), rows(s)
	if begins {
		patch["confirmed"], next.trial = nil, s.Attempt.Generation
	}
	text, err := json.Marshal(map[string]any{"status": patch})
	if err != nil {
		return err
	}
	o, err := a.Client.Resource(source.Endpoints()).Patch(ctx, e.Name, types.MergePatchType, text, metav1.PatchOptions{FieldManager: "ingot-node"}, "status")
	if apierrors.IsNotFound(err) {
		return nil // it was deleted meanwhile
	}
	if err != nil {
		return err
	}
	a.sent[e.Name] = next
	var failed error
	if last.phase != next.phase {
		failed = a.event(ctx, o, s, phaseEvent(s))
	}
	if next.repairs > last.repairs {
		failed = errors.Join(failed, a.event(ctx, o, s, event{"Warning", "Repaired", "it was written again: " + s.Repairs.Why}))
	}
	return failed
}

// These are the bounds of the kind.
const (
	maxDrift = 256
	maxRows  = 512
	maxName  = 253
	maxWhat  = 1024
)

// status is everything but the counters, drops and rows. What is not there is null, which takes it away.
func status(e node.Endpoint, s node.Status, since time.Time) map[string]any {
	fields := map[string]any{"generation": s.Generation, "phase": string(s.Decision.Phase), "revision": nil, "trial": nil}
	if e.Revision != "" {
		fields["revision"] = e.Revision
	}
	if s.Decision.Phase == guard.PhaseTrial && s.Attempt.Outcome == guard.Running {
		fields["trial"] = map[string]any{"generation": s.Attempt.Generation, "deadline": s.Attempt.Deadline.UTC().Format("2006-01-02T15:04:05.000000Z")}
	}
	drift := []any{}
	for i, d := range s.Drift {
		if i == maxDrift {
			break
		}
		one := map[string]any{"kind": string(d.Kind), "what": cut(d.What)}
		if d.Row != "" {
			one["row"] = d.Row
		}
		drift = append(drift, one)
	}
	fields["drift"] = drift
	truth := "False"
	if s.Decision.Phase == guard.PhaseConfirmed {
		truth = "True"
	}
	message := s.Decision.Reason
	if s.Decision.Fix != "" {
		message += ". " + s.Decision.Fix
	}
	fields["conditions"] = []any{map[string]any{
		"type": "Enforced", "status": truth, "reason": string(s.Decision.Phase), "message": cut(message), "lastTransitionTime": since.UTC().Format(time.RFC3339),
	}}
	return fields
}

// drops are those of one endpoint: refused at its interface, or at one that has no endpoint of its own where this one is for all others.
func drops(e node.Endpoint, s node.Status) []any {
	own := func(name string) bool {
		return slices.ContainsFunc(s.Endpoints, func(one node.Endpoint) bool { return one.Interface == name })
	}
	all := []any{}
	for _, d := range s.Drops {
		if d.Interface != e.Interface && (e.Interface != "*" || own(d.Interface)) {
			continue
		}
		one := map[string]any{
			"from": d.From.String(), "to": d.To.String(), "protocol": d.Protocol, "packets": d.Packets, "last": d.Last.UTC().Format(time.RFC3339), "by": cut(d.By), "fix": cut(d.Fix),
		}
		for field, text := range map[string]string{"who": d.Who, "hook": d.Hook, "interface": d.Interface, "row": d.Row} {
			if text != "" {
				one[field] = text
			}
		}
		if len(d.Policies) > 0 {
			one["policies"] = d.Policies
		}
		if d.Port != 0 {
			one["port"] = d.Port
		}
		all = append(all, one)
	}
	return all
}

// rows are the host's, to the minute: each of its endpoints has all of them.
func rows(s node.Status) []any {
	all := []any{}
	for _, r := range s.Rows {
		if len(all) == maxRows {
			break
		}
		if len(r.Row) > maxName || len(r.Matrix) > maxName {
			continue // an annotation that somebody wrote by hand: no matrix has such a row
		}
		one := map[string]any{"row": r.Row, "since": r.Since.UTC().Truncate(time.Minute).Format(time.RFC3339)}
		if r.Matrix != "" {
			one["matrix"] = r.Matrix
		}
		if !r.Last.IsZero() {
			one["last"] = r.Last.UTC().Truncate(time.Minute).Format(time.RFC3339)
		}
		all = append(all, one)
	}
	return all
}

func cut(text string) string {
	if len(text) > maxWhat {
		return text[:maxWhat-3] + "..."
	}
	return text
}

// event is something that happened to an endpoint.
type event struct{ kind, reason, message string }

// phaseEvent says that the phase changed.
func phaseEvent(s node.Status) event {
	kind := "Normal"
	if s.Decision.Phase == guard.PhaseReverted || s.Decision.Phase == guard.PhaseFailed {
		kind = "Warning"
	}
	return event{kind, string(s.Decision.Phase), s.Decision.Reason}
}

func (a *API) event(ctx context.Context, about *unstructured.Unstructured, s node.Status, e event) error {
	at := time.Now()
	now := at.UTC().Format(time.RFC3339)
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Event",
		"metadata": map[string]any{"name": fmt.Sprintf("%s.%x", about.GetName(), at.UnixNano()), "namespace": metav1.NamespaceDefault},
		"involvedObject": map[string]any{
			"apiVersion": about.GetAPIVersion(), "kind": about.GetKind(), "name": about.GetName(), "uid": string(about.GetUID()),
		},
		"reason": e.reason, "message": cut(e.message), "type": e.kind, "firstTimestamp": now, "lastTimestamp": now, "count": int64(1),
		"source":             map[string]any{"component": "ingot-node", "host": s.Node},
		"reportingComponent": "ingot.dev/node", "reportingInstance": s.Node,
	}}
	_, err := a.Client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "events"}).Namespace(metav1.NamespaceDefault).Create(ctx, object, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("write an event: %w", err)
	}
	return nil
}
