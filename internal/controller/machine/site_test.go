package machine_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// site plays the partition role, which installs what has an image and wipes what has none any more, and the address controller, which gives each IP an address of its own. It holds every write of a host to the
// invariants.
type site struct {
	w    *world
	seen chan struct{}

	mu sync.Mutex
	// has is the claim ("namespace/name") by host.
	has   map[string]string
	dirty map[string]bool
	// bound is how many hosts the namespaces' claims may have at once; none: no bound.
	bounds []bound
	count  int
	next   byte
}

// bound is a quota as the test knows it.
type bound struct {
	namespaces map[string]bool
	most       int
}

func (w *world) site(bounds ...bound) *site {
	w.t.Helper()
	watching, ok := w.admin.(client.WithWatch)
	if !ok {
		w.t.Fatal("the client cannot watch")
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	s := &site{w: w, seen: make(chan struct{}, 1), has: map[string]string{}, dirty: map[string]bool{}, bounds: bounds}
	var all sync.WaitGroup
	for _, list := range []client.ObjectList{&metal3.BareMetalHostList{}, &ingot.IPList{}} {
		var where []client.ListOption
		if _, hosts := list.(*metal3.BareMetalHostList); hosts {
			where = append(where, client.InNamespace(w.racks))
		}
		stream, err := watching.Watch(ctx, list, where...)
		if err != nil {
			w.t.Fatal(err)
		}
		all.Go(func() {
			defer stream.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case e, open := <-stream.ResultChan():
					if !open {
						return
					}
					s.look(ctx, e)
				}
			}
		})
	}
	w.t.Cleanup(func() { cancel(); all.Wait() })
	return s
}

func (s *site) look(ctx context.Context, e apiwatch.Event) {
	if e.Type == apiwatch.Deleted || ctx.Err() != nil {
		return
	}
	switch o := e.Object.(type) {
	case *ingot.IP:
		s.address(ctx, o)
	case *metal3.BareMetalHost:
		s.check(o)
		s.serve(o)
		select {
		case s.seen <- struct{}{}:
		default:
		}
	}
}

// address gives an IP of the world an address.
func (s *site) address(ctx context.Context, ip *ingot.IP) {
	if ip.Namespace != s.w.a && ip.Namespace != s.w.b || ip.Status.Address != "" || !ip.DeletionTimestamp.IsZero() {
		return
	}
	s.mu.Lock()
	s.next++
	n := s.next
	s.mu.Unlock()
	ip.Status.Address, ip.Status.PrefixLength, ip.Status.Gateway, ip.Status.DNSServers = fmt.Sprintf("10.7.0.%d", n), 24, "10.7.0.254", []string{"10.7.0.53"}
	if ip.Spec.Family == ingot.IPv6 {
		ip.Status.Address, ip.Status.PrefixLength, ip.Status.Gateway = fmt.Sprintf("2001:db8::%d", n), 64, ""
	}
	meta.SetStatusCondition(&ip.Status.Conditions, metav1.Condition{Type: ingot.ReadyCondition, Status: metav1.ConditionTrue, Reason: ingot.ReasonAllocated})
	// Where somebody was faster there is another event, which is answered.
	if err := s.w.admin.Status().Update(ctx, ip); client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) && ctx.Err() == nil {
		s.w.t.Errorf("address for %s: %v", ip.Name, err)
	}
}

// serve does what the partition role would do next for a host.
func (s *site) serve(h *metal3.BareMetalHost) {
	state, url := h.Status.Provisioning.State, h.Status.Provisioning.Image.URL
	switch wanted := h.Spec.Image != nil; {
	case wanted && state == metal3.StateAvailable:
		s.soil(h.Name, true)
		s.w.record(h.Name, false)
		s.w.state(h.Name, metal3.StateProvisioned, h.Spec.Image.URL)
	case !wanted && state == metal3.StateProvisioned:
		s.w.state(h.Name, metal3.StateDeprovisioning, url)
		s.w.record(h.Name, true)
		s.soil(h.Name, false)
		s.w.state(h.Name, metal3.StateAvailable, "")
	case state != "" && h.Status.PoweredOn != h.Spec.Online:
		s.w.state(h.Name, state, url)
	}
}

func (s *site) soil(name string, dirty bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirty[name] = dirty
}

// check holds one write of a host to the invariants: no host goes from one claim to another, none is let go of dirty, no claim has two, and no quota is exceeded.
func (s *site) check(h *metal3.BareMetalHost) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, now := s.has[h.Name], ""
	if r := h.Spec.ConsumerRef; r != nil {
		now = r.Namespace + "/" + r.Name
	}
	switch {
	case before != "" && now != "" && before != now:
		s.w.t.Errorf("host %s went from claim %s to %s", h.Name, before, now)
	case before != "" && now == "" && s.dirty[h.Name]:
		s.w.t.Errorf("host %s was let go of by claim %s with its data on it", h.Name, before)
	case before == "" && now != "":
		s.count++
	}
	s.has[h.Name] = now
	for other, claim := range s.has {
		if other != h.Name && claim != "" && claim == now {
			s.w.t.Errorf("claim %s has both %s and %s", now, h.Name, other)
		}
	}
	for _, b := range s.bounds {
		n := 0
		for _, claim := range s.has {
			for namespace := range b.namespaces {
				if len(claim) > len(namespace) && claim[:len(namespace)+1] == namespace+"/" {
					n++
				}
			}
		}
		if n > b.most {
			s.w.t.Errorf("%d hosts are held in %v, at most %d: %v", n, b.namespaces, b.most, s.has)
		}
	}
}

func (s *site) bindings() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// pause waits for another write, for as long as most.
func (s *site) pause(most time.Duration) {
	select {
	case <-s.seen:
	case <-time.After(most):
	}
}
