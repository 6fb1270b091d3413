package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/address"
	"github.com/ingotmetal/ingot/internal/controller/address/ledger"
	"github.com/ingotmetal/ingot/test/meter"
	"github.com/ingotmetal/ingot/test/sim/site"
)

// bench is a site with a client for all kinds.
type bench struct {
	site   *site.Site
	flags  flags
	client client.WithWatch
}

func newBench(s *site.Site, f flags) (*bench, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, ingot.AddToScheme, address.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	c, err := client.NewWithWatch(s.Config, client.Options{Scheme: scheme})
	return &bench{site: s, flags: f, client: c}, err
}

// result is what the claims of one kind took.
type result struct {
	level, claims int
	kind          string
	took          time.Duration
	// writes are the API server's, without those that made the claims; records those of AddressRecords.
	writes, records float64
	by              map[string]float64
	// server and controller are milliseconds of CPU time per claim.
	server, controller float64
}

func (r result) rate() float64     { return float64(r.claims) / r.took.Seconds() }
func (r result) perClaim() float64 { return r.writes / float64(r.claims) }
func (r result) cpu() float64      { return r.server + r.controller }

func (r result) details(out io.Writer) {
	fmt.Fprintf(out, "%s, %d in use, writes per claim:", r.kind, r.level)
	for _, what := range slices.SortedFunc(maps.Keys(r.by), func(a, b string) int { return cmp.Or(cmp.Compare(r.by[b], r.by[a]), strings.Compare(a, b)) }) {
		fmt.Fprintf(out, "  %s %.4f", what, r.by[what]/float64(r.claims))
	}
	fmt.Fprintln(out)
}

// measure fills a pool and has a third of the claims served from it.
func (b *bench) measure(ctx context.Context, k kind, level int) (result, error) {
	name := fmt.Sprintf("%s-%d", strings.ToLower(k.name), level)
	if err := b.client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
		return result{}, err
	}
	if err := b.client.Create(ctx, k.pool(name, name)); err != nil {
		return result{}, err
	}
	if _, err := b.serve(ctx, k, name, "early", 1); err != nil {
		return result{}, err
	}
	last, err := b.fill(ctx, k, name, level)
	if err != nil {
		return result{}, fmt.Errorf("fill the ledger: %w", err)
	}
	if err := b.known(ctx, k, name, last); err != nil {
		return result{}, err
	}
	r := result{level: level, claims: b.flags.claims / len(kinds()), kind: k.name}
	before, err := b.look(ctx)
	if err != nil {
		return r, err
	}
	profiled := meter.Profile(ctx, b.site.Config, b.flags.profiles, name)
	if r.took, err = b.serve(ctx, k, name, "claim", r.claims); err != nil {
		return r, errors.Join(err, profiled())
	}
	after, err := b.look(ctx)
	if err != nil {
		return r, err
	}
	r.server = (after.server - before.server).Seconds() * 1000 / float64(r.claims)
	r.controller = (after.controller - before.controller).Seconds() * 1000 / float64(r.claims)
	r.count(before, after)
	return r, errors.Join(profiled(), meter.Heap(ctx, b.site.Config, b.flags.profiles, name+".heap"))
}

// count sums what the API server was asked to write, without the claims themselves and the leases of leaders.
func (r *result) count(before, after figures) {
	r.by = map[string]float64{}
	for a, n := range after.asked {
		if n -= before.asked[a]; n == 0 || !a.Writes() || a.Resource == "leases" {
			continue
		}
		if a.Verb == "POST" && a.Resource == claimResource(r.kind) {
			n -= float64(r.claims)
		}
		if n == 0 {
			continue
		}
		r.by[a.Verb+" "+a.Resource+" "+a.Code] += n
		r.writes += n
		if a.Resource == "addressrecords" {
			r.records += n
		}
	}
}

func claimResource(kind string) string { return strings.ToLower(kind) + "s" }

// figures are what was counted until now.
type figures struct {
	server, controller time.Duration
	asked              map[meter.Asked]float64
}

func (b *bench) look(ctx context.Context) (f figures, err error) {
	for _, of := range []struct {
		role string
		to   *time.Duration
	}{{"apiserver", &f.server}, {"controller", &f.controller}} {
		pid, err := b.site.PID(of.role)
		if err != nil {
			return f, fmt.Errorf("process of role %s: %w", of.role, err)
		}
		u, err := meter.Of(of.role, pid)
		if err != nil {
			return f, err
		}
		*of.to = u.CPU
	}
	f.asked, err = meter.Requests(ctx, b.site.Config)
	return f, err
}

// fill has the ledger itself enter addresses as held, and returns the last of them. Their holders are of no kind that anybody serves, so that nobody misses them.
func (b *bench) fill(ctx context.Context, k kind, name string, n int) (netip.Addr, error) {
	config := k.facts(name, name)
	l := ledger.New(ledger.Options{
		Live: b.client, Log: slog.New(slog.DiscardHandler), Config: func(context.Context) (ledger.Config, error) { return config, nil },
	})
	var last netip.Addr
	var mu sync.Mutex
	err := b.parallel(ctx, n, 2048, func(ctx context.Context, i int) error {
		q := ledger.Request{Pool: k.held + "/" + name + "/" + poolName, Claim: ledger.Claim{Kind: "Bench", Namespace: name, Name: strconv.Itoa(i), UID: strconv.Itoa(i)}}
		got, err := l.Acquire(ctx, q)
		// On a busy machine a write may take longer than the ledger waits for.
		for range 5 {
			if err != nil {
				got, err = l.Acquire(ctx, q)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if last.Less(got.Address) {
			last = got.Address
		}
		return err
	})
	return last, err
}

// known waits until the controller has heard of all that was filled: what it gives now comes after that.
func (b *bench) known(ctx context.Context, k kind, name string, last netip.Addr) error {
	for i := 0; ; i++ {
		one := fmt.Sprintf("late-%d", i)
		if _, err := b.serve(ctx, k, name, one, 1); err != nil {
			return err
		}
		var records ingot.AddressRecordList
		if err := b.client.List(ctx, &records); err != nil {
			return err
		}
		for _, r := range records.Items {
			for _, a := range r.Spec.Addresses {
				if given, err := netip.ParseAddr(a.Address); r.Spec.VRF == name && err == nil && strings.HasSuffix(a.Claim, "/"+one+"-0") && last.Less(given) {
					return nil
				}
			}
		}
	}
}

// parallel does something n times, some at once.
func (b *bench) parallel(ctx context.Context, n, atOnce int, do func(context.Context, int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var running sync.WaitGroup
	for range min(n, atOnce) {
		running.Go(func() {
			for i := range next {
				if err := do(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	running.Wait()
	return context.Cause(ctx)
}

// serve makes claims and waits until each shows its address; no two may show one. It says how long that took.
func (b *bench) serve(ctx context.Context, k kind, namespace, name string, n int) (time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	list := k.list()
	if err := b.client.List(ctx, list, client.InNamespace(namespace), client.Limit(1)); err != nil {
		return 0, err
	}
	served := make(chan error, 1)
	begun := time.Now()
	go func() { served <- b.await(ctx, k, namespace, name+"-", n) }()
	err := b.parallel(ctx, n, b.flags.clients, func(ctx context.Context, i int) error {
		return b.client.Create(ctx, k.claim(namespace, fmt.Sprintf("%s-%d", name, i)))
	})
	if err != nil {
		return 0, fmt.Errorf("make claims: %w", err)
	}
	err = <-served
	return time.Since(begun), err
}

// await watches until n claims whose names begin so show addresses.
func (b *bench) await(ctx context.Context, k kind, namespace, begins string, n int) error {
	shown, by := map[string]string{}, map[string]string{}
	see := func(o client.Object) error {
		a := k.address(o)
		if a == "" || !strings.HasPrefix(o.GetName(), begins) || shown[o.GetName()] != "" {
			return nil
		}
		if other := by[a]; other != "" {
			return fmt.Errorf("%s is shown by %s and %s", a, other, o.GetName())
		}
		shown[o.GetName()], by[a] = a, o.GetName()
		return nil
	}
	for len(shown) < n {
		list := k.list()
		if err := b.client.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return err
		}
		err := meta.EachListItem(list, func(o runtime.Object) error { return see(o.(client.Object)) }) // lists are of objects
		if err != nil {
			return err
		}
		events, err := b.client.Watch(ctx, k.list(), client.InNamespace(namespace), &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}})
		if err != nil {
			return err
		}
		for e := range events.ResultChan() {
			o, is := e.Object.(client.Object)
			if e.Type == watch.Error || !is {
				break
			}
			if err := see(o); err != nil {
				events.Stop()
				return err
			}
			if len(shown) >= n {
				break
			}
		}
		events.Stop()
		if ctx.Err() != nil {
			return fmt.Errorf("%d of %d claims have an address: %w", len(shown), n, ctx.Err())
		}
	}
	return nil
}
