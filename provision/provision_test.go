package provision

import (
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/step"
)

func TestOtherDisk(t *testing.T) {
	for name, c := range map[string]struct {
		before *ingot.DiskClaim
		now    step.Disk
		other  bool
	}{
		"nothing was claimed":       {nil, step.Disk{Name: "/dev/sda"}, false},
		"the same by WWN":           {&ingot.DiskClaim{DeviceName: "/dev/sda", WWN: "w", SizeBytes: 1}, step.Disk{Name: "/dev/sdb", WWN: "w", SizeBytes: 1}, false},
		"another WWN, same name":    {&ingot.DiskClaim{DeviceName: "/dev/sda", WWN: "w", SizeBytes: 1}, step.Disk{Name: "/dev/sda", WWN: "x", SizeBytes: 1}, true},
		"the WWN is gone":           {&ingot.DiskClaim{DeviceName: "/dev/sda", WWN: "w", SizeBytes: 1}, step.Disk{Name: "/dev/sda", SizeBytes: 1}, true},
		"the same by serial":        {&ingot.DiskClaim{DeviceName: "/dev/sda", SerialNumber: "s"}, step.Disk{Name: "/dev/sdb", SerialNumber: "s"}, false},
		"another serial":            {&ingot.DiskClaim{DeviceName: "/dev/sda", SerialNumber: "s"}, step.Disk{Name: "/dev/sda", SerialNumber: "t"}, true},
		"another size":              {&ingot.DiskClaim{DeviceName: "/dev/sda", SerialNumber: "s", SizeBytes: 1}, step.Disk{Name: "/dev/sda", SerialNumber: "s", SizeBytes: 2}, true},
		"nothing but the same name": {&ingot.DiskClaim{DeviceName: "/dev/vda"}, step.Disk{Name: "/dev/vda"}, false},
		"nothing but another name":  {&ingot.DiskClaim{DeviceName: "/dev/vda"}, step.Disk{Name: "/dev/vdb"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if f := otherDisk(c.before, c.now); (f != nil) != c.other {
				t.Fatalf("%v", f)
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	host := func(want, have string) *metal3.BareMetalHost {
		h := &metal3.BareMetalHost{}
		if want != "none" {
			h.Spec.Image = &metal3.Image{URL: want, Checksum: "new"}
		}
		h.Status.Provisioning.Image = metal3.Image{URL: have, Checksum: "old"}
		return h
	}
	for name, c := range map[string]struct {
		want, have string
		cancelled  bool
	}{
		"the same, another checksum": {"u", "u", false}, "another URL": {"v", "u", true}, "cleared": {"none", "u", true}, "emptied": {"", "u", true},
		"a status without image": {"u", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := cancelled(host(c.want, c.have)); (got != "") != c.cancelled {
				t.Fatalf("%q", got)
			}
		})
	}
}
