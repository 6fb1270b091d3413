package host_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/journey"
)

// A crash is simulated at a point: the process's calls fail from then on, and a new one with an empty memory takes its place. Each test crashes at every point of one kind during
// one run from a new host to a provisioned one.

// errCrash is what a crashed process's calls return, after the deed where it was done.
var errCrash = errors.New("the process died")

// crashes replaces the reconciler whenever one trips.
type crashes struct {
	w     *world
	count int
	trips chan struct{}
}

func newCrashes(w *world) *crashes { return &crashes{w: w, trips: make(chan struct{}, 1)} }

// trip asks for the end of the process.
func (c *crashes) trip() {
	select {
	case c.trips <- struct{}{}:
	default:
	}
}

// provision brings one host from nothing to provisioned over all the crashes.
func (c *crashes) provision(atLeast int) {
	t := c.w.t
	t.Helper()
	m := c.w.addHost("a", withImage)
	c.w.start()
	c.w.until("a is provisioned", func() bool {
		select {
		case <-c.trips:
			c.w.kill()
			select {
			case <-c.trips:
			default:
			}
			c.count++
			c.w.start()
		default:
		}
		h := c.w.host("a")
		return h != nil && h.Status.Provisioning.State == metal3.StateProvisioned
	})
	if c.count < atLeast {
		t.Errorf("the process died %d times only, at least %d were expected", c.count, atLeast)
	}
	writes, _, systems := m.counts()
	if writes != 1 || systems != 1 {
		t.Errorf("%d writes and %d boots of the system, want 1 and 1\n%s", writes, systems, c.w.describe())
	}
	t.Logf("the process died %d times", c.count)
}

// After writes to the API server: the write happened, its answer was lost, and so was everything in memory. The processes die at their first, second and third write in turn (one move of a host
// is two writes, record and status, so that processes that all died at their first would never make one).
func TestCrashAfterWrites(t *testing.T) {
	w := newWorld(t)
	c := newCrashes(w)
	var processes atomic.Int64
	w.wrapClient = func(inner client.Client) client.Client {
		last := processes.Add(1)%3 + 1
		var writes atomic.Int64
		return writesThrough(inner, func(do func() error) error {
			n := writes.Add(1)
			if n > last {
				return errCrash
			}
			err := do()
			if n == last {
				c.trip()
				return errCrash
			}
			return err
		})
	}
	c.provision(15)
}

// After every action on a BMC: the machine was told, the process that would have known is gone. A process that never reads a power state back can do nothing, so every second one lives
// through one action.
func TestCrashAfterBMCActions(t *testing.T) {
	w := newWorld(t)
	c := newCrashes(w)
	var processes atomic.Int64
	w.wrap = func(o *host.Options) {
		inner, lives := o.BMCs, processes.Add(1)%2
		var actions atomic.Int64
		o.BMCs = bmcsFunc(func(ctx context.Context, target bmc.Target, do func(bmc.Session) error) error {
			n := actions.Add(1)
			if n > lives+1 {
				return errCrash
			}
			err := inner.Use(ctx, target, do)
			if n == lives+1 {
				c.trip()
				<-ctx.Done()
				return errCrash
			}
			return err
		})
	}
	c.provision(5)
}

// At the third, fourth and fifth decision in turn, before anything of it was written. Several decisions may be written together, so that processes that all died at their third would
// never write some of them.
func TestCrashAtDecisions(t *testing.T) {
	w := newWorld(t)
	c := newCrashes(w)
	var processes atomic.Int64
	w.wrap = func(o *host.Options) {
		decide, last := o.Decide, processes.Add(1)%3+3
		var n atomic.Int64
		o.Decide = func(f journey.Facts, now time.Time) journey.Decision {
			if n.Add(1) == last {
				c.trip()
			}
			return decide(f, now)
		}
	}
	c.provision(5)
}

type bmcsFunc func(context.Context, bmc.Target, func(bmc.Session) error) error

func (b bmcsFunc) Use(ctx context.Context, t bmc.Target, do func(bmc.Session) error) error {
	return b(ctx, t, do)
}

// writesThrough passes every write of a client through a function.
func writesThrough(inner client.Client, through func(func() error) error) client.Client {
	return interceptor.NewClient(watching{inner}, interceptor.Funcs{
		Create: func(ctx context.Context, _ client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return through(func() error { return inner.Create(ctx, o, opts...) })
		},
		Delete: func(ctx context.Context, _ client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return through(func() error { return inner.Delete(ctx, o, opts...) })
		},
		Update: func(ctx context.Context, _ client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return through(func() error { return inner.Update(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, _ client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return through(func() error { return inner.Patch(ctx, o, p, opts...) })
		},
		SubResourceUpdate: func(ctx context.Context, _ client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			return through(func() error { return inner.SubResource(sub).Update(ctx, o, opts...) })
		},
		SubResourcePatch: func(ctx context.Context, _ client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			return through(func() error { return inner.SubResource(sub).Patch(ctx, o, p, opts...) })
		},
	})
}

// watching makes a client.Client into what the interceptor takes; nobody watches through it.
type watching struct{ client.Client }

// Watch implements client.WithWatch.
func (watching) Watch(context.Context, client.ObjectList, ...client.ListOption) (watch.Interface, error) {
	return nil, errors.New("nobody watches through this client")
}
