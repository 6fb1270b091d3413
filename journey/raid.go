package journey

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/rootdevice"
	"github.com/ingotmetal/ingot/step"
)

// SoftwareRAID are the software RAID volumes that a host asks for. As in Metal3 hardware volumes make them void.
func SoftwareRAID(h *metal3.BareMetalHost) []raid.Volume {
	r := h.Spec.RAID
	if r == nil || len(r.HardwareRAIDVolumes) > 0 {
		return nil
	}
	var out []raid.Volume
	for _, v := range r.SoftwareRAIDVolumes {
		w := raid.Volume{Level: v.Level}
		if v.SizeGibibytes != nil {
			w.SizeBytes = int64(*v.SizeGibibytes) << 30
		}
		for _, hints := range v.PhysicalDisks {
			w.Disks = append(w.Disks, *DiskHints(&hints))
		}
		out = append(out, w)
	}
	return out
}

// DiskHints puts root device hints into the words of package rootdevice; nil stays nil.
func DiskHints(h *metal3.RootDeviceHints) *rootdevice.Hints {
	if h == nil {
		return nil
	}
	return &rootdevice.Hints{
		DeviceName: h.DeviceName, HCTL: h.HCTL, Model: h.Model, Vendor: h.Vendor, SerialNumber: h.SerialNumber, MinSizeGigabytes: h.MinSizeGigabytes,
		WWN: h.WWN, WWNWithExtension: h.WWNWithExtension, WWNVendorExtension: h.WWNVendorExtension, Rotational: h.Rotational,
	}
}

// RAIDKey tells what volumes were asked for.
func RAIDKey(volumes []raid.Volume) string {
	b, err := json.Marshal(volumes)
	if err != nil {
		panic(err) // strings, numbers and lists of them
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// ArraysMade says whether the arrays on the host's disks are those that it asks for.
func ArraysMade(h *metal3.BareMetalHost, r *ingot.HostLifecycleStatus) bool {
	want := SoftwareRAID(h)
	if len(want) == 0 {
		return len(Arrays(r)) == 0
	}
	return r.RAID != nil && len(r.RAID.Arrays) == len(want) && r.RAID.ArraysFor == RAIDKey(want)
}

// Arrays are the UUIDs of the arrays on the host's disks, in the order of the volumes.
func Arrays(r *ingot.HostLifecycleStatus) []string {
	if r.RAID == nil {
		return nil
	}
	var out []string
	for _, a := range r.RAID.Arrays {
		out = append(out, a.UUID)
	}
	return out
}

// ForgetArrays notes that cleaning took the arrays away.
func ForgetArrays(r *ingot.HostLifecycleStatus) {
	r.RAID = nil
}

// RefuseRAID says why software RAID may not be made on a host now, empty when it may: what is on its disks is lost by it.
func RefuseRAID(h *metal3.BareMetalHost, r *ingot.HostLifecycleStatus) string {
	switch p := h.Status.Provisioning; {
	case p.State != metal3.StatePreparing:
		return fmt.Sprintf("the host is %q, where no RAID is changed", p.State)
	case p.Image.URL != "" || r.Disk != nil:
		return "the host has an image on a disk"
	case r.CleanedAt == nil:
		return "its disks are not proved to be clean"
	}
	return ""
}

func raidAllowed(f Facts, dec Decision) string {
	run, ok := dec.Action.(RunStep)
	if !ok || run.Kind != step.ConfigureRAID {
		return ""
	}
	if len(SoftwareRAID(f.Host)) == 0 {
		return "no software RAID is asked for"
	}
	return RefuseRAID(f.Host, &dec.Record)
}

// raidOffered: a host is offered with the volumes that it asks for.
func raidOffered(f Facts, dec Decision) string {
	if f.Host.Status.Provisioning.State != metal3.StatePreparing || dec.Host.Status.Provisioning.State != metal3.StateAvailable {
		return ""
	}
	if !ArraysMade(dec.Host, &dec.Record) {
		return "the arrays on its disks are not those of spec.raid"
	}
	return ""
}
