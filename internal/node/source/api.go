package source

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"

	"github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
)

// API is the Kubernetes API: all of Calico's kinds that can be about a host, and communication matrices. It is watched; when it does not answer, that is said and nothing else.
type API struct {
	Client dynamic.Interface
	// Probe is how often the API is asked whether it is there.
	Probe time.Duration
	// Failsafes are those of the command line.
	Failsafes []firewall.Failsafe
}

// revisionAnnotation is the digest of what the controller made an endpoint's rules of.
const revisionAnnotation = "ingot.dev/revision"

// Dials implements Source: the controller does.
func (API) Dials() bool { return true }

func calicoResource(name string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "projectcalico.org", Version: "v3", Resource: name}
}

// Endpoints are the HostEndpoints, whose status a node writes.
func Endpoints() schema.GroupVersionResource { return calicoResource("hostendpoints") }

// watched are the kinds that are read. The profile and the policies of pods are part of what calico.Check holds together.
func watched() []schema.GroupVersionResource {
	var all []schema.GroupVersionResource
	for _, name := range []string{"hostendpoints", "globalnetworkpolicies", "globalnetworksets", "networksets", "tiers", "profiles"} {
		all = append(all, calicoResource(name))
	}
	return append(all, schema.GroupVersionResource{Group: v1alpha1.GroupVersion.Group, Version: v1alpha1.GroupVersion.Version, Resource: "communicationmatrices"})
}

// settle is how long changes are gathered: a controller writes many objects at once.
const settle = 200 * time.Millisecond

// Run implements Source.
func (a API) Run(ctx context.Context, deliver func(Update)) error {
	factory := dynamicinformer.NewDynamicSharedInformerFactory(a.Client, 0)
	changed := make(chan struct{}, 1)
	signal := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	var stores []cache.Store
	var synced []cache.InformerSynced
	for _, r := range watched() {
		informer := factory.ForResource(r).Informer()
		if err := informer.SetTransform(slim); err != nil {
			return fmt.Errorf("watch %s: %w", r.Resource, err)
		}
		handler, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { signal() }, UpdateFunc: func(any, any) { signal() }, DeleteFunc: func(any) { signal() },
		})
		if err != nil {
			return fmt.Errorf("watch %s: %w", r.Resource, err)
		}
		stores, synced = append(stores, informer.GetStore()), append(synced, handler.HasSynced)
	}
	factory.Start(ctx.Done())
	defer factory.Shutdown()
	return a.loop(ctx, changed, deliver, func() (Update, bool) {
		if slices.ContainsFunc(synced, func(s cache.InformerSynced) bool { return !s() }) {
			return Update{}, false
		}
		return a.read(stores), true
	})
}

// loop delivers after changes, and says when the API does not answer and when it does again.
func (a API) loop(ctx context.Context, changed <-chan struct{}, deliver func(Update), read func() (Update, bool)) error {
	probe := time.NewTimer(0)
	defer probe.Stop()
	lost := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
			gather := time.NewTimer(settle)
			select {
			case <-gather.C:
			case <-ctx.Done():
				gather.Stop()
				return nil
			}
			if u, ok := read(); ok {
				deliver(u)
			}
		case <-probe.C:
			err := a.answers(ctx)
			u, ok := read()
			switch {
			case ctx.Err() != nil:
				return nil
			case err != nil:
				lost = true
				deliver(Update{Err: fmt.Errorf("ask the API server: %w", err)})
			case lost && ok:
				lost = false
				deliver(u)
			}
			probe.Reset(a.Probe)
		}
	}
}

// answers asks for as little as there is.
func (a API) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.Probe+time.Second)
	defer cancel()
	_, err := a.Client.Resource(Endpoints()).List(ctx, metav1.ListOptions{Limit: 1})
	return err
}

// slim keeps of an object what is read of it, so that a host does not hold all managed fields of a site.
func slim(object any) (any, error) {
	u, ok := object.(*unstructured.Unstructured)
	if !ok {
		return object, nil
	}
	kept := map[string]any{}
	for _, field := range []string{"apiVersion", "kind", "spec"} {
		if v, ok := u.Object[field]; ok {
			kept[field] = v
		}
	}
	meta := map[string]any{}
	for _, field := range []string{"name", "namespace", "labels", "annotations", "resourceVersion", "uid"} {
		if v, ok, _ := unstructured.NestedFieldNoCopy(u.Object, "metadata", field); ok {
			meta[field] = v
		}
	}
	kept["metadata"] = meta
	if confirmed, ok, _ := unstructured.NestedInt64(u.Object, "status", "confirmed"); ok {
		kept["status"] = map[string]any{"confirmed": confirmed}
	}
	return &unstructured.Unstructured{Object: kept}, nil
}

// read makes policies of what is stored.
func (a API) read(stores []cache.Store) Update {
	var manifests [][]byte
	var parts []*v1alpha1.CommunicationMatrix
	confirmed, revisions := map[string]uint32{}, map[string]string{}
	for _, store := range stores {
		for _, object := range store.List() {
			u, ok := object.(*unstructured.Unstructured)
			if !ok {
				continue
			}
			if u.GroupVersionKind().Group == v1alpha1.GroupVersion.Group {
				m := &v1alpha1.CommunicationMatrix{}
				if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, m); err != nil {
					return Update{Err: fmt.Errorf("read CommunicationMatrix %s: %w", u.GetName(), err)}
				}
				parts = append(parts, m)
				continue
			}
			if u.GetKind() == "HostEndpoint" {
				g, _, _ := unstructured.NestedInt64(u.Object, "status", "confirmed")
				confirmed[u.GetName()] = uint32(g)
				revisions[u.GetName()] = u.GetAnnotations()[revisionAnnotation]
			}
			text, err := json.Marshal(manifest(u))
			if err != nil {
				return Update{Err: fmt.Errorf("read %s %s: %w", u.GetKind(), u.GetName(), err)}
			}
			manifests = append(manifests, text)
		}
	}
	slices.SortFunc(manifests, bytes.Compare) // stores have no order
	objects, err := calico.Decode(bytes.Join(manifests, []byte("\n---\n")))
	if err != nil {
		return Update{Err: fmt.Errorf("policies in the API: %w", err)}
	}
	matrices, err := Join(parts)
	if err != nil {
		return Update{Err: err}
	}
	p := &Policies{
		Objects: objects, Failsafes: slices.Clone(a.Failsafes), Matrices: matrices, Confirmed: confirmed, Revisions: revisions,
	}
	return Update{Policies: p}
}

// manifest is an object as a file would have it.
func manifest(u *unstructured.Unstructured) map[string]any {
	meta := map[string]any{}
	for _, field := range []string{"name", "namespace", "labels", "annotations"} {
		if v, ok, _ := unstructured.NestedFieldNoCopy(u.Object, "metadata", field); ok {
			meta[field] = v
		}
	}
	kept := map[string]any{"apiVersion": u.GetAPIVersion(), "kind": u.GetKind(), "metadata": meta}
	if spec, ok := u.Object["spec"]; ok {
		kept["spec"] = spec
	}
	return kept
}
