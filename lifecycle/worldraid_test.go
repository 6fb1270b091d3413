package lifecycle

import (
	"fmt"
	"slices"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/step"
)

// controller is a RAID controller with three drives and no volume.
func controller() raid.Storage {
	return raid.Storage{Controllers: []raid.Controller{{ID: "RAID.1", Levels: []string{"0", "1"}, Drives: []raid.Drive{
		{ID: "d1", SizeBytes: 300 << 30}, {ID: "d2", SizeBytes: 300 << 30}, {ID: "d3", SizeBytes: 300 << 30},
	}}}}
}

// volumes is the BMC's part in a change of volumes.
func (w *world) volumes(a journey.Action, r *journey.ActionResult) {
	switch a := a.(type) {
	case journey.ReadVolumes:
		s := w.storage
		r.Storage = &s
	case journey.MakeVolume:
		w.makeVolume(a, r)
	case journey.DeleteVolume:
		w.changesVolumes("delete a volume")
		r.Volume, w.storage = &journey.VolumeReading{}, w.storage.Without(a.Controller, a.ID)
		w.seeVolumes()
	case journey.FollowVolume:
		r.Volume = &journey.VolumeReading{State: journey.UpdateDone}
	}
}

// makeVolume is a controller that refuses a drive that is in use, as all do, and may take a while.
func (w *world) makeVolume(a journey.MakeVolume, r *journey.ActionResult) {
	w.changesVolumes("make a volume")
	for _, m := range w.storage.Controllers[0].Volumes {
		if slices.ContainsFunc(m.Drives, func(d string) bool { return slices.Contains(a.Volume.Drives, d) }) {
			r.Failure = &step.Failure{Kind: step.Invalid, Message: "the drive is in use"}
			return
		}
	}
	if w.fault("internal") {
		r.Failure = &step.Failure{Kind: step.Internal, Message: "the controller is not ready"}
		return
	}
	w.storage, _ = w.storage.With(a.Controller, a.Volume)
	r.Volume = &journey.VolumeReading{State: journey.UpdateRuns, Ticket: "t"}
	w.seeVolumes()
}

func (w *world) changesVolumes(what string) {
	if s := w.host.Status.Provisioning.State; s != metal3.StatePreparing || w.host.Status.Provisioning.Image.URL != "" {
		w.never("the BMC is asked to %s in state %q with the image %q", what, s, w.host.Status.Provisioning.Image.URL)
	}
}

// seeVolumes has the volumes as disks behind the machine's own; a new one holds what its drives held.
func (w *world) seeVolumes() {
	kept := slices.DeleteFunc(slices.Clone(w.disks), func(d *simDisk) bool { return d.WWNWithExtension != "" })
	for n, m := range w.storage.Controllers[0].Volumes {
		i := slices.IndexFunc(w.disks, func(d *simDisk) bool { return d.WWNWithExtension == m.WWN })
		if i >= 0 {
			kept = append(kept, w.disks[i])
			continue
		}
		kept = append(kept, &simDisk{step.Disk{Name: fmt.Sprintf("/dev/sd%c", 'p'+n), SerialNumber: m.WWN, WWNWithExtension: m.WWN, SizeBytes: m.SizeBytes}, "what the drives held"})
	}
	w.disks = kept
}

func (w *world) plain() []step.Disk {
	out := make([]step.Disk, 0, len(w.disks))
	for _, d := range w.disks {
		out = append(out, d.Disk)
	}
	return out
}
