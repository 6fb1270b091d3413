package claims

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// hands are how many hosts the stand-in serves at once.
const hands = 6

// stand is the stand-in of the partition role: it installs what has an image, and wipes what has none any more.
type stand struct {
	r    *race
	work workqueue.TypedRateLimitingInterface[string]

	mu sync.Mutex
	// latest is each host as it was last seen.
	latest map[string]*metal3.BareMetalHost
}

// watch has the witness and the stand-in see every write, until ctx ends; closed waits for their end.
func (r *race) watch(ctx context.Context, fail context.CancelCauseFunc) (closed func(), err error) {
	s := &stand{r: r, latest: map[string]*metal3.BareMetalHost{},
		work: workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](10*time.Millisecond, time.Second))}
	var all sync.WaitGroup
	closed = func() { s.work.ShutDown(); all.Wait() }
	for _, list := range []client.ObjectList{&metal3.BareMetalHostList{}, &ingot.IPList{}, &ingot.AddressRecordList{}} {
		stream, err := r.admin.Watch(ctx, list)
		if err != nil {
			return closed, fmt.Errorf("watch %T: %w", list, err)
		}
		all.Go(func() {
			defer stream.Stop()
			s.look(ctx, stream, fail)
		})
	}
	for range hands {
		all.Go(func() {
			for {
				name, over := s.work.Get()
				if over {
					return
				}
				s.turn(ctx, name)
				s.work.Done(name)
			}
		})
	}
	return closed, nil
}

var errBlind = errors.New("a watch of the witness ended, and what was written since is not known")

func (s *stand) look(ctx context.Context, stream apiwatch.Interface, fail context.CancelCauseFunc) {
	for {
		select {
		case <-ctx.Done():
			return
		case e, open := <-stream.ResultChan():
			if !open || e.Type == apiwatch.Error {
				fail(fmt.Errorf("%w: %v", errBlind, e.Object))
				return
			}
			switch o := e.Object.(type) {
			case *ingot.IP:
				s.r.seen.ip(o, e.Type == apiwatch.Deleted)
			case *ingot.AddressRecord:
				s.r.seen.record(o, e.Type == apiwatch.Deleted)
			case *metal3.BareMetalHost:
				s.r.seen.host(o, e.Type == apiwatch.Deleted)
				s.mu.Lock()
				s.latest[o.Name] = o
				s.mu.Unlock()
				s.work.Add(o.Name)
			}
		}
	}
}

// turn serves one host, and again where that did not succeed.
func (s *stand) turn(ctx context.Context, name string) {
	s.mu.Lock()
	h := s.latest[name].DeepCopy()
	s.mu.Unlock()
	err := s.serve(ctx, h)
	switch {
	case err == nil || ctx.Err() != nil:
		s.work.Forget(name)
	case apierrors.IsConflict(err):
		s.work.AddRateLimited(name)
	default:
		fmt.Fprintf(s.r.Log, "the stand-in of the partition role tries host %s again: %v\n", name, err)
		s.work.AddRateLimited(name)
	}
}

// serve does what the partition role would do next for a host.
func (s *stand) serve(ctx context.Context, h *metal3.BareMetalHost) error {
	state := h.Status.Provisioning.State
	install, wipe := h.Spec.Image != nil && state == metal3.StateAvailable, h.Spec.Image == nil && state == metal3.StateProvisioned
	if h.Spec.Image == nil && state == metal3.StateAvailable && s.r.seen.soiled(h.Name) {
		// The image went before it was installed.
		if err := s.r.record(ctx, h.Name, true); err != nil {
			return err
		}
		s.r.seen.soil(h.Name, false)
		return nil
	}
	if !install && !wipe {
		return nil
	}
	if install {
		s.r.seen.soil(h.Name, true)
	}
	if err := s.r.record(ctx, h.Name, wipe); err != nil {
		return err
	}
	if wipe {
		s.r.seen.soil(h.Name, false)
	}
	h.Status.Provisioning.State, h.Status.Provisioning.Image.URL = metal3.StateAvailable, ""
	if install {
		h.Status.Provisioning.State, h.Status.Provisioning.Image.URL = metal3.StateProvisioned, h.Spec.Image.URL
	}
	h.Status.PoweredOn = h.Spec.Online
	return s.r.admin.Status().Update(ctx, h)
}
