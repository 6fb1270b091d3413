package lifecycle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/journey"
)

const (
	// pausedPoll is the routine look at a host that is left alone.
	pausedPoll = 10 * time.Minute
	// annotationPoll is how soon an annotation that cannot be read is looked at again; its change is an event anyway.
	annotationPoll = time.Minute
	saveRetry      = 30 * time.Second
)

// paused leaves a host alone: nothing of it is written.
func paused(f journey.Facts, now time.Time) (journey.Decision, bool) {
	by, ok := f.Host.Annotations[metal3.PausedAnnotation]
	if !ok {
		return journey.Decision{}, false
	}
	return journey.Decision{Host: f.Host.DeepCopy(), Record: *f.Record.DeepCopy(), Outcome: journey.Outcome{
		Kind: journey.Done, Reason: journey.ReasonPaused, NextAttempt: now.Add(pausedPoll),
		Message: fmt.Sprintf("paused by the annotation %s=%q", metal3.PausedAnnotation, by),
	}}, true
}

// restoreStatus takes the status from the annotation where the host has none (a host that was moved here), and removes the annotation in a later pass, once
// the status is seen. One that cannot be read blocks the host: going on would register a machine that may run somebody's system as a new one, and wipe it.
func restoreStatus(f journey.Facts, now time.Time) (journey.Decision, bool) {
	text, ok := f.Host.Annotations[metal3.StatusAnnotation]
	if !ok {
		return journey.Decision{}, false
	}
	d := journey.Begin(f, now)
	if hasStatus(f.Host) {
		if dec, saves := saveHardware(d); saves {
			return dec, true
		}
		delete(d.Host.Annotations, metal3.StatusAnnotation)
		return d.Again(journey.ReasonObjectsChanged, "the status was restored, its annotation is removed"), true
	}
	status, err := decodeStatus(text)
	if err != nil {
		if d.Deleting() {
			return journey.Decision{}, false
		}
		return d.Block(journey.ReasonAnnotationInvalid, fmt.Sprintf("the annotation %s cannot be used: %v", metal3.StatusAnnotation, err),
			"correct the annotation, or remove it to register the machine as a new one, which erases its disks", now.Add(annotationPoll)), true
	}
	status.DeepCopyInto(&d.Host.Status)
	return d.Again(journey.ReasonObjectsChanged, "the status was restored from its annotation"), true
}

func hasStatus(h *metal3.BareMetalHost) bool {
	return h.Status.LastUpdated != nil || h.Status.Provisioning.State != metal3.StateNone
}

// decodeStatus reads a status strictly: an unknown field, an unknown state or an unknown error type is refused, as Metal3 does.
func decodeStatus(text string) (*metal3.BareMetalHostStatus, error) {
	s := &metal3.BareMetalHostStatus{}
	if err := strict(text, s); err != nil {
		return nil, err
	}
	switch {
	case s.Provisioning.State == metal3.StateNone || !journey.KnownState(s.Provisioning.State):
		return nil, fmt.Errorf("the provisioning state %q is not known", s.Provisioning.State)
	case !slices.Contains(append(slices.Clone(metal3.OperationalStatusAllowed), string(metal3.OperationalStatusServicing)), string(s.OperationalStatus)):
		return nil, fmt.Errorf("the operational status %q is not known", s.OperationalStatus)
	case !slices.Contains(append(slices.Clone(metal3.ErrorTypeAllowed), string(metal3.ServicingError)), string(s.ErrorType)):
		return nil, fmt.Errorf("the error type %q is not known", s.ErrorType)
	}
	return s, nil
}

// strict decodes one JSON value without unknown fields and with nothing after it.
func strict(text string, into any) error {
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is text after the JSON value")
	}
	return nil
}

// takeHardware uses hardware details that the owner gives by annotation where inspection gave none, and removes the annotation once they are saved.
// HardwareData that is there already wins over it.
func takeHardware(f journey.Facts, now time.Time) (journey.Decision, bool) {
	text, ok := f.Host.Annotations[metal3.HardwareDetailsAnnotation]
	if !ok || !f.Host.DeletionTimestamp.IsZero() || f.Host.Status.Provisioning.State == metal3.StateNone {
		return journey.Decision{}, false
	}
	d := journey.Begin(f, now)
	if d.Host.Status.HardwareDetails != nil {
		if dec, saves := saveHardware(d); saves {
			return dec, true
		}
		delete(d.Host.Annotations, metal3.HardwareDetailsAnnotation)
		return d.Again(journey.ReasonObjectsChanged, "the hardware details are known, their annotation is removed"), true
	}
	switch {
	case d.State() == metal3.StateInspecting && !d.Host.InspectionDisabled():
		return journey.Decision{}, false
	case f.Hardware != nil:
		d.Host.Status.HardwareDetails = f.Hardware.DeepCopy()
		return d.Again(journey.ReasonObjectsChanged, "the HardwareData wins over the annotation"), true
	}
	h := &metal3.HardwareDetails{}
	if err := strict(text, h); err != nil {
		return d.Block(journey.ReasonAnnotationInvalid, fmt.Sprintf("the annotation %s cannot be used: %v", metal3.HardwareDetailsAnnotation, err),
			"correct the annotation, or remove it", now.Add(annotationPoll)), true
	}
	d.Host.Status.HardwareDetails = h
	return d.Again(journey.ReasonObjectsChanged, "the hardware details are taken from the annotation"), true
}

// recallHardware puts what the HardwareData knows into the status of an inspected host that lacks it. CAPM3 leaves the hardware out of the status that it sends along with a host that is moved
// to another cluster (the HardwareData goes with it), and reads a machine's addresses and its interfaces from the status there.
func recallHardware(f journey.Facts, now time.Time) (journey.Decision, bool) {
	if f.Hardware == nil || f.Host.Status.HardwareDetails != nil || !f.Host.DeletionTimestamp.IsZero() {
		return journey.Decision{}, false
	}
	switch f.Host.Status.Provisioning.State {
	case metal3.StatePreparing, metal3.StateReady, metal3.StateAvailable, metal3.StateProvisioning, metal3.StateProvisioned, metal3.StateExternallyProvisioned, metal3.StateDeprovisioning:
	default:
		return journey.Decision{}, false
	}
	d := journey.Begin(f, now)
	d.Host.Status.HardwareDetails = f.Hardware.DeepCopy()
	return d.Again(journey.ReasonObjectsChanged, "the hardware details are taken from the HardwareData"), true
}

// saveHardware writes the HardwareData of a status that came by annotation.
func saveHardware(d *journey.Draft) (journey.Decision, bool) {
	h := d.Host.Status.HardwareDetails
	if h == nil || d.Facts.Hardware != nil || d.Succeeded(journey.SaveHardware{}) || d.Deleting() {
		return journey.Decision{}, false
	}
	if r := d.Facts.Result; r != nil && r.Action == (journey.SaveHardware{}).Name() && r.Failure != nil {
		return d.Wait(journey.ReasonSavingHardware, r.Failure.Message, d.Now.Add(saveRetry), time.Time{}), true
	}
	return d.Act(journey.SaveHardware{Hardware: h.DeepCopy()}, journey.ReasonSavingHardware, "saving the hardware details that came by annotation"), true
}
