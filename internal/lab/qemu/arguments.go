package qemu

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
)

// The inherited file descriptors: the monitor's, then one for each network interface.
const (
	firstFD   = 3
	monitorFD = firstFD
)

func nicFD(i int) int { return firstFD + 1 + i }

// consoleFD is behind those of the network interfaces.
func consoleFD(c Config) int { return nicFD(len(c.NICs)) }

// order gives each bootable device its place; devices without one are not tried (bootindex absent).
type order struct {
	cd          int
	disks, nics []int
}

// bootOrder follows a plan: the wanted device first, then the machine's own order, disks before network. A CD is only tried when it is asked for.
func bootOrder(c Config, device bmc.Device) order {
	o := order{cd: -1, disks: make([]int, len(c.Disks)), nics: make([]int, len(c.NICs))}
	next := 0
	take := func(places ...*int) {
		for _, p := range places {
			*p = next
			next++
		}
	}
	disks, nics := pointers(o.disks), pointers(o.nics)
	switch device {
	case bmc.BootCD:
		take(&o.cd)
		take(disks...)
		take(nics...)
	case bmc.BootPXE, bmc.BootHTTP:
		take(nics...)
		take(disks...)
	default:
		take(disks...)
		take(nics...)
	}
	return o
}

func pointers(s []int) []*int {
	p := make([]*int, len(s))
	for i := range s {
		p[i] = &s[i]
	}
	return p
}

// arguments is the whole command line for one boot.
func arguments(c Config, plan bmcsim.BootPlan) []string {
	mode := plan.Mode
	if mode == "" {
		mode = c.Mode
	}
	o := bootOrder(c, plan.Device)
	a := []string{
		"-name", escape(c.Name), "-uuid", c.UUID, "-nodefaults", "-display", "none", "-S",
		"-accel", "tcg,thread=multi", "-cpu", "max", "-m", strconv.Itoa(c.MemoryMebibytes), "-smp", strconv.Itoa(c.CPUs),
		"-smbios", fmt.Sprintf("type=1,manufacturer=%s,product=%s,serial=%s,uuid=%s", manufacturer, model, escape(c.Name), c.UUID),
		// A reset and a power-off by the guest stop the machine and tell the monitor why: what comes next is the BMC's to say.
		"-action", "reboot=shutdown,shutdown=pause",
		"-chardev", fmt.Sprintf("socket,id=monitor,fd=%d", monitorFD), "-mon", "chardev=monitor,mode=control",
		// What the machine writes is in the log whether or not somebody reads; what is typed comes over the socket.
		"-chardev", fmt.Sprintf("socket,id=console,fd=%d,logappend=on,logfile=%s", consoleFD(c), escape(c.consolePath())), "-serial", "chardev:console",
		"-device", "virtio-rng-pci",
	}
	a = append(a, firmware(c, mode)...)
	if plan.Device == bmc.BootHTTP && plan.Authorities != "" {
		a = append(a, "-fw_cfg", "name=etc/edk2/https/cacerts,file="+escape(c.authoritiesPath()))
	}
	a = append(a, tpmArguments(c)...)
	a = append(a, cdrom(plan.Medium, o.cd)...)
	for i, d := range c.Disks {
		a = append(a, disk(i, d, o.disks[i])...)
	}
	for i, n := range c.NICs {
		a = append(a, nic(i, n, mode, o.nics[i])...)
	}
	return a
}

func firmware(c Config, mode bmc.Mode) []string {
	flash := func(code string) []string {
		return []string{
			"-drive", "if=pflash,format=raw,unit=0,readonly=on,file=" + code,
			"-drive", "if=pflash,format=raw,unit=1,file=" + escape(c.varsPath(mode)),
		}
	}
	switch mode {
	case bmc.ModeLegacy:
		return []string{"-machine", "q35"}
	case bmc.ModeSecureBoot:
		return append([]string{
			"-machine", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on", "-global", "ICH9-LPC.disable_s3=1",
		}, flash(ovmfSecureCode)...)
	default:
		return append([]string{"-machine", "q35"}, flash(ovmfCode)...)
	}
}

func cdrom(m *bmcsim.Medium, place int) []string {
	drive := "if=none,id=cd-drive,media=cdrom,readonly=on"
	if m != nil && m.Path != "" {
		drive += ",format=raw,file=" + escape(m.Path)
	}
	device := "ide-cd,id=cd,drive=cd-drive,bus=ide.2"
	if place >= 0 {
		device += fmt.Sprintf(",bootindex=%d", place)
	}
	return []string{"-drive", drive, "-device", device}
}

func disk(i int, d Disk, place int) []string {
	// The file outlives the process, and a crash of the whole host loses a lab at most: flushes are not waited for.
	drive := fmt.Sprintf("if=none,id=drive%d,format=raw,cache=unsafe,discard=unmap,file=%s", i, escape(d.Path))
	end := fmt.Sprintf("drive=drive%d,bootindex=%d", i, place)
	// A rate of 1 means that nothing rotates (SBC-4, VPD page B1h).
	rate := 1
	if d.Rotational {
		rate = 7200
	}
	a := []string{"-drive", drive}
	switch d.Bus {
	case Virtio:
		return append(a, "-device", fmt.Sprintf("virtio-blk-pci,%s,serial=%s", end, d.Serial))
	case SCSI:
		device := fmt.Sprintf("scsi-hd,bus=scsi%d.0,%s,serial=%s,rotation_rate=%d", i, end, d.Serial, rate)
		if d.WWN != 0 {
			device += fmt.Sprintf(",wwn=%#x", d.WWN)
		}
		return append(a, "-device", fmt.Sprintf("virtio-scsi-pci,id=scsi%d", i), "-device", device)
	case AHCI:
		device := fmt.Sprintf("ide-hd,bus=ahci%d.0,%s,serial=%s,rotation_rate=%d", i, end, d.Serial, rate)
		if d.WWN != 0 {
			device += fmt.Sprintf(",wwn=%#x", d.WWN)
		}
		return append(a, "-device", fmt.Sprintf("ich9-ahci,id=ahci%d", i), "-device", device)
	default:
		device := fmt.Sprintf("nvme-ns,bus=nvme%d,nsid=1,%s", i, end)
		if d.WWN != 0 {
			device += fmt.Sprintf(",eui64=%#x", d.WWN)
		}
		return append(a, "-device", fmt.Sprintf("nvme,id=nvme%d,serial=%s", i, d.Serial), "-device", device)
	}
}

func nic(i int, n NIC, mode bmc.Mode, place int) []string {
	kind := n.Model
	if kind == "" {
		kind = "virtio-net-pci"
	}
	device := fmt.Sprintf("%s,netdev=net%d,mac=%s,bootindex=%d", kind, i, n.MAC, place)
	if mode != bmc.ModeLegacy {
		// Without the option ROM the firmware's own PXE client boots, as on a bought machine.
		device += ",romfile="
	}
	return []string{"-netdev", fmt.Sprintf("stream,id=net%d,server=off,addr.type=fd,addr.str=%d", i, nicFD(i)), "-device", device}
}

// escape doubles commas, which separate QEMU's options.
func escape(s string) string { return strings.ReplaceAll(s, ",", ",,") }
