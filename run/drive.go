package run

import (
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
)

// drive is what the virtual CD drive must hold when the machine is started next: the live ISO that it runs, or the owner's DataImage. As in Metal3 the drive changes at a start and never under
// a running system.
func drive(d *journey.Draft) journey.Drive {
	p, data := d.Host.Status.Provisioning, d.Facts.DataImage
	switch {
	case d.State() == metal3.StateProvisioned && p.Image.IsLiveISO():
		mode := p.BootMode
		if mode == "" {
			mode = d.Host.BootMode()
		}
		return journey.Drive{Managed: true, URL: p.Image.URL, Boot: true, Mode: mode}
	case data != nil && !data.Deleting && NoDataImage(d.Host, &d.Record) == "":
		return journey.Drive{Managed: true, URL: data.URL}
	case d.Record.Drive != nil:
		return journey.Drive{Managed: true}
	}
	return journey.Drive{}
}

// otherMedium: the owner corrected the medium that a start failed with, which is worth a try at once.
func otherMedium(d *journey.Draft) bool {
	want, has := drive(d), d.Record.Drive
	return want.URL != "" && has != nil && has.InsertedAt == nil && has.URL != want.URL
}

// NoDataImage says why a DataImage cannot be attached to a host at all, empty if it can.
func NoDataImage(h *metal3.BareMetalHost, r *ingot.HostLifecycleStatus) string {
	switch {
	case h.Status.Provisioning.Image.IsLiveISO():
		return "the host boots a live ISO, which has the BMC's virtual CD drive: give the host another image, or delete the DataImage"
	case journey.LacksDrive(r):
		return "the BMC of the host has no virtual media: delete the DataImage"
	}
	return ""
}

// Attached is the URL of the DataImage that the machine has, empty for none.
func Attached(r *ingot.HostLifecycleStatus) string {
	if r.Drive == nil || r.Drive.Boot || r.Drive.InsertedAt == nil {
		return ""
	}
	return r.Drive.URL
}

// LetGo says whether nothing of a DataImage that is being deleted is left in the drive.
func LetGo(r *ingot.HostLifecycleStatus) bool { return r.Drive == nil || r.Drive.Boot }
