package host_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/firmware"
	keeper "github.com/ingotmetal/ingot/internal/controller/host/firmware"
	"github.com/ingotmetal/ingot/internal/driver/bmc/fake"
	"github.com/ingotmetal/ingot/step"
)

// withBIOS gives machines a firmware with some settings.
func withBIOS(c *fake.Config) {
	c.Settings = map[string]string{"Sriov": "Disabled", "Retries": "3", "Serial": "S1", "AdminPassword": "hunter2", "Pin": "4711"}
	low, high := int64(0), int64(10)
	c.Registry = firmware.Registry{Name: "Fake.v1", Settings: map[string]firmware.Setting{
		"Sriov": {Kind: firmware.Enumeration, Values: []string{"Enabled", "Disabled"}}, "Retries": {Kind: firmware.Integer, Lowest: &low, Highest: &high},
		"Serial": {Kind: firmware.String, ReadOnly: true, Unique: true}, "AdminPassword": {Kind: firmware.String}, "Pin": {Kind: firmware.Password},
	}}
}

func (w *world) settings(name string) *metal3.HostFirmwareSettings {
	w.t.Helper()
	o := &metal3.HostFirmwareSettings{}
	if err := w.admin.Get(w.t.Context(), w.key(name), o); client.IgnoreNotFound(err) != nil {
		w.t.Fatal(err)
	}
	return o
}

// ask changes what the firmware should be set to.
func (w *world) ask(name string, want map[string]string) {
	w.t.Helper()
	o := w.settings(name)
	before := o.DeepCopy()
	o.Spec.Settings = metal3.DesiredSettingsMap{}
	for k, v := range want {
		o.Spec.Settings[k] = intstr.Parse(v)
	}
	if err := w.admin.Patch(w.t.Context(), o, client.MergeFrom(before)); err != nil {
		w.t.Fatal(err)
	}
}

// untilCondition waits for a condition of the settings' newest spec, and gives its message.
func (w *world) untilCondition(name string, kind metal3.SettingsConditionType, want metav1.ConditionStatus) (message string) {
	w.t.Helper()
	return w.untilNewest(string(kind)+" of the settings of "+name, string(kind), want, func() ([]metav1.Condition, int64) {
		o := w.settings(name)
		return o.Status.Conditions, o.Generation
	})
}

// untilNewest waits until a condition has a status for an object's newest spec, and gives its message.
func (w *world) untilNewest(what, kind string, want metav1.ConditionStatus, read func() (conditions []metav1.Condition, generation int64)) (message string) {
	w.t.Helper()
	w.until("condition "+what+" is "+string(want), func() bool {
		conditions, generation := read()
		c := meta.FindStatusCondition(conditions, kind)
		if c == nil || c.Status != want || c.ObservedGeneration != generation {
			return false
		}
		message = c.Message
		return true
	})
	return message
}

func TestFirmwareSettings(t *testing.T) {
	w := newWorld(t)
	w.bios = withBIOS
	w.start()
	m := w.addHost("a", nil)
	w.untilState("a", metal3.StateAvailable)
	shown := map[string]string{"Sriov": "Disabled", "Retries": "3", "Serial": "S1"}
	if got := w.settings("a").Status.Settings; !maps.Equal(got, shown) {
		t.Fatalf("the status shows %v, want %v", got, shown)
	}
	w.untilCondition("a", metal3.FirmwareSettingsChangeDetected, metav1.ConditionFalse)
	_, wiped, _ := m.counts()
	boots := len(m.bmc.Boots())

	w.ask("a", map[string]string{"Sriov": "Enabled", "Retries": "7"})
	w.until("the settings are in force", func() bool { s := m.bmc.Settings(); return s["Sriov"] == "Enabled" && s["Retries"] == "7" })
	w.until("the host is available with its settings", func() bool {
		s := w.settings("a").Status.Settings
		return w.host("a").Status.Provisioning.State == metal3.StateAvailable && s["Sriov"] == "Enabled" && s["Retries"] == "7"
	})
	w.untilCondition("a", metal3.FirmwareSettingsValid, metav1.ConditionTrue)
	w.untilCondition("a", metal3.FirmwareSettingsChangeDetected, metav1.ConditionFalse)
	if _, again, _ := m.counts(); again != wiped {
		t.Errorf("the disks were wiped %d times, want %d: they were proved clean", again, wiped)
	}
	if n := len(m.bmc.Boots()) - boots; n != 1 {
		t.Errorf("%d boots for the settings, want 1", n)
	}
	if o := w.settings("a"); !metav1.IsControlledBy(o, w.host("a")) {
		t.Errorf("HostFirmwareSettings belong to %v", o.OwnerReferences)
	}
}

// TestFirmwareSettingsBeforeTheHost: what is asked for before the host exists holds when it is first available.
func TestFirmwareSettingsBeforeTheHost(t *testing.T) {
	w := newWorld(t)
	w.bios = withBIOS
	w.start()
	m := w.addMachine("a")
	o := &metal3.HostFirmwareSettings{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "a"}}
	o.Spec.Settings = metal3.DesiredSettingsMap{"Retries": intstr.FromInt32(7)}
	w.create(o)
	w.addHostFor(m, nil)
	w.untilState("a", metal3.StateAvailable)
	if got := m.bmc.Settings()["Retries"]; got != "7" {
		t.Errorf("the first time it is available, the host has Retries=%s", got)
	}
	if o := w.settings("a"); !metav1.IsControlledBy(o, w.host("a")) {
		t.Errorf("HostFirmwareSettings belong to %v", o.OwnerReferences)
	}
}

// TestWrongFirmwareSettings are refused with a message per setting before the BMC hears of them, and forgotten when they are corrected.
func TestWrongFirmwareSettings(t *testing.T) {
	w := newWorld(t)
	w.bios = withBIOS
	w.start()
	m := w.addHost("a", nil)
	w.untilState("a", metal3.StateAvailable)
	boots := len(m.bmc.Boots())
	w.ask("a", map[string]string{"Sriov": "on", "Retries": "11", "Serial": "X", "Colour": "blue", "Pin": "1"})
	message := w.untilCondition("a", metal3.FirmwareSettingsValid, metav1.ConditionFalse)
	w.until("the host says so", func() bool { return w.host("a").Status.ErrorType == metal3.PreparationError })
	for _, want := range []string{`Sriov cannot be "on"`, "Retries cannot be 11: the highest value is 10", "Serial is read-only", "Colour is not a setting", "Pin is a password"} {
		if !strings.Contains(message, want) || !strings.Contains(w.host("a").Status.ErrorMessage, want) {
			t.Errorf("neither is told %q: %s; %s", want, message, w.host("a").Status.ErrorMessage)
		}
	}
	if n := len(m.bmc.Boots()); n != boots || m.bmc.Settings()["Retries"] != "3" {
		t.Errorf("the machine was touched: %d boots, %v", n-boots, m.bmc.Settings())
	}
	w.ask("a", map[string]string{"Retries": "4"})
	w.until("the corrected settings are in force", func() bool {
		h := w.host("a")
		return m.bmc.Settings()["Retries"] == "4" && h.Status.Provisioning.State == metal3.StateAvailable && h.Status.ErrorMessage == ""
	})
}

// TestFirmwareThatIgnoresSettings: a BMC that takes a setting and does not apply it is found out.
func TestFirmwareThatIgnoresSettings(t *testing.T) {
	w := newWorld(t)
	w.bios = func(c *fake.Config) { withBIOS(c); c.IgnoresSettings = true }
	w.start()
	w.addHost("a", nil)
	w.untilState("a", metal3.StateAvailable)
	w.ask("a", map[string]string{"Retries": "7"})
	w.until("the settings are awaited", func() bool { return w.record("a").Status.Outcome.Reason == "FirmwareNotInForce" })
	w.advance(11 * time.Minute)
	w.nudge("a")
	w.until("the host says that they are not in force", func() bool {
		return strings.Contains(w.host("a").Status.ErrorMessage, `not in force: Retries is "3", not "7"`)
	})
	if s := w.host("a").Status.Provisioning.State; s != metal3.StatePreparing {
		t.Errorf("the host is %s", s)
	}
}

// TestFirmwareRefusedByTheBMC: what the registry allows and the BMC does not is an error of the host, with the BMC's words.
func TestFirmwareRefusedByTheBMC(t *testing.T) {
	w := newWorld(t)
	w.bios = withBIOS
	w.start()
	m := w.addHost("a", nil)
	w.untilState("a", metal3.StateAvailable)
	m.bmc.FailNext(fake.Fault{Op: "set BIOS settings", Kind: step.Invalid, Message: "depends on Colour"})
	w.ask("a", map[string]string{"Retries": "7"})
	w.until("the host repeats the BMC's words", func() bool { return strings.Contains(w.host("a").Status.ErrorMessage, "depends on Colour") })
}

// TestHostsShareASchema that nobody owns, and that is written once.
func TestHostsShareASchema(t *testing.T) {
	w := newWorld(t)
	w.bios = withBIOS
	w.start()
	for _, name := range []string{"a", "b", "c"} {
		w.addHost(name, nil)
	}
	for _, name := range []string{"a", "b", "c"} {
		w.untilState(name, metal3.StateAvailable)
	}
	var all metal3.FirmwareSchemaList
	if err := w.admin.List(t.Context(), &all, client.InNamespace(w.namespace)); err != nil {
		t.Fatal(err)
	}
	if len(all.Items) != 1 || len(all.Items[0].OwnerReferences) != 0 || all.Items[0].Generation != 1 {
		t.Fatalf("schemas: %+v", all.Items)
	}
	s := all.Items[0]
	if r := s.Spec.Schema["Retries"]; r.AttributeType != "Integer" || r.UpperBound == nil || *r.UpperBound != 10 || s.Spec.HardwareModel != "Fake" {
		t.Errorf("schema %+v", s.Spec)
	}
	for _, name := range []string{"a", "b", "c"} {
		if ref := w.settings(name).Status.FirmwareSchema; ref == nil || ref.Name != s.Name || ref.Namespace != w.namespace {
			t.Errorf("%s names the schema %v", name, ref)
		}
	}
}

// TestNoFirmwareSettings: a BMC without them makes none, and a host that asks for some says why it cannot have them.
func TestNoFirmwareSettings(t *testing.T) {
	w := newWorld(t)
	w.lacks = append(w.lacks, "bios")
	w.start()
	m := w.addMachine("a")
	w.addHostFor(m, nil)
	w.untilState("a", metal3.StateAvailable)
	if o := w.settings("a"); o.UID != "" {
		t.Errorf("there are settings: %v", o)
	}
	o := &metal3.HostFirmwareSettings{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "a"}}
	o.Spec.Settings = metal3.DesiredSettingsMap{"Retries": intstr.FromInt32(7)}
	w.create(o)
	w.until("the host says why not", func() bool {
		return strings.Contains(w.host("a").Status.ErrorMessage, "this BMC shows none of its machine's firmware")
	})
}

// TestSweepSchemas: one that nobody names goes after an hour, one that a host names and one that a person made stay.
func TestSweepSchemas(t *testing.T) {
	w := newWorld(t)
	w.bios = withBIOS
	w.start()
	w.addHost("a", nil)
	w.untilState("a", metal3.StateAvailable)
	w.create(&metal3.FirmwareSchema{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "unused", Labels: map[string]string{"ingot.dev/firmware-schema": ""}},
		Spec: metal3.FirmwareSchemaSpec{Schema: map[string]metal3.SettingSchema{}}})
	w.create(&metal3.FirmwareSchema{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "by-hand"}, Spec: metal3.FirmwareSchemaSpec{Schema: map[string]metal3.SettingSchema{}}})
	keeper := keeper.New(client.NewNamespacedClient(w.admin, w.namespace))
	names := func() (out []string) {
		var all metal3.FirmwareSchemaList
		if err := w.admin.List(t.Context(), &all, client.InNamespace(w.namespace)); err != nil {
			t.Fatal(err)
		}
		for _, s := range all.Items {
			out = append(out, s.Name)
		}
		slices.Sort(out)
		return out
	}
	used := w.settings("a").Status.FirmwareSchema.Name
	for _, c := range []struct {
		after time.Duration
		want  []string
	}{{time.Minute, []string{"by-hand", used, "unused"}}, {2 * time.Hour, []string{"by-hand", used}}} {
		if err := keeper.Sweep(t.Context(), time.Now().Add(c.after)); err != nil {
			t.Fatal(err)
		}
		if got := names(); !slices.Equal(got, c.want) {
			t.Errorf("after %s: %v, want %v", c.after, got, c.want)
		}
	}
}
