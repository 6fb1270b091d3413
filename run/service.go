package run

import (
	"fmt"
	"slices"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/power"
	"github.com/ingotmetal/ingot/step"
	"github.com/ingotmetal/ingot/update"
)

const (
	// serviceWithin is how long after its start a serviced machine may show what it had before: its self-test, in which settings come into force, takes minutes.
	serviceWithin = 20 * time.Minute
	// serviceAgain is how often it is looked at meanwhile.
	serviceAgain = 30 * time.Second
)

// Servicing, as Metal3 has it: a provisioned machine whose HostUpdatePolicy says onReboot gets the firmware settings and updates that wait for it at its next start, whether a reboot
// annotation or spec.online causes that. All of it is done by the BMC: nothing is booted but the owner's own system, and no disk is touched. Whatever goes wrong, the machine is started.

// Waits says for people what changes of a provisioned host's firmware wait for; empty where they don't wait. field is the HostUpdatePolicy's.
func Waits(h *metal3.BareMetalHost, allowed bool, field string) string {
	switch s := h.Status.Provisioning.State; {
	case s == metal3.StateExternallyProvisioned:
		return "the host is externally provisioned: only its power is managed"
	case s != metal3.StateProvisioned:
		return ""
	case allowed:
		return "the host is provisioned: it is serviced at its next start, for example after the annotation reboot.metal3.io"
	}
	return fmt.Sprintf("the host is provisioned: this waits until it is deprovisioned, or until a HostUpdatePolicy of its name has %s: onReboot and the machine is started again", field)
}

// due says whether there is something to service that may be and can be.
func due(d *journey.Draft) bool {
	return d.State() == metal3.StateProvisioned && (updatesDue(d) || len(settingsDue(d)) > 0)
}

func updatesDue(d *journey.Draft) bool {
	f := d.Facts.Components
	return d.Facts.Policy.Updates && update.Able(&d.Record) && len(f.Outstanding(&d.Record)) > 0 && len(f.Problems()) == 0
}

// settingsDue are the settings that differ and may be set.
func settingsDue(d *journey.Draft) map[string]string {
	f := d.Facts.Firmware
	able := d.Record.BMC != nil && slices.Contains(d.Record.BMC.Capabilities, journey.CapabilityBIOS)
	if !d.Facts.Policy.Settings || !able || !f.Described || len(f.Problems()) > 0 {
		return nil
	}
	return f.Differing()
}

// takeService takes up the results of the actions that servicing asks for. What failed is noted; without an answer of the BMC it is tried again while there is time.
func takeService(d *journey.Draft) update.Seen {
	seen := update.Take(d)
	s, r := d.Record.Servicing, d.Facts.Result
	if s == nil || r == nil {
		return seen
	}
	switch r.Action {
	case journey.SetFirmware{}.Name():
		s.Settings = s.Settings || r.Failure == nil
	case journey.ReadFirmware{}.Name():
		if r.Failure == nil && d.Record.Firmware != nil {
			d.Record.Firmware.ReadAt = d.Stamp()
		}
	case journey.ReadComponents{}.Name():
	default:
		return seen
	}
	if f := r.Failure; f != nil {
		d.Facts.Result = nil
		patient := s.OnAt != nil && d.Now.Before(s.OnAt.Add(serviceWithin)) && (f.Kind == step.Unreachable || f.Kind == step.Timeout || f.Kind == step.Busy)
		if patient {
			return update.Unanswered
		}
		s.Failure = r.Action + ": " + f.Message
	}
	return seen
}

// beforeStart does what is due while the machine is off, or, where its power may not be turned off, before its reset. ready: it can be started.
func beforeStart(d *journey.Draft, seen update.Seen, reset bool) (dec journey.Decision, ready bool) {
	if d.Record.Servicing == nil {
		change := d.Record.PowerChange
		if !due(d) || !reset && (d.Power().State != journey.PowerOff || change != nil && change.Want == string(journey.PowerOn)) {
			return journey.Decision{}, true
		}
		d.Record.Servicing = &ingot.ServicingStatus{StartedAt: *d.Stamp()}
		d.Announce("ServicingStarted")
	}
	s := d.Record.Servicing
	if s.WorkedAt != nil {
		return journey.Decision{}, true
	}
	if p := d.Power(); !reset && (p.State == journey.PowerUnknown || d.Now.Sub(p.ReadAt) >= power.PollEvery) {
		if d.Succeeded(journey.ReadPower{}) {
			// The BMC does not say; package power waits for it.
			return journey.Decision{}, true
		}
		return d.Act(journey.ReadPower{}, journey.ReasonReadingPower, "reading the power state"), false
	}
	if s.Failure == "" && (reset || d.Power().State == journey.PowerOff) {
		if dec, done := work(d, seen); !done {
			return dec, false
		}
	}
	s.WorkedAt = d.Stamp()
	return journey.Decision{}, true
}

// work carries out what is due, settings last.
func work(d *journey.Draft, seen update.Seen) (dec journey.Decision, done bool) {
	s := d.Record.Servicing
	if updatesDue(d) || journey.Writing(&d.Record) != nil {
		n := update.Advance(d, seen, update.Way{Begin: true, Restarted: func(time.Time) (time.Time, bool) { return time.Time{}, false }})
		switch {
		case n.Decision != nil:
			return *n.Decision, false
		case n.Failure != nil:
			s.Failure = n.Failure.Message
			return journey.Decision{}, true
		}
	}
	if differ := settingsDue(d); len(differ) > 0 && !s.Settings {
		return d.Act(journey.SetFirmware{Settings: differ}, journey.ReasonServicing, "asking the BMC for firmware settings before the machine is started"), false
	}
	return journey.Decision{}, true
}

// afterStart looks whether what was done is in force once the machine is on. over: servicing is over, or there is none.
func afterStart(d *journey.Draft, seen update.Seen) (dec journey.Decision, over bool) {
	s := d.Record.Servicing
	if s == nil || s.WorkedAt == nil {
		return journey.Decision{}, true
	}
	if s.OnAt == nil {
		s.OnAt = d.Stamp()
	}
	if s.Failure == "" {
		if dec, done := verified(d, seen); !done {
			return dec, false
		}
	}
	failure := s.Failure
	d.Record.Servicing = nil
	if failure != "" {
		d.SetError(metal3.ServicingError, "servicing failed, and the machine was started all the same: "+failure)
		d.Announce("ServicingError")
		return d.Again(journey.ReasonServicingFailed, d.Host.Status.ErrorMessage), false
	}
	d.Overcome(metal3.ServicingError)
	d.Announce("ServicingComplete")
	return d.Again(journey.ReasonServicing, "the machine was serviced: its firmware is as it is asked for"), false
}

// verified brings updates to their end and looks at the settings.
func verified(d *journey.Draft, seen update.Seen) (dec journey.Decision, done bool) {
	s := d.Record.Servicing
	n := update.Advance(d, seen, update.Way{Restarted: func(since time.Time) (time.Time, bool) { return s.OnAt.Time, !s.OnAt.Time.Before(since) }})
	switch {
	case n.Decision != nil:
		return *n.Decision, false
	case n.Failure != nil:
		s.Failure = n.Failure.Message
		return journey.Decision{}, true
	case !s.Settings:
		return journey.Decision{}, true
	case seen == update.Unanswered:
		return d.Wait(journey.ReasonServicing, "the BMC does not answer after the machine's start", d.Now.Add(serviceAgain), s.OnAt.Add(serviceWithin)), false
	}
	f, r := d.Facts.Firmware, d.Record.Firmware
	if r == nil {
		r = &ingot.FirmwareStatus{Generation: f.Generation}
		d.Record.Firmware = r
	}
	if r.ReadAt == nil || r.ReadAt.Time.Before(s.OnAt.Time) {
		return d.Act(journey.ReadFirmware{}, journey.ReasonServicing, "reading the firmware's settings after the machine's start"), false
	}
	differ, limit := f.Differing(), s.OnAt.Add(serviceWithin)
	switch {
	case len(differ) == 0:
		return journey.Decision{}, true
	case !d.Now.Before(limit):
		s.Failure = fmt.Sprintf("%d firmware settings are not in force %s after the machine's start", len(differ), serviceWithin)
		return journey.Decision{}, true
	case !d.Now.Before(r.ReadAt.Add(serviceAgain)):
		return d.Act(journey.ReadFirmware{}, journey.ReasonServicing, "reading the firmware's settings again"), false
	}
	return d.Wait(journey.ReasonServicing, fmt.Sprintf("%d firmware settings are not in force yet after the machine's start", len(differ)), r.ReadAt.Add(serviceAgain), limit), false
}

// shown puts servicing into the host's operational status, where no error has it.
func shown(dec journey.Decision) journey.Decision {
	s := &dec.Host.Status
	switch serviced := dec.Record.Servicing != nil; {
	case serviced && s.OperationalStatus == metal3.OperationalStatusOK:
		s.OperationalStatus = metal3.OperationalStatusServicing
	case !serviced && s.OperationalStatus == metal3.OperationalStatusServicing:
		s.OperationalStatus = metal3.OperationalStatusOK
	}
	return dec
}
