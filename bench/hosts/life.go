package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/test/meter"
	"github.com/ingotmetal/ingot/test/sim/site"
)

// writers is how many requests the operator of this benchmark has under way at once.
const writers = 8

// life is what the whole life of n hosts took.
type life struct {
	n      int
	phases []phase
	// peak is the largest sum of resident memory that the roles had at one moment, files that of their open descriptors.
	peak  int64
	files map[string]int
	// asked are the API server's requests over all phases.
	asked map[string]float64
}

// phase is one of the three.
type phase struct {
	name string
	// first, half and all are the times to the first host, to half of them, and to the last.
	first, half, all time.Duration
	// used is what each process used in it.
	used []meter.Usage
}

// measureLife takes n machines from creation to deletion.
func measureLife(ctx context.Context, s *site.Site, n int, profileDir string) (*life, error) {
	l := &life{n: n}
	before, err := requests(ctx, s)
	if err != nil {
		return nil, err
	}
	watched := watchMemory(ctx, s)
	machines := map[string]lab.Machine{}
	for _, m := range s.Lab.State().Machines {
		machines[m.Name] = m
	}
	for _, p := range []struct {
		name string
		do   func(context.Context, lab.Machine) error
		is   func(hosts []metal3.BareMetalHost) int
	}{
		{"available", func(ctx context.Context, m lab.Machine) error {
			return s.Enrol(ctx, m, func(h *metal3.BareMetalHost) { h.Spec.Image = nil })
		}, in(metal3.StateAvailable)},
		{"provisioned", func(ctx context.Context, m lab.Machine) error { return order(ctx, s, m) }, in(metal3.StateProvisioned)},
		{"deleted", func(ctx context.Context, m lab.Machine) error {
			return s.Client.Delete(ctx, &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name}})
		}, func(hosts []metal3.BareMetalHost) int { return n - len(hosts) }},
	} {
		stop := meter.Profile(ctx, s.Config, profileDir, p.name)
		ph, err := l.run(ctx, s, machines, p.do, p.is)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		if err := stop(); err != nil {
			return nil, err
		}
		ph.name = p.name
		l.phases = append(l.phases, ph)
	}
	if l.peak, l.files, err = watched(); err != nil {
		return nil, err
	}
	after, err := requests(ctx, s)
	if err != nil {
		return nil, err
	}
	l.asked = map[string]float64{}
	for what, count := range after {
		l.asked[what] = count - before[what]
	}
	return l, meter.Heap(ctx, s.Config, profileDir, "heap")
}

func in(state metal3.ProvisioningState) func([]metal3.BareMetalHost) int {
	return func(hosts []metal3.BareMetalHost) int {
		count := 0
		for _, h := range hosts {
			if h.Status.Provisioning.State == state {
				count++
			}
		}
		return count
	}
}

// run does one thing to all machines and waits until the last host shows it. What the API server still tidies up after deletion counts.
func (l *life) run(ctx context.Context, s *site.Site, machines map[string]lab.Machine, do func(context.Context, lab.Machine) error, is func([]metal3.BareMetalHost) int) (phase, error) {
	p := phase{}
	before, err := measure(s)
	if err != nil {
		return p, err
	}
	begun := time.Now()
	if err := each(ctx, machines, do); err != nil {
		return p, err
	}
	err = s.Await(ctx, "default", func(hosts []metal3.BareMetalHost) bool {
		done := is(hosts)
		if p.first == 0 && done > 0 {
			p.first = time.Since(begun)
		}
		if p.half == 0 && done >= l.n/2 {
			p.half = time.Since(begun)
		}
		return done == l.n
	})
	if err != nil {
		return p, err
	}
	if err := tidied(ctx, s); err != nil {
		return p, err
	}
	p.all = time.Since(begun)
	after, err := measure(s)
	if err != nil {
		return p, err
	}
	for i := range after {
		after[i].CPU -= before[i].CPU
	}
	p.used = after
	return p, nil
}

// order asks for the site's image on a host.
func order(ctx context.Context, s *site.Site, m lab.Machine) error {
	was := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name}}
	is := was.DeepCopy()
	is.Spec.Image = s.Host(m).Spec.Image
	return s.Client.Patch(ctx, is, client.MergeFrom(was))
}

// each calls do for all machines, some at once.
func each(ctx context.Context, machines map[string]lab.Machine, do func(context.Context, lab.Machine) error) error {
	work := make(chan lab.Machine)
	failed := make(chan error, writers)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var running sync.WaitGroup
	for range writers {
		running.Go(func() {
			for m := range work {
				if err := do(ctx, m); err != nil {
					failed <- fmt.Errorf("machine %s: %w", m.Name, err)
					cancel()
					return
				}
			}
		})
	}
	for _, m := range machines {
		select {
		case work <- m:
		case <-ctx.Done():
		}
	}
	close(work)
	running.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return ctx.Err()
	}
}

// tidied waits, once no host is left, until nothing is left that hung on hosts.
func tidied(ctx context.Context, s *site.Site) error {
	const look = 500 * time.Millisecond
	one := client.Limit(1)
	for {
		left := 0
		for _, l := range []struct {
			list client.ObjectList
			in   string
		}{
			{&metal3.BareMetalHostList{}, "default"}, {&ingot.HostLifecycleList{}, "default"}, {&metal3.HardwareDataList{}, "default"},
			{&corev1.SecretList{}, "default"}, {&ingot.BootWindowList{}, ingot.BootNamespace}, {&corev1.SecretList{}, ingot.BootNamespace},
		} {
			if err := s.Client.List(ctx, l.list, client.InNamespace(l.in), one); err != nil {
				return err
			}
			n := metaLen(l.list)
			if _, hosts := l.list.(*metal3.BareMetalHostList); hosts && n > 0 {
				// Not deleted: what hangs on them stays.
				return nil
			}
			left += n
		}
		if left == 0 {
			return nil
		}
		select {
		case <-time.After(look):
		case <-ctx.Done():
			return fmt.Errorf("objects of deleted hosts are left: %w", ctx.Err())
		}
	}
}
