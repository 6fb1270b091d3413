package matrix

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	api "github.com/ingotmetal/ingot/api/projectcalico/v3"
	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// Options are what a reconciler is built on.
type Options struct {
	// Live is a client without a cache.
	Live client.Client
	Log  *slog.Logger
	// Settle is how long a matrix's objects must have been left alone before they are compiled; 0: a second. A matrix of several parts is not written in one go, and
	// half of it would close what the other half opens.
	Settle time.Duration
}

const (
	firstBackOff = 50 * time.Millisecond
	lastBackOff  = 30 * time.Second
	// gather is how long events of many objects are gathered before a matrix is looked at: applying a thousand policies, or a thousand hosts' reports, is one look or two.
	gather = 200 * time.Millisecond
)

// Scheme has the kinds that this controller reads and writes.
func Scheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, ingot.AddToScheme, api.AddToScheme} {
		if err := add(s); err != nil {
			return nil, fmt.Errorf("register kinds: %w", err)
		}
	}
	return s, nil
}

// Add builds a reconciler and hangs it into the manager, whose scheme has Scheme's kinds.
func Add(mgr manager.Manager, o Options) (*Reconciler, error) {
	if o.Settle == 0 {
		o.Settle = time.Second
	}
	r := &Reconciler{
		settle: o.Settle, moved: map[string]movement{},
		cached: mgr.GetClient(), live: o.Live, events: mgr.GetEventRecorder("ingot-controller"), log: o.Log,
		last: map[string]*compilation{}, good: map[string]*compilation{},
	}
	c, err := controller.New("matrix", mgr, controller.Options{
		Reconciler:  r,
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstBackOff, lastBackOff),
	})
	if err != nil {
		return nil, fmt.Errorf("build the matrix controller: %w", err)
	}
	if err := c.Watch(source.Kind(mgr.GetCache(), client.Object(&ingot.CommunicationMatrix{}), r.matrices())); err != nil {
		return nil, fmt.Errorf("watch CommunicationMatrices: %w", err)
	}
	for _, k := range kinds() {
		if err := c.Watch(source.Kind(mgr.GetCache(), k.make(), r.made())); err != nil {
			return nil, fmt.Errorf("watch %ss: %w", k.name, err)
		}
	}
	return r, nil
}

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

func request(name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: name}}
}

// matrices asks for a matrix, and for the one that it is, or was, a part of; where a matrix comes or goes, for its parts too, which say whether it is there.
func (r *Reconciler) matrices() handler.Funcs {
	look := func(q queue, objects ...client.Object) {
		for _, obj := range objects {
			m := obj.(*ingot.CommunicationMatrix)
			q.AddAfter(request(m.Name), gather)
			if m.Spec.Extends != "" {
				q.AddAfter(request(string(m.Spec.Extends)), gather)
			}
		}
	}
	parts := func(ctx context.Context, q queue, obj client.Object) {
		m := obj.(*ingot.CommunicationMatrix)
		all, err := r.partsOf(ctx, m)
		if err != nil {
			r.log.Warn("parts of a matrix not found", "matrix", m.Name, "err", err)
			return
		}
		for _, p := range all {
			q.AddAfter(request(p.Name), gather)
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			look(q, e.Object)
			if !e.IsInInitialList { // then each of them has an event of its own
				parts(ctx, q, e.Object)
			}
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) {
			look(q, e.Object)
			parts(ctx, q, e.Object)
		},
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			if e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() || !maps.Equal(e.ObjectOld.GetAnnotations(), e.ObjectNew.GetAnnotations()) {
				look(q, e.ObjectOld, e.ObjectNew)
			}
		},
	}
}

// made asks for the matrix that an object was made from. An object that is as it has to be wakes nobody, unless its host said something about its rules.
func (r *Reconciler) made() handler.Funcs {
	look := func(q queue, objects ...client.Object) {
		for _, obj := range objects {
			if name := belongsTo(obj); name != "" {
				q.AddAfter(request(name), gather)
			}
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) {
			look(q, e.Object)
			if belongsTo(e.Object) == "" {
				r.inTheWay(q, e.Object)
			}
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) {
			r.accepted.forget(e.Object.GetUID())
			look(q, e.Object)
			r.inTheWay(q, e.Object)
		},
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			before, after := e.ObjectOld, e.ObjectNew
			if before.GetGeneration() != after.GetGeneration() || !maps.Equal(before.GetLabels(), after.GetLabels()) ||
				!maps.Equal(before.GetAnnotations(), after.GetAnnotations()) || len(before.GetOwnerReferences()) != len(after.GetOwnerReferences()) || newsOf(before, after) {
				look(q, before, after)
			}
		},
	}
}

// inTheWay asks for the matrices that want an object of this name: it is theirs to make again, or it has ceased to be a conflict.
func (r *Reconciler) inTheWay(q queue, obj client.Object) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, c := range r.good {
		for _, k := range kinds() {
			if c.objects[key{k.name, obj.GetName()}] != nil {
				q.AddAfter(request(name), gather)
			}
		}
	}
}

// newsOf says whether a host reported something that the matrix's status speaks of. Counters move all the time, and wake nobody.
func newsOf(before, after client.Object) bool {
	b, ok := before.(*api.HostEndpoint)
	a, ok2 := after.(*api.HostEndpoint)
	if !ok || !ok2 {
		return false
	}
	return b.Status.Phase != a.Status.Phase || b.Status.Generation != a.Status.Generation || b.Status.Revision != a.Status.Revision
}
