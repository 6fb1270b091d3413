package simulated

import (
	"context"
	"errors"

	"github.com/ingotmetal/ingot/internal/driver/disk/filebacked"
	"github.com/ingotmetal/ingot/internal/image/partition"
)

// configDriveOnArray looks for the config drive where a system with software RAID has it: it starts the arrays that are on its disks.
func (m *Machine) configDriveOnArray(ctx context.Context) (configDrive, error) {
	inventory, _, disks := m.shape()
	arrays := filebacked.NewArrays(&filebacked.Machine{Disks: disks.Disks}, partition.Places)
	var names []string
	for _, d := range inventory.Disks {
		names = append(names, d.Name)
	}
	running, err := arrays.Assemble(ctx, names)
	if err != nil {
		return configDrive{}, err
	}
	for _, r := range running {
		d, err := arrays.Open(ctx, r.Name)
		if err != nil {
			return configDrive{}, err
		}
		drive, err := findConfigDrive(d)
		if err := errors.Join(err, d.Close()); err == nil {
			m.console.printf("the root device is %s of %d disks\n", r.Name, len(r.Members))
			return drive, nil
		}
	}
	return configDrive{}, errNoConfigDrive
}
