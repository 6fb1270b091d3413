package web

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	hostcli "github.com/ingotmetal/ingot/internal/cli/host"
)

// idle is how long watches outlive the last page that used them: somebody who goes from page to page does not list everything anew.
const idle = time.Minute

// right is one that is asked for.
type right struct{ verb, group, resource string }

// view is what the API server tells one person of one namespace, or of all: watches, begun by the first page that reads a kind, and shared by all of that person's pages.
type view struct {
	who       *person
	namespace string
	cache     cache.Cache
	cancel    context.CancelFunc

	mu    sync.Mutex
	users int
	since time.Time // of no users
	// rights are what the API server said. They are forgotten where a watch is refused; one that is given later is seen by the next view.
	rights map[right]bool
	// hooked are the kinds whose changes wake pages.
	hooked map[schema.GroupVersionKind]bool
	// waiting are the pages.
	waiting map[*reader]struct{}

	// paces are of all hosts: a host's page is made anew with each change of any.
	paces hostcli.Paces
}

// view gives the person's view of a namespace; release must be called.
func (p *person) view(namespace string) (v *view, release func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v = p.views[namespace]
	if v == nil {
		v = &view{who: p, namespace: namespace, rights: map[right]bool{}, hooked: map[schema.GroupVersionKind]bool{}, waiting: map[*reader]struct{}{}}
		o := cache.Options{
			HTTPClient: p.http, Scheme: p.server.scheme, Mapper: p.server.o.Mapper,
			// Nobody changes what is read: pages are made of it and thrown away.
			DefaultUnsafeDisableDeepCopy: new(true),
			DefaultTransform:             cache.TransformStripManagedFields(),
			DefaultWatchErrorHandler:     v.broken,
		}
		if namespace != "" {
			o.DefaultNamespaces = map[string]cache.Config{namespace: {}}
		}
		if v.cache, err = cache.New(p.config, o); err != nil {
			return nil, nil, fmt.Errorf("watch the API server: %w", err)
		}
		var ctx context.Context
		ctx, v.cancel = context.WithCancel(p.ctx)
		go func() { _ = v.cache.Start(ctx) }() // it ends with its context, and with nothing else
		p.views[namespace] = v
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.users++
	return v, sync.OnceFunc(func() { p.release(v) }), nil
}

// release ends a view a while after its last page.
func (p *person) release(v *view) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.users--; v.users > 0 {
		return
	}
	v.since = time.Now()
	time.AfterFunc(idle, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.users == 0 && time.Since(v.since) >= idle && p.views[v.namespace] == v {
			v.cancel()
			delete(p.views, v.namespace)
		}
	})
}

// broken is told of each watch that failed; it is begun again by itself, unless the person is nobody any more.
func (v *view) broken(_ context.Context, _ *toolscache.Reflector, err error) {
	if apierrors.IsUnauthorized(err) {
		v.who.cancel()
		return
	}
	if apierrors.IsForbidden(err) {
		// What the watch told before is no longer the person's to see.
		v.mu.Lock()
		clear(v.rights)
		for r := range v.waiting {
			r.stir()
		}
		v.mu.Unlock()
	}
	v.who.server.o.Log.Debug("watch for the web page broken; it is begun again", "who", v.who.name, "err", err)
}

// changed wakes the pages that read the kind.
func (v *view) changed(gvk schema.GroupVersionKind) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for r := range v.waiting {
		if r.read[gvk] {
			r.stir()
		}
	}
}

// right asks the API server once.
func (v *view) right(ctx context.Context, x right) (bool, error) {
	v.mu.Lock()
	may, asked := v.rights[x]
	v.mu.Unlock()
	if asked {
		return may, nil
	}
	may, err := v.who.may(ctx, x.verb, x.group, x.resource, v.namespace)
	if err != nil {
		return false, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rights[x] = may
	return may, nil
}

// watched says whether the kind may be watched, and watches it.
func (v *view) watched(ctx context.Context, gvk schema.GroupVersionKind, r *reader) (bool, error) {
	v.mu.Lock()
	hooked := v.hooked[gvk]
	r.read[gvk] = true
	v.mu.Unlock()
	mapping, err := v.who.server.o.Mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return false, fmt.Errorf("find the kind %s at the API server: %w", gvk.Kind, err)
	}
	may := true
	for _, verb := range []string{"list", "watch"} {
		one, err := v.right(ctx, right{verb, gvk.Group, mapping.Resource.Resource})
		if err != nil {
			return false, err
		}
		may = may && one
	}
	if !may || hooked {
		return may, nil
	}
	informer, err := v.cache.GetInformerForKind(ctx, gvk)
	if err != nil {
		return false, fmt.Errorf("watch the kind %s: %w", gvk.Kind, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.hooked[gvk] {
		return true, nil
	}
	v.hooked[gvk] = true
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { v.changed(gvk) }, UpdateFunc: func(any, any) { v.changed(gvk) }, DeleteFunc: func(any) { v.changed(gvk) },
	})
	if err != nil {
		return false, fmt.Errorf("watch the kind %s: %w", gvk.Kind, err)
	}
	return true, nil
}

// begin starts the watches of these kinds, all at once: a page that reads one kind after the other would wait for each first listing in turn. What goes wrong is told by the reading itself.
func (r *reader) begin(ctx context.Context, lists ...client.ObjectList) {
	var all sync.WaitGroup
	for _, list := range lists {
		gvk, err := apiutil.GVKForObject(list, r.view.who.server.scheme)
		if err != nil {
			continue
		}
		gvk.Kind = strings.TrimSuffix(gvk.Kind, "List")
		all.Go(func() { _, _ = r.view.watched(ctx, gvk, r) })
	}
	all.Wait()
}

// reader is one page's way to the objects: watched where the person may watch, asked for where not, so that the API server says what is refused.
type reader struct {
	client.Client
	view *view
	wake chan struct{}
	// read are the kinds that the page rests on; guarded by the view's lock.
	read map[schema.GroupVersionKind]bool
	// tail is the audit trail, where the page is of that.
	tail *tail
}

// stir wakes the page, once however often it is called before it looks.
func (r *reader) stir() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (v *view) reader() *reader {
	r := &reader{Client: v.who.live, view: v, wake: make(chan struct{}, 1), read: map[schema.GroupVersionKind]bool{}}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.waiting[r] = struct{}{}
	return r
}

func (r *reader) close() {
	if r.tail != nil {
		r.tail.close()
	}
	r.view.mu.Lock()
	defer r.view.mu.Unlock()
	delete(r.view.waiting, r)
}

// List reads from the watches. What a watch cannot tell, as events by their object, is asked for.
func (r *reader) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	gvk, err := apiutil.GVKForObject(list, r.view.who.server.scheme)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	gvk.Kind = strings.TrimSuffix(gvk.Kind, "List")
	o := (&client.ListOptions{}).ApplyOptions(opts)
	if gvk.Group == corev1.GroupName && gvk.Kind == "Event" || r.view.namespace != "" && o.Namespace != "" && o.Namespace != r.view.namespace {
		return r.Client.List(ctx, list, opts...)
	}
	may, err := r.view.watched(ctx, gvk, r)
	switch {
	case err != nil:
		return err
	case !may:
		if o.Namespace == "" && r.view.namespace != "" {
			opts = append(opts, client.InNamespace(r.view.namespace))
		}
		return r.Client.List(ctx, list, opts...)
	}
	return r.view.cache.List(ctx, list, opts...)
}

// Get reads from the watches.
func (r *reader) Get(ctx context.Context, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
	gvk, err := apiutil.GVKForObject(object, r.view.who.server.scheme)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	may, err := r.view.watched(ctx, gvk, r)
	switch {
	case err != nil:
		return err
	case !may || r.view.namespace != "" && key.Namespace != "" && key.Namespace != r.view.namespace:
		return r.Client.Get(ctx, key, object, opts...)
	}
	return r.view.cache.Get(ctx, key, object, opts...)
}

// everywhere reads all namespaces, also of a page that looks at one; then nothing is watched.
func (r *reader) everywhere() client.Client {
	if r.view.namespace == "" {
		return r
	}
	return r.Client
}

// may asks for a right in the view's namespace.
func (r *reader) may(ctx context.Context, verb, group, resource string) (bool, error) {
	return r.view.right(ctx, right{verb, group, resource})
}

// console is what the person may do at the serial consoles of a kind: "type", "look", or nothing.
func (r *reader) console(ctx context.Context, group, resource string) (string, error) {
	if r.view.who.server.o.DialConsole == nil {
		return "", nil
	}
	for _, x := range []struct{ verb, may string }{{"create", "type"}, {"get", "look"}} {
		if may, err := r.may(ctx, x.verb, group, resource+"/console"); may || err != nil {
			return x.may, err
		}
	}
	return "", nil
}
