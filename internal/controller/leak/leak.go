// Package leak finds what is held by nobody any more, says so, and takes it back.
//
// It owns the search: hosts that name a HostClaim which is gone or has another host, copies of Secrets beside hosts that are not their claim's any more, and addresses that were made for a Machine which is gone. It
// refuses shortcuts: a host is taken back as by a release (package hostclaim), through the wipe and its proof, and an address by deleting its IP, which the address controller then gives back. What is a leak package
// survey says, for package issue too: `ingot host issues` shows the same ones, at once and without this process.
//
// Copies of Secrets are found by the mark that package hostclaim writes on a host before it makes any (survey.CopiesAnnotation), and not by their names: who may list the Secrets of one type may list all. Copies beside a
// host that somebody deleted go with it, since it is their owner; a Machine's Secrets beside it go with the Machine.
//
// No order of writes of ours leaves such a thing behind. People and other programs can: who takes a finalizer off, restores a part of a backup, or writes a consumerRef by hand. It may also be that objects are being
// moved from one cluster to another, and hosts came before their claims: so nothing is touched until it has been found leaking for a while by one process without a break, and a host that is paused, detached or
// locked is never touched.
//
// Invariant: what the API server itself says to be held is not taken.
package leak

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/claim/survey"
	"github.com/ingotmetal/ingot/internal/controller/hostclaim"
)

// How often it is searched, and for how long a thing must leak before it is taken back.
const (
	every = 30 * time.Second
	grace = 15 * time.Minute
)

// Options are what it is built on.
type Options struct {
	// Live is a client without a cache: whether something is gone is asked of the API server.
	Live client.Client
	// Metrics takes ingot_leaks (now), ingot_leaks_found_total and ingot_leaks_mended_total, by kind: host, secret, address.
	Metrics prometheus.Registerer
	Log     *slog.Logger
	// Every and Grace are 30 s and 15 min when 0.
	Every, Grace time.Duration
	// Now is time.Now when nil.
	Now func() time.Time
}

type detector struct {
	Options
	cached client.Client
	events events.EventRecorder
	gauge  *prometheus.GaugeVec
	// found and taken count what this process found, and what it took back.
	found, taken *prometheus.CounterVec
	// since is when each leak was first found, by kind, name and what it is.
	since map[string]time.Time
}

// Add hangs it into the manager; it runs where the process leads.
func Add(mgr manager.Manager, o Options) error {
	if o.Every <= 0 {
		o.Every = every
	}
	if o.Grace <= 0 {
		o.Grace = grace
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	d := &detector{Options: o, cached: mgr.GetClient(), events: mgr.GetEventRecorder("ingot-controller"), since: map[string]time.Time{},
		gauge: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "ingot_leaks", Help: "Hosts, copies of Secrets and addresses that are held by nobody any more."}, []string{"kind"})}
	d.found = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ingot_leaks_found_total", Help: "Leaks that this process has found."}, []string{"kind"})
	d.taken = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ingot_leaks_mended_total", Help: "Leaks that this process has taken back."}, []string{"kind"})
	for _, kind := range []string{"host", "secret", "address"} {
		d.found.WithLabelValues(kind)
		d.taken.WithLabelValues(kind)
	}
	for _, metric := range []prometheus.Collector{d.gauge, d.found, d.taken} {
		if err := o.Metrics.Register(metric); err != nil {
			return fmt.Errorf("register the counts of leaks: %w", err)
		}
	}
	if err := mgr.Add(manager.RunnableFunc(d.run)); err != nil {
		return fmt.Errorf("add the search for leaks: %w", err)
	}
	return nil
}

func (d *detector) run(ctx context.Context) error {
	tick := time.NewTicker(d.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := d.look(ctx); err != nil && ctx.Err() == nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			d.Log.Warn("search for leaks broken off; done again soon", "err", err)
		}
	}
}

// look searches once.
func (d *detector) look(ctx context.Context) error {
	seen := map[string]bool{}
	hosts, err := d.hosts(ctx, seen)
	if err != nil {
		return err
	}
	copies, err := d.copies(ctx, seen)
	if err != nil {
		return err
	}
	addresses, err := d.addresses(ctx, seen)
	if err != nil {
		return err
	}
	for name := range d.since {
		if !seen[name] {
			delete(d.since, name)
		}
	}
	d.gauge.WithLabelValues("host").Set(float64(hosts))
	d.gauge.WithLabelValues("secret").Set(float64(copies))
	d.gauge.WithLabelValues("address").Set(float64(addresses))
	return nil
}

// mended tells of a leak that is none any more by what was done here.
func (d *detector) mended(o client.Object, kind, what string) {
	d.taken.WithLabelValues(kind).Inc()
	d.Log.Info("leak mended", "machine", client.ObjectKeyFromObject(o).String(), "step", kind)
	d.events.Eventf(o, nil, corev1.EventTypeNormal, "Reclaimed", "Reclaim", "%s", what)
}

// ripe notes a leak, tells of a new one, and says whether it is old enough to be mended.
func (d *detector) ripe(o client.Object, kind, why string, seen map[string]bool) bool {
	name := kind + " " + client.ObjectKeyFromObject(o).String() + " " + why
	seen[name] = true
	first, known := d.since[name]
	if !known {
		d.since[name] = d.Now()
		d.found.WithLabelValues(kind).Inc()
		d.Log.Warn("leak found", "machine", client.ObjectKeyFromObject(o).String(), "step", kind, "err", why)
		d.events.Eventf(o, nil, corev1.EventTypeWarning, "Leaked", "Reclaim", "%s; it is taken back in %s", why, d.Grace)
		return false
	}
	return d.Now().Sub(first) >= d.Grace
}

func (d *detector) hosts(ctx context.Context, seen map[string]bool) (n int, err error) {
	var all metal3.BareMetalHostList
	if err := d.cached.List(ctx, &all); err != nil {
		return 0, fmt.Errorf("list hosts: %w", err)
	}
	for i := range all.Items {
		h := &all.Items[i]
		key, claimed := survey.ClaimOf(h)
		if !claimed {
			continue
		}
		why, gone, err := d.lost(ctx, h, key)
		if err != nil {
			return n, err
		}
		if why == "" {
			continue
		}
		n++
		if !d.ripe(h, "host", why, seen) {
			continue
		}
		now := &metal3.BareMetalHost{}
		if err := d.Live.Get(ctx, client.ObjectKeyFromObject(h), now); err != nil {
			return n, fmt.Errorf("read host %s/%s: %w", h.Namespace, h.Name, err)
		}
		if is, still := survey.ClaimOf(now); !still || is != key {
			continue
		}
		waits, err := hostclaim.Reclaim(ctx, d.Live, d.Log, now, key, gone)
		if err != nil {
			return n, fmt.Errorf("take host %s/%s back: %w", h.Namespace, h.Name, err)
		}
		if waits == "" {
			d.mended(now, "host", "the host is wiped and free: "+why)
		}
	}
	return n, nil
}

// lost says why a host is its claim's no more, by what the API server has; gone: there is no such claim.
func (d *detector) lost(ctx context.Context, h *metal3.BareMetalHost, key types.NamespacedName) (why string, gone bool, err error) {
	k := &metal3.HostClaim{}
	if err := d.cached.Get(ctx, key, k); err == nil && survey.Lost(h, key, k) == "" {
		return "", false, nil
	}
	if k, err = d.claimNow(ctx, key); err != nil {
		return "", false, err
	}
	return survey.Lost(h, key, k), k == nil, nil
}

// claimNow asks the API server for a claim; nil: it is gone.
func (d *detector) claimNow(ctx context.Context, key types.NamespacedName) (*metal3.HostClaim, error) {
	k := &metal3.HostClaim{}
	err := d.Live.Get(ctx, key, k)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read claim %s: %w", key, err)
	}
	return k, nil
}

// copies finds what lies of claims' Secrets beside hosts that are not theirs, and deletes it.
func (d *detector) copies(ctx context.Context, seen map[string]bool) (n int, err error) {
	var all metal3.BareMetalHostList
	if err := d.cached.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return 0, fmt.Errorf("list hosts: %w", err)
	}
	for i := range all.Items {
		for _, key := range survey.Strays(&all.Items[i]) {
			// The cache may be behind: both are read again.
			h := &metal3.BareMetalHost{}
			if err := d.Live.Get(ctx, client.ObjectKeyFromObject(&all.Items[i]), h); err != nil {
				return n, fmt.Errorf("read host %s/%s: %w", all.Items[i].Namespace, all.Items[i].Name, err)
			}
			if !slices.Contains(survey.Strays(h), key) {
				continue
			}
			k, err := d.claimNow(ctx, key)
			if err != nil {
				return n, err
			}
			why := survey.Stray(h, key, k)
			if why == "" {
				continue
			}
			n++
			if !d.ripe(h, "secret", why, seen) {
				continue
			}
			if err := hostclaim.DropCopies(ctx, d.Live, h, key); err != nil {
				return n, fmt.Errorf("delete copies of Secrets of the claim %s: %w", key, err)
			}
			d.mended(h, "secret", "the copies are deleted: "+why)
		}
	}
	return n, nil
}

// addresses are IPs of Machines that are gone. The cluster's garbage collector is usually the first to see one.
func (d *detector) addresses(ctx context.Context, seen map[string]bool) (n int, err error) {
	var all ingot.IPList
	if err := d.cached.List(ctx, &all); err != nil {
		return 0, fmt.Errorf("list IPs: %w", err)
	}
	for i := range all.Items {
		ip := &all.Items[i]
		o := survey.MadeFor(ip)
		if o == nil || !ip.DeletionTimestamp.IsZero() {
			continue
		}
		m := &ingot.Machine{}
		key := types.NamespacedName{Namespace: ip.Namespace, Name: o.Name}
		if err := d.cached.Get(ctx, key, m); err == nil && m.UID == o.UID {
			continue
		}
		err := d.Live.Get(ctx, key, m)
		if err == nil && m.UID == o.UID {
			continue
		}
		if client.IgnoreNotFound(err) != nil {
			return n, fmt.Errorf("read Machine %s: %w", key, err)
		}
		n++
		why := survey.LostAddress(ip, o)
		if !d.ripe(ip, "address", why, seen) {
			continue
		}
		if err := d.Live.Delete(ctx, ip, client.Preconditions{UID: &ip.UID}); client.IgnoreNotFound(err) != nil {
			return n, fmt.Errorf("delete IP %s/%s: %w", ip.Namespace, ip.Name, err)
		}
		d.mended(ip, "address", "the address is given back: "+why)
	}
	return n, nil
}
