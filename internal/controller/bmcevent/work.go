package bmcevent

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
	"github.com/ingotmetal/ingot/subscription"
)

// work does one action at the BMC. others are the IDs of subscriptions that belong to other objects.
func work(ctx context.Context, s bmc.Session, do subscription.Action, want bmc.Subscription, others []string) (string, error) {
	e := s.Events()
	if e == nil {
		return "", &bmc.Error{Op: "subscribe to events", Kind: step.Unsupported, Err: errors.New("this BMC sends no events"), Fix: "delete the subscription, or update the BMC's firmware"}
	}
	switch do {
	case subscription.Look:
		got, found, err := e.Find(ctx, want.ID)
		if err != nil || !found || !got.Same(want) {
			return "", err
		}
		return want.ID, nil
	case subscription.Remove:
		id, err := ours(ctx, e, want, others)
		if err != nil || id == "" {
			return "", err
		}
		return "", e.Unsubscribe(ctx, id)
	default:
		// A call whose answer was lost may have come through.
		want.ID = ""
		id, err := ours(ctx, e, want, others)
		if err != nil || id != "" {
			return id, err
		}
		return e.Subscribe(ctx, want)
	}
}

// ours is the ID of the subscription at the BMC that is the object's: the one of its status if destination and context agree, since a BMC that was reset gives the same numbers to others;
// without one, any of our destination and context that no other object has. Empty: there is none.
func ours(ctx context.Context, e bmc.Events, want bmc.Subscription, others []string) (string, error) {
	if want.ID != "" {
		got, found, err := e.Find(ctx, want.ID)
		if err != nil || !found || !got.Same(want) {
			return "", err
		}
		return want.ID, nil
	}
	all, err := e.List(ctx)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(all, func(s bmc.Subscription) bool { return s.Same(want) && !slices.Contains(others, s.ID) })
	if i < 0 {
		return "", nil
	}
	return all[i].ID, nil
}

// memory is what this process saw of subscriptions at their BMCs. All of it may be lost.
type memory struct {
	mu sync.Mutex
	by map[types.NamespacedName]remembered
}

type remembered struct {
	uid    types.UID
	host   string
	id     string
	seen   subscription.Seen
	failed subscription.Failed
}

func (m *memory) of(o *metal3.BMCEventSubscription) (subscription.Seen, subscription.Failed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.by[client.ObjectKeyFromObject(o)]
	if r.uid != o.UID {
		return subscription.Seen{}, subscription.Failed{}
	}
	return r.seen, r.failed
}

func (m *memory) set(o *metal3.BMCEventSubscription, change func(*remembered)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := client.ObjectKeyFromObject(o)
	r := m.by[key]
	if r.uid != o.UID {
		r = remembered{uid: o.UID}
	}
	change(&r)
	if m.by == nil {
		m.by = map[types.NamespacedName]remembered{}
	}
	m.by[key] = r
}

// claim notes the ID that an object has at its BMC, before its status says so.
func (m *memory) claim(o *metal3.BMCEventSubscription, id string) {
	m.set(o, func(r *remembered) { r.host, r.id = o.Spec.HostName, id })
}

// claims are the IDs that other objects have at the BMC of an object's host.
func (m *memory) claims(o *metal3.BMCEventSubscription) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []string
	for key, r := range m.by {
		if key.Namespace == o.Namespace && r.uid != o.UID && r.host == o.Spec.HostName && r.id != "" {
			ids = append(ids, r.id)
		}
	}
	return ids
}

func (m *memory) saw(o *metal3.BMCEventSubscription, right bool, now time.Time) {
	m.set(o, func(r *remembered) {
		r.seen, r.failed = subscription.Seen{At: now, Right: right}, subscription.Failed{}
	})
}

func (m *memory) fail(o *metal3.BMCEventSubscription, f *step.Failure, now time.Time) {
	m.set(o, func(r *remembered) {
		r.failed = subscription.Failed{Failure: f, At: now, Count: r.failed.Count + 1, Generation: o.Generation}
	})
}

func (m *memory) forget(key types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.by, key)
}
