package qemu

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/internal/lab/ethernet"
)

// Bus is how a disk is connected.
type Bus string

// The buses. SCSI and AHCI disks have a WWN and a rotation rate, NVMe has an EUI-64, virtio has a serial number only.
const (
	NVMe   Bus = "nvme"
	Virtio Bus = "virtio"
	SCSI   Bus = "scsi"
	AHCI   Bus = "ahci"
)

// Disk is one drive of a machine, kept in a sparse raw file.
type Disk struct {
	// Path of the file; it is made with SizeBytes where it does not exist.
	Path      string
	SizeBytes int64
	Bus       Bus
	// Serial has at most 20 characters.
	Serial string
	// WWN is an NAA identifier (or an EUI-64 for NVMe), 0 for none.
	WWN        uint64
	Rotational bool
}

// NIC is one network interface of a machine.
type NIC struct {
	MAC ethernet.MAC
	// Port is where its cable is plugged in.
	Port *ethernet.Port
	// Model is a QEMU device, virtio-net-pci where empty.
	Model string
}

// Config is one machine.
type Config struct {
	Name string
	// Dir holds the firmware's variables, the console log and the process ID. It must exist.
	Dir  string
	UUID string
	// MemoryMebibytes (512 where 0) and CPUs (1 where 0).
	MemoryMebibytes, CPUs int
	// Mode is the firmware's mode where a boot plan names none.
	Mode  bmc.Mode
	NICs  []NIC
	Disks []Disk
	// TPM gives it a TPM 2.0 in software, which keeps its seeds in Dir.
	TPM bool
	// StallLimit is how long a boot may spin without any effect before it is reset, once. 0: 4 min; negative: for ever.
	StallLimit time.Duration
	Log        *slog.Logger
}

// Programs and firmware, as Debian's packages qemu-system-x86 and ovmf install them.
const (
	program = "qemu-system-x86_64"

	ovmfCode       = "/usr/share/OVMF/OVMF_CODE_4M.fd"
	ovmfVars       = "/usr/share/OVMF/OVMF_VARS_4M.fd"
	ovmfSecureCode = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"
	// ovmfSecureVars have Microsoft's keys enrolled, as a bought machine has.
	ovmfSecureVars = "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"
)

func (c Config) consolePath() string { return c.Dir + "/console.log" }

func (c Config) pidPath() string { return c.Dir + "/qemu.pid" }

// authoritiesPath is what the firmware trusts for HTTPS boot.
func (c Config) authoritiesPath() string { return c.Dir + "/authorities" }

// varsPath is the machine's own copy of the firmware's variables.
func (c Config) varsPath(mode bmc.Mode) string {
	if mode == bmc.ModeSecureBoot {
		return c.Dir + "/nvram-secure.fd"
	}
	return c.Dir + "/nvram.fd"
}

func (c Config) check() error {
	switch {
	case c.Name == "":
		return errors.New("machine has no name")
	case c.Dir == "":
		return fmt.Errorf("machine %s has no directory", c.Name)
	case len(c.NICs) == 0:
		return fmt.Errorf("machine %s has no network interface", c.Name)
	}
	for _, d := range c.Disks {
		switch {
		case d.Path == "" || d.SizeBytes <= 0 || d.SizeBytes%512 != 0:
			return fmt.Errorf("machine %s: disk %q of %d bytes: want a path and a multiple of 512 bytes", c.Name, d.Path, d.SizeBytes)
		case len(d.Serial) > 20 || strings.ContainsAny(d.Serial, ",= "):
			return fmt.Errorf("machine %s: disk serial %q: want at most 20 characters without comma, equals sign and space", c.Name, d.Serial)
		}
	}
	return nil
}

// hardware is what the machine's BMC shows.
func (c Config) hardware() bmcsim.Hardware {
	h := bmcsim.Hardware{
		UUID: c.UUID, Manufacturer: manufacturer, Model: model, SerialNumber: c.Name, BIOSVersion: "lab",
		CPUs:            []bmcsim.CPU{{Model: "QEMU TCG CPU", Cores: c.CPUs, Threads: c.CPUs, Architecture: "x86"}},
		MemoryMebibytes: c.MemoryMebibytes,
		Legacy:          true,
		// A machine whose own mode is the BIOS is an old one that has nothing else.
		UEFI:       c.Mode != bmc.ModeLegacy && exists(ovmfCode),
		SecureBoot: c.Mode != bmc.ModeLegacy && exists(ovmfSecureCode),
	}
	for i, n := range c.NICs {
		h.NICs = append(h.NICs, bmcsim.NIC{Name: fmt.Sprintf("NIC %d", i+1), MAC: n.MAC.String(), SpeedMbps: 1000, LinkUp: n.Port.LinkUp()})
	}
	for i, d := range c.Disks {
		protocol := map[Bus]string{NVMe: "NVMe", Virtio: "PCIe", SCSI: "SAS", AHCI: "SATA"}[d.Bus]
		h.Disks = append(h.Disks, bmcsim.Disk{
			Name: fmt.Sprintf("Disk %d", i+1), Model: "QEMU disk", SerialNumber: d.Serial, SizeBytes: d.SizeBytes,
			Protocol: protocol, Rotational: d.Rotational,
		})
	}
	return h
}

const (
	manufacturer = "Ingot"
	model        = "Lab machine"
)

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
