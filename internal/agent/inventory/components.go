package inventory

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/ingotmetal/ingot/step"
)

// adapterFiles are the attributes in which drivers of storage adapters tell their firmware's version and their model, below /sys/class/scsi_host/hostN (mpt3sas, smartpqi and hpsa, qla2xxx, lpfc, aacraid).
var adapterFiles = []struct{ version, model string }{
	{"version_fw", "board_name"},
	{"firmware_version", "model"},
	{"firmware_revision", "model"},
	{"fw_version", "model_name"},
	{"fwrev", "modelname"},
	{"hba_kernel_version", "model"},
}

// Components are those whose firmware the kernel tells the version of, but for network interfaces, which answer over a socket only: BIOS, processors' microcode, disks, storage adapters, and the BMC
// where the kernel has found it in band. Disks are the machine's as Disks gives them.
func (r Reader) Components(disks []step.Disk) []step.Component {
	var out []step.Component
	add := func(c step.Component) {
		if c.Version != "" {
			out = append(out, c)
		}
	}
	f := r.firmware()
	add(step.Component{Kind: step.ComponentBIOS, Model: f.Vendor, Version: f.Version, Date: f.Date})
	cpu := r.cpu()
	add(step.Component{Kind: step.ComponentCPU, Model: cpu.Model, Version: microcode(r.text("proc/cpuinfo"))})
	for _, d := range disks {
		add(step.Component{Kind: step.ComponentDisk, Device: d.Name, Model: d.Model, Version: r.diskFirmware(d.Name)})
	}
	for _, c := range r.adapters() {
		add(c)
	}
	add(r.managementController())
	return out
}

// microcode is the revision of the first processor (x86).
func microcode(cpuinfo string) string {
	for line := range strings.SplitSeq(cpuinfo, "\n") {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "microcode" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// diskFirmware is an NVMe controller's firmware revision, or the product revision level of SCSI's INQUIRY (SPC-5 §6.7.2), which for ATA disks is what SAT cuts of theirs.
func (r Reader) diskFirmware(name string) string {
	dir := path.Join(block, strings.ReplaceAll(strings.TrimPrefix(name, "/dev/"), "/", "!"), "device")
	for _, file := range []string{"firmware_rev", "rev"} {
		if v := r.text(path.Join(dir, file)); v != "" {
			return v
		}
	}
	return ""
}

// adapters are the storage adapters that tell their firmware's version; several hosts of one adapter are one.
func (r Reader) adapters() []step.Component {
	const class = "sys/class/scsi_host"
	entries, err := fs.ReadDir(r.Root, class)
	if err != nil {
		return nil // a machine without SCSI
	}
	var out []step.Component
	seen := map[string]bool{}
	for _, e := range entries {
		dir := path.Join(class, e.Name())
		for _, files := range adapterFiles {
			version := r.text(path.Join(dir, files.version))
			if version == "" {
				continue
			}
			device := r.pciOf(dir)
			if key := device + " " + version; device == "" || !seen[key] {
				seen[key] = true
				out = append(out, step.Component{Kind: step.ComponentHBA, Device: device, Model: r.text(path.Join(dir, files.model)), Version: version})
			}
			break
		}
	}
	return out
}

// pciOf is the PCI address of the device that a host's link leads through, the last one of its path.
func (r Reader) pciOf(dir string) string {
	address := ""
	for part := range strings.SplitSeq(r.resolve(dir), "/") {
		if strings.Count(part, ":") == 2 && strings.Contains(part, ".") && len(part) == len("0000:00:00.0") {
			address = part
		}
	}
	return address
}

// managementController is the BMC as the kernel's IPMI driver has found it (Documentation/driver-api/ipmi.rst); empty where there is none, or the driver is not loaded.
func (r Reader) managementController() step.Component {
	found, err := fs.Glob(r.Root, "sys/bus/platform/devices/ipmi_bmc*/firmware_revision")
	if err != nil || len(found) == 0 {
		return step.Component{}
	}
	dir := path.Dir(found[0])
	c := step.Component{Kind: step.ComponentBMC, Device: "ipmi", Version: r.text(found[0])}
	if maker, product := r.text(path.Join(dir, "manufacturer_id")), r.text(path.Join(dir, "product_id")); maker != "" {
		c.Model = fmt.Sprintf("manufacturer %s product %s", maker, product)
	}
	return c
}
