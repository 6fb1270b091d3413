package run

import (
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firmware"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func before(d time.Duration) *metav1.Time { return &metav1.Time{Time: noon.Add(-d)} }

// asked is a provisioned machine that is off and should be on, and whose settings and BIOS are to be changed, which its policy allows.
func asked() journey.Facts {
	h := &metal3.BareMetalHost{}
	h.Finalizers = []string{metal3.BareMetalHostFinalizer}
	h.Spec.Online, h.Spec.Image = true, &metal3.Image{URL: "http://i"}
	h.Status.OperationalStatus = metal3.OperationalStatusOK
	h.Status.Provisioning.State, h.Status.Provisioning.Image = metal3.StateProvisioned, *h.Spec.Image
	f := journey.Facts{Host: h, Power: journey.PowerReading{State: journey.PowerOff, ReadAt: noon.Add(-time.Second)}, Policy: journey.UpdatePolicy{Settings: true, Updates: true}}
	f.Record.BMC = &ingot.BMCStatus{Capabilities: []string{journey.CapabilityBIOS, journey.CapabilityComponents}}
	f.Record.Firmware = &ingot.FirmwareStatus{ReadAt: before(time.Hour)}
	f.Record.Components = &ingot.ComponentsStatus{ReadAt: before(time.Hour)}
	f.Firmware = journey.FirmwareFacts{Described: true, Wanted: map[string]string{"Sriov": "Enabled"}, Current: map[string]string{"Sriov": "Disabled"}, Settings: map[string]firmware.Setting{"Sriov": {}}}
	f.Components = journey.ComponentsFacts{
		Wanted: []firmware.Update{{Component: "bios", URL: "https://files/bios.bin"}}, Read: true, Current: []firmware.Component{{Name: "bios", Version: "1.0"}},
	}
	return f
}

// TestService: what is done at each point of a servicing.
func TestService(t *testing.T) {
	written := ingot.UpdateStatus{Component: "bios", URL: "https://files/bios.bin", From: "1.0", AskedAt: *before(3 * time.Minute), AcceptedAt: before(3 * time.Minute), Ticket: "t", EndedAt: before(2 * time.Minute)}
	begun := func(f *journey.Facts) {
		f.Record.Servicing = &ingot.ServicingStatus{StartedAt: *before(3 * time.Minute)}
		f.Record.Components.Updates = []ingot.UpdateStatus{written}
	}
	on := func(f *journey.Facts) {
		begun(f)
		f.Record.Servicing.Settings, f.Record.Servicing.WorkedAt, f.Record.Servicing.OnAt = true, before(2*time.Minute), before(time.Minute)
		f.Power.State, f.Record.PowerChange = journey.PowerOn, nil
	}
	read := func(f *journey.Facts, bios, sriov string) {
		on(f)
		f.Record.Components.ReadAt, f.Record.Firmware.ReadAt = before(5*time.Second), before(5*time.Second)
		f.Components.Current[0].Version, f.Firmware.Current["Sriov"] = bios, sriov
	}
	for name, c := range map[string]struct {
		edit func(*journey.Facts)
		// action is the action's name, empty for none; says a part of the message; shown the operational status.
		action, says string
		shown        metal3.OperationalStatus
	}{
		"off and due":                {func(*journey.Facts) {}, "update firmware", "update bios", metal3.OperationalStatusServicing},
		"no policy":                  {func(f *journey.Facts) { f.Policy = journey.UpdatePolicy{} }, "set power", "", metal3.OperationalStatusOK},
		"updates not allowed":        {func(f *journey.Facts) { f.Policy.Updates = false }, "set firmware settings", "", metal3.OperationalStatusServicing},
		"settings alone not allowed": {func(f *journey.Facts) { f.Policy.Settings, f.Components.Wanted = false, nil }, "set power", "", metal3.OperationalStatusOK},
		"on and due":                 {func(f *journey.Facts) { f.Power.State = journey.PowerOn }, "", "provisioned", metal3.OperationalStatusOK},
		"wrong updates":              {func(f *journey.Facts) { f.Components.Wanted[0].URL = "x"; f.Policy.Settings = false }, "set power", "", metal3.OperationalStatusOK},
		"being turned on": {func(f *journey.Facts) {
			f.Record.PowerChange = &ingot.PowerChange{Want: "on", Confirmed: true, RequestedAt: *before(time.Second)}
		},
			"", "turned on", metal3.OperationalStatusOK},
		"after the update, settings":     {begun, "set firmware settings", "", metal3.OperationalStatusServicing},
		"after a crash, power not known": {func(f *journey.Facts) { begun(f); f.Power = journey.PowerReading{} }, "read power", "", metal3.OperationalStatusServicing},
		"turned on by somebody":          {func(f *journey.Facts) { begun(f); f.Power.State = journey.PowerOn }, "read firmware versions", "", metal3.OperationalStatusServicing},
		"settings set":                   {func(f *journey.Facts) { begun(f); f.Result = &journey.ActionResult{Action: "set firmware settings"} }, "set power", "", metal3.OperationalStatusServicing},
		"settings refused": {func(f *journey.Facts) {
			begun(f)
			f.Result = &journey.ActionResult{Action: "set firmware settings", Failure: &step.Failure{Kind: step.Invalid, Message: "no"}}
		}, "set power", "", metal3.OperationalStatusServicing},
		"on, not read":        {on, "read firmware versions", "", metal3.OperationalStatusServicing},
		"on, all is well":     {func(f *journey.Facts) { read(f, "2.0", "Enabled") }, "read firmware settings", "", metal3.OperationalStatusServicing},
		"on, the old version": {func(f *journey.Facts) { read(f, "1.0", "Enabled") }, "", "still shows version 1.0", metal3.OperationalStatusServicing},
		"on, the old settings": {func(f *journey.Facts) {
			read(f, "2.0", "Disabled")
			f.Record.Components.Updates, f.Components.Wanted = nil, nil
		},
			"", "not in force yet", metal3.OperationalStatusServicing},
		"on, the old settings for long": {func(f *journey.Facts) {
			read(f, "2.0", "Disabled")
			f.Record.Components.Updates, f.Components.Wanted, f.Record.Servicing.OnAt = nil, nil, before(serviceWithin)
		}, "", "1 firmware settings are not in force", metal3.OperationalStatusError},
		"on, all verified": {func(f *journey.Facts) {
			read(f, "2.0", "Enabled")
			f.Record.Components.Updates, f.Components.Wanted = nil, nil
		},
			"", "was serviced", metal3.OperationalStatusOK},
		"on after a failure": {func(f *journey.Facts) { on(f); f.Record.Servicing.Failure = "update of bios: no" }, "", "started all the same: update of bios: no", metal3.OperationalStatusError},
		"the BMC does not answer after the start": {func(f *journey.Facts) {
			on(f)
			f.Result = &journey.ActionResult{Action: "read firmware versions", Failure: &step.Failure{Kind: step.Unreachable, Message: "no"}}
		}, "", "does not answer", metal3.OperationalStatusServicing},
		"reset and due": {func(f *journey.Facts) {
			f.Host.Spec.DisablePowerOff, f.Power.State = true, journey.PowerOn
			f.Host.Annotations = map[string]string{metal3.RebootAnnotationPrefix: ""}
		}, "update firmware", "", metal3.OperationalStatusServicing},
		"after a failure, not asked for any more": {func(f *journey.Facts) {
			f.Firmware.Wanted, f.Components.Wanted = nil, nil
			s := &f.Host.Status
			s.OperationalStatus, s.ErrorType, s.ErrorMessage = metal3.OperationalStatusError, metal3.ServicingError, "m"
		}, "set power", "", metal3.OperationalStatusOK},
		"no image any more": {func(f *journey.Facts) { begun(f); f.Host.Spec.Image = nil }, "", "the image was cleared", metal3.OperationalStatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			f := asked()
			c.edit(&f)
			dec := Decide(f, noon)
			if broken := journey.Check(f, dec); len(broken) > 0 {
				t.Errorf("the decision breaks %v", broken)
			}
			action := ""
			if dec.Action != nil {
				action = dec.Action.Name()
			}
			if action != c.action || !strings.Contains(dec.Outcome.Message, c.says) || dec.Host.Status.OperationalStatus != c.shown {
				t.Errorf("%q, %s, %s; want %q, %s, %s", action, dec.Outcome.Message, dec.Host.Status.OperationalStatus, c.action, c.says, c.shown)
			}
			if over := dec.Host.Status.Provisioning.State != metal3.StateProvisioned; over && dec.Record.Servicing != nil {
				t.Error("servicing outlives the system")
			}
		})
	}
}

// TestExternallyProvisionedIsNotServiced, whatever its policy says.
func TestExternallyProvisionedIsNotServiced(t *testing.T) {
	f := asked()
	f.Host.Spec.ExternallyProvisioned, f.Host.Status.Provisioning.State = true, metal3.StateExternallyProvisioned
	dec := DecideExternal(f, noon)
	if _, powers := dec.Action.(journey.SetPower); !powers || dec.Record.Servicing != nil {
		t.Errorf("%v, %+v", dec.Action, dec.Record.Servicing)
	}
	if why := Waits(f.Host, true, "spec.firmwareUpdates"); !strings.Contains(why, "externally provisioned") {
		t.Error(why)
	}
}
