package redfish_test

import (
	"fmt"

	"github.com/ingotmetal/ingot/internal/driver/bmc/bmctest"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/raid"
)

// raidControllers is one with four good drives, one that failed and a hot spare.
func raidControllers() []bmcsim.RAIDController {
	out := bmcsim.RAIDController{ID: "RAID.Slot.6-1", Name: "PERC H755", Types: []string{"RAID0", "RAID1", "RAID5", "RAID6", "RAID10"}}
	for n := range 6 {
		out.Drives = append(out.Drives, bmcsim.RAIDDrive{
			Disk:   bmcsim.Disk{Name: fmt.Sprintf("bay %d", n), Model: "Spinning", SerialNumber: fmt.Sprintf("R%d", n), SizeBytes: 600 << 30, Protocol: "SAS", Rotational: true},
			Failed: n == 4, Spare: n == 5,
		})
	}
	return []bmcsim.RAIDController{out}
}

func storageRig(s sim, p bmcsim.Personality) *bmctest.Storage {
	k := raidControllers()[0]
	c := raid.Controller{ID: k.ID, Names: []string{k.Name, "0", k.Name}, Levels: []string{"0", "1", "5", "6", "1+0"}}
	for n, d := range k.Drives {
		one := raid.Drive{ID: fmt.Sprintf("Disk.Bay.%d:%s", n, k.ID), Name: d.Name, SerialNumber: d.SerialNumber, SizeBytes: d.SizeBytes, Rotational: true, Protocol: "SAS"}
		switch {
		case d.Failed:
			one.Unusable = "it failed: its health is Critical"
		case d.Spare:
			one.Unusable = "it is a hot spare"
		}
		c.Drives = append(c.Drives, one)
	}
	return &bmctest.Storage{
		At: raid.Storage{Controllers: []raid.Controller{c}}, OnReset: p.VolumesOnReset,
		Fail: func(why string) { s.bmc.SetFaults(bmcsim.Faults{VolumeFailure: why}) },
	}
}
