package host

import (
	"net"
	"strings"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// inventoryOf puts what a BMC says of its machine into the agent's words. Drives keep their maker's data and have no name: Linux' name for them is what the BMC cannot know, and one behind
// a RAID controller has none.
func inventoryOf(h bmc.Hardware) *step.Inventory {
	out := &step.Inventory{
		System:   step.System{Manufacturer: h.Manufacturer, ProductName: h.ProductName, SerialNumber: h.SerialNumber, UUID: h.UUID},
		Firmware: step.Firmware{Version: h.BIOSVersion}, CPU: step.CPU{Model: h.CPUModel, Count: h.CPUCount}, MemoryBytes: int64(h.MemoryMebibytes) << 20,
	}
	for _, n := range h.NICs {
		if mac := macOf(n.MAC); mac != "" {
			out.NICs = append(out.NICs, step.NIC{Name: n.Name, MAC: mac, SpeedMbps: n.SpeedMbps, LinkUp: n.LinkUp})
		}
	}
	for _, d := range h.Disks {
		out.Disks = append(out.Disks, step.Disk{Model: d.Model, SerialNumber: d.SerialNumber, SizeBytes: d.SizeBytes, Rotational: d.Rotational})
	}
	return out
}

// macOf is a network card's own Ethernet address, lower case with colons; empty for what BMCs list beside: InfiniBand's 20 bytes, zeros, a group's address.
func macOf(text string) string {
	const group, length = 1, 6
	a, err := net.ParseMAC(strings.TrimSpace(text))
	if err != nil || len(a) != length || a[0]&group != 0 || a.String() == "00:00:00:00:00:00" {
		return ""
	}
	return a.String()
}
