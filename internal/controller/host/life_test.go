package host_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/driver/bmc/fake"
	"github.com/ingotmetal/ingot/step"
)

func TestDeletionInEachState(t *testing.T) {
	// until brings the host to the state in which it is deleted.
	for _, c := range []struct {
		state metal3.ProvisioningState
		until func(*world, *machine)
		wiped bool
	}{
		{metal3.StateRegistering, func(w *world, m *machine) { m.bmc.FailNext(fake.Fault{Kind: step.Unreachable, Times: 1000}) }, false},
		{metal3.StateInspecting, func(_ *world, m *machine) { m.holdStep(step.Inspect) }, false},
		{metal3.StatePreparing, func(_ *world, m *machine) { m.holdStep(step.Clean) }, false},
		{metal3.StateAvailable, func(w *world, m *machine) {}, true},
		{metal3.StateProvisioning, func(_ *world, m *machine) { m.holdStep(step.WriteImage) }, true},
		{metal3.StateProvisioned, func(w *world, m *machine) {}, true},
	} {
		t.Run(string(c.state), func(t *testing.T) {
			w := newWorld(t)
			w.start()
			m := w.addMachine("a")
			c.until(w, m)
			w.addHostFor(m, func(h *metal3.BareMetalHost) {
				if c.state != metal3.StateAvailable {
					withImage(h)
				}
			})
			w.untilState("a", c.state)
			if c.state == metal3.StateProvisioning {
				w.until("the write begins", func() bool { n, _, _ := m.counts(); return n == 1 })
			}
			if err := w.admin.Delete(t.Context(), w.host("a")); err != nil {
				t.Fatal(err)
			}
			// A clean that is let go on at once may end before the deletion is seen, which is no fault: it stays held until the host is gone.
			if c.state != metal3.StatePreparing {
				m.release()
			}
			w.untilGone("a")
			if c.state == metal3.StatePreparing {
				m.release()
			}
			if _, wiped, _ := m.counts(); (wiped > 0) != c.wiped {
				t.Errorf("wiped %d times", wiped)
			}
			w.nothingLeft("a")
		})
	}
}

// nothingLeft: no window, token, record or finalizer outlives a host.
func (w *world) nothingLeft(name string) {
	w.t.Helper()
	w.until("windows and tokens of "+name+" are gone", func() bool {
		var windows ingot.BootWindowList
		var tokens corev1.SecretList
		if w.admin.List(w.t.Context(), &windows, client.MatchingLabels{ingot.PartitionLabel: w.partition}) != nil ||
			w.admin.List(w.t.Context(), &tokens, client.InNamespace(ingot.BootNamespace), client.MatchingLabels{ingot.PartitionLabel: w.partition}) != nil {
			return false
		}
		return len(windows.Items) == 0 && len(tokens.Items) == 0
	})
	w.until("the record and the Secret of "+name+" are collected", func() bool {
		var records ingot.HostLifecycleList
		var hardware metal3.HardwareDataList
		if w.admin.List(w.t.Context(), &records, client.InNamespace(w.namespace)) != nil || w.admin.List(w.t.Context(), &hardware, client.InNamespace(w.namespace)) != nil {
			return false
		}
		s := &corev1.Secret{}
		gone := w.admin.Get(w.t.Context(), w.key(name+"-bmc"), s) != nil
		return len(records.Items) == 0 && len(hardware.Items) == 0 && gone
	})
}

func TestWrongCredentialsThenFixed(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.addHost("a", nil)
	w.untilState("a", metal3.StateAvailable)

	w.addMachine("b")
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "b-bmc"}, StringData: map[string]string{"username": "admin", "password": "s3cr3t-typo"}})
	w.createHost(w.machine("b"), nil)
	w.until("b has a registration error", func() bool {
		h := w.host("b")
		return h.Status.ErrorType == metal3.RegistrationError && h.Status.ErrorMessage != ""
	})
	if strings.Contains(w.host("b").Status.ErrorMessage, "s3cr3t-typo") {
		t.Error("the error shows the password")
	}
	w.setSecret("b-bmc", map[string]string{"username": "admin", "password": "secret"})
	// Nobody edits the host: that the Secret changed is found out.
	w.untilState("b", metal3.StateAvailable)
	if h := w.host("b"); h.Status.ErrorType != "" || h.Status.GoodCredentials.Version == "" || h.Status.GoodCredentials.Version != h.Status.TriedCredentials.Version {
		t.Errorf("error %q, good credentials %+v, tried %+v", h.Status.ErrorType, h.Status.GoodCredentials, h.Status.TriedCredentials)
	}
}

func TestSecretInWrongState(t *testing.T) {
	for name, data := range map[string]map[string]string{
		"missing": nil, "empty": {}, "no-password": {"username": "admin"}, "empty-user": {"username": "", "password": "secret"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.start()
			m := w.addMachine("a")
			if data != nil {
				w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "a-bmc"}, StringData: data})
			}
			w.createHost(m, nil)
			w.until("the host says that its Secret cannot be used", func() bool {
				h, r := w.host("a"), w.record("a").Status.Outcome
				return h.Status.ErrorMessage != "" && strings.Contains(h.Status.ErrorMessage+r.Message, "a-bmc") && r.Kind != ""
			})
			if m.bmc.Calls() != 0 {
				t.Errorf("the BMC was called %d times without usable credentials", m.bmc.Calls())
			}
			good := map[string]string{"username": "admin", "password": "secret"}
			if data == nil {
				w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "a-bmc"}, StringData: good})
			} else {
				w.setSecret("a-bmc", good)
			}
			w.untilState("a", metal3.StateAvailable)
		})
	}
}

func TestSecretIsHeldAsMetal3Does(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.addHost("a", nil)
	w.untilState("a", metal3.StateInspecting)
	s := &corev1.Secret{}
	if err := w.admin.Get(t.Context(), w.key("a-bmc"), s); err != nil {
		t.Fatal(err)
	}
	if s.Labels["environment.metal3.io"] != "baremetal" || len(s.OwnerReferences) != 1 || s.OwnerReferences[0].Name != "a" || len(s.Finalizers) != 1 ||
		s.Finalizers[0] != "baremetalhost.metal3.io/secret" {
		t.Errorf("labels %v, owners %v, finalizers %v", s.Labels, s.OwnerReferences, s.Finalizers)
	}
}

func TestPausedHostIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.addHost("a", annotate(metal3.PausedAnnotation, "test"))
	w.until("the record says that it is paused", func() bool { return w.record("a").Status.Outcome.Reason == "Paused" })
	if h := w.host("a"); m.bmc.Calls() != 0 || h.Status.Provisioning.State != "" || len(h.Finalizers) != 0 {
		t.Errorf("%d calls, state %q, finalizers %v", m.bmc.Calls(), h.Status.Provisioning.State, h.Finalizers)
	}
	w.edit("a", func(h *metal3.BareMetalHost) { delete(h.Annotations, metal3.PausedAnnotation) })
	w.untilState("a", metal3.StateAvailable)
}

// A pause between the decision to write and the agent's taking the step must stop the write.
func TestPausedRightBeforeTheWrite(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.addMachine("a")
	m.holdStep(step.ChooseDisk)
	w.addHostFor(m, withImage)
	w.untilState("a", metal3.StateProvisioning)
	w.until("the disk is being chosen", func() bool {
		s := w.record("a").Status.Step
		return s != nil && s.Kind == string(step.ChooseDisk) && w.record("a").Status.Outcome.Reason == "StepRunning"
	})
	w.edit("a", annotate(metal3.PausedAnnotation, "test"))
	m.release()
	w.until("the record says that it is paused", func() bool { return w.record("a").Status.Outcome.Reason == "Paused" })
	if n, _, _ := m.counts(); n != 0 {
		t.Fatalf("%d writes on a paused host", n)
	}
	w.edit("a", func(h *metal3.BareMetalHost) { delete(h.Annotations, metal3.PausedAnnotation) })
	w.untilState("a", metal3.StateProvisioned)
}

func TestDetachedHostIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.addHost("a", withImage)
	w.untilState("a", metal3.StateProvisioned)
	w.edit("a", annotate(metal3.DetachedAnnotation, ""))
	w.until("a is detached", func() bool { return w.host("a").Status.OperationalStatus == metal3.OperationalStatusDetached })
	m.bmc.PowerOffByItself()
	before := m.bmc.Calls()
	w.nudge("a")
	w.edit("a", func(h *metal3.BareMetalHost) { delete(h.Annotations, metal3.DetachedAnnotation) })
	w.until("a is on again, since it is attached", func() bool { return m.bmc.Powered() })
	if before == 0 {
		t.Error("no call was counted")
	}
	w.edit("a", annotate(metal3.DetachedAnnotation, ""))
	w.until("a is detached", func() bool { return w.host("a").Status.OperationalStatus == metal3.OperationalStatusDetached })
	_, wiped, _ := m.counts()
	if err := w.admin.Delete(t.Context(), w.host("a")); err != nil {
		t.Fatal(err)
	}
	w.untilGone("a")
	if _, now, _ := m.counts(); now != wiped || !m.bmc.Powered() {
		t.Errorf("a detached host's machine was touched: wiped %d times, powered %v", now-wiped, m.bmc.Powered())
	}
}

func TestRebootAnnotations(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.addHost("a", withImage)
	w.untilState("a", metal3.StateProvisioned)
	boots := len(m.bmc.Boots())
	w.edit("a", annotate(metal3.RebootAnnotationPrefix, `{"mode":"hard"}`))
	w.until("a was restarted and the annotation is gone", func() bool {
		_, asked := w.host("a").Annotations[metal3.RebootAnnotationPrefix]
		return !asked && len(m.bmc.Boots()) == boots+1 && m.bmc.Powered()
	})
	w.edit("a", annotate(metal3.RebootAnnotationPrefix+"/maintenance", ""))
	w.until("a is held off", func() bool { return !m.bmc.Powered() })
	w.edit("a", func(h *metal3.BareMetalHost) { delete(h.Annotations, metal3.RebootAnnotationPrefix+"/maintenance") })
	w.until("a is on again", func() bool { return m.bmc.Powered() })
	if _, _, systems := m.counts(); systems != 3 {
		t.Errorf("the system was booted %d times, want 3", systems)
	}
}

func TestPowerFollowsOnline(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.addHost("a", withImage)
	w.untilState("a", metal3.StateProvisioned)
	w.edit("a", func(h *metal3.BareMetalHost) { h.Spec.Online = false })
	w.until("a is off and says so", func() bool { return !m.bmc.Powered() && !w.host("a").Status.PoweredOn })
	w.edit("a", func(h *metal3.BareMetalHost) { h.Spec.Online = true })
	w.until("a is on and says so", func() bool { return m.bmc.Powered() && w.host("a").Status.PoweredOn })
}

// Another writer edits the host and its annotations all the time: nobody loses anything and the host gets there.
func TestConflictStorm(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.addHost("a", withImage)
	stop := make(chan struct{})
	var edits int
	var done sync.WaitGroup
	done.Go(func() {
		for {
			select {
			case <-stop:
				// A quick life is over before every annotation was written once.
				if edits >= 20 {
					return
				}
			default:
			}
			h := w.host("a")
			if h == nil {
				continue
			}
			if h.Annotations == nil {
				h.Annotations = map[string]string{}
			}
			h.Annotations[fmt.Sprintf("storm/%d", edits%20)] = fmt.Sprint(edits)
			h.Spec.Description = fmt.Sprint(edits)
			if w.admin.Update(t.Context(), h) == nil {
				edits++
			}
		}
	})
	w.untilState("a", metal3.StateProvisioned)
	close(stop)
	done.Wait()
	if writes, _, _ := m.counts(); writes != 1 {
		t.Errorf("%d writes", writes)
	}
	h := w.host("a")
	if edits < 20 || h.Spec.Description != fmt.Sprint(edits-1) || h.Annotations[fmt.Sprintf("storm/%d", (edits-1)%20)] != fmt.Sprint(edits-1) {
		t.Errorf("after %d edits the host says %q and %v", edits, h.Spec.Description, h.Annotations)
	}
	t.Logf("%d edits meanwhile", edits)
}

func TestFirstBootReportSurvivesRestart(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.addHost("a", withImage)
	w.untilState("a", metal3.StateProvisioned)
	hash := w.record("a").Status.FirstBoot.TokenHash
	token := m.reportToken()
	if hashText(token) != hash {
		t.Fatalf("the token on the config drive is not the one that the record knows")
	}
	w.kill()
	w.start()
	r := w.reconciler()
	w.until("the report is taken", func() bool {
		return r.SaveFirstBoot(t.Context(), w.key("a"), hashText(token), host.FirstBootReport{Hostname: "a-1", Kernel: "6.1"}) == nil
	})
	if f := w.record("a").Status.FirstBoot; f.ReportedAt == nil || f.Hostname != "a-1" {
		t.Errorf("record says %+v", f)
	}
	if err := r.SaveFirstBoot(t.Context(), w.key("a"), hashText(token), host.FirstBootReport{Hostname: "intruder"}); err != nil || w.record("a").Status.FirstBoot.Hostname != "a-1" {
		t.Errorf("a second report changed the first: %v, %+v", err, w.record("a").Status.FirstBoot)
	}
	if err := r.SaveFirstBoot(t.Context(), w.key("a"), hashText("guess"), host.FirstBootReport{}); err == nil {
		t.Error("a report with another token was taken")
	}
	w.until("an event tells of it", func() bool {
		var all eventsv1.EventList
		if err := w.admin.List(t.Context(), &all, client.InNamespace(w.namespace)); err != nil {
			t.Fatal(err)
		}
		for _, e := range all.Items {
			if e.Reason == "FirstBootReported" && e.Regarding.Name == "a" {
				return true
			}
		}
		return false
	})
}

func TestFailedWriteIsCleanedAndTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.addMachine("a")
	m.failStep(step.WriteImage, &step.Failure{Kind: step.Invalid, Message: "the image's digest is sha256:00, not sha256:ab"})
	w.addHostFor(m, withImage)
	w.until("the error is on the host", func() bool {
		h := w.host("a")
		return h.Status.ErrorType == metal3.ProvisioningError && strings.Contains(h.Status.ErrorMessage, "digest")
	})
	w.until("the machine is clean again", func() bool {
		_, wiped, _ := m.counts()
		return wiped == 2 && w.host("a").Status.Provisioning.State == metal3.StateAvailable
	})
	w.advance(time.Hour)
	w.nudge("a")
	w.untilState("a", metal3.StateProvisioned)
}
