package journey

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/equality"

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

// ForgetArrays notes that cleaning took the arrays away. Hardware volumes it leaves where they are.
func ForgetArrays(r *ingot.HostLifecycleStatus) {
	if r.RAID == nil {
		return
	}
	r.RAID.Arrays, r.RAID.ArraysFor = nil, ""
	if equality.Semantic.DeepEqual(r.RAID, &ingot.RAIDStatus{}) {
		r.RAID = nil
	}
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
	switch {
	case !ArraysMade(dec.Host, &dec.Record):
		return "the arrays on its disks are not those of spec.raid"
	case !VolumesMade(dec.Host, &dec.Record):
		return "its controllers' volumes are not known to be those of spec.raid"
	}
	return ""
}

// HardwareRAID are the volumes of RAID controllers that a host asks for. managed is false where it leaves them as they are; without any wish and managed all volumes are to go.
func HardwareRAID(h *metal3.BareMetalHost) (wishes []raid.Wish, managed bool) {
	r := h.Spec.RAID
	if r == nil || r.HardwareRAIDVolumes == nil {
		return nil, false
	}
	for _, v := range r.HardwareRAIDVolumes {
		w := raid.Wish{Name: v.Name, Level: v.Level, Named: v.PhysicalDisks, Controller: v.Controller, Rotational: v.Rotational}
		if v.SizeGibibytes != nil {
			w.SizeBytes = int64(*v.SizeGibibytes) << 30
		}
		if v.NumberOfPhysicalDisks != nil {
			w.Drives = *v.NumberOfPhysicalDisks
		}
		wishes = append(wishes, w)
	}
	return wishes, true
}

// VolumesKey tells what volumes were asked for.
func VolumesKey(wishes []raid.Wish) string {
	b, err := json.Marshal(wishes)
	if err != nil {
		panic(err) // strings, numbers and lists of them
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// VolumesMade says whether the volumes of the machine's controllers were seen to be those that the host asks for, and are not being changed.
func VolumesMade(h *metal3.BareMetalHost, r *ingot.HostLifecycleStatus) bool {
	if r.RAID != nil && (r.RAID.Change != nil || r.RAID.VolumesChanged) {
		return false
	}
	wishes, managed := HardwareRAID(h)
	return !managed || r.RAID != nil && r.RAID.VolumesFor == VolumesKey(wishes)
}

// RootHints are the hints by which the root device is chosen: the host's, and without any the number of the first hardware volume that it asks for. Nil means the default device.
func RootHints(h *metal3.BareMetalHost, r *ingot.HostLifecycleStatus, own *metal3.RootDeviceHints) *rootdevice.Hints {
	if own != nil && *own != (metal3.RootDeviceHints{}) {
		return DiskHints(own)
	}
	wishes, _ := HardwareRAID(h)
	if len(wishes) == 0 || !VolumesMade(h, r) || len(r.RAID.Volumes) == 0 || r.RAID.Volumes[0].WWN == "" {
		return DiskHints(own)
	}
	return &rootdevice.Hints{WWNWithExtension: r.RAID.Volumes[0].WWN}
}

// ReadVolumes reads the machine's RAID controllers from the BMC. It changes nothing.
type ReadVolumes struct{}

// MakeVolume asks the BMC for one volume. Like StartUpdate it is not asked for again when its result was lost: ReadVolumes tells what became of it. It never changes the power state.
type MakeVolume struct {
	Controller string
	Volume     raid.Made
}

// DeleteVolume asks the BMC to delete one volume, with what is on it.
type DeleteVolume struct {
	Controller, ID string
}

// FollowVolume looks once at a change of a volume.
type FollowVolume struct {
	Ticket string
}

// Name implements Action.
func (ReadVolumes) Name() string  { return "read RAID controllers" }
func (MakeVolume) Name() string   { return "make RAID volume" }
func (DeleteVolume) Name() string { return "delete RAID volume" }
func (FollowVolume) Name() string { return "follow RAID volume" }

// VolumeReading is what a BMC says of a change of a volume. State is in the words of updates.
type VolumeReading struct {
	State UpdateState
	// Ticket is by what it is asked for again; empty where it is done, or there is nothing to ask by.
	Ticket string
	// OnReset: it is carried out by the machine's next start.
	OnReset bool
	// Message is why it failed.
	Message string
}

// RefuseVolume says why a volume of a controller may not be made or deleted on a host now, empty when it may: what is on its disks is lost by it.
func RefuseVolume(h *metal3.BareMetalHost, r *ingot.HostLifecycleStatus) string {
	_, managed := HardwareRAID(h)
	switch p := h.Status.Provisioning; {
	case p.State != metal3.StatePreparing:
		return fmt.Sprintf("the host is %q, where no RAID is changed", p.State)
	case h.Spec.ExternallyProvisioned:
		return "the host is declared externally provisioned"
	case !h.DeletionTimestamp.IsZero():
		return "the host is being deleted"
	case p.Image.URL != "" || r.Disk != nil:
		return "the host has an image on a disk"
	case !managed:
		return "no hardware RAID is asked for"
	case h.Spec.AutomatedCleaningMode == metal3.CleaningModeDisabled:
		return "automatedCleaningMode is disabled"
	case r.CleanedAt != nil:
		return "its disks count as clean, which a change of volumes voids"
	}
	return ""
}

// RecordedVolume says why a change of a volume is not the one in the record, or was asked for before; empty where it is.
func RecordedVolume(r *ingot.HostLifecycleStatus, a Action) string {
	var c *ingot.RAIDChange
	if r.RAID != nil {
		c = r.RAID.Change
	}
	if c == nil || c.AcceptedAt != nil || c.EndedAt != nil {
		return "it is not in the record"
	}
	switch a := a.(type) {
	case MakeVolume:
		if c.Delete || c.Volume.Controller != a.Controller || fmt.Sprint(c.Volume.Drives) != fmt.Sprint(a.Volume.Drives) || c.Volume.Level != a.Volume.Level || c.Volume.SizeBytes != a.Volume.SizeBytes {
			return "it is not the volume in the record"
		}
	case DeleteVolume:
		if !c.Delete || c.Volume.Controller != a.Controller || c.Volume.ID != a.ID {
			return "it is not the volume in the record"
		}
	}
	return ""
}

// volumesAllowed: a change of a volume is written down before, alone, asked for once, and only where nothing of anybody is on the disks.
func volumesAllowed(f Facts, dec Decision) string {
	switch dec.Action.(type) {
	case MakeVolume, DeleteVolume:
	default:
		return ""
	}
	if f.Record.RAID != nil && f.Record.RAID.Change != nil {
		return "another change of a volume is under way"
	}
	if dec.Record.Step != nil {
		return "the agent is at " + dec.Record.Step.Kind
	}
	if why := RecordedVolume(&dec.Record, dec.Action); why != "" {
		return why
	}
	return RefuseVolume(f.Host, &dec.Record)
}
