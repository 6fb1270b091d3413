package inventory

import (
	"io/fs"
	"path"
	"strings"

	"github.com/ingotmetal/ingot/step"
)

// The PCI classes of what calculates for others (PCI Code and ID Assignment Specification, §1.4 and §1.19), as far as class and subclass tell.
const (
	classVGA         = "0x0300"
	class3D          = "0x0302"
	classDisplay     = "0x0380"
	classAccelerator = "0x1200"
)

// gpuVendors are the names of those that people know by name (pci.ids).
var gpuVendors = map[string]string{"10de": "NVIDIA", "1002": "AMD", "8086": "Intel", "1da3": "Habana", "1d0f": "Amazon", "1e60": "Hailo", "1ed2": "FuriosaAI", "1eff": "Rebellions"}

// screens are the makers of graphics that only show a picture: of BMCs (ASPEED, Matrox) and of emulators (QEMU's and Bochs's, Cirrus, Red Hat's, VMware's, Hyper-V's).
var screens = map[string]bool{"1a03": true, "102b": true, "1234": true, "1013": true, "1b36": true, "1af4": true, "15ad": true, "1414": true}

// rootBus is the first bus: a VGA device on it is a part of the processor or of the chipset.
const rootBus = "0000:00:"

// GPUs are the graphics processors and accelerators that a tenant pays for. The graphics by which BMCs show a screen are none, nor are those inside of the processor. The list is in the order of PCI addresses; a
// machine without PCI has none.
func (r Reader) GPUs() []step.GPU {
	const devices = "sys/bus/pci/devices"
	entries, err := fs.ReadDir(r.Root, devices)
	if err != nil {
		return nil
	}
	var out []step.GPU
	for _, e := range entries {
		dir := path.Join(devices, e.Name())
		class := r.text(path.Join(dir, "class"))
		vendor, device := r.pciID(dir, "vendor"), r.pciID(dir, "device")
		if len(class) < len(classVGA) || vendor == "" || device == "" {
			continue
		}
		switch class[:len(classVGA)] {
		case class3D, classAccelerator:
		case classVGA, classDisplay:
			if screens[vendor] || strings.HasPrefix(e.Name(), rootBus) {
				continue
			}
		default:
			continue
		}
		// Functions of a card that are handed to virtual machines are that card.
		if _, err := fs.Stat(r.Root, path.Join(dir, "physfn")); err == nil {
			continue
		}
		out = append(out, step.GPU{Device: e.Name(), Model: strings.TrimSpace(gpuVendors[vendor] + " " + vendor + ":" + device)})
	}
	return out
}

func (r Reader) pciID(dir, file string) string {
	return strings.TrimPrefix(r.text(path.Join(dir, file)), "0x")
}
