package simulated

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/ingotmetal/ingot/internal/driver/disk/filebacked"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/step"
)

var _ bmcsim.VolumeHolder = (*Machine)(nil)

// shortWWN is how many characters of a number of 32 digits udev calls the WWN.
const shortWWN = 2 + 16

// SetVolumes implements bmcsim.VolumeHolder: volumes are disks from the next boot on. A new one has a new file, a deleted one's file goes with it.
func (m *Machine) SetVolumes(volumes []bmcsim.Volume) error {
	m.shapes.Lock()
	defer m.shapes.Unlock()
	next := map[string]volumeFile{}
	var order []string
	for _, v := range volumes {
		file, known := m.volumes[v.WWN]
		if !known {
			file = volumeFile{path: filepath.Join(m.volumeDir(), "volume-"+v.WWN+".raw")}
			if err := filebacked.Create(file.path, v.SizeBytes); err != nil {
				return fmt.Errorf("machine %s: volume %s: %w", m.config.Name, v.Name, err)
			}
		}
		file.disk = step.Disk{
			Model: "Simulated volume", Vendor: "Ingot", SerialNumber: v.WWN[2:], WWN: v.WWN[:shortWWN], WWNVendorExtension: "0x" + v.WWN[shortWWN:], WWNWithExtension: v.WWN, SizeBytes: v.SizeBytes, SectorBytes: 512,
			Rotational: true, Type: "hdd",
		}
		next[v.WWN] = file
		order = append(order, v.WWN)
	}
	for wwn, file := range m.volumes {
		if _, stays := next[wwn]; !stays {
			if err := os.Remove(file.path); err != nil {
				return fmt.Errorf("machine %s: volume %s: %w", m.config.Name, wwn, err)
			}
		}
	}
	m.volumes, m.volumeOrder = next, order
	return nil
}

// volumeFile is a volume with its file.
type volumeFile struct {
	path string
	disk step.Disk
}

func (m *Machine) volumeDir() string {
	if m.config.VolumeDir != "" || len(m.config.Inventory.Disks) == 0 {
		return m.config.VolumeDir
	}
	return filepath.Dir(m.config.DiskPaths[m.config.Inventory.Disks[0].Name])
}

// shape is what a boot finds: the machine's own disks and the volumes of its controllers, by name, with their files.
func (m *Machine) shape() (inventory step.Inventory, paths map[string]string, disks *filebacked.Machine) {
	m.shapes.Lock()
	defer m.shapes.Unlock()
	inventory, paths = m.config.Inventory, maps.Clone(m.config.DiskPaths)
	inventory.Disks = slices.Clone(inventory.Disks)
	disks = &filebacked.Machine{Disks: maps.Clone(m.disks.Disks), Observer: m.disks.Observer}
	for n, wwn := range m.volumeOrder {
		v := m.volumes[wwn]
		v.disk.Name = fmt.Sprintf("/dev/sd%c", 'p'+n)
		v.disk.HCTL = fmt.Sprintf("9:0:%d:0", n)
		inventory.Disks = append(inventory.Disks, v.disk)
		paths[v.disk.Name] = v.path
		disks.Disks[v.disk.Name] = filebacked.Spec{Path: v.path, SectorBytes: v.disk.SectorBytes}
	}
	return inventory, paths, disks
}
