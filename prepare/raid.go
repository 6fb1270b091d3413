package prepare

import (
	"cmp"
	"reflect"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/ramdisk"
	"github.com/ingotmetal/ingot/step"
)

// checkRAID says why software RAID cannot be as it is asked for, nil if it can as far as is known before its disks are looked at.
func checkRAID(d *journey.Draft) *step.Failure {
	if journey.ArraysMade(d.Host, &d.Record) {
		return nil
	}
	want := journey.SoftwareRAID(d.Host)
	if f := raid.Check(want); f != nil {
		return f
	}
	invalid := func(message, fix string) *step.Failure {
		return &step.Failure{Kind: step.Invalid, Message: message, Fix: fix}
	}
	switch {
	case len(want) > 0 && d.Host.BootMode() == metal3.Legacy:
		return invalid("software RAID (spec.raid.softwareRAIDVolumes) with spec.bootMode legacy: a disk of an array is booted by its EFI system partition", "set spec.bootMode to UEFI or UEFISecureBoot, or remove spec.raid")
	case d.Host.Spec.AutomatedCleaningMode == metal3.CleaningModeDisabled:
		return invalid("spec.raid asks for a change of the software RAID on the host's disks, which are not proved to be clean: automatedCleaningMode is disabled",
			"set spec.automatedCleaningMode to metadata for the change, or bring spec.raid back to what it was")
	}
	return nil
}

// voidArrays has the disks cleaned where they have other arrays than those that are asked for: cleaning takes them away.
func voidArrays(d *journey.Draft) {
	if len(journey.Arrays(&d.Record)) > 0 && !journey.ArraysMade(d.Host, &d.Record) {
		d.Record.CleanedAt = nil
	}
}

// makeArrays makes the software RAID that is asked for on the clean disks. made is true when it is there; then the decision is empty.
func makeArrays(d *journey.Draft) (dec journey.Decision, made bool) {
	if journey.ArraysMade(d.Host, &d.Record) {
		return journey.Decision{}, true
	}
	if dec, ready := ramdisk.Ensure(d, metal3.PreparationError); !ready {
		return dec, false
	}
	want := journey.SoftwareRAID(d.Host)
	out, dec := ramdisk.Run(d, step.ConfigureRAID, nil)
	if out == nil {
		return dec, false
	}
	failure := out.Failure
	if failure == nil && len(out.Arrays) != len(want) {
		failure = &step.Failure{Kind: step.Internal, Message: "the agent ended the making of software RAID without saying what it made"}
	}
	if failure != nil {
		d.EndStep(failure.Message)
		// Whatever it got to is taken away by the cleaning before the next attempt.
		d.Record.CleanedAt = nil
		return d.Fail(metal3.PreparationError, *failure), false
	}
	d.EndStep("")
	if d.Record.RAID == nil {
		d.Record.RAID = &ingot.RAIDStatus{}
	}
	d.Record.RAID.ArraysFor, d.Record.RAID.Arrays = journey.RAIDKey(want), nil
	for _, a := range out.Arrays {
		r := ingot.RAIDArray{UUID: a.UUID, Level: a.Level, SizeBytes: a.SizeBytes, MadeAt: *d.Stamp()}
		for _, disk := range a.Disks {
			r.Disks = append(r.Disks, cmp.Or(disk.SerialNumber, disk.Name))
		}
		d.Record.RAID.Arrays = append(d.Record.RAID.Arrays, r)
	}
	return journey.Decision{}, true
}

// raidStatus is status.provisioning.raid of a host that is prepared, by Metal3's rules: what is not asked for at all leaves hardware volumes as they are, and takes software volumes away.
func raidStatus(h *metal3.BareMetalHost) *metal3.RAIDConfig {
	spec, have := h.Spec.RAID, h.Status.Provisioning.RAID
	if spec != nil && (spec.HardwareRAIDVolumes != nil || spec.SoftwareRAIDVolumes != nil) {
		return spec.DeepCopy()
	}
	if have == nil {
		return nil
	}
	out := &metal3.RAIDConfig{SoftwareRAIDVolumes: []metal3.SoftwareRAIDVolume{}}
	if len(have.HardwareRAIDVolumes) > 0 {
		out.HardwareRAIDVolumes = have.DeepCopy().HardwareRAIDVolumes
	}
	return out
}

// raidDiffers says whether the host asks for other volumes than it was prepared with, or its arrays were taken away by a cleaning since, or its controllers' volumes are not known to be those. An empty list is another wish than none.
func raidDiffers(d *journey.Draft) bool {
	return !reflect.DeepEqual(raidStatus(d.Host), d.Host.Status.Provisioning.RAID) || !journey.ArraysMade(d.Host, &d.Record) || !journey.VolumesMade(d.Host, &d.Record)
}
