package inspect

import (
	"cmp"
	"math"
	"net/netip"
	"slices"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// HardwareDetails puts an inventory into Metal3's words. NICs and disks are sorted by name, flags by text, so that two inspections of one machine compare equal.
// A NIC with addresses of both families is listed twice, one entry per family, as Metal3 has it; read-only disks are left out, and
// those outside of the machine that its host does not own, since nothing is ever installed on them.
func HardwareDetails(i step.Inventory, owns ...step.Outside) metal3.HardwareDetails {
	return metal3.HardwareDetails{
		SystemVendor: metal3.HardwareSystemVendor{
			Manufacturer: i.System.Manufacturer, ProductName: i.System.ProductName, SerialNumber: i.System.SerialNumber,
		},
		Firmware: metal3.Firmware{BIOS: metal3.BIOS{
			Date: i.Firmware.Date, Vendor: i.Firmware.Vendor, Version: i.Firmware.Version,
		}},
		RAMMebibytes: int(max(i.MemoryBytes, 0) >> 20),
		NIC:          nics(i.NICs),
		Storage:      storage(i.Disks, owns),
		CPU: metal3.CPU{
			Arch: i.CPU.Architecture, Model: i.CPU.Model, ClockMegahertz: metal3.ClockSpeed(math.Round(i.CPU.ClockMHz)),
			Flags: slices.Sorted(slices.Values(i.CPU.Flags)), Count: i.CPU.Count,
		},
		Hostname: i.Hostname,
	}
}

func nics(in []step.NIC) []metal3.NIC {
	var out []metal3.NIC
	for _, n := range in {
		for _, ip := range onePerFamily(n.Addresses) {
			out = append(out, nic(n, ip))
		}
	}
	slices.SortStableFunc(out, func(a, b metal3.NIC) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func nic(n step.NIC, ip string) metal3.NIC {
	out := metal3.NIC{
		Name: n.Name, Model: n.Model, MAC: strings.ToLower(n.MAC), IP: ip, PXE: n.Booted,
		// Whole gigabits, rounded up: a 2.5 Gb/s port is not a 2, and a 100 Mb/s port not a 0 that would mean unknown.
		SpeedGbps: (max(n.SpeedMbps, 0) + 999) / 1000,
	}
	if l := n.LLDP; l != nil {
		out.LLDP = &metal3.LLDP{SwitchID: l.ChassisID, PortID: l.PortID, SwitchSystemName: l.SystemName}
		if l.VLAN > 0 && l.VLAN <= 4094 {
			out.VLANID = metal3.VLANID(l.VLAN)
			out.VLANs = []metal3.VLAN{{ID: out.VLANID}}
		}
		for _, v := range l.VLANs {
			if v.ID < 1 || v.ID > 4094 {
				continue
			}
			named := metal3.VLAN{ID: metal3.VLANID(v.ID), Name: v.Name}
			if i := slices.IndexFunc(out.VLANs, func(o metal3.VLAN) bool { return o.ID == named.ID }); i >= 0 {
				out.VLANs[i] = named
				continue
			}
			out.VLANs = append(out.VLANs, named)
		}
	}
	return out
}

// onePerFamily is the first global IPv4 and the first global IPv6 address, without a prefix length; one empty entry for none.
func onePerFamily(addresses []string) []string {
	var v4, v6 string
	for _, s := range addresses {
		plain, _, _ := strings.Cut(s, "/")
		a, err := netip.ParseAddr(plain)
		switch {
		case err != nil || a.IsLinkLocalUnicast() || a.IsLoopback():
		case a.Is4() && v4 == "":
			v4 = a.String()
		case a.Is6() && v6 == "":
			v6 = a.String()
		}
	}
	out := slices.DeleteFunc([]string{v4, v6}, func(s string) bool { return s == "" })
	if len(out) == 0 {
		return []string{""}
	}
	return out
}

func storage(in []step.Disk, owns []step.Outside) []metal3.Storage {
	var out []metal3.Storage
	for _, d := range in {
		if !d.Owned(owns) || d.ReadOnly {
			continue
		}
		name, alternates := names(d)
		out = append(out, metal3.Storage{
			Name: name, AlternateNames: alternates, Rotational: d.Rotational, Type: diskType(d),
			SizeBytes: metal3.Capacity(d.SizeBytes), Vendor: d.Vendor, Model: d.Model, SerialNumber: d.SerialNumber,
			WWN: d.WWN, WWNVendorExtension: d.WWNVendorExtension, WWNWithExtension: d.WWNWithExtension, HCTL: d.HCTL,
		})
	}
	slices.SortStableFunc(out, func(a, b metal3.Storage) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.SerialNumber, b.SerialNumber))
	})
	return out
}

// names gives the name that is stable over reboots first, where there is one, and all names beside it.
func names(d step.Disk) (string, []string) {
	if d.Name == "" {
		return "", nil
	}
	all := []string{d.Name}
	for _, a := range d.AlternateNames {
		if !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	for _, a := range all {
		if strings.HasPrefix(a, "/dev/disk/by-path/") {
			return a, all
		}
	}
	return d.Name, all
}

func diskType(d step.Disk) metal3.DiskType {
	switch {
	case strings.EqualFold(d.Type, "nvme"):
		return metal3.NVME
	case strings.EqualFold(d.Type, "hdd"), d.Rotational:
		return metal3.HDD
	case d.Name == "" && d.Type == "":
		// A drive that a BMC has listed: what it does not say is not guessed.
		return ""
	default:
		return metal3.SSD
	}
}

// Disks is the way back: the disks of a HardwareData as an agent would list them, to explain and to plan with. Names are put so that the device's own comes first. Drives that only a BMC
// has listed are none of them.
func Disks(h *metal3.HardwareDetails) []step.Disk {
	var out []step.Disk
	for _, s := range journey.InBandDisks(h) {
		d := step.Disk{
			Name: s.Name, AlternateNames: slices.Clone(s.AlternateNames), Model: s.Model, Vendor: s.Vendor, SerialNumber: s.SerialNumber, HCTL: s.HCTL,
			WWN: s.WWN, WWNVendorExtension: s.WWNVendorExtension, WWNWithExtension: s.WWNWithExtension,
			SizeBytes: int64(s.SizeBytes), Rotational: s.Rotational, Type: strings.ToLower(string(s.Type)),
		}
		for _, n := range s.AlternateNames {
			if strings.HasPrefix(d.Name, "/dev/disk/") && !strings.HasPrefix(n, "/dev/disk/") {
				d.Name = n
			}
		}
		out = append(out, d)
	}
	return out
}
