package seeded

import (
	"fmt"
	"slices"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/step"
)

// raidController is one with three drives.
func raidController() raid.Storage {
	k := raid.Controller{ID: "RAID.1", Levels: []string{raid.Striped, raid.Mirrored}}
	for n := range 3 {
		k.Drives = append(k.Drives, raid.Drive{ID: fmt.Sprintf("bay%d", n), SizeBytes: 300 << 30, Rotational: true})
	}
	return raid.Storage{Controllers: []raid.Controller{k}}
}

// seeVolumes has the volumes of the controller as disks from the machine's next look on; a new one holds what its drives held. The objects must allow it in this moment. The BMC is locked.
func (m *machine) seeVolumes(s raid.Storage) {
	m.w.agenda.add(m.w.now(), m.name, func() {
		if h := m.w.hostOf(m.key); h != nil && (h.Status.Provisioning.State == metal3.StateProvisioned || h.Status.Provisioning.State == metal3.StateProvisioning || h.Status.Provisioning.State == metal3.StateExternallyProvisioned) {
			m.w.wrong("%s: volumes are changed in state %q", m.name, h.Status.Provisioning.State)
		}
		kept := slices.DeleteFunc(slices.Clone(m.disks), func(d *disk) bool { return d.WWNWithExtension != "" })
		for n, v := range s.Controllers[0].Volumes {
			i := slices.IndexFunc(m.disks, func(d *disk) bool { return d.WWNWithExtension == v.WWN })
			if i >= 0 {
				kept = append(kept, m.disks[i])
				continue
			}
			kept = append(kept, &disk{step.Disk{Name: fmt.Sprintf("/dev/sd%c", 'p'+n), SerialNumber: v.WWN, WWN: v.WWN, WWNWithExtension: v.WWN, SizeBytes: v.SizeBytes, Type: "hdd", Rotational: true}, "what the drives held"})
		}
		m.disks = kept
	})
	m.w.poke()
}
