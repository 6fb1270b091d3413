package hostendpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	api "github.com/ingotmetal/ingot/api/projectcalico/v3"
	"github.com/ingotmetal/ingot/matrix"
)

const (
	// again is the pause between two rounds of dials to a host that does not answer.
	again = time.Second
	// workers is how many hosts are dialed at once: a policy of a whole site puts all its hosts on trial in the same second.
	workers      = 64
	fieldManager = "ingot-controller-dialback"
)

// Options are what a reconciler is built on.
type Options struct {
	// Live is a client without a cache.
	Live client.Client
	Dial Dialer
	// Matrix gives a matrix as it was compiled last; false: there is none of that name.
	Matrix func(name string) (matrix.Matrix, bool)
	Log    *slog.Logger
	// Now is time.Now when nil.
	Now func() time.Time
}

// Reconciler looks at one endpoint while something is on trial there.
type Reconciler struct {
	Options
	cached client.Client
	events events.EventRecorder
}

// Add builds a reconciler and hangs it into the manager.
func Add(mgr manager.Manager, o Options) error {
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Reconciler{Options: o, cached: mgr.GetClient(), events: mgr.GetEventRecorder("ingot-controller")}
	c, err := controller.New("hostendpoint", mgr, controller.Options{Reconciler: r, MaxConcurrentReconciles: workers})
	if err != nil {
		return fmt.Errorf("build the host endpoint controller: %w", err)
	}
	trials := predicate.TypedFuncs[*api.HostEndpoint]{
		DeleteFunc: func(event.TypedDeleteEvent[*api.HostEndpoint]) bool { return false },
		UpdateFunc: func(e event.TypedUpdateEvent[*api.HostEndpoint]) bool { return e.ObjectNew.Status.Trial != nil },
		CreateFunc: func(e event.TypedCreateEvent[*api.HostEndpoint]) bool { return e.Object.Status.Trial != nil },
	}
	if err := c.Watch(source.Kind(mgr.GetCache(), &api.HostEndpoint{}, &handler.TypedEnqueueRequestForObject[*api.HostEndpoint]{}, trials)); err != nil {
		return fmt.Errorf("watch HostEndpoints: %w", err)
	}
	return nil
}

// Reconcile makes one round of dials, if the endpoint asks for it.
func (r *Reconciler) Reconcile(ctx context.Context, q reconcile.Request) (reconcile.Result, error) {
	e := &api.HostEndpoint{}
	if err := r.cached.Get(ctx, q.NamespacedName, e); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if next, _ := decide(e.Status, nil, r.Now()); next != dial {
		return reconcile.Result{}, nil
	}
	all, err := r.ways(ctx, e)
	if err != nil {
		return reconcile.Result{}, err
	}
	if len(all) == 0 {
		r.events.Eventf(e, nil, corev1.EventTypeWarning, "NoManagementRow", "DialBack",
			"generation %d cannot be confirmed: no management row of the matrix ends at host %s: add one, from role controller", e.Status.Trial.Generation, e.Spec.Node)
		return reconcile.Result{}, nil
	}
	done, over, err := r.round(ctx, e, all)
	if err != nil {
		r.Log.Info("host not reached", "node", e.Spec.Node, "endpoint", e.Name, "generation", e.Status.Trial.Generation, "err", err)
		return reconcile.Result{RequeueAfter: again}, nil
	}
	return r.conclude(ctx, e, done, over)
}

// ways gathers what a host is reached by.
func (r *Reconciler) ways(ctx context.Context, e *api.HostEndpoint) ([]way, error) {
	var list api.HostEndpointList
	if err := r.cached.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list the HostEndpoints of host %s: %w", e.Spec.Node, err)
	}
	var endpoints []*api.HostEndpoint
	for i := range list.Items {
		if list.Items[i].Spec.Node == e.Spec.Node {
			endpoints = append(endpoints, &list.Items[i])
		}
	}
	name := e.Labels[api.MatrixLabel]
	if name == "" {
		return ways(nil, e.Spec.Node, endpoints), nil
	}
	m, ok := r.Matrix(name)
	if !ok {
		return nil, fmt.Errorf("confirm %s: matrix %s is not compiled yet", e.Name, name)
	}
	return ways(&m, e.Spec.Node, endpoints), nil
}

// round dials each way once, until one answers.
func (r *Reconciler) round(ctx context.Context, e *api.HostEndpoint, all []way) (attempt, way, error) {
	trial := e.Status.Trial
	ctx, cancel := context.WithDeadline(ctx, trial.Deadline.Time)
	defer cancel()
	var problems []error
	for _, w := range all {
		a := attempt{generation: trial.Generation, deadline: trial.Deadline.Time, began: r.Now()}
		err := knock(ctx, r.Dial, w)
		if err == nil {
			a.reached = r.Now()
			return a, w, nil
		}
		problems = append(problems, err)
	}
	return attempt{}, way{}, errors.Join(problems...)
}

// conclude reads the endpoint anew and confirms what was reached through, if that is still on trial.
func (r *Reconciler) conclude(ctx context.Context, seen *api.HostEndpoint, done attempt, over way) (reconcile.Result, error) {
	e := &api.HostEndpoint{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(seen), e); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	next, why := decide(e.Status, &done, r.Now())
	switch {
	case next == leave:
		r.Log.Info("trial not confirmed", "node", e.Spec.Node, "endpoint", e.Name, "generation", done.generation, "reason", why)
		return reconcile.Result{}, nil
	case next == dial || e.UID != seen.UID:
		return reconcile.Result{RequeueAfter: again}, nil
	}
	patch, err := json.Marshal([]map[string]any{
		{"op": "test", "path": "/metadata/uid", "value": e.UID},
		{"op": "test", "path": "/metadata/resourceVersion", "value": e.ResourceVersion},
		{"op": "add", "path": "/status/confirmed", "value": done.generation},
	})
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("encode the confirmation of %s: %w", e.Name, err)
	}
	err = r.Live.Status().Patch(ctx, e, client.RawPatch(types.JSONPatchType, patch), client.FieldOwner(fieldManager))
	switch {
	case apierrors.IsConflict(err) || apierrors.IsInvalid(err):
		// Somebody wrote in between: it may not be on trial any more.
		return reconcile.Result{RequeueAfter: again / 10}, nil
	case err != nil:
		return reconcile.Result{}, fmt.Errorf("confirm generation %d of %s: %w", done.generation, e.Name, client.IgnoreNotFound(err))
	}
	r.Log.Info("trial confirmed", "node", e.Spec.Node, "endpoint", e.Name, "generation", done.generation, "row", over.row, "address", over.address.String())
	r.events.Eventf(e, nil, corev1.EventTypeNormal, "DialedBack", "DialBack", "generation %d is confirmed: %s answered a new connection, by row %s", done.generation, over.address, over.row)
	return reconcile.Result{}, nil
}
