package prepare

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firmware"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/ramdisk"
	"github.com/ingotmetal/ingot/step"
)

const (
	// inForceWithin is how long after the agent's first word the BMC may still show the old settings: some collect them only when the self-test is over.
	inForceWithin = 10 * time.Minute
	// readAgain is how often it is asked meanwhile.
	readAgain = 30 * time.Second
)

// settle brings the firmware's settings to what the HostFirmwareSettings ask for. settled is true when they are, or nothing is asked for; then the decision is empty.
//
// The settings are read when a host is prepared for the first time and after each inspection, checked, set at the BMC, and brought into force by booting the agent, whose first
// word says that the self-test is over; then they are read again and must be what was asked for. The agent of that boot serves the cleaning.
func settle(d *journey.Draft) (dec journey.Decision, settled bool) {
	f := d.Facts.Firmware
	if !hasBIOS(d) {
		if len(f.Wanted) == 0 {
			return journey.Decision{}, true
		}
		return d.Fail(metal3.PreparationError, step.Failure{Kind: step.Unsupported, Message: "HostFirmwareSettings ask for settings, and this BMC shows none of its machine's firmware",
			Fix: "empty spec.settings of the HostFirmwareSettings, or use the BMC's Redfish address if it has one"}), false
	}
	s := d.Record.Firmware
	if s.SetAt != nil {
		return verifySettings(d)
	}
	if s.ReadAt == nil || readBefore(d) || !f.Described {
		return readSettings(d), false
	}
	if wrong := f.Problems(); len(wrong) > 0 {
		return d.Fail(metal3.PreparationError, step.Failure{Kind: step.Invalid, Message: "HostFirmwareSettings ask for what cannot be: " + firmware.Listed(wrong),
			Fix: "correct spec.settings of the HostFirmwareSettings; the FirmwareSchema that its status names has what each setting can be"}), false
	}
	differ := f.Differing()
	if len(differ) == 0 {
		return journey.Decision{}, true
	}
	return d.Act(journey.SetFirmware{Settings: differ}, journey.ReasonSettingFirmware, "asking the BMC for the firmware settings "+names(differ)), false
}

func hasBIOS(d *journey.Draft) bool {
	return d.Record.BMC != nil && slices.Contains(d.Record.BMC.Capabilities, journey.CapabilityBIOS)
}

// readBefore: the machine was inspected since, and may be another one inside.
func readBefore(d *journey.Draft) bool {
	end := d.Host.Status.OperationHistory.Inspect.End
	return !end.IsZero() && d.Record.Firmware.ReadAt.Before(&end)
}

func readSettings(d *journey.Draft) journey.Decision {
	return d.Act(journey.ReadFirmware{}, journey.ReasonReadingFirmware, "reading the firmware's settings")
}

// takeSettingsResult takes up the last action on the settings, and a change of what is asked for, which ends the wait after a failure.
func takeSettingsResult(d *journey.Draft) {
	if !hasBIOS(d) && len(d.Facts.Firmware.Wanted) == 0 && d.Record.Firmware == nil {
		return
	}
	if d.Record.Firmware == nil {
		d.Record.Firmware = &ingot.FirmwareStatus{Generation: d.Facts.Firmware.Generation}
	}
	s := d.Record.Firmware
	if d.Succeeded(journey.ReadFirmware{}) {
		s.ReadAt = d.Stamp()
	}
	switch {
	case s.Generation != d.Facts.Firmware.Generation:
		// What was set is not what is asked for now.
		s.Generation, s.SetAt = d.Facts.Firmware.Generation, nil
		if f := d.Record.Failure; f != nil && f.Stage == string(metal3.StatePreparing) {
			d.Record.Failure = nil
		}
	case d.Succeeded(journey.SetFirmware{}):
		s.SetAt, s.ReadAt = d.Stamp(), nil
		// The agent at work booted before it.
		d.DropBoot()
	}
}

// verifySettings boots the machine and looks whether it has the settings.
func verifySettings(d *journey.Draft) (dec journey.Decision, settled bool) {
	if dec, ready := ramdisk.Ensure(d, metal3.PreparationError); !ready {
		return dec, false
	}
	s, f := d.Record.Firmware, d.Facts.Firmware
	if s.ReadAt == nil || !f.Described {
		return readSettings(d), false
	}
	differ := f.Differing()
	if len(differ) == 0 {
		s.SetAt = nil
		d.Overcome(metal3.PreparationError)
		return journey.Decision{}, true
	}
	next, deadline := s.ReadAt.Add(readAgain), d.Now.Add(inForceWithin)
	if e := d.Record.Boot.EnrolledAt; e != nil {
		deadline = e.Add(inForceWithin)
	}
	switch {
	case !d.Now.Before(deadline):
		s.SetAt, s.ReadAt = nil, nil
		return d.Fail(metal3.PreparationError, step.Failure{Kind: step.Internal,
			Message: fmt.Sprintf("the BMC took firmware settings, the machine was booted, and %s later they are not in force: %s", inForceWithin, asItIs(differ, f.Current)),
			Fix:     "see the BMC's own log of jobs and of the self-test; some settings depend on others"}), false
	case !d.Now.Before(next):
		return readSettings(d), false
	}
	return d.Wait(journey.ReasonFirmwareNotInForce, "the machine was booted for its firmware settings, and the BMC does not show them yet: "+asItIs(differ, f.Current), next, deadline), false
}

// settingsDiffer says whether an available host has to be prepared for its settings, or to be told that they cannot be.
func settingsDiffer(d *journey.Draft) bool {
	f := d.Facts.Firmware
	if len(f.Wanted) == 0 {
		return false
	}
	s := d.Record.Firmware
	return !hasBIOS(d) || s == nil || s.ReadAt == nil || !f.Described || len(f.Problems()) > 0 || len(f.Differing()) > 0
}

// shown bounds the settings that a message names.
const shown = 10

func names(settings map[string]string) string {
	all := slices.Sorted(maps.Keys(settings))
	out := strings.Join(all[:min(len(all), shown)], ", ")
	if n := len(all) - shown; n > 0 {
		out += fmt.Sprintf(" and %d more", n)
	}
	return out
}

func asItIs(differ, current map[string]string) string {
	all := slices.Sorted(maps.Keys(differ))
	out := make([]string, 0, shown+1)
	for _, name := range all[:min(len(all), shown)] {
		out = append(out, fmt.Sprintf("%s is %.60q, not %.60q", name, current[name], differ[name]))
	}
	if n := len(all) - shown; n > 0 {
		out = append(out, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(out, "; ")
}
