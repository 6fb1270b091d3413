package prepare

import (
	"maps"
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

// noon is now in these tables.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func before(d time.Duration) *metav1.Time { return &metav1.Time{Time: noon.Add(-d)} }

// settled is a preparing host that is proved clean, whose settings were read an hour ago, and whose agent is there.
func settledFacts() journey.Facts {
	h := &metal3.BareMetalHost{}
	h.Finalizers = []string{metal3.BareMetalHostFinalizer}
	h.Spec.AutomatedCleaningMode = metal3.CleaningModeDisabled
	h.Status.Provisioning.State = metal3.StatePreparing
	f := journey.Facts{Host: h, Site: journey.Site{VirtualMedia: true}}
	f.Record.BMC = &ingot.BMCStatus{Capabilities: []string{"bios", "power", "virtual-media"}}
	f.Record.Firmware = &ingot.FirmwareStatus{ReadAt: before(time.Hour), Generation: 2}
	f.Record.Boot = &ingot.BootStatus{ID: "b", Purpose: ingot.PurposeAgent, StartedAt: before(20 * time.Minute), ConfirmedAt: before(20 * time.Minute), EnrolledAt: before(time.Minute)}
	f.Agent = &journey.AgentFacts{BootID: "b", LastSeen: noon, Phase: step.Idle}
	f.Firmware = journey.FirmwareFacts{
		Generation: 2, Described: true, Wanted: map[string]string{"Sriov": "Enabled"}, Current: map[string]string{"Sriov": "Disabled"},
		Settings: map[string]firmware.Setting{"Sriov": {Kind: firmware.Enumeration, Values: []string{"Enabled", "Disabled"}}},
	}
	return f
}

func TestSettle(t *testing.T) {
	failed := func(a journey.Action, kind step.FailureKind) *journey.ActionResult {
		return &journey.ActionResult{Action: a.Name(), Failure: &step.Failure{Kind: kind, Message: "no"}}
	}
	for name, c := range map[string]struct {
		edit func(*journey.Facts)
		// action is the action's name, empty for none; reason the outcome's; says a part of the message; state the host's after it.
		action string
		reason journey.Reason
		says   string
		state  metal3.ProvisioningState
	}{
		"no BIOS, nothing wanted": {func(f *journey.Facts) {
			f.Record.BMC.Capabilities, f.Firmware, f.Record.Firmware = []string{"power"}, journey.FirmwareFacts{}, nil
		}, "", journey.ReasonStageChanged, "", metal3.StateAvailable},
		"no BIOS, settings wanted": {func(f *journey.Facts) { f.Record.BMC.Capabilities = []string{"power"} },
			"", journey.ReasonPreparationFailed, "shows none of its machine's firmware", metal3.StatePreparing},
		"never read": {func(f *journey.Facts) { f.Record.Firmware, f.Firmware = nil, journey.FirmwareFacts{} },
			"read firmware settings", journey.ReasonReadingFirmware, "", metal3.StatePreparing},
		"read before the inspection": {func(f *journey.Facts) { f.Host.Status.OperationHistory.Inspect.End = *before(time.Minute) },
			"read firmware settings", journey.ReasonReadingFirmware, "", metal3.StatePreparing},
		"object lost":    {func(f *journey.Facts) { f.Firmware.Described = false }, "read firmware settings", journey.ReasonReadingFirmware, "", metal3.StatePreparing},
		"nothing wanted": {func(f *journey.Facts) { f.Firmware.Wanted = nil }, "", journey.ReasonStageChanged, "", metal3.StateAvailable},
		"in force":       {func(f *journey.Facts) { f.Firmware.Current["Sriov"] = "Enabled" }, "", journey.ReasonStageChanged, "", metal3.StateAvailable},
		"differs":        {func(*journey.Facts) {}, "set firmware settings", journey.ReasonSettingFirmware, "Sriov", metal3.StatePreparing},
		"a wrong value": {func(f *journey.Facts) { f.Firmware.Wanted["Sriov"] = "on" },
			"", journey.ReasonPreparationFailed, `Sriov cannot be "on": it is one of "Enabled", "Disabled"`, metal3.StatePreparing},
		"a wrong one beside a right one": {func(f *journey.Facts) { f.Firmware.Wanted["Colour"] = "blue" },
			"", journey.ReasonPreparationFailed, "Colour is not a setting", metal3.StatePreparing},
		"refused by the BMC": {func(f *journey.Facts) { f.Result = failed(journey.SetFirmware{}, step.Invalid) },
			"", journey.ReasonPreparationFailed, "set firmware settings: no", metal3.StatePreparing},
		"waiting after a refusal": {func(f *journey.Facts) { failedEarlier(f) }, "", journey.ReasonPreparationFailed, "earlier", metal3.StatePreparing},
		"edited after a refusal": {func(f *journey.Facts) { failedEarlier(f); f.Firmware.Generation = 3 },
			"set firmware settings", journey.ReasonSettingFirmware, "", metal3.StatePreparing},
		"just set": {func(f *journey.Facts) { f.Result = &journey.ActionResult{Action: "set firmware settings"} },
			"open boot window", journey.ReasonOpeningWindow, "", metal3.StatePreparing},
		"just set, and edited": {func(f *journey.Facts) {
			f.Result, f.Firmware.Generation = &journey.ActionResult{Action: "set firmware settings"}, 3
		}, "set firmware settings", journey.ReasonSettingFirmware, "", metal3.StatePreparing},
		"booted for it": {func(f *journey.Facts) {
			f.Record.Firmware.SetAt, f.Record.Firmware.ReadAt = before(30*time.Minute), nil
		},
			"read firmware settings", journey.ReasonReadingFirmware, "", metal3.StatePreparing},
		"booted and in force": {func(f *journey.Facts) {
			f.Record.Firmware.SetAt, f.Record.Firmware.ReadAt = before(30*time.Minute), before(time.Second)
			f.Firmware.Current["Sriov"] = "Enabled"
		}, "", journey.ReasonStageChanged, "", metal3.StateAvailable},
		"booted, not shown yet": {func(f *journey.Facts) {
			f.Record.Firmware.SetAt, f.Record.Firmware.ReadAt = before(30*time.Minute), before(10*time.Second)
		}, "", journey.ReasonFirmwareNotInForce, `Sriov is "Disabled", not "Enabled"`, metal3.StatePreparing},
		"booted, looked at again": {func(f *journey.Facts) {
			f.Record.Firmware.SetAt, f.Record.Firmware.ReadAt = before(30*time.Minute), before(40*time.Second)
		}, "read firmware settings", journey.ReasonReadingFirmware, "", metal3.StatePreparing},
		"never in force": {func(f *journey.Facts) {
			f.Record.Firmware.SetAt, f.Record.Firmware.ReadAt = before(30*time.Minute), before(40*time.Second)
			f.Record.Boot.EnrolledAt = before(11 * time.Minute)
		}, "", journey.ReasonPreparationFailed, "they are not in force", metal3.StatePreparing},
		"edited back while it boots": {func(f *journey.Facts) {
			f.Record.Firmware.SetAt, f.Firmware.Generation, f.Firmware.Wanted["Sriov"] = before(time.Minute), 3, "Disabled"
		}, "", journey.ReasonStageChanged, "", metal3.StateAvailable},
	} {
		t.Run(name, func(t *testing.T) {
			f := settledFacts()
			c.edit(&f)
			dec := Decide(f, noon)
			if broken := journey.Check(f, dec); len(broken) > 0 {
				t.Errorf("the decision breaks %v", broken)
			}
			action := ""
			if dec.Action != nil {
				action = dec.Action.Name()
			}
			if action != c.action || dec.Outcome.Reason != c.reason || !strings.Contains(dec.Outcome.Message, c.says) {
				t.Errorf("%q because of %s (%s), want %q because of %s (%s)", action, dec.Outcome.Reason, dec.Outcome.Message, c.action, c.reason, c.says)
			}
			if got := dec.Host.Status.Provisioning.State; got != c.state {
				t.Errorf("the host is %s, want %s", got, c.state)
			}
		})
	}
}

func failedEarlier(f *journey.Facts) {
	f.Record.Failure = &ingot.FailureStatus{
		Stage: string(metal3.StatePreparing), ErrorType: string(metal3.PreparationError), Kind: string(step.Invalid), Message: "earlier",
		At: *before(time.Minute), NextAttempt: metav1.NewTime(noon.Add(time.Hour)), Count: 1,
	}
	f.Host.Status.OperationalStatus, f.Host.Status.ErrorType, f.Host.Status.ErrorMessage = metal3.OperationalStatusError, metal3.PreparationError, "earlier"
}

// TestSetIsForgottenAfterABoot: the boot that brings settings into force is not the one of the agent that was there before.
func TestSetEndsTheBoot(t *testing.T) {
	f := settledFacts()
	f.Result = &journey.ActionResult{Action: journey.SetFirmware{}.Name()}
	dec := Decide(f, noon)
	if dec.Record.Boot == nil || dec.Record.Boot.ID == "b" || dec.Record.Firmware.SetAt == nil || dec.Record.Firmware.ReadAt != nil {
		t.Errorf("boot %+v, firmware %+v", dec.Record.Boot, dec.Record.Firmware)
	}
}

// TestAvailableHostIsPreparedForItsSettings, and for nothing else.
func TestAvailableHostIsPreparedForItsSettings(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*journey.Facts)
		want metal3.ProvisioningState
	}{
		"differs":        {func(*journey.Facts) {}, metal3.StatePreparing},
		"in force":       {func(f *journey.Facts) { f.Firmware.Current = maps.Clone(f.Firmware.Wanted) }, metal3.StateAvailable},
		"cannot be":      {func(f *journey.Facts) { f.Firmware.Wanted["Sriov"] = "on" }, metal3.StatePreparing},
		"nothing wanted": {func(f *journey.Facts) { f.Firmware.Wanted = nil }, metal3.StateAvailable},
		"nothing read, nothing wanted": {func(f *journey.Facts) {
			f.Firmware, f.Record.Firmware = journey.FirmwareFacts{}, nil
		}, metal3.StateAvailable},
		"no BIOS": {func(f *journey.Facts) { f.Record.BMC.Capabilities = nil }, metal3.StatePreparing},
	} {
		t.Run(name, func(t *testing.T) {
			f := settledFacts()
			f.Host.Status.Provisioning.State, f.Host.Spec.Online = metal3.StateAvailable, true
			f.Power = journey.PowerReading{State: journey.PowerOn, ReadAt: noon}
			c.edit(&f)
			if got := Offer(f, noon).Host.Status.Provisioning.State; got != c.want {
				t.Errorf("the host is %s, want %s", got, c.want)
			}
		})
	}
}

// TestFirmwareInvariant: whatever decides, settings that were not asked for or not checked are not set.
func TestFirmwareInvariant(t *testing.T) {
	for name, c := range map[string]struct {
		set    map[string]string
		state  metal3.ProvisioningState
		broken bool
	}{
		"asked for":     {map[string]string{"Sriov": "Enabled"}, metal3.StatePreparing, false},
		"other value":   {map[string]string{"Sriov": "Disabled"}, metal3.StatePreparing, true},
		"other setting": {map[string]string{"Colour": "blue"}, metal3.StatePreparing, true},
		"provisioned":   {map[string]string{"Sriov": "Enabled"}, metal3.StateProvisioned, true},
	} {
		f := settledFacts()
		dec := Decide(f, noon)
		f.Host.Status.Provisioning.State, dec.Host.Status.Provisioning.State = c.state, c.state
		dec.Action = journey.SetFirmware{Settings: c.set}
		if broken := journey.Check(f, dec); (len(broken) > 0) != c.broken {
			t.Errorf("%s: %v", name, broken)
		}
	}
}
