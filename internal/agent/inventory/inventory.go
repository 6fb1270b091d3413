// Package inventory reads what a Linux machine is made of: from /sys, /proc and the SMBIOS tables, as a file system that is handed in.
//
// It owns the meaning of those files and the names that Metal3 and udev give to what is in them (WWN with and without extension, by-path and by-id links,
// "0x1af4 0x0001" for a NIC's model), since root device hints are written by people who read those names elsewhere. It refuses sockets (LLDP and addresses come from the
// caller) and writes nothing.
//
// Whatever cannot be read is left empty: firmware lies and leaves out, and an inventory with a gap is of more use than none. Only an unreadable list of disks
// is an error, since an empty one would mean something else.
//
// Invariants: a disk of size 0, a virtual block device and a hidden path of a multipath disk are never listed; results are sorted by name.
package inventory

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/ingotmetal/ingot/step"
)

// Reader reads one machine.
type Reader struct {
	// Root has sys and proc below it: os.DirFS("/").
	Root fs.FS
	// BootMAC is the NIC that booted the agent, lower case; empty where it is not known.
	BootMAC string
}

// Read gives everything but addresses and LLDP neighbours.
func (r Reader) Read() (step.Inventory, error) {
	disks, err := r.Disks()
	if err != nil {
		return step.Inventory{}, err
	}
	nics, err := r.NICs()
	if err != nil {
		return step.Inventory{}, err
	}
	return step.Inventory{
		Hostname: r.hostname(), System: r.system(), Firmware: r.firmware(), CPU: r.cpu(), MemoryBytes: r.memory(), NICs: nics, Disks: disks, Components: r.Components(disks), GPUs: r.GPUs(),
	}, nil
}

func (r Reader) hostname() string {
	name := r.text("proc/sys/kernel/hostname")
	if name == "(none)" {
		return ""
	}
	return name
}

func (r Reader) system() step.System {
	const dmi = "sys/class/dmi/id/"
	return step.System{
		Manufacturer: told(r.text(dmi + "sys_vendor")),
		ProductName:  told(r.text(dmi + "product_name")),
		SerialNumber: told(r.text(dmi + "product_serial")),
		UUID:         r.SystemUUID(),
	}
}

// SystemUUID is the machine's (SMBIOS type 1), lower case; empty where it has none.
func (r Reader) SystemUUID() string {
	return strings.ToLower(told(r.text("sys/class/dmi/id/product_uuid")))
}

// told leaves out what makers print when they print nothing.
func told(text string) string {
	switch strings.ToLower(text) {
	case "to be filled by o.e.m.", "default string", "not specified", "none", "system serial number", "system manufacturer", "system product name", "0123456789":
		return ""
	}
	return text
}

func (r Reader) firmware() step.Firmware {
	const dmi = "sys/class/dmi/id/"
	f := step.Firmware{Vendor: told(r.text(dmi + "bios_vendor")), Version: told(r.text(dmi + "bios_version")), Date: told(r.text(dmi + "bios_date"))}
	if _, err := fs.Stat(r.Root, "sys/firmware/efi"); err == nil {
		f.UEFI = true
		f.SecureBoot = r.secureBoot()
	}
	return f
}

// secureBoot reads the variable SecureBoot of the global variable GUID (UEFI 2.10 §3.3): four bytes of attributes, then 1 for on.
func (r Reader) secureBoot() bool {
	data, err := fs.ReadFile(r.Root, "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c")
	return err == nil && len(data) == 5 && data[4] == 1
}

func (r Reader) cpu() step.CPU {
	c := parseCPUInfo(r.text("proc/cpuinfo"))
	c.Architecture = r.text("proc/sys/kernel/arch")
	if c.Architecture == "" {
		c.Architecture = architecture
	}
	if kHz, err := strconv.ParseFloat(r.text("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq"), 64); err == nil {
		c.ClockMHz = kHz / 1000
	}
	return c
}

// parseCPUInfo reads /proc/cpuinfo of x86_64 and aarch64.
func parseCPUInfo(text string) step.CPU {
	var c step.CPU
	for line := range strings.SplitSeq(text, "\n") {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "processor":
			c.Count++
		case "model name":
			c.Model = value
		case "cpu MHz":
			if mhz, err := strconv.ParseFloat(value, 64); err == nil && mhz > c.ClockMHz {
				c.ClockMHz = mhz
			}
		case "flags", "Features":
			if c.Flags == nil {
				c.Flags = strings.Fields(value)
			}
		}
	}
	return c
}

// memory is what is installed, else what the kernel sees.
func (r Reader) memory() int64 {
	if tables, err := fs.ReadFile(r.Root, "sys/firmware/dmi/tables/DMI"); err == nil {
		if installed := InstalledMemory(tables); installed > 0 {
			return installed
		}
	}
	for line := range strings.SplitSeq(r.text("proc/meminfo"), "\n") {
		if value, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
			if err == nil {
				return kib << 10
			}
		}
	}
	return 0
}

// NICs lists the Ethernet interfaces of devices.
func (r Reader) NICs() ([]step.NIC, error) {
	const class = "sys/class/net"
	entries, err := fs.ReadDir(r.Root, class)
	if err != nil {
		return nil, fmt.Errorf("list the network interfaces: %w", err)
	}
	var nics []step.NIC
	for _, e := range entries {
		dir := path.Join(class, e.Name())
		const ethernet = "1"
		if _, err := fs.Stat(r.Root, dir+"/device"); err != nil || r.text(dir+"/type") != ethernet {
			continue
		}
		n := step.NIC{Name: e.Name(), MAC: strings.ToLower(r.text(dir + "/address")), LinkUp: r.text(dir+"/carrier") == "1"}
		if mbps, err := strconv.Atoi(r.text(dir + "/speed")); err == nil && mbps > 0 {
			n.SpeedMbps = mbps
		}
		n.Model = strings.TrimSpace(r.text(dir+"/device/vendor") + " " + r.text(dir+"/device/device"))
		n.Booted = n.MAC != "" && n.MAC == r.BootMAC
		nics = append(nics, n)
	}
	return nics, nil
}

// text reads a small file without the white space around it; empty when it cannot be read.
func (r Reader) text(name string) string {
	data, err := fs.ReadFile(r.Root, name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(strings.ToValidUTF8(strings.Trim(string(data), "\x00 \n\t"), "?"))
}

// link gives where a symbolic link leads, as it is written; empty when there is none.
func (r Reader) link(name string) string {
	to, err := fs.ReadLink(r.Root, name)
	if err != nil {
		return ""
	}
	return to
}

// resolve gives the path that a symbolic link in dir leads to, from the root on.
func (r Reader) resolve(name string) string {
	to := r.link(name)
	switch {
	case to == "":
		return name
	case path.IsAbs(to):
		return strings.TrimPrefix(path.Clean(to), "/")
	}
	return path.Join(path.Dir(name), to)
}

var errNoBlock = errors.New("the kernel shows no block devices at all: /sys is not mounted")
