package host

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/host/access"
	"github.com/ingotmetal/ingot/internal/controller/host/agentbook"
	"github.com/ingotmetal/ingot/internal/controller/host/bootwindow"
	"github.com/ingotmetal/ingot/internal/controller/host/components"
	"github.com/ingotmetal/ingot/internal/controller/host/dataimage"
	"github.com/ingotmetal/ingot/internal/controller/host/firmware"
	"github.com/ingotmetal/ingot/internal/controller/host/hardware"
	"github.com/ingotmetal/ingot/internal/controller/host/login"
	"github.com/ingotmetal/ingot/internal/controller/host/vitals"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/lifecycle"
	"github.com/ingotmetal/ingot/run"
	"github.com/ingotmetal/ingot/tracing"
)

// Config is what a reconciler is told at its start.
type Config struct {
	// Partition is the site whose hosts are served.
	Partition string
	// AgentEndpoint and MediaEndpoint are base URLs without a trailing slash; an empty MediaEndpoint: no virtual media here. CABundle is the PEM that agents pin.
	AgentEndpoint, MediaEndpoint string
	CABundle                     []byte
	// HTTPBootEndpoint is the base URL of UEFI HTTP boot without a trailing slash; empty: none here. HTTPBootCA is the PEM of what firmware must trust for it; empty: it does already.
	HTTPBootEndpoint string
	HTTPBootCA       []byte
	// BMCCAPEM verifies the BMCs' certificates; empty: the system's roots.
	BMCCAPEM []byte
	// FirstBootKey makes the one-time tokens of first-boot reports; see firstboot.go.
	FirstBootKey secret.String
	// BootDeadline is how long a machine may take from power-on to its agent's first word; 0: what decisions think right.
	BootDeadline time.Duration
	// BMCTimeout bounds one action on a BMC; BMCActions is how many run at once.
	BMCTimeout time.Duration
	BMCActions int
	// ProgressEvery is how often a step's progress has a host looked at, at most; more seldom where many agents work at once (pace).
	ProgressEvery time.Duration
}

// Clients are the ways to the objects.
type Clients struct {
	// Cached reads from watches and sees its own writes. Index reads from watches without waiting for own writes. Live asks the API server.
	Cached client.Client
	Index  client.Reader
	Live   client.Client
}

// Reconciler brings hosts forward, one look at a time.
type Reconciler struct {
	config       Config
	cached, live client.Client
	index        client.Reader
	logins       *login.Keeper
	windows      *bootwindow.Keeper
	dataImages   *dataimage.Keeper
	firmware     *firmware.Keeper
	components   *components.Keeper
	hardware     *hardware.Keeper
	vitals       *vitals.Reader
	streams      Streams
	agents       *agentbook.Book
	access       *access.Book
	memories     *memories
	machines     *machines
	hands        *hands
	queue        *queue
	events       events.EventRecorder
	traces       Traces
	metrics      *metrics
	decide       func(journey.Facts, time.Time) journey.Decision
	now          func() time.Time
	log          *slog.Logger
}

// passesAtOnce bounds the looks of one turn: a host takes its small steps together, and a decision that would go round forever gives way to others.
const passesAtOnce = 12

// The pauses between turns.
const (
	// afterConflict lets the watch bring what we did not know yet.
	afterConflict = 50 * time.Millisecond
	// afterMany slows a host that is never content, which is a defect of the decisions.
	afterMany = time.Second
	// longest is when every host is looked at again, whatever its decision said: agents' words and secrets change without a watch.
	longest = 10 * time.Minute
)

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	for range passesAtOnce {
		after, err := r.pass(ctx, req.NamespacedName)
		switch {
		case apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err):
			r.metrics.conflict()
			r.log.Debug("object changed meanwhile", "machine", req.String(), "err", err)
			return reconcile.Result{RequeueAfter: afterConflict}, nil
		case err != nil:
			return reconcile.Result{}, err
		case after > 0:
			return reconcile.Result{RequeueAfter: after}, nil
		case after == untilWoken:
			return reconcile.Result{}, nil
		}
	}
	r.log.Warn("host takes many steps at once", "machine", req.String())
	return reconcile.Result{RequeueAfter: afterMany}, nil
}

// untilWoken says that something under way will wake the host.
const untilWoken time.Duration = -1

// pass is one look: facts, decision, writes, one action. It says when to look again; 0 is at once.
func (r *Reconciler) pass(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	now := r.now()
	v, err := r.gather(ctx, key, now)
	if v == nil || err != nil {
		return untilWoken, err
	}
	if v.busy {
		return untilWoken, nil
	}
	if err := r.firmware.Judge(ctx, v.settings, v.facts.Firmware, run.Waits(v.host, v.facts.Policy.Settings, "spec.firmwareSettings")); err != nil {
		return untilWoken, err
	}
	d, told := lifecycle.Fold(r.checked, v.facts, now)
	r.prepareFirstBoot(v, &d)
	changed, err := r.write(ctx, v, &d, now)
	if err != nil {
		return untilWoken, err
	}
	if changed {
		for _, earlier := range told {
			r.publish(v.host, &earlier)
		}
	}
	if err := r.dataImages.Sync(ctx, v.dataImage, d.Host, &d.Record, v.facts.Result, now); err != nil {
		return untilWoken, err
	}
	if err := r.components.Sync(ctx, v.components, &d.Record, run.Waits(d.Host, v.facts.Policy.Updates, "spec.firmwareUpdates"), now); err != nil {
		return untilWoken, err
	}
	r.afterWrite(v, &d, changed)
	if err := r.listen(ctx, v, &d, now); err != nil {
		return untilWoken, err
	}
	v.facts.Record = d.Record
	started := false
	if d.Action != nil {
		if started, err = r.act(ctx, v, d.Action, now); err != nil {
			return untilWoken, fmt.Errorf("%s: %w", d.Action.Name(), err)
		}
	}
	if started {
		return untilWoken, nil
	}
	if d.RemoveFinalizer && r.succeeded(v, d.Action) {
		return untilWoken, r.removeFinalizer(ctx, v.host)
	}
	return r.next(v, &d, now), nil
}

// checked decides, and refuses a decision that breaks what always holds. A defect in the decisions then costs a host its progress, never a disk its data.
func (r *Reconciler) checked(f journey.Facts, now time.Time) journey.Decision {
	d := r.decide(f, now)
	broken := journey.Check(f, d)
	if len(broken) == 0 {
		return d
	}
	for _, v := range broken {
		r.metrics.refused(v.Invariant)
	}
	refusal := journey.Refuse(f, d, broken, now)
	r.log.Error("decision refused", "machine", keyOf(f.Host).String(), "stage", string(f.Host.Status.Provisioning.State), "err", refusal.Outcome.Message)
	return refusal
}

// afterWrite is what follows from objects that were written: the result was used, agents of other boots and steps are let go, the event is published.
func (r *Reconciler) afterWrite(v *view, d *journey.Decision, changed bool) {
	used := v.facts.Result
	r.memories.with(keyOf(v.host), v.host.UID, func(m *memory) {
		if m.result == used {
			m.result = nil
		}
	})
	was, is := v.facts.Record.Boot, d.Record.Boot
	if was != nil && (is == nil || is.ID != was.ID) {
		r.agents.End(was.ID, r.now())
	}
	if is != nil {
		wanted := ""
		if d.Record.Step != nil {
			wanted = d.Record.Step.ID
		}
		r.agents.Withdraw(is.ID, wanted)
	}
	if changed {
		r.trace(d.Host, &v.facts.Record, &d.Record)
		r.publish(v.host, d)
		r.metrics.metal3.Decided(v.host, v.facts.Record.Outcome.Reason, d)
	}
	if was, is := v.host.Status.Provisioning.State, d.Host.Status.Provisioning.State; was != is {
		r.metrics.moved(was, is)
		r.log.Info("host moved on", "machine", keyOf(v.host).String(), "stage", string(is), "before", string(was))
	}
}

// trace sends the spans of what ended with a write that was done. They are sent once, and lost with a process that dies in between.
func (r *Reconciler) trace(host *metal3.BareMetalHost, was, is *ingot.HostLifecycleStatus) {
	if r.traces == nil {
		return
	}
	if spans := tracing.Ended(host, was, is); len(spans) > 0 {
		r.traces.Export(spans)
	}
}

// publish makes the Kubernetes event of a decision that has one.
func (r *Reconciler) publish(host *metal3.BareMetalHost, d *journey.Decision) {
	if d.Event == "" {
		return
	}
	kind, note := corev1.EventTypeNormal, d.Outcome.Message
	if d.Outcome.Kind == journey.Blocked || d.Host.Status.ErrorType != "" {
		kind = corev1.EventTypeWarning
	}
	if note == "" {
		note = d.Event
	}
	action := string(d.Host.Status.Provisioning.State)
	if action == "" {
		action = "reconcile"
	}
	r.events.Eventf(host, nil, kind, d.Event, action, "%s", clipped(note))
}

// clipped is a note as long as an event can hold.
func clipped(note string) string {
	const longest = 1000
	return note[:min(len(note), longest)]
}

// succeeded: the action ended well, or there was none.
func (r *Reconciler) succeeded(v *view, a journey.Action) bool {
	if a == nil {
		return true
	}
	m := r.memories.snapshot(keyOf(v.host), v.host.UID)
	return m.result != nil && m.result.Failure == nil
}

// next is when to look again. The BMC's Secret is not watched, so a host that waits for a better one is looked at often.
func (r *Reconciler) next(v *view, d *journey.Decision, now time.Time) time.Duration {
	_, handed := d.Action.(journey.RunStep)
	if d.Outcome.NextAttempt.IsZero() && !handed {
		if d.Outcome.Kind == journey.Wait || d.Outcome.Kind == journey.Act {
			return 0
		}
		return longest
	}
	after := longest
	if !d.Outcome.NextAttempt.IsZero() {
		after = min(longest, d.Outcome.NextAttempt.Sub(now))
	}
	if doubtful(v.facts.Credentials, d.Record.Failure) && d.Host.DeletionTimestamp.IsZero() {
		after = min(after, missingSecretRetry)
	}
	if v.facts.Credentials.Forbidden && r.access.Fresh(v.host.Namespace, now) {
		after = min(after, access.Retry)
	}
	if !v.wordsDue.IsZero() {
		after = min(after, v.wordsDue.Sub(now))
	}
	return max(after, time.Millisecond)
}

// doubtful: the credentials are named, and either unusable or just refused.
func doubtful(c journey.Credentials, f *ingot.FailureStatus) bool {
	return c.Named && (!c.Complete || (f != nil && f.Kind == failureDenied))
}
