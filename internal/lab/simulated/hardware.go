package simulated

import (
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
)

// Hardware implements bmcsim.Machine: the described hardware as a BMC sees it.
func (m *Machine) Hardware() bmcsim.Hardware {
	i := m.config.Inventory
	h := bmcsim.Hardware{
		UUID: i.System.UUID, Manufacturer: i.System.Manufacturer, Model: i.System.ProductName, SerialNumber: i.System.SerialNumber,
		BIOSVersion: i.Firmware.Version, MemoryMebibytes: int(i.MemoryBytes >> 20), UEFI: true, Legacy: true, SecureBoot: true,
		CPUs: []bmcsim.CPU{{Model: i.CPU.Model, Cores: i.CPU.Count, Threads: i.CPU.Count, MaxMHz: int(i.CPU.ClockMHz), Architecture: "x86"}},
	}
	for _, n := range i.NICs {
		h.NICs = append(h.NICs, bmcsim.NIC{Name: n.Name, MAC: n.MAC, SpeedMbps: n.SpeedMbps, LinkUp: n.LinkUp})
	}
	for _, d := range i.Disks {
		protocol := "SATA"
		if d.Type == "nvme" {
			protocol = "NVMe"
		}
		h.Disks = append(h.Disks, bmcsim.Disk{
			Name: d.Name, Model: d.Model, SerialNumber: d.SerialNumber, SizeBytes: d.SizeBytes, Protocol: protocol, Rotational: d.Rotational,
		})
	}
	return h
}
