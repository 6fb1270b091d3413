package journey

import (
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
)

// InspectionModeFast asks the BMC alone what the machine is made of: seconds, and no boot. Metal3 has the mode since after v0.13.2 of its API, so that the value is in our CRD and not in its constants.
const InspectionModeFast metal3.InspectionMode = "fast"

// InBandDisks are the disks that a system on the machine saw. A BMC lists drives, which have no device name: one behind a RAID controller is no disk of that system at all, so that none
// of them can be held against what the agent wipes.
func InBandDisks(h *metal3.HardwareDetails) []metal3.Storage {
	if h == nil {
		return nil
	}
	var out []metal3.Storage
	for _, s := range h.Storage {
		if s.Name != "" {
			out = append(out, s)
		}
	}
	return out
}

// FillArchitecture writes spec.architecture where the owner left it open, as Metal3 does, and says whether it did.
func (d *Draft) FillArchitecture(h *metal3.HardwareDetails) bool {
	if d.Host.Spec.Architecture != "" || h == nil || h.CPU.Arch == "" {
		return false
	}
	d.Host.Spec.Architecture = h.CPU.Arch
	return true
}
