package seeded

import (
	"context"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/ingotmetal/ingot/test/sim/seeded/store"
)

// cache is what a process knows of the objects: all changes in order, each some time after it happened.
type cache struct {
	store *store.Store
	now   func() time.Time
	// lag is how late a change comes; changes never overtake each other.
	lag func(store.Change) time.Duration
	// seen is told each change as it comes, with what stood there before; nil for nothing.
	seen func(old client.Object, c store.Change)

	mu      sync.Mutex
	objects map[store.ID]client.Object
	pending []late
	// own is the version of the last write of this process, by object.
	own map[store.ID]int64
}

type late struct {
	store.Change
	due time.Time
}

// newCache starts with the objects as they stand.
func newCache(s *store.Store, now func() time.Time, lag func(store.Change) time.Duration, seen func(client.Object, store.Change)) *cache {
	c := &cache{store: s, now: now, lag: lag, seen: seen, objects: map[store.ID]client.Object{}, own: map[store.ID]int64{}}
	s.Each(func(id store.ID, o client.Object) { c.objects[id] = o })
	return c
}

// changed takes a change on its way.
func (c *cache) changed(change store.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	due := c.now().Add(c.lag(change))
	if n := len(c.pending); n > 0 && c.pending[n-1].due.After(due) {
		due = c.pending[n-1].due
	}
	c.pending = append(c.pending, late{change, due})
}

// arrive brings in what is due, and everything up to the given version. It is called with the lock held and gives what was brought in.
func (c *cache) arrive(version int64) []arrived {
	var out []arrived
	now := c.now()
	for len(c.pending) > 0 && (c.pending[0].Version <= version || !c.pending[0].due.After(now)) {
		change := c.pending[0].Change
		c.pending = c.pending[1:]
		out = append(out, arrived{c.objects[change.ID], change})
		if change.Deleted {
			delete(c.objects, change.ID)
		} else {
			c.objects[change.ID] = change.Object
		}
	}
	return out
}

type arrived struct {
	old    client.Object
	change store.Change
}

// catchUp brings in what is due and tells of it. It returns when the next change is due, false for never.
func (c *cache) catchUp(version int64) (time.Time, bool) {
	c.mu.Lock()
	news := c.arrive(version)
	var due time.Time
	more := len(c.pending) > 0
	if more {
		due = c.pending[0].due
	}
	c.mu.Unlock()
	for _, n := range news {
		c.seen(n.old, n.change)
	}
	return due, more
}

// wrote notes this process's own write.
func (c *cache) wrote(id store.ID, version int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.own[id] = max(c.own[id], version)
}

// reader reads from the cache; with own it waits for the process's own writes first, as the manager's client does.
type reader struct {
	*cache
	waits bool
}

// Get implements client.Reader.
func (r reader) Get(_ context.Context, key client.ObjectKey, out client.Object, _ ...client.GetOption) error {
	kind, err := r.kind(out)
	if err != nil {
		return err
	}
	id := store.ID{Kind: kind, Key: key}
	r.catchUp(r.ownVersion(id))
	r.mu.Lock()
	o := r.objects[id]
	r.mu.Unlock()
	if o == nil {
		plural, _ := meta.UnsafeGuessKindToResource(kind)
		return apierrors.NewNotFound(plural.GroupResource(), key.Name)
	}
	return store.Copy(out, o)
}

// List implements client.Reader.
func (r reader) List(_ context.Context, out client.ObjectList, options ...client.ListOption) error {
	var newest int64
	if r.waits {
		r.mu.Lock()
		for _, v := range r.own {
			newest = max(newest, v)
		}
		r.mu.Unlock()
	}
	r.catchUp(newest)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.store.Pick(out, r.objects, options...)
}

func (r reader) ownVersion(id store.ID) int64 {
	if !r.waits {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.own[id]
}

func (r reader) kind(o client.Object) (schema.GroupVersionKind, error) {
	return apiutil.GVKForObject(o, r.store.Scheme())
}
