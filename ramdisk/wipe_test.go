package ramdisk

import (
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/step"
)

func TestUnproved(t *testing.T) {
	clean := func(d step.Disk) step.Wipe { return step.Wipe{Disk: d, Method: step.DidMetadata, Clean: true} }
	known := func(s ...metal3.Storage) *metal3.HardwareDetails { return &metal3.HardwareDetails{Storage: s} }
	a := step.Disk{Name: "/dev/sda", SerialNumber: "A", WWN: "wa"}
	for name, c := range map[string]struct {
		wipes    []step.Wipe
		hardware *metal3.HardwareDetails
		// why is a part of the message; empty: proved.
		why    string
		owns   []step.Outside
		policy step.Erasure
	}{
		"every disk is clean":                    {[]step.Wipe{clean(a)}, known(metal3.Storage{Name: "/dev/sda", WWN: "wa"}), "", nil, step.Erasure{}},
		"never inspected":                        {[]step.Wipe{clean(a)}, nil, "", nil, step.Erasure{}},
		"a machine without disks":                {nil, known(), "", nil, step.Erasure{}},
		"one is not clean":                       {[]step.Wipe{clean(a), {Disk: step.Disk{Name: "/dev/sdb"}, Message: "LVM2_member"}}, nil, "LVM2_member", nil, step.Erasure{}},
		"a removable one is not counted":         {[]step.Wipe{clean(a), {Disk: step.Disk{Name: "/dev/sdb", Removable: true}}}, nil, "", nil, step.Erasure{}},
		"a read-only one is not counted":         {[]step.Wipe{clean(a), {Disk: step.Disk{Name: "/dev/sr0", ReadOnly: true}}}, nil, "", nil, step.Erasure{}},
		"a known disk is missing":                {[]step.Wipe{clean(a)}, known(metal3.Storage{WWN: "wa"}, metal3.Storage{Name: "/dev/sdb", SerialNumber: "B"}), "/dev/sdb", nil, step.Erasure{}},
		"the name moved to another disk":         {[]step.Wipe{clean(a)}, known(metal3.Storage{Name: "/dev/sda", WWN: "wb"}), "/dev/sda", nil, step.Erasure{}},
		"the disk moved to another name":         {[]step.Wipe{clean(step.Disk{Name: "/dev/sdb", WWN: "wa"})}, known(metal3.Storage{Name: "/dev/sda", WWN: "wa"}), "", nil, step.Erasure{}},
		"serial numbers where WWNs are missing":  {[]step.Wipe{clean(step.Disk{Name: "/dev/sdz", SerialNumber: "A"})}, known(metal3.Storage{Name: "/dev/sda", SerialNumber: "A"}), "", nil, step.Erasure{}},
		"names where nothing else is":            {[]step.Wipe{clean(step.Disk{Name: "/dev/vda"})}, known(metal3.Storage{Name: "/dev/disk/by-path/x", AlternateNames: []string{"/dev/vda"}}), "", nil, step.Erasure{}},
		"two disks of one serial need two wipes": {[]step.Wipe{clean(step.Disk{SerialNumber: "0"})}, known(metal3.Storage{Name: "/dev/sda", SerialNumber: "0"}, metal3.Storage{Name: "/dev/sdb", SerialNumber: "0"}), "/dev/sdb", nil, step.Erasure{}},
		"no wipe at all":                         {nil, known(metal3.Storage{Name: "/dev/sda"}), "/dev/sda", nil, step.Erasure{}},
		"one at the other end of a network":      {[]step.Wipe{clean(a), {Disk: step.Disk{Name: "/dev/sdb", Transport: step.FC}}}, nil, "", nil, step.Erasure{}},
		"one that the host calls its own":        {[]step.Wipe{clean(a), {Disk: step.Disk{Name: "/dev/sdb", Transport: step.FC}, Message: "ext4"}}, nil, "ext4", []step.Outside{step.OverFC}, step.Erasure{}},
		"a removable one of the host's own":      {[]step.Wipe{{Disk: step.Disk{Name: "/dev/sdb", Removable: true}, Message: "vfat"}}, nil, "vfat", []step.Outside{step.IsRemovable}, step.Erasure{}},
		"metadata where more is asked for":       {[]step.Wipe{clean(a)}, nil, "overwrite is asked for", nil, step.Erasure{Methods: []step.Method{step.EraseOverwrite}}},
		"what is asked for":                      {[]step.Wipe{{Disk: a, Method: step.DidATASecure, Clean: true}}, nil, "", nil, step.Erasure{Methods: []step.Method{step.EraseSecurely}}},
		"a kept one":                             {[]step.Wipe{{Disk: a, Kept: true}}, known(metal3.Storage{WWN: "wa"}), "", nil, step.Erasure{Disks: []step.DiskRule{{SerialNumber: "A", Keep: true}}}},
		"one that was kept and should not be":    {[]step.Wipe{{Disk: a, Kept: true}}, nil, "should have been erased", nil, step.Erasure{}},
		"more than can be recorded":              {make256(clean(a)), nil, "257", nil, step.Erasure{}},
	} {
		t.Run(name, func(t *testing.T) {
			f := unproved(c.wipes, c.owns, c.policy, c.hardware)
			if (f == nil) != (c.why == "") || f != nil && !strings.Contains(f.Message, c.why) {
				t.Fatalf("%v, want %q", f, c.why)
			}
		})
	}
}

// make256 is one wipe more than the record holds.
func make256(w step.Wipe) []step.Wipe {
	out := make([]step.Wipe, maxWipes+1)
	for i := range out {
		out[i] = w
	}
	return out
}
