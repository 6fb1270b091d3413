// Package inspect finds out what a machine is made of.
//
// It owns the state inspecting and the conversion of the agent's inventory into Metal3's HardwareDetails. It refuses judgement: whether the hardware fits a size
// is claim's. Inspection is in band, by the agent, which is booted or runs already; or out of band (spec.inspectionMode fast), by the BMC's inventory: then nothing is booted, and what
// the BMC does not say stays empty.
//
// The machine that answers is held against the host once more (journey.OtherMachine), by what the inventory says.
//
// Invariants: the HardwareData is written before the host leaves the state, and the agent's answer is kept until it is.
package inspect

import (
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/ramdisk"
	"github.com/ingotmetal/ingot/step"
)

// Decide decides for an inspecting host.
func Decide(f journey.Facts, now time.Time) journey.Decision {
	d := journey.Begin(f, now)
	if a, ok := d.Host.Annotations[metal3.InspectAnnotationPrefix]; ok && a != metal3.InspectAnnotationValueDisabled { //nolint:staticcheck // hosts made before spec.inspectionMode say it by the annotation
		delete(d.Host.Annotations, metal3.InspectAnnotationPrefix)
		return d.Again(journey.ReasonObjectsChanged, "the inspection that the annotation asks for has begun")
	}
	if d.Host.InspectionDisabled() {
		d.MoveTo(metal3.StatePreparing)
		return d.Again(journey.ReasonStageChanged, "inspection was disabled")
	}
	if dec, failed := d.ActionFailed(metal3.InspectionError); failed {
		return dec
	}
	if dec, waits := d.RetryPending(); waits {
		return dec
	}
	if d.Host.Spec.InspectionMode == journey.InspectionModeFast {
		return outOfBand(d)
	}
	if _, err := journey.Benchmark(d.Host); err != nil {
		return d.Block(journey.ReasonAnnotationInvalid, err.Error(), "correct the annotation, or remove it", d.Now.Add(annotationRetry))
	}
	if dec, ready := ramdisk.Ensure(d, metal3.InspectionError); !ready {
		return dec
	}
	out, dec := ramdisk.Run(d, step.Inspect, nil)
	if out == nil {
		return dec
	}
	return finish(d, out)
}

// annotationRetry is when an annotation that cannot be read is read again; a change of it wakes the host at once.
const annotationRetry = time.Minute

// finish saves the hardware, and leaves once it is saved.
func finish(d *journey.Draft, out *step.Outcome) journey.Decision {
	failure := out.Failure
	if failure == nil && out.Inventory == nil {
		failure = &step.Failure{Kind: step.Internal, Message: "the agent ended the inspection without an inventory"}
	}
	if failure == nil {
		failure = journey.OtherMachine(d.Host, &d.Record, out.Inventory.System.UUID)
	}
	if failure != nil {
		d.EndStep(failure.Message)
		return d.Fail(metal3.InspectionError, *failure)
	}
	owns, err := journey.OwnDisks(d.Host)
	if err != nil {
		return d.Block(journey.ReasonAnnotationInvalid, err.Error(), "correct the annotation", d.Now.Add(annotationRetry))
	}
	h := HardwareDetails(*out.Inventory, owns...)
	if !d.Succeeded(journey.SaveHardware{}) && !equality.Semantic.DeepEqual(d.Facts.Hardware, &h) {
		return d.Act(journey.SaveHardware{Hardware: &h}, journey.ReasonSavingHardware, "saving what the agent found")
	}
	if d.FillArchitecture(&h) {
		// Before the stage ends: each change of the spec has every condition written anew.
		return d.Again(journey.ReasonObjectsChanged, "inspection found the architecture")
	}
	d.EndStep("")
	d.Record.Hardware = found(*out.Inventory, *d.Stamp())
	return leave(d, &h)
}

func leave(d *journey.Draft, h *metal3.HardwareDetails) journey.Decision {
	d.Host.Status.HardwareDetails = h.DeepCopy()
	if r := d.Record.RAID; r != nil {
		r.VolumesChanged = false
	}
	d.MoveTo(metal3.StatePreparing)
	d.Announce("InspectionComplete")
	return d.Again(journey.ReasonStageChanged, "the hardware is known")
}
