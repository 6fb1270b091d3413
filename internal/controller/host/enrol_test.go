package host_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/controller/host/bootwindow"
	"github.com/ingotmetal/ingot/step"
)

// window waits for the open window of a host whose machine does not boot it.
func (w *world) window(name string) *ingot.BootWindow {
	w.t.Helper()
	found := &ingot.BootWindow{}
	w.until("a window of "+name+" is open", func() bool {
		b := w.record(name).Status.Boot
		return b != nil && w.admin.Get(w.t.Context(), client.ObjectKey{Namespace: ingot.BootNamespace, Name: b.ID}, found) == nil
	})
	return found
}

func TestTokenIsTradedForOneKey(t *testing.T) {
	w := newWorld(t)
	m := w.addMachine("a")
	m.holdFirmware()
	w.start()
	w.addHostFor(m, withImage)
	bw := w.window("a")
	r := w.reconciler()
	var won, lost atomic.Int64
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			err := r.Redeemed(t.Context(), bw.Name, bw.ResourceVersion, bootwindow.Redemption{KeyHash: hashText(string(rune('a' + i)))})
			switch {
			case err == nil:
				won.Add(1)
			case apierrors.IsConflict(err):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 || lost.Load() != 15 {
		t.Errorf("%d requests won and %d lost, want 1 and 15", won.Load(), lost.Load())
	}
	if s := (&corev1.Secret{}); w.admin.Get(t.Context(), client.ObjectKey{Namespace: ingot.BootNamespace, Name: bw.Spec.TokenSecretName}, s) != nil ||
		len(s.Data[ingot.BootTokenKey]) < 43 || s.Immutable == nil || !*s.Immutable {
		t.Error("the token's Secret is missing, can be changed, or holds less than 256 bits")
	}
	for _, name := range []string{"no-such-boot", "../secrets", ""} {
		if found, err := r.WindowForAgent(t.Context(), name); found != nil || err != nil {
			t.Errorf("window %q: %v, %v", name, found, err)
		}
	}
}

func TestAgentOfAnOldBootIsToldSo(t *testing.T) {
	w := newWorld(t)
	m := w.addMachine("a")
	m.holdFirmware()
	w.start()
	w.addHostFor(m, withImage)
	old := w.window("a")
	r := w.reconciler()
	if err := r.Redeemed(t.Context(), old.Name, old.ResourceVersion, bootwindow.Redemption{KeyHash: "key"}); err != nil {
		t.Fatal(err)
	}
	idle := protocol.ExchangeRequest{BootID: old.Name, Phase: step.Idle}
	if err := r.Report(t.Context(), old.Name, idle); err != nil {
		t.Fatal(err)
	}
	w.until("the agent is asked to inspect", func() bool {
		wanted, err := r.Wanted(t.Context(), old.Name)
		return err == nil && wanted.Step != nil && wanted.Step.Kind == step.Inspect
	})
	w.edit("a", annotate(metal3.RebootAnnotationPrefix, `{"force":true}`))
	w.until("the host is at another boot", func() bool { b := w.record("a").Status.Boot; return b != nil && b.ID != old.Name })
	w.until("the old agent is told", func() bool {
		err := r.Report(t.Context(), old.Name, idle)
		wanted, errWanted := r.Wanted(t.Context(), old.Name)
		return errors.Is(err, host.ErrBootOver) && (errors.Is(errWanted, host.ErrBootOver) || wanted.Over)
	})
	if err := r.Report(t.Context(), "boot-of-nobody", idle); !errors.Is(err, host.ErrBootOver) {
		t.Errorf("a boot that never was: %v", err)
	}
}
