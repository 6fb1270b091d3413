package harness

import (
	"context"
	"fmt"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// lookEvery is how often a condition is looked at.
const lookEvery = 200 * time.Millisecond

// Until waits for a condition, as long as the programs run and the context lasts. What says what is waited for; the condition's error says why not yet.
func (w *World) Until(ctx context.Context, t testing.TB, what string, condition func(context.Context) error) {
	t.Helper()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		err := condition(ctx)
		if err == nil {
			return
		}
		for _, p := range w.programs {
			if dead := p.alive(); dead != nil {
				t.Fatalf("waiting for %s: %v", what, dead)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not in time: %v", what, err)
		}
	}
}

// Host reads a host.
func (w *World) Host(ctx context.Context, key client.ObjectKey) (*metal3.BareMetalHost, error) {
	host := &metal3.BareMetalHost{}
	return host, w.Client.Get(ctx, key, host)
}

// Record reads our own memory of a host.
func (w *World) Record(ctx context.Context, key client.ObjectKey) (*ingot.HostLifecycle, error) {
	record := &ingot.HostLifecycle{}
	return record, w.Client.Get(ctx, key, record)
}

// UntilState waits until a host is in a state of Metal3's, and gives it.
func (w *World) UntilState(ctx context.Context, t testing.TB, key client.ObjectKey, state metal3.ProvisioningState) *metal3.BareMetalHost {
	t.Helper()
	var host *metal3.BareMetalHost
	w.Until(ctx, t, fmt.Sprintf("host %s in state %q", key, state), func(ctx context.Context) (err error) {
		if host, err = w.Host(ctx, key); err != nil {
			return err
		}
		if host.Status.Provisioning.State != state {
			return fmt.Errorf("it is %q, operational status %q, error %q: %s", host.Status.Provisioning.State, host.Status.OperationalStatus,
				host.Status.ErrorType, host.Status.ErrorMessage)
		}
		return nil
	})
	return host
}

// UntilReported waits until the system on a host's disk has reported its first boot.
func (w *World) UntilReported(ctx context.Context, t testing.TB, key client.ObjectKey) *ingot.HostLifecycle {
	t.Helper()
	var record *ingot.HostLifecycle
	w.Until(ctx, t, fmt.Sprintf("first boot of host %s", key), func(ctx context.Context) (err error) {
		w.Revive(ctx, t, key)
		if record, err = w.Record(ctx, key); err != nil {
			return err
		}
		if f := record.Status.FirstBoot; f == nil || f.ReportedAt == nil {
			return fmt.Errorf("no report yet: %+v", f)
		}
		return nil
	})
	return record
}

// Change changes a host's spec or annotations, again where somebody else changed it meanwhile.
func (w *World) Change(ctx context.Context, t testing.TB, key client.ObjectKey, change func(*metal3.BareMetalHost)) {
	t.Helper()
	w.Until(ctx, t, fmt.Sprintf("change of host %s", key), func(ctx context.Context) error {
		host, err := w.Host(ctx, key)
		if err != nil {
			return err
		}
		before := client.MergeFrom(host.DeepCopy())
		change(host)
		return w.Client.Patch(ctx, host, before)
	})
}
