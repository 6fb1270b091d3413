package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
)

// write brings a decision into the objects in the order that journey.Decision fixes: record, host's metadata and spec, host's status. Only what differs is written.
//
// The record carries the resource version it was decided on, and this role is its only writer: a conflict there means that we decided on something old, and ends the pass. The
// host has many writers (people, Cluster API, GitOps), so nothing of it depends on its resource version: where somebody was quicker its status is a merge
// patch of our own fields, an annotation goes away only if it still has the value that we acted on, and so somebody who edits the host all the time cannot starve us, and loses nothing by us.
//
// Of a host that goes with this very pass nothing is written any more: record and status go with it, and a process that dies before comes here again.
func (r *Reconciler) write(ctx context.Context, v *view, d *journey.Decision, now time.Time) (changed bool, err error) {
	if goes(d) {
		return true, nil
	}
	recordChanged, err := r.writeRecord(ctx, v, d, now)
	if err != nil {
		return false, err
	}
	metaChanged, err := r.writeMeta(ctx, v.host, d.Host)
	if err != nil {
		return recordChanged, err
	}
	statusChanged, err := r.writeStatus(ctx, v.host, d, now, metaChanged)
	return recordChanged || metaChanged || statusChanged, err
}

// goes: all that is left of the host is to let go of it.
func goes(d *journey.Decision) bool {
	_, releases := d.Action.(journey.Release)
	return releases && d.RemoveFinalizer
}

// What only words cost: a record of which nothing else changed is written every wordsEvery at most, since what is said for a shorter time nobody reads, and more seldom where many agents
// work at once, so that all of them together have wordsInAll written a second. A thousand machines that are wiped at once would otherwise spend the API server's time on their percentages.
const (
	wordsEvery = time.Second
	wordsInAll = 20
)

// pace is the time between two writes, or looks, for the sake of one host's words.
func pace(least time.Duration, working int) time.Duration {
	return max(least, time.Duration(working)*time.Second/wordsInAll)
}

func (r *Reconciler) writeRecord(ctx context.Context, v *view, d *journey.Decision, now time.Time) (bool, error) {
	was, is := &v.lifecycle.Status, &d.Record
	if !worthWriting(was, is, d) {
		return false, nil
	}
	if onlyWords(was, is, d) {
		every := pace(wordsEvery, r.agents.Working())
		if since := now.Sub(r.memories.snapshot(keyOf(v.host), v.host.UID).wroteAt); since >= 0 && since < every {
			v.wordsDue = now.Add(every - since)
			return false, nil
		}
	}
	l := v.lifecycle.DeepCopy()
	l.Status = *is
	if err := r.cached.Status().Update(ctx, l); err != nil {
		return false, fmt.Errorf("write HostLifecycle: %w", err)
	}
	// The answer may hold no more than the metadata.
	l.Status = *is
	v.lifecycle = l
	r.memories.with(keyOf(v.host), v.host.UID, func(m *memory) { m.wroteAt = now })
	return true, nil
}

// onlyWords says whether a record differs in its outcome alone, and nothing is done that the outcome announces.
func onlyWords(was, is *ingot.HostLifecycleStatus, d *journey.Decision) bool {
	if d.Action != nil || d.Event != "" || d.Outcome.Kind != journey.Wait {
		return false
	}
	a := was.DeepCopy()
	a.Outcome = is.Outcome
	if a.Step != nil && is.Step != nil {
		a.Step.Progress = is.Step.Progress
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(is)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// worthWriting says whether the record must be written. Not when nothing changed but the time of the next routine look, which moves at every look at a host at rest; and not when
// only words changed that the next look, which follows at once, will replace.
func worthWriting(was, is *ingot.HostLifecycleStatus, d *journey.Decision) bool {
	a, b := was.DeepCopy(), is.DeepCopy()
	if a.Outcome.Kind == b.Outcome.Kind && a.Outcome.Reason == b.Outcome.Reason && b.Failure == nil {
		a.Outcome.NextAttempt, b.Outcome.NextAttempt = nil, nil
	}
	if passing(a.Outcome, d) && a.Stage == b.Stage {
		b.Outcome = a.Outcome
	}
	// Compared as they stand in the API: times in whole seconds, nothing where nothing is.
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX != nil || errY != nil || !bytes.Equal(x, y)
}

// passing says whether an outcome's words are gone in a moment: the objects change once more at once, the action takes no time, or a step that was handed out is now with the agent.
func passing(was ingot.OutcomeStatus, d *journey.Decision) bool {
	o := d.Outcome
	switch d.Action.(type) {
	case nil:
		return o.Kind == journey.Wait && (o.NextAttempt.IsZero() || o.Reason == journey.ReasonStepStarting && was.Reason == string(o.Reason))
	case journey.SaveHardware, journey.ReadPower:
		return true
	}
	return false
}

// writeMeta writes finalizers, labels, annotations and spec.
func (r *Reconciler) writeMeta(ctx context.Context, was, is *metal3.BareMetalHost) (bool, error) {
	ops := metaOperations(was, is)
	if !equality.Semantic.DeepEqual(was.Spec, is.Spec) {
		// Decisions change the spec once in a host's life (architecture, after inspection). The whole resource version guards it.
		ops = append(ops, operation{"test", "/metadata/resourceVersion", was.ResourceVersion}, operation{"replace", "/spec", is.Spec})
	}
	if len(ops) == 0 {
		return false, nil
	}
	return true, r.patchHost(ctx, was, ops)
}

func (r *Reconciler) patchHost(ctx context.Context, host *metal3.BareMetalHost, ops []operation) error {
	ops = append([]operation{{"test", "/metadata/uid", host.UID}}, ops...)
	body, err := json.Marshal(ops)
	if err != nil {
		return fmt.Errorf("encode patch of host: %w", err)
	}
	// The answer replaces the copy's content, which nobody uses.
	err = r.cached.Patch(ctx, host.DeepCopy(), client.RawPatch(types.JSONPatchType, body))
	if failedTest(err) {
		return apierrors.NewConflict(metal3.GroupVersion.WithResource("baremetalhosts").GroupResource(), host.Name, err)
	}
	if err != nil {
		return fmt.Errorf("write host's metadata: %w", err)
	}
	return nil
}

// failedTest says whether a JSON patch was refused by one of its tests, which is how a patch says conflict (RFC 6902, section 4.6). The API server answers 422 with general
// words, and puts the patch library's into the causes.
func failedTest(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	return slices.ContainsFunc(status.Status().Details.Causes, func(c metav1.StatusCause) bool { return strings.Contains(c.Message, "testing") })
}

// operation is one of RFC 6902.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// absent is what a "test" compares a missing member with.
var absent = json.RawMessage("null")

func metaOperations(was, is *metal3.BareMetalHost) []operation {
	var ops []operation
	ops = append(ops, mapOperations("/metadata/annotations", was.Annotations, is.Annotations)...)
	ops = append(ops, mapOperations("/metadata/labels", was.Labels, is.Labels)...)
	if !slices.Equal(was.Finalizers, is.Finalizers) {
		ops = append(ops, finalizerOperations(was.Finalizers, is.Finalizers)...)
	}
	return ops
}

// finalizerOperations replaces the list only if it is still the one that was seen.
func finalizerOperations(was, is []string) []operation {
	const path = "/metadata/finalizers"
	if len(was) == 0 {
		return []operation{{"test", path, absent}, {"add", path, is}}
	}
	return []operation{{"test", path, was}, {"replace", path, nonNil(is)}}
}

func nonNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// mapOperations changes single keys, each only if it still has the value that was seen.
func mapOperations(path string, was, is map[string]string) []operation {
	var ops []operation
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	if len(was) == 0 && len(is) > 0 {
		ops = append(ops, operation{"test", path, absent}, operation{"add", path, map[string]string{}})
	}
	for _, k := range slices.Sorted(maps.Keys(was)) {
		if _, kept := is[k]; !kept {
			ops = append(ops, operation{"test", path + "/" + escape.Replace(k), was[k]}, operation{Op: "remove", Path: path + "/" + escape.Replace(k)})
		}
	}
	for _, k := range slices.Sorted(maps.Keys(is)) {
		old, had := was[k]
		if had && old == is[k] {
			continue
		}
		if had {
			ops = append(ops, operation{"test", path + "/" + escape.Replace(k), old})
		}
		ops = append(ops, operation{"add", path + "/" + escape.Replace(k), is[k]})
	}
	return ops
}

// writeStatus patches the fields of the host's status that differ. lastUpdated moves with them and never alone.
//
// That a machine is off is not written when the action that follows at once turns it on.
//
// The whole status under the version that was seen costs the API server half of what a patch does, which it applies to the text of the object. So that is tried first, unless the version is
// known to be old (moved); somebody who edited the host meanwhile makes it a patch.
func (r *Reconciler) writeStatus(ctx context.Context, was *metal3.BareMetalHost, d *journey.Decision, now time.Time, moved bool) (bool, error) {
	is := d.Host
	a, b := was.Status.DeepCopy(), is.Status.DeepCopy()
	a.LastUpdated, b.LastUpdated = nil, nil
	switch d.Action.(type) {
	case journey.StartAgent, journey.BootDisk, journey.BootISO:
		b.PoweredOn = a.PoweredOn || b.PoweredOn
	}
	if equality.Semantic.DeepEqual(a, b) {
		return false, nil
	}
	at := metav1.NewTime(now.Truncate(time.Second))
	next := was.DeepCopy()
	next.Status = *is.Status.DeepCopy()
	next.Status.LastUpdated = &at
	if !moved {
		if err := r.cached.Status().Update(ctx, next.DeepCopy()); err == nil || !apierrors.IsConflict(err) {
			return err == nil, wrapStatus(err)
		}
	}
	patch, err := statusPatch(was, next)
	if err != nil {
		return false, err
	}
	err = r.cached.Status().Patch(ctx, next, patch)
	return err == nil, wrapStatus(err)
}

func wrapStatus(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("write host's status: %w", err)
}

// statusPatch is a merge patch of what differs. The first one of a host's life carries the whole status, since the schema requires fields whose empty value does not differ.
func statusPatch(was, next *metal3.BareMetalHost) (client.Patch, error) {
	if was.Status.LastUpdated != nil {
		return client.MergeFrom(was), nil
	}
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": was.UID}, "status": next.Status})
	if err != nil {
		return nil, fmt.Errorf("encode host's status: %w", err)
	}
	return client.RawPatch(types.MergePatchType, body), nil
}
