package inventory

import (
	"io/fs"
	"path"
	"strings"

	"github.com/ingotmetal/ingot/step"
)

// transport finds out how a disk is attached from its place in the device tree, where each kind of host adapter has elements of its own (Linux: drivers/scsi/scsi_transport_*.c,
// drivers/nvme/host). The networks are looked for first: an adapter of theirs is a PCI device like any other.
func (r Reader) transport(name string) step.Transport {
	switch {
	case strings.HasPrefix(name, "nvme"):
		return r.nvmeTransport(name)
	case strings.HasPrefix(name, "mmcblk"):
		return step.MMC
	}
	elements := strings.Split(r.resolve(path.Join(block, name)), "/")
	has := func(prefix string) bool {
		for _, e := range elements {
			if rest, ok := strings.CutPrefix(e, prefix); ok && rest != "" && rest[0] >= '0' && rest[0] <= '9' {
				return true
			}
		}
		return false
	}
	switch {
	case has("session") || r.hostIs("iscsi_host", elements):
		return step.ISCSI
	case has("rport-") || r.hostIs("fc_host", elements):
		return step.FC
	case r.hostIs("srp_host", elements):
		return step.SRP
	case has("usb"):
		return step.USB
	case has("ata"):
		return step.SATA
	case has("end_device-"):
		return step.SAS
	case has("virtio"):
		return step.VirtIO
	}
	return ""
}

// hostIs says whether a SCSI host on the way to a disk is listed in the class of a transport.
func (r Reader) hostIs(class string, elements []string) bool {
	for _, e := range elements {
		number, ok := strings.CutPrefix(e, "host")
		if !ok || number == "" || strings.Trim(number, "0123456789") != "" {
			continue
		}
		if _, err := fs.Stat(r.Root, path.Join("sys/class", class, e)); err == nil {
			return true
		}
	}
	return false
}

// nvmeTransport asks the controllers of a namespace: with multipath in the kernel, which is its default, the namespace hangs below a subsystem with one or more of them.
func (r Reader) nvmeTransport(name string) step.Transport {
	device := r.resolve(path.Join(r.resolve(path.Join(block, name)), "device"))
	said := []string{r.text(path.Join(block, name, "device", "transport")), r.text(path.Join(device, "transport"))}
	entries, err := fs.ReadDir(r.Root, device)
	if err == nil {
		for _, e := range entries {
			if controller, ok := strings.CutPrefix(e.Name(), "nvme"); ok && strings.Trim(controller, "0123456789") == "" {
				said = append(said, r.text(path.Join(device, e.Name(), "transport")), r.text(path.Join("sys/class/nvme", e.Name(), "transport")))
			}
		}
	}
	found := step.Transport("")
	for _, s := range said {
		switch s {
		case "":
		case "pcie", "apple-nvme":
			found = step.NVMe
		default:
			return step.NVMeOF // tcp, rdma, fc, loop
		}
	}
	if found == "" {
		// Kernels before 4.10 know no other transport and have no such file.
		found = step.NVMe
	}
	return found
}
