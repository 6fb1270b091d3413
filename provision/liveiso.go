package provision

import (
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
)

// live says whether the image that is being provisioned is a live ISO: no agent, no disk of ours and no config drive, as in Metal3. The BMC fetches the ISO from its URL.
func live(h *metal3.BareMetalHost) bool { return h.Status.Provisioning.Image.IsLiveISO() }

// startLive boots the ISO the way a system is started from its disk: the agent's machine is seen off first.
func startLive(d *journey.Draft) journey.Decision {
	f := journey.CheckDeploy(d.Host, d.Facts.Layout)
	if f == nil {
		f = journey.NoLiveISO(d.Host.Spec.Image, &d.Record)
	}
	if f != nil {
		return fail(d, *f)
	}
	return startSystem(d)
}

// bootISO asks for the start. What runs then may write to any disk: from here on they count as used.
func bootISO(d *journey.Draft) journey.Decision {
	url := d.Host.Status.Provisioning.Image.URL
	d.Record.CleanedAt = nil
	d.Record.Drive = &ingot.DriveStatus{URL: url, Boot: true}
	return d.Act(journey.BootISO{BootID: d.Record.Boot.ID, URL: url, Mode: bootMode(d.Host)}, journey.ReasonBootingISO, "starting the machine from the live ISO "+url)
}

// inserted says whether the ISO is known to be in the drive.
func inserted(d *journey.Draft) bool {
	drive := d.Record.Drive
	return drive != nil && drive.InsertedAt != nil && drive.URL == d.Host.Status.Provisioning.Image.URL
}
