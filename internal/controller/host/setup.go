package host

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/prometheus/client_golang/prometheus"

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
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/lifecycle"
	"github.com/ingotmetal/ingot/tracing"
)

// Traces takes spans. It does not hold its caller up.
type Traces interface{ Export(spans []tracing.Span) }

// Options are what a reconciler is built on. Nil fields have a default where one is named.
type Options struct {
	Config Config
	BMCs   BMCs
	// Streams hear of BMCs' events; nil: all is polled.
	Streams Streams
	// FirmwareImages fetches images of firmware that have a digest; nil: updates by such are refused.
	FirmwareImages components.Images
	// Traces takes the spans of what ended; nil: nobody wants them.
	Traces Traces
	// Live is a client without a cache.
	Live client.Client
	// Workers is how many hosts are looked at at once.
	Workers int
	Log     *slog.Logger
	// Decide is lifecycle.Decide when nil, Now time.Now, Metrics the manager's registry.
	Decide  func(journey.Facts, time.Time) journey.Decision
	Now     func() time.Time
	Metrics prometheus.Registerer
}

// The pauses after errors of the API server.
const (
	firstBackOff = 50 * time.Millisecond
	lastBackOff  = 30 * time.Second
)

// Add builds a reconciler and hangs it into the manager, whose scheme, cache and client are Scheme, Caches and CachedClient.
func Add(ctx context.Context, mgr manager.Manager, o Options) (*Reconciler, error) {
	if err := startWatches(ctx, mgr); err != nil {
		return nil, err
	}
	r, err := New(o, Surroundings{Cached: mgr.GetClient(), Index: mgr.GetCache(), Events: mgr.GetEventRecorder("ingot-partition")})
	if err != nil {
		return nil, err
	}
	if err := r.watch(mgr, o.Workers); err != nil {
		return nil, err
	}
	if err := mgr.Add(r.hands); err != nil {
		return nil, err
	}
	return r, mgr.Add(manager.RunnableFunc(r.tidy))
}

// Surroundings are what a manager gives a reconciler, and what a simulation stands in for.
type Surroundings struct {
	// Cached and Index read from watches: see Clients.
	Cached client.Client
	Index  client.Reader
	Events events.EventRecorder
	// Queue is nil where it comes with the watches.
	Queue Queue
}

// New makes a reconciler that nothing drives yet: its caller looks at hosts by Reconcile, and ends it by ending the context of Act.
func New(o Options, s Surroundings) (*Reconciler, error) {
	if o.Decide == nil {
		o.Decide = lifecycle.Decide
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Metrics == nil {
		o.Metrics = crmetrics.Registry
	}
	if o.Streams == nil {
		o.Streams = deaf{}
	}
	m, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, fmt.Errorf("register metrics of the host controller: %w", err)
	}
	return &Reconciler{
		config: o.Config, cached: s.Cached, live: o.Live, index: s.Index, logins: login.New(loginOptions(o, s)),
		windows: bootwindow.New(s.Cached, o.Live), dataImages: dataimage.New(s.Cached), firmware: firmware.New(s.Cached), components: components.New(s.Cached, o.FirmwareImages), hardware: hardware.New(s.Cached), vitals: vitals.New(), streams: o.Streams, agents: agentbook.New(), access: access.New(), memories: newMemories(), machines: newMachines(),
		hands: newHands(o.Config.BMCActions), queue: &queue{q: s.Queue}, events: s.Events, traces: o.Traces,
		metrics: m, decide: o.Decide, now: o.Now, log: o.Log,
	}, nil
}

// loginOptions are those of what logs in to BMCs.
func loginOptions(o Options, s Surroundings) login.Options {
	tell := func(host *metal3.BareMetalHost, warning bool, reason, note string) {
		kind := corev1.EventTypeNormal
		if warning {
			kind = corev1.EventTypeWarning
		}
		s.Events.Eventf(host, nil, kind, reason, "log in", "%s", clipped(note))
	}
	return login.Options{Live: o.Live, BMCs: o.BMCs, Partition: o.Config.Partition, Now: o.Now, Log: o.Log, Tell: tell}
}

// Act lets actions on BMCs run until ctx ends, and returns when the last one did. A manager calls it for a reconciler made by Add.
func (r *Reconciler) Act(ctx context.Context) error { return r.hands.Start(ctx) }

// watch starts a work queue on hosts. Our own writes to a host's status wake nobody: the loop that wrote them goes on by itself.
func (r *Reconciler) watch(mgr manager.Manager, workers int) error {
	c, err := controller.New("host", mgr, controller.Options{
		Reconciler:              r,
		MaxConcurrentReconciles: workers,
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstBackOff, lastBackOff),
	})
	if err != nil {
		return fmt.Errorf("build the host controller: %w", err)
	}
	hosts := source.Kind(mgr.GetCache(), &metal3.BareMetalHost{}, &handler.TypedEnqueueRequestForObject[*metal3.BareMetalHost]{}, Edited())
	if err := c.Watch(hosts); err != nil {
		return fmt.Errorf("watch BareMetalHosts: %w", err)
	}
	settings := source.Kind(mgr.GetCache(), &metal3.HostFirmwareSettings{}, &handler.TypedEnqueueRequestForObject[*metal3.HostFirmwareSettings]{}, asked())
	if err := c.Watch(settings); err != nil {
		return fmt.Errorf("watch HostFirmwareSettings: %w", err)
	}
	if err := components.Watch(c, mgr.GetCache()); err != nil {
		return err
	}
	// A DataImage has its host's name.
	if err := c.Watch(source.Kind(mgr.GetCache(), &metal3.DataImage{}, &handler.TypedEnqueueRequestForObject[*metal3.DataImage]{})); err != nil {
		return fmt.Errorf("watch DataImages: %w", err)
	}
	// So has a HardwareData, which matters when it goes.
	if err := c.Watch(source.Kind(mgr.GetCache(), &metal3.HardwareData{}, &handler.TypedEnqueueRequestForObject[*metal3.HardwareData]{}, hardware.Going())); err != nil {
		return fmt.Errorf("watch HardwareData: %w", err)
	}
	if err := r.access.Watch(c, mgr.GetCache(), r.memories.barred, r.now); err != nil {
		return err
	}
	if err := c.Watch(r.queue.source()); err != nil {
		return fmt.Errorf("take hold of the work queue: %w", err)
	}
	return nil
}

// Edited passes what somebody else did to a host: spec, metadata, deletion. resourceVersion and managedFields move with every write and say nothing.
func Edited() predicate.TypedPredicate[*metal3.BareMetalHost] {
	return predicate.TypedFuncs[*metal3.BareMetalHost]{
		UpdateFunc: func(e event.TypedUpdateEvent[*metal3.BareMetalHost]) bool {
			a, b := e.ObjectOld, e.ObjectNew
			return a.Generation != b.Generation || a.UID != b.UID || a.DeletionTimestamp.IsZero() != b.DeletionTimestamp.IsZero() ||
				!maps.Equal(a.Annotations, b.Annotations) || !maps.Equal(a.Labels, b.Labels) || !slices.Equal(a.Finalizers, b.Finalizers)
		},
	}
}

// asked passes what somebody asks of the firmware. What this role writes is in the status.
func asked() predicate.TypedPredicate[*metal3.HostFirmwareSettings] {
	return predicate.TypedFuncs[*metal3.HostFirmwareSettings]{
		CreateFunc: func(e event.TypedCreateEvent[*metal3.HostFirmwareSettings]) bool {
			return len(e.Object.Spec.Settings) > 0
		},
		UpdateFunc: func(e event.TypedUpdateEvent[*metal3.HostFirmwareSettings]) bool {
			return e.ObjectOld.Generation != e.ObjectNew.Generation || e.ObjectOld.UID != e.ObjectNew.UID
		},
	}
}

// The tidying of what nobody else would take away.
const (
	tidyEvery   = 5 * time.Minute
	forgetAfter = 6 * time.Hour
)

// tidy drops windows of hosts that vanished without their finalizer having been honoured, and agents that have not been heard for hours.
func (r *Reconciler) tidy(ctx context.Context) error {
	t := time.NewTicker(tidyEvery)
	defer t.Stop()
	for {
		if err := r.windows.Sweep(ctx, r.config.Partition, r.hostExists(ctx)); err != nil && ctx.Err() == nil {
			r.log.Warn("boot windows not swept", "err", err)
		}
		if err := r.firmware.Sweep(ctx, r.now()); err != nil && ctx.Err() == nil {
			r.log.Warn("firmware schemas not swept", "err", err)
		}
		if err := r.logins.Sweep(ctx, r.hostExists(ctx)); err != nil && ctx.Err() == nil {
			r.log.Warn("BMC accounts not swept", "err", err)
		}
		r.agents.Forget(r.now().Add(-forgetAfter))
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// hostExists asks the API server: a window must not be taken from a host that the cache does not know yet.
func (r *Reconciler) hostExists(ctx context.Context) func(ingot.HostReference) (bool, error) {
	return func(ref ingot.HostReference) (bool, error) {
		host := &metal3.BareMetalHost{}
		err := r.live.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, host)
		if client.IgnoreNotFound(err) != nil {
			return false, fmt.Errorf("look for host %s/%s: %w", ref.Namespace, ref.Name, err)
		}
		return err == nil && string(host.UID) == ref.UID, nil
	}
}
