// Package calico is the controller that reads every Calico object in the API as a host would.
//
// It owns one report: an object that the schemas let through and that no host can give a meaning to (a selector with a mistake in it, a range of ports that is upside
// down, a tier that is not there) gets an event with the field and the reason, and is counted in a metric. Hosts refuse such a set of objects as a whole and keep what
// ruled before; whoever wrote the object should not have to look at a host to learn why. It refuses to change anything.
//
// Invariant: what firewall/calico.Decode says of an object is what is reported, in its words.
package calico

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
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
	"github.com/ingotmetal/ingot/firewall/calico"
)

// maxNote is what an event's note may have (events.k8s.io: 1 KiB).
const maxNote = 1000

// kinds are what hosts read.
func kinds() map[string]func() client.Object {
	return map[string]func() client.Object{
		"HostEndpoint":              func() client.Object { return &api.HostEndpoint{} },
		"GlobalNetworkPolicy":       func() client.Object { return &api.GlobalNetworkPolicy{} },
		"NetworkPolicy":             func() client.Object { return &api.NetworkPolicy{} },
		"StagedGlobalNetworkPolicy": func() client.Object { return &api.StagedGlobalNetworkPolicy{} },
		"StagedNetworkPolicy":       func() client.Object { return &api.StagedNetworkPolicy{} },
		"GlobalNetworkSet":          func() client.Object { return &api.GlobalNetworkSet{} },
		"NetworkSet":                func() client.Object { return &api.NetworkSet{} },
		"Tier":                      func() client.Object { return &api.Tier{} },
		"Profile":                   func() client.Object { return &api.Profile{} },
	}
}

// Refusals are the objects that no host can give a meaning to. They may be used by several goroutines.
type Refusals struct {
	gauge *prometheus.GaugeVec
	mu    sync.Mutex
	// byKind holds "namespace/name" of each.
	byKind map[string]map[string]bool
}

func (r *Refusals) set(kind, name string, refused bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byKind[kind] == nil {
		r.byKind[kind] = map[string]bool{}
	}
	if refused {
		r.byKind[kind][name] = true
	} else {
		delete(r.byKind[kind], name)
	}
	r.gauge.WithLabelValues(kind).Set(float64(len(r.byKind[kind])))
}

type reconciler struct {
	kind     string
	make     func() client.Object
	cached   client.Client
	events   events.EventRecorder
	refusals *Refusals
	log      *slog.Logger
}

// Add builds a reconciler for each kind and hangs them into the manager.
func Add(mgr manager.Manager, metrics prometheus.Registerer, log *slog.Logger) error {
	refusals := &Refusals{byKind: map[string]map[string]bool{}, gauge: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "ingot_calico_objects_refused", Help: "Calico objects in the API that hosts refuse, because they have no meaning.",
	}, []string{"kind"})}
	if err := metrics.Register(refusals.gauge); err != nil {
		return fmt.Errorf("register the metric of refused objects: %w", err)
	}
	// A status, of which a thousand hosts write one every minute, says nothing about the spec.
	written := predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool { return e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() }}
	for kind, empty := range kinds() {
		r := &reconciler{kind: kind, make: empty, cached: mgr.GetClient(), events: mgr.GetEventRecorder("ingot-controller"), refusals: refusals, log: log}
		c, err := controller.New("calico-"+kind, mgr, controller.Options{Reconciler: r})
		if err != nil {
			return fmt.Errorf("build the controller of %ss: %w", kind, err)
		}
		if err := c.Watch(source.Kind(mgr.GetCache(), empty(), &handler.EnqueueRequestForObject{}, predicate.Predicate(written))); err != nil {
			return fmt.Errorf("watch %ss: %w", kind, err)
		}
	}
	return nil
}

// Reconcile reads one object as a host would.
func (r *reconciler) Reconcile(ctx context.Context, q reconcile.Request) (reconcile.Result, error) {
	obj := r.make()
	if err := r.cached.Get(ctx, q.NamespacedName, obj); err != nil {
		if client.IgnoreNotFound(err) == nil {
			r.refusals.set(r.kind, q.String(), false)
		}
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	obj.GetObjectKind().SetGroupVersionKind(api.GroupVersion.WithKind(r.kind))
	text, err := json.Marshal(obj)
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("encode %s %s: %w", r.kind, q, err)
	}
	_, err = calico.Decode(text)
	r.refusals.set(r.kind, q.String(), err != nil)
	if err == nil {
		return reconcile.Result{}, nil
	}
	var problems calico.Problems
	if !errors.As(err, &problems) {
		return reconcile.Result{}, fmt.Errorf("read %s %s: %w", r.kind, q, err)
	}
	r.log.Warn("object refused", "kind", r.kind, "object", q.String(), "err", err)
	for _, p := range problems {
		note := p.Path + ": " + p.Reason
		r.events.Eventf(obj, nil, corev1.EventTypeWarning, "Refused", "Decode", "%s", note[:min(len(note), maxNote)])
	}
	return reconcile.Result{}, nil
}
