package journey

import (
	"slices"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/step"
)

// canVirtualMedia is the capability's name in BMCStatus.Capabilities.
const canVirtualMedia = "virtual-media"

// LacksDrive says whether the BMC is known to have no virtual CD drive. Without a probe (the record was lost) it is taken to have one, and the action will tell.
func LacksDrive(r *ingot.HostLifecycleStatus) bool {
	return r.BMC != nil && !slices.Contains(r.BMC.Capabilities, canVirtualMedia)
}

// NoLiveISO is why this host cannot boot the live ISO that it asks for; nil where it can, and for every other image.
func NoLiveISO(i *metal3.Image, r *ingot.HostLifecycleStatus) *step.Failure {
	if i == nil || !i.IsLiveISO() || !LacksDrive(r) {
		return nil
	}
	return &step.Failure{Kind: step.Unsupported, Message: "a live ISO is booted as virtual media, and the BMC has none",
		Fix: "use an image of format raw or qcow2, or the BMC's licence that has virtual media"}
}

// WantDrive notes in the record what the drive is about to hold, before the BMC is asked.
func (d *Draft) WantDrive(want Drive) {
	has := d.Record.Drive
	if !want.Managed || want.URL == "" || has != nil && has.URL == want.URL && has.Boot == want.Boot && has.EjectedAt == nil {
		return
	}
	d.Record.Drive = &ingot.DriveStatus{URL: want.URL, Boot: want.Boot}
}

// takeDrive takes up what the last action, or the last reading, says of the owner's medium.
func (d *Draft) takeDrive() {
	has, r := d.Record.Drive, d.Facts.Result
	switch {
	case has == nil:
	case r != nil && r.Drive != nil && *r.Drive == has.URL, d.Facts.Media == has.URL && has.EjectedAt == nil:
		if has.InsertedAt == nil {
			has.InsertedAt = d.Stamp()
		}
	case r != nil && r.Drive != nil && *r.Drive == "" && has.Boot:
		if has.EjectedAt == nil {
			has.EjectedAt = d.Stamp()
		}
	case r != nil && r.Drive != nil && *r.Drive == "":
		d.Record.Drive = nil
	}
}
