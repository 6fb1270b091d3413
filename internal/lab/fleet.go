package lab

import (
	"encoding/binary"
	"fmt"
	"path/filepath"

	"github.com/ingotmetal/ingot/internal/lab/ethernet"
	"github.com/ingotmetal/ingot/internal/lab/qemu"
	"github.com/ingotmetal/ingot/step"
)

// blueprint is machine number i of a lab: the same for the same options, so that a lab that is started again has the same machines.
type blueprint struct {
	number int
	name   string
	mac    ethernet.MAC
	uuid   string
	dir    string
	disks  []drive
}

// drive is one disk of a blueprint.
type drive struct {
	path, serial string
	bus          qemu.Bus
	wwn          uint64
	bytes        int64
	rotational   bool
}

// The made-up numbers are locally administered addresses, NAA 3 identifiers (locally assigned) and UUIDs of version 8.
const (
	macPrefix = 0x0269 // 02:69:…
	wwnPrefix = 0x3696_e676_f000_0000
)

func (o Options) blueprint(i int) blueprint {
	b := blueprint{number: i, name: fmt.Sprintf("%s-%d", o.Prefix, i)}
	b.dir = filepath.Join(o.DataDir, "machines", b.name)
	binary.BigEndian.PutUint16(b.mac[:], macPrefix)
	binary.BigEndian.PutUint32(b.mac[2:], uint32(i)+1)
	b.uuid = fmt.Sprintf("696e676f-7400-8000-8000-%012x", i+1)
	for d := range o.Disks {
		one := drive{
			path: filepath.Join(b.dir, fmt.Sprintf("disk%d.raw", d)), serial: fmt.Sprintf("LAB%05dD%d", i, d),
			bus: qemu.SCSI, wwn: wwnPrefix + uint64(i+1)<<8 + uint64(d), bytes: o.DiskBytes, rotational: true,
		}
		if d == 0 {
			one.bus, one.rotational = o.DiskBus, false
		}
		b.disks = append(b.disks, one)
	}
	return b
}

// port is the name of the switch's port that the cable of the machine's network card number i is in.
func (b blueprint) port(i int) string { return fmt.Sprintf("%s/nic%d", b.name, i) }

// furtherMAC is the address of a network card beyond the first.
func (b blueprint) furtherMAC(i int) ethernet.MAC {
	mac := b.mac
	mac[1] += byte(i)
	return mac
}

// inventory is what a simulated machine's agent finds.
func (b blueprint) inventory() step.Inventory {
	i := step.Inventory{
		Hostname: b.name,
		System:   step.System{Manufacturer: "Ingot", ProductName: "Simulated machine", SerialNumber: b.name, UUID: b.uuid},
		Firmware: step.Firmware{Vendor: "Ingot", Version: "1.0", Date: "01/01/2026", UEFI: true},
		CPU: step.CPU{
			Architecture: "x86_64", Model: "Simulated CPU", ClockMHz: 2600, Count: 16,
			Flags: []string{"aes", "avx2", "lm", "sse4_2", "vmx"},
		},
		MemoryBytes: 64 << 30,
		NICs: []step.NIC{{
			Name: "eth0", Model: "Simulated NIC", MAC: b.mac.String(), SpeedMbps: 25_000, LinkUp: true, Booted: true,
			LLDP: &step.LLDP{ChassisID: "02:69:6e:67:00:01", PortID: b.port(0), SystemName: switchName},
		}},
	}
	for n, d := range b.disks {
		i.Disks = append(i.Disks, d.inventory(n))
	}
	return i
}

func (d drive) inventory(n int) step.Disk {
	out := step.Disk{
		Name: fmt.Sprintf("/dev/sd%c", 'a'+n-1), Model: "Simulated HDD", Vendor: "Ingot", SerialNumber: d.serial, HCTL: fmt.Sprintf("%d:0:0:0", n-1),
		WWN: fmt.Sprintf("%#016x", d.wwn), SizeBytes: d.bytes, SectorBytes: 512, Rotational: d.rotational, Type: "hdd",
	}
	if !d.rotational {
		out.Name, out.Model, out.HCTL, out.Type = "/dev/nvme0n1", "Simulated NVMe", "", "nvme"
		out.WWN = fmt.Sprintf("eui.%016x", d.wwn)
	}
	return out
}
