package host_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/fake"
	"github.com/ingotmetal/ingot/step"
)

const (
	newBIOS = "https://files.example.org/bios.bin"
	newBMC  = "https://files.example.org/bmc.bin"
	newNIC  = "https://files.example.org/nic.bin"
)

// withUpdates gives machines firmware that can be updated.
func withUpdates(c *fake.Config) {
	c.Updates.Components = []bmc.Component{{Name: "bios", Version: "1.0"}, {Name: "bmc", Version: "7.0"}, {Name: "nic:NIC1", Version: "22.1"}}
	c.Updates.Images = map[string]string{newBIOS: "2.0", newBMC: "8.0", newNIC: "23.1"}
}

func (w *world) components(name string) *metal3.HostFirmwareComponents {
	w.t.Helper()
	o := &metal3.HostFirmwareComponents{}
	if err := w.admin.Get(w.t.Context(), w.key(name), o); client.IgnoreNotFound(err) != nil {
		w.t.Fatal(err)
	}
	return o
}

// component is what the status says of one.
func (w *world) component(name, component string) metal3.FirmwareComponentStatus {
	w.t.Helper()
	for _, c := range w.components(name).Status.Components {
		if c.Component == component {
			return c
		}
	}
	return metal3.FirmwareComponentStatus{}
}

// askUpdates changes which updates should be done; pairs of component and URL.
func (w *world) askUpdates(name string, pairs ...string) {
	w.t.Helper()
	o := w.components(name)
	before := o.DeepCopy()
	o.Spec.Updates = []metal3.FirmwareUpdate{}
	for i := 0; i < len(pairs); i += 2 {
		o.Spec.Updates = append(o.Spec.Updates, metal3.FirmwareUpdate{Component: pairs[i], URL: pairs[i+1]})
	}
	if err := w.admin.Patch(w.t.Context(), o, client.MergeFrom(before)); err != nil {
		w.t.Fatal(err)
	}
}

// untilUpdates waits for a condition of the components' newest spec, and gives its message.
func (w *world) untilUpdates(name string, kind metal3.UpdatesConditionType, want metav1.ConditionStatus) (message string) {
	w.t.Helper()
	return w.untilNewest(string(kind)+" of the components of "+name, string(kind), want, func() ([]metav1.Condition, int64) {
		o := w.components(name)
		return o.Status.Conditions, o.Generation
	})
}

// TestFirmwareUpdates: every component gets its new version while the host is prepared, once, by one boot, and the object says so.
func TestFirmwareUpdates(t *testing.T) {
	w := newWorld(t)
	w.bios = withUpdates
	w.start()
	m := w.addHost("a", nil)
	w.untilState("a", metal3.StateAvailable)
	if c := w.component("a", "bios"); c.InitialVersion != "1.0" || c.CurrentVersion != "1.0" || c.LastVersionFlashed != "" {
		t.Fatalf("the status shows %+v", c)
	}
	w.untilUpdates("a", metal3.HostFirmwareComponentsChangeDetected, metav1.ConditionFalse)
	_, wiped, _ := m.counts()
	boots := len(m.bmc.Boots())

	w.askUpdates("a", "bmc", newBMC, "bios", newBIOS, "nic:NIC1", newNIC)
	w.until("all are updated and the host is available again", func() bool {
		return len(w.components("a").Status.Updates) == 3 && w.host("a").Status.Provisioning.State == metal3.StateAvailable
	})
	w.untilUpdates("a", metal3.HostFirmwareComponentsValid, metav1.ConditionTrue)
	w.untilUpdates("a", metal3.HostFirmwareComponentsChangeDetected, metav1.ConditionFalse)
	for name, versions := range map[string][2]string{"bios": {"1.0", "2.0"}, "bmc": {"7.0", "8.0"}, "nic:NIC1": {"22.1", "23.1"}} {
		c := w.component("a", name)
		if c.InitialVersion != versions[0] || c.CurrentVersion != versions[1] || c.LastVersionFlashed != versions[1] || c.UpdatedAt.IsZero() || m.bmc.Version(name) != versions[1] {
			t.Errorf("%s is %s, and the status says %+v", name, m.bmc.Version(name), c)
		}
	}
	if got := m.bmc.Flashed(); !slices.Equal(got, []string{"bmc " + newBMC, "bios " + newBIOS, "nic:NIC1 " + newNIC}) {
		t.Errorf("flashed: %v", got)
	}
	if n := len(m.bmc.Boots()) - boots; n != 1 {
		t.Errorf("%d boots for the updates, want 1", n)
	}
	if _, again, _ := m.counts(); again != wiped {
		t.Errorf("the disks were wiped %d times, want %d", again, wiped)
	}
	if v := w.record("a").Status.BMC.FirmwareVersion; v != "8.0" {
		t.Errorf("the record has BMC firmware %s", v)
	}
	if o := w.components("a"); !metav1.IsControlledBy(o, w.host("a")) {
		t.Errorf("HostFirmwareComponents belong to %v", o.OwnerReferences)
	}
}

// TestStagedFirmwareUpdate: an update that begins with the machine's start gets that start after a minute, and the host's first image comes after it.
func TestStagedFirmwareUpdate(t *testing.T) {
	w := newWorld(t)
	w.bios = func(c *fake.Config) { withUpdates(c); c.Updates.Waits = true }
	w.start()
	m := w.addMachine("a")
	o := &metal3.HostFirmwareComponents{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "a"}}
	o.Spec.Updates = []metal3.FirmwareUpdate{{Component: "bios", URL: newBIOS}}
	w.create(o)
	w.addHostFor(m, withImage)
	w.until("the update waits", func() bool {
		c := w.record("a").Status.Components
		return c != nil && len(c.Updates) == 1 && c.Updates[0].WaitsAt != nil
	})
	if writes, _, _ := m.counts(); writes != 0 || m.bmc.Version("bios") != "1.0" {
		t.Errorf("%d images were written before the update", writes)
	}
	w.advance(time.Minute)
	w.nudge("a")
	w.untilState("a", metal3.StateProvisioned)
	if m.bmc.Version("bios") != "2.0" || len(m.bmc.Flashed()) != 1 {
		t.Errorf("the BIOS is %s after %v", m.bmc.Version("bios"), m.bmc.Flashed())
	}
}

// TestWrongFirmwareUpdates are refused with a message per update before the BMC hears of them.
func TestWrongFirmwareUpdates(t *testing.T) {
	w := newWorld(t)
	w.bios = withUpdates
	w.start()
	m := w.addHost("a", nil)
	w.untilState("a", metal3.StateAvailable)
	w.askUpdates("a", "nic:other", newNIC, "disk", newNIC, "bios", "ftp://files.example.org/bios")
	message := w.untilUpdates("a", metal3.HostFirmwareComponentsValid, metav1.ConditionFalse)
	w.until("the host says so", func() bool { return w.host("a").Status.ErrorType == metal3.PreparationError })
	for _, want := range []string{"nic:other is not a component", "disk is no component", `bios has a URL with "ftp"`} {
		if !strings.Contains(message, want) || !strings.Contains(w.host("a").Status.ErrorMessage, want) {
			t.Errorf("neither is told %q: %s; %s", want, message, w.host("a").Status.ErrorMessage)
		}
	}
	if got := m.bmc.Flashed(); len(got) != 0 {
		t.Errorf("flashed: %v", got)
	}
	w.askUpdates("a")
	w.until("the host is available without an error", func() bool {
		h := w.host("a")
		return h.Status.Provisioning.State == metal3.StateAvailable && h.Status.ErrorMessage == ""
	})
}

// TestFailingFirmwareUpdates say why, and are tried again after the back-off or another spec.
func TestFailingFirmwareUpdates(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*fake.Config)
		ask    string
		// ahead is how far time has to go on before it counts as failed.
		ahead time.Duration
		says  string
	}{
		"no such image":     {func(*fake.Config) {}, "https://files.example.org/missing.bin", 0, "update of bios: the image could not be fetched"},
		"unchanged version": {func(c *fake.Config) { c.Updates.Ignored = true }, newBIOS, 11 * time.Minute, "it still shows version 1.0"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.bios = func(f *fake.Config) { withUpdates(f); c.change(f) }
			w.start()
			m := w.addHost("a", nil)
			w.untilState("a", metal3.StateAvailable)
			w.askUpdates("a", "bios", c.ask)
			if c.ahead > 0 {
				w.until("the old version was seen after the update", func() bool { return strings.Contains(w.record("a").Status.Outcome.Message, "still shows version 1.0") })
				w.advance(c.ahead)
				w.nudge("a")
			}
			w.until("the host says why", func() bool { return strings.Contains(w.host("a").Status.ErrorMessage, c.says) })
			if h := w.host("a"); h.Status.Provisioning.State != metal3.StatePreparing || len(w.components("a").Status.Updates) != 0 || len(m.bmc.Flashed()) != 1 {
				t.Errorf("the host is %s, updates %v, flashed %v", h.Status.Provisioning.State, w.components("a").Status.Updates, m.bmc.Flashed())
			}
			w.untilUpdates("a", metal3.HostFirmwareComponentsChangeDetected, metav1.ConditionTrue)
			w.askUpdates("a")
			w.untilState("a", metal3.StateAvailable)
		})
	}
}

// TestLostFirmwareUpdate: an order whose answer was lost is found at the BMC and not given a second time.
func TestLostFirmwareUpdate(t *testing.T) {
	w := newWorld(t)
	w.bios = withUpdates
	w.start()
	m := w.addHost("a", nil)
	w.untilState("a", metal3.StateAvailable)
	m.bmc.FailNext(fake.Fault{Op: "start firmware update", Kind: step.Timeout, Message: "no answer", After: true})
	w.askUpdates("a", "bios", newBIOS)
	w.until("the answer is missed", func() bool {
		c := w.record("a").Status.Components
		return len(c.Updates) == 1 && c.Updates[0].AcceptedAt == nil && len(m.bmc.Flashed()) == 1
	})
	w.advance(time.Minute)
	w.nudge("a")
	w.until("the update is done", func() bool { return len(w.components("a").Status.Updates) == 1 })
	if got := m.bmc.Flashed(); len(got) != 1 || m.bmc.Version("bios") != "2.0" {
		t.Errorf("flashed: %v", got)
	}
}

// TestFirmwareUpdateOutlivesItsController, and a host that is deleted meanwhile is let go after it: nothing switches a machine whose firmware is written.
func TestFirmwareUpdateOutlivesItsController(t *testing.T) {
	w := newWorld(t)
	w.bios = func(c *fake.Config) { withUpdates(c); c.Updates.Held = true }
	w.start()
	m := w.addHost("a", nil)
	w.untilState("a", metal3.StateAvailable)
	w.askUpdates("a", "bmc", newBMC)
	w.until("the update runs", func() bool { return len(m.bmc.Flashed()) == 1 })
	w.kill()
	w.start()
	w.until("the new controller follows it", func() bool {
		c := w.record("a").Status.Components
		return len(c.Updates) == 1 && c.Updates[0].AcceptedAt != nil && c.Updates[0].Ticket != ""
	})
	if err := w.admin.Delete(t.Context(), w.host("a")); err != nil {
		t.Fatal(err)
	}
	w.nudge("a")
	w.until("it is followed all the same", func() bool { return w.record("a").Status.Outcome.Reason == "UpdatingFirmware" })
	if s := w.host("a").Status.Provisioning.State; s != metal3.StatePreparing || !m.bmc.Powered() {
		t.Errorf("the host is %s, powered %v", s, m.bmc.Powered())
	}
	m.bmc.Release()
	w.untilGone("a")
	if got := m.bmc.Flashed(); len(got) != 1 {
		t.Errorf("flashed: %v", got)
	}
}

func (w *world) policy(name string, settings, updates metal3.UpdatePolicy) {
	w.t.Helper()
	w.create(&metal3.HostUpdatePolicy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}, Spec: metal3.HostUpdatePolicySpec{FirmwareSettings: settings, FirmwareUpdates: updates}})
}

// TestServicing: a provisioned host's changes wait and say so; with a policy they are done at its next reboot, without its disk being touched or anything but its own system being booted.
func TestServicing(t *testing.T) {
	w := newWorld(t)
	w.bios = func(c *fake.Config) { withUpdates(c); withBIOS(c) }
	w.start()
	m := w.addHost("a", withImage)
	w.untilState("a", metal3.StateProvisioned)
	w.until("the system runs", func() bool { _, _, systems := m.counts(); return systems == 1 })
	writes, wiped, _ := m.counts()
	w.askUpdates("a", "bmc", newBMC, "bios", newBIOS)
	w.ask("a", map[string]string{"Retries": "7"})
	for _, message := range []string{w.untilUpdates("a", metal3.HostFirmwareComponentsChangeDetected, metav1.ConditionTrue), w.untilCondition("a", metal3.FirmwareSettingsChangeDetected, metav1.ConditionTrue)} {
		if !strings.Contains(message, "HostUpdatePolicy") {
			t.Errorf("the condition does not say what it waits for: %s", message)
		}
	}
	w.reboot("a", m)
	if got := m.bmc.Flashed(); len(got) != 0 || m.bmc.Settings()["Retries"] != "3" {
		t.Fatalf("without a policy it was serviced: %v", got)
	}

	w.policy("a", metal3.HostUpdatePolicyOnReboot, metal3.HostUpdatePolicyOnReboot)
	w.until("the condition says what it waits for now", func() bool {
		c := meta.FindStatusCondition(w.components("a").Status.Conditions, string(metal3.HostFirmwareComponentsChangeDetected))
		return strings.Contains(c.Message, "serviced at its next start")
	})
	_, _, systems := m.counts()
	w.edit("a", func(h *metal3.BareMetalHost) {
		h.Annotations = map[string]string{metal3.RebootAnnotationPrefix: `{"mode":"hard"}`}
	})
	w.until("it is serviced", func() bool {
		return m.bmc.Version("bios") == "2.0" && m.bmc.Version("bmc") == "8.0" && m.bmc.Settings()["Retries"] == "7" && len(w.components("a").Status.Updates) == 2 &&
			w.settings("a").Status.Settings["Retries"] == "7" && w.record("a").Status.Servicing == nil
	})
	w.until("the host is well", func() bool {
		h := w.host("a")
		return h.Status.OperationalStatus == metal3.OperationalStatusOK && h.Status.PoweredOn && h.Status.Provisioning.State == metal3.StateProvisioned
	})
	again, wipedAgain, systemsAgain := m.counts()
	if again != writes || wipedAgain != wiped || systemsAgain != systems+1 {
		t.Errorf("%d writes, %d wipes, %d systems; want %d, %d, %d", again, wipedAgain, systemsAgain, writes, wiped, systems+1)
	}
	w.untilUpdates("a", metal3.HostFirmwareComponentsChangeDetected, metav1.ConditionFalse)
	w.untilCondition("a", metal3.FirmwareSettingsChangeDetected, metav1.ConditionFalse)
}

// TestServicingThatFails starts the machine all the same, says why, and forgets it with a corrected spec.
func TestServicingThatFails(t *testing.T) {
	w := newWorld(t)
	w.bios = withUpdates
	w.start()
	m := w.addHost("a", withImage)
	w.untilState("a", metal3.StateProvisioned)
	w.policy("a", "", metal3.HostUpdatePolicyOnReboot)
	w.askUpdates("a", "bios", "https://files.example.org/missing.bin")
	w.untilUpdates("a", metal3.HostFirmwareComponentsChangeDetected, metav1.ConditionTrue)
	w.until("the system runs", func() bool { _, _, systems := m.counts(); return systems == 1 })
	w.edit("a", func(h *metal3.BareMetalHost) { h.Spec.Online = false })
	w.until("it is off", func() bool { return !m.bmc.Powered() && !w.host("a").Status.PoweredOn })
	w.edit("a", func(h *metal3.BareMetalHost) { h.Spec.Online = true })
	w.until("the host says why", func() bool {
		s := w.host("a").Status
		return s.ErrorType == metal3.ServicingError && strings.Contains(s.ErrorMessage, "could not be fetched")
	})
	if _, _, systems := m.counts(); systems != 2 || !m.bmc.Powered() {
		t.Errorf("%d systems were started", systems)
	}
	w.askUpdates("a")
	w.until("the error is gone", func() bool {
		s := w.host("a").Status
		return s.ErrorType == "" && s.OperationalStatus == metal3.OperationalStatusOK && s.Provisioning.State == metal3.StateProvisioned
	})
}

// TestNoFirmwareComponents: a BMC without a service for updates makes no object, and a host that asks for one says why it cannot have it.
func TestNoFirmwareComponents(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.addMachine("a")
	w.addHostFor(m, nil)
	w.untilState("a", metal3.StateAvailable)
	if o := w.components("a"); o.UID != "" {
		t.Errorf("there are components: %v", o)
	}
	o := &metal3.HostFirmwareComponents{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "a"}}
	o.Spec.Updates = []metal3.FirmwareUpdate{{Component: "bios", URL: newBIOS}}
	w.create(o)
	w.until("the host says why not", func() bool { return strings.Contains(w.host("a").Status.ErrorMessage, "has no service for them") })
}
