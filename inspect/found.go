package inspect

import (
	"cmp"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/step"
)

// The bounds of the record, as the CRD has them.
const (
	maxNeighbours = 64
	maxComponents = 128
	maxMeasured   = 256
	maxGPUs       = 64
	maxModel      = 128
)

// found is what HardwareDetails has no field for: switches' words beyond their names, the components' firmware, how fast disks read. Sorted as HardwareDetails are.
func found(i step.Inventory, at metav1.Time) *ingot.HardwareStatus {
	out := &ingot.HardwareStatus{InspectedAt: at}
	for _, n := range i.NICs {
		if n.LLDP != nil && len(out.Neighbours) < maxNeighbours {
			out.Neighbours = append(out.Neighbours, neighbour(n))
		}
	}
	for _, c := range i.Components {
		if len(out.Firmware) < maxComponents {
			out.Firmware = append(out.Firmware, ingot.FirmwareComponent{Kind: c.Kind, Device: c.Device, Model: c.Model, Version: c.Version, Date: c.Date})
		}
	}
	for _, d := range i.Disks {
		if b := d.Benchmark; b != nil && len(out.Disks) < maxMeasured {
			out.Disks = append(out.Disks, ingot.DiskBenchmark{
				DeviceName: d.Name, SerialNumber: d.SerialNumber, SequentialBytesPerSecond: b.SequentialBytesPerSecond, RandomReadsPerSecond: b.RandomReadsPerSecond,
				MedianMicroseconds: b.MedianMicroseconds, SlowMicroseconds: b.SlowMicroseconds,
			})
		}
	}
	for _, g := range i.GPUs[:min(len(i.GPUs), maxGPUs)] {
		model := []rune(g.Model)
		out.GPUs = append(out.GPUs, ingot.GPU{Device: g.Device, Model: string(model[:min(len(model), maxModel)])})
	}
	slices.SortStableFunc(out.GPUs, func(a, b ingot.GPU) int { return cmp.Compare(a.Device, b.Device) })
	slices.SortStableFunc(out.Neighbours, func(a, b ingot.Neighbour) int { return cmp.Compare(a.Interface, b.Interface) })
	slices.SortStableFunc(out.Firmware, func(a, b ingot.FirmwareComponent) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Device, b.Device))
	})
	return out
}

func neighbour(n step.NIC) ingot.Neighbour {
	l := n.LLDP
	out := ingot.Neighbour{
		Interface: n.Name, MACAddress: n.MAC, SwitchName: l.SystemName, SwitchID: l.ChassisID, SwitchDescription: l.SystemText, ManagementAddress: l.ManagementAddress,
		PortID: l.PortID, PortDescription: l.PortText, VLAN: int32(l.VLAN), MaxFrameBytes: int32(l.MaxFrameBytes),
	}
	for _, v := range l.VLANs[:min(len(l.VLANs), step.MaxLLDPVLANs)] {
		out.VLANs = append(out.VLANs, ingot.NeighbourVLAN{ID: int32(v.ID), Name: v.Name})
	}
	return out
}
