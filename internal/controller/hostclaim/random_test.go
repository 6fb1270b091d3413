package hostclaim_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The size of a random life.
const (
	randomHosts  = 4
	randomClaims = 6
	randomSteps  = 60
)

// TestRandomLives: two processes of the controller at once, without any election, which die and come back at any moment, while claims, releases, images, policies and the partition role go on. After
// every write of a host: no claim has two, none goes from one claim to another, none is let go of dirty. In the end every claim has a host or there is none for it, and after all releases
// every host is free and no copy of a Secret is left. INGOT_SEED repeats a run.
func TestRandomLives(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("INGOT_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("INGOT_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 1)) // a test's dice
	w := newWorld(t)
	w.secret(w.tenant, "user", "x")
	for i := range randomHosts {
		w.host(fmt.Sprintf("h%d", i), nil)
	}
	watcher := w.observe()
	stops := []func(){w.start(), w.start()}
	for range randomSteps {
		switch random.IntN(8) {
		case 0, 1, 2:
			name := fmt.Sprintf("c%d", random.IntN(randomClaims))
			if w.claimNow(name) == nil {
				w.claim(name, func(c *metal3.HostClaim) {
					if random.IntN(2) == 0 {
						withImage(c)
						c.Spec.Image.OCIAuthSecretName, c.Spec.NetworkData, c.Spec.MetaData = nil, nil, nil
					}
				})
			}
		case 3, 4:
			if c := w.claimNow(fmt.Sprintf("c%d", random.IntN(randomClaims))); c != nil {
				if err := w.admin.Delete(t.Context(), c); client.IgnoreNotFound(err) != nil {
					t.Fatal(err)
				}
			}
		case 5:
			w.toggle()
		case 6:
			i := random.IntN(len(stops))
			stops[i]()
			stops[i] = w.start()
		case 7:
			// Time for things to happen: until the watcher has seen another write, or nothing happens.
			watcher.next(200 * time.Millisecond)
		}
	}
	if w.policies() == 0 {
		w.toggle()
	}
	w.until("every claim has a host of its own or there is none", w.settled)
	if err := w.admin.DeleteAllOf(t.Context(), &metal3.HostClaim{}, client.InNamespace(w.tenant)); err != nil {
		t.Fatal(err)
	}
	w.until("all is given back", func() error {
		var claims metal3.HostClaimList
		if err := w.admin.List(t.Context(), &claims, client.InNamespace(w.tenant)); err != nil || len(claims.Items) > 0 {
			return fmt.Errorf("%d claims are left (%w)", len(claims.Items), err)
		}
		return nil
	})
	for i := range randomHosts {
		if h := w.hostNow(fmt.Sprintf("h%d", i)); h.Spec.ConsumerRef != nil || h.Spec.Image != nil || h.Spec.UserData != nil {
			t.Errorf("%s is left with %+v", h.Name, h.Spec)
		}
	}
	if left := w.copies(w.racks); len(left) > 0 {
		t.Errorf("copies are left: %v", left)
	}
	if watcher.bindings() == 0 {
		t.Error("nothing was bound: the test tested nothing")
	}
}

func (w *world) policies() int {
	w.t.Helper()
	var all metal3.HostDeployPolicyList
	if err := w.admin.List(w.t.Context(), &all, client.InNamespace(w.racks)); err != nil {
		w.t.Fatal(err)
	}
	return len(all.Items)
}

// toggle opens the racks to the tenant, or closes them.
func (w *world) toggle() {
	w.t.Helper()
	if w.policies() == 0 {
		w.open("p", metal3.HostClaimNamespaces{Names: []string{w.tenant}})
		return
	}
	if err := w.admin.DeleteAllOf(w.t.Context(), &metal3.HostDeployPolicy{}, client.InNamespace(w.racks)); err != nil {
		w.t.Fatal(err)
	}
}

// settled: each claim is bound to a host that names it, or all hosts are taken.
func (w *world) settled() error {
	var claims metal3.HostClaimList
	if err := w.admin.List(w.t.Context(), &claims, client.InNamespace(w.tenant)); err != nil {
		return err
	}
	bound := 0
	for i := range claims.Items {
		c := &claims.Items[i]
		if !c.DeletionTimestamp.IsZero() {
			return fmt.Errorf("%s is on its way out: %+v", c.Name, c.Status)
		}
		if condition(c, metal3.AssociatedCondition).Status != metav1.ConditionTrue {
			continue
		}
		if h := w.hostNow(c.Status.BareMetalHost.Name); h.Spec.ConsumerRef == nil || h.Spec.ConsumerRef.Name != c.Name {
			return fmt.Errorf("%s says that it has %s, which names %+v", c.Name, h.Name, h.Spec.ConsumerRef)
		}
		bound++
	}
	if want := min(len(claims.Items), randomHosts); bound != want {
		return fmt.Errorf("%d of %d claims are bound, want %d", bound, len(claims.Items), want)
	}
	return nil
}

// observer follows the hosts, holds every write to the invariants, and is their partition role: it provisions what has an image, and wipes what has none any more.
type observer struct {
	w    *world
	seen chan struct{}

	mu    sync.Mutex
	has   map[string]string // claim by host
	dirty map[string]bool
	count int
}

func (w *world) observe() *observer {
	w.t.Helper()
	watching, err := client.NewWithWatch(w.config, client.Options{Scheme: scheme(w.t)})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	stream, err := watching.Watch(ctx, &metal3.BareMetalHostList{}, client.InNamespace(w.racks))
	if err != nil {
		w.t.Fatal(err)
	}
	o := &observer{w: w, seen: make(chan struct{}, 1), has: map[string]string{}, dirty: map[string]bool{}}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for e := range stream.ResultChan() {
			if h, ok := e.Object.(*metal3.BareMetalHost); ok && e.Type != apiwatch.Deleted {
				o.look(ctx, h)
			}
		}
	}()
	w.t.Cleanup(func() { cancel(); stream.Stop(); <-ended })
	return o
}

func (o *observer) look(ctx context.Context, h *metal3.BareMetalHost) {
	o.check(h)
	var state metal3.ProvisioningState
	switch image := h.Spec.Image != nil; {
	case image && h.Status.Provisioning.State == metal3.StateAvailable:
		state = metal3.StateProvisioned
	case !image && h.Status.Provisioning.State == metal3.StateProvisioned:
		state = metal3.StateAvailable
	}
	if state != "" && ctx.Err() == nil {
		clean := state == metal3.StateAvailable
		o.mu.Lock()
		o.dirty[h.Name] = !clean
		o.mu.Unlock()
		o.w.record(h.Name, clean)
		o.w.state(h.Name, state, "")
	}
	select {
	case o.seen <- struct{}{}:
	default:
	}
}

// check holds one write of a host to the invariants.
func (o *observer) check(h *metal3.BareMetalHost) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before, now := o.has[h.Name], ""
	if h.Spec.ConsumerRef != nil {
		now = h.Spec.ConsumerRef.Name
	}
	switch {
	case before != "" && now != "" && before != now:
		o.w.t.Errorf("host %s went from claim %s to %s", h.Name, before, now)
	case before != "" && now == "" && o.dirty[h.Name]:
		o.w.t.Errorf("host %s was let go of by claim %s with its data on it", h.Name, before)
	case before == "" && now != "":
		o.count++
	}
	o.has[h.Name] = now
	for other, claim := range o.has {
		if other != h.Name && claim != "" && claim == now {
			o.w.t.Errorf("claim %s has both %s and %s", now, h.Name, other)
		}
	}
}

func (o *observer) bindings() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.count
}

// next waits for another write, for as long as most.
func (o *observer) next(most time.Duration) {
	select {
	case <-o.seen:
	case <-time.After(most):
	}
}
