// Package scan has the BMC ranges of a Partition asked, and makes DiscoveredHosts of the BMCs that answer.
//
// It owns the loop of the partition role that does so, the objects and the status of Partition.status.bmcScan. Package sweep decides when and whom, package discovery what a finding comes to, and the prober (internal/driver/knock) asks
// without a login. It refuses hosts: those are made of what an operator accepted, by the controller of DiscoveredHosts.
//
// Invariants: one loop per partition, under the role's leadership; before each address the Partition is looked at, and a pass over ranges that it no longer declares ends; each address is asked by one probe at a time;
// objects are folded one after the other, with a client that sees its own writes.
package scan

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/discovery"
	"github.com/ingotmetal/ingot/discovery/sweep"
	"github.com/ingotmetal/ingot/internal/driver/knock"
)

// Prober asks one address.
type Prober interface {
	Probe(ctx context.Context, at netip.Addr, ports knock.Ports) discovery.Finding
}

// Options are a Scanner's.
type Options struct {
	Partition string
	Prober    Prober
	Log       *slog.Logger
	// KeyIndex is the field by which hosts, HostLifecycles and DiscoveredHosts are indexed by their keys.
	KeyIndex string
	// LookEvery is how often the Partition is looked at between passes; 0: lookEvery.
	LookEvery time.Duration
}

// Scanner is the loop.
type Scanner struct {
	o      Options
	client client.Client
	wanted sweep.Wanted
	pace   sweep.Pace
}

// The loop's times.
const (
	lookEvery   = 5 * time.Second
	reportEvery = time.Minute
	// inFlight is how many addresses are asked at once. Most have nobody, and cost the whole timeout.
	inFlight = 64
)

// New makes a Scanner.
func New(c client.Client, o Options) *Scanner {
	if o.LookEvery <= 0 {
		o.LookEvery = lookEvery
	}
	return &Scanner{o: o, client: c}
}

// Start runs until ctx ends.
func (s *Scanner) Start(ctx context.Context) error {
	for {
		if err := s.look(ctx); err != nil && ctx.Err() == nil {
			s.o.Log.Warn("search for BMCs failed; it goes on", "err", err)
		}
		if !sleep(ctx, s.o.LookEvery) {
			return nil
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// look does what is due: a pass, or single addresses that DHCP or a lease told of.
func (s *Scanner) look(ctx context.Context) error {
	p, err := s.site(ctx)
	if err != nil || p == nil {
		return err
	}
	scan := *p.Spec.Discovery.BMCScan
	ranges, err := sweep.Parse(scan.Ranges)
	if err != nil {
		return s.problem(ctx, p, fmt.Sprintf("spec.discovery.bmcScan.ranges: %v; nothing is asked", err))
	}
	s.pace.ProbesPerSecond = int(scan.ProbesPerSecond)
	now := time.Now()
	if at := sweep.Due(s.o.Partition, scan, p.Annotations[ingot.ScanAnnotation], p.Status.BMCScan, now); !at.After(now) {
		return s.pass(ctx, p, ranges, now)
	}
	if old := p.Status.BMCScan; old.Problem != "" {
		right := old.DeepCopy()
		right.Problem = ""
		if err := s.write(ctx, *right); err != nil {
			return err
		}
	}
	var all ingot.DiscoveredHostList
	if err := s.client.List(ctx, &all); err != nil {
		return fmt.Errorf("list DiscoveredHosts: %w", err)
	}
	if single := s.wanted.Of(all.Items, s.o.Partition, ranges, now); len(single) > 0 {
		_, err := s.ask(ctx, &run{site: p, next: each(single)})
		return err
	}
	return nil
}

// site is the Partition, nil while it wants nobody asked.
func (s *Scanner) site(ctx context.Context) (*ingot.Partition, error) {
	p := &ingot.Partition{}
	if err := s.client.Get(ctx, types.NamespacedName{Name: s.o.Partition}, p); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	if !p.DeletionTimestamp.IsZero() || p.Spec.Discovery == nil || p.Spec.Discovery.BMCScan == nil {
		return nil, nil
	}
	return p, nil
}

// same says whether the Partition declares still what a pass began with.
func (s *Scanner) same(ctx context.Context, began *ingot.Partition) bool {
	p, err := s.site(ctx)
	if err != nil {
		// The API server is away; the last word stands.
		return true
	}
	if p == nil || p.UID != began.UID || p.Spec.Discovery.Namespace != began.Spec.Discovery.Namespace {
		return false
	}
	a, b := p.Spec.Discovery.BMCScan, began.Spec.Discovery.BMCScan
	return slices.Equal(a.Ranges, b.Ranges) && a.RedfishPort == b.RedfishPort && a.IPMIPort == b.IPMIPort
}

// pass asks every address once, and says so in the Partition's status.
func (s *Scanner) pass(ctx context.Context, p *ingot.Partition, ranges sweep.Ranges, now time.Time) error {
	started := metav1.NewTime(now.UTC().Truncate(time.Second))
	status := ingot.BMCScanStatus{
		Request: p.Annotations[ingot.ScanAnnotation], Ranges: p.Spec.Discovery.BMCScan.Ranges, StartedAt: &started, Addresses: int32(ranges.Size()), // at most 65536
	}
	if old := p.Status.BMCScan; old != nil {
		status.FinishedAt = old.FinishedAt
	}
	if err := s.write(ctx, status); err != nil {
		return err
	}
	s.o.Log.Info("search for BMCs begins", "count", ranges.Size())
	whole, err := s.ask(ctx, &run{site: p, next: sweep.NewPass(ranges, sweep.Seed(s.o.Partition, started.Time)).Next, status: &status, reported: now})
	if err != nil || !whole {
		return err
	}
	// A second is the API's grain: a pass that ends in the second of its start has ended after it all the same.
	ended := metav1.NewTime(time.Now().UTC().Truncate(time.Second))
	status.FinishedAt = &ended
	next := metav1.NewTime(sweep.Due(s.o.Partition, *p.Spec.Discovery.BMCScan, status.Request, &status, time.Now()).UTC())
	status.NextAt = &next
	s.o.Log.Info("search for BMCs ended", "count", ranges.Size(), "answered", status.Answered, "new", status.New)
	return s.write(ctx, status)
}

func (s *Scanner) problem(ctx context.Context, p *ingot.Partition, text string) error {
	status := ingot.BMCScanStatus{Problem: text}
	if old := p.Status.BMCScan; old != nil {
		status = *old.DeepCopy()
		status.Problem, status.NextAt = text, nil
	}
	if old := p.Status.BMCScan; old != nil && old.Problem == text {
		return nil
	}
	return s.write(ctx, status)
}

// write replaces status.bmcScan, and touches nothing else of the status.
func (s *Scanner) write(ctx context.Context, status ingot.BMCScanStatus) error {
	p := &ingot.Partition{}
	if err := s.client.Get(ctx, types.NamespacedName{Name: s.o.Partition}, p); err != nil {
		return client.IgnoreNotFound(err)
	}
	next := p.DeepCopy()
	next.Status.BMCScan = status.DeepCopy()
	if err := s.client.Status().Patch(ctx, next, client.MergeFrom(p)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("write the status of Partition %s: %w", s.o.Partition, err)
	}
	return nil
}

func each(all []netip.Addr) func() (netip.Addr, bool) {
	return func() (netip.Addr, bool) {
		if len(all) == 0 {
			return netip.Addr{}, false
		}
		a := all[0]
		all = all[1:]
		return a, true
	}
}
