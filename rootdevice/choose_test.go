package rootdevice

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/step"
)

const gib = int64(1) << 30

// rack is a machine with one disk of each sort.
func rack() []step.Disk {
	return []step.Disk{
		{Name: "/dev/sdb", AlternateNames: []string{"/dev/disk/by-path/pci-0000:00:1f.2-ata-2"}, Model: "ST4000NM", Vendor: "SEAGATE", SerialNumber: "ZC1", HCTL: "1:0:0:0",
			WWN: "0x5000c500a1", WWNVendorExtension: "0xb1", WWNWithExtension: "0x5000c500a1b1", SizeBytes: 4000 * gib, Rotational: true},
		{Name: "/dev/sda", AlternateNames: []string{"/dev/disk/by-path/pci-0000:00:1f.2-ata-1"}, Model: "SSDSC2BB480", Vendor: "ATA", SerialNumber: "BT1", HCTL: "0:0:0:0",
			WWN: "0x55cd2e40", SizeBytes: 480*gib - 1},
		{Name: "/dev/nvme0n1", Model: "SAMSUNG MZQL", SerialNumber: "S64", WWN: "eui.01", SizeBytes: 960 * gib, Type: "nvme"},
		{Name: "/dev/sdc", Model: "Ultra Fit", Vendor: "SanDisk", SerialNumber: "USB", SizeBytes: 32 * gib, Removable: true},
		{Name: "/dev/sdd", Model: "Virtual CD", Vendor: "AMI", SizeBytes: gib, ReadOnly: true},
	}
}

func TestChoose(t *testing.T) {
	yes, no := true, false
	for name, c := range map[string]struct {
		hints *Hints
		min   int64
		want  string
		// refused is a part of the message when nothing fits.
		refused string
	}{
		"no hints mean /dev/sda":                      {nil, 0, "/dev/sda", ""},
		"empty hints are none":                        {&Hints{}, 0, "/dev/sda", ""},
		"/dev/sda is too small for the image":         {nil, 500 * gib, "", "are needed"},
		"deviceName":                                  {&Hints{DeviceName: "/dev/sdb"}, 0, "/dev/sdb", ""},
		"deviceName by path":                          {&Hints{DeviceName: "/dev/disk/by-path/pci-0000:00:1f.2-ata-2"}, 0, "/dev/sdb", ""},
		"deviceName is exact":                         {&Hints{DeviceName: "/dev/sd"}, 0, "", `deviceName is "/dev/sda"`},
		"hctl":                                        {&Hints{HCTL: "1:0:0:0"}, 0, "/dev/sdb", ""},
		"hctl is exact":                               {&Hints{HCTL: "1:0:0"}, 0, "", "hctl"},
		"model is a part, case-insensitive":           {&Hints{Model: "samsung"}, 0, "/dev/nvme0n1", ""},
		"vendor is a part":                            {&Hints{Vendor: "SEA"}, 0, "/dev/sdb", ""},
		"serialNumber":                                {&Hints{SerialNumber: "S64"}, 0, "/dev/nvme0n1", ""},
		"serialNumber is whole":                       {&Hints{SerialNumber: "S6"}, 0, "", "serialNumber"},
		"minSizeGigabytes":                            {&Hints{MinSizeGigabytes: 1000}, 0, "/dev/sdb", ""},
		"minSizeGigabytes counts whole GiB":           {&Hints{MinSizeGigabytes: 480, Model: "SSDSC"}, 0, "", "479 GiB"},
		"wwn":                                         {&Hints{WWN: "0x5000C500A1"}, 0, "/dev/sdb", ""},
		"wwnWithExtension":                            {&Hints{WWNWithExtension: "0x5000c500a1b1"}, 0, "/dev/sdb", ""},
		"wwnVendorExtension":                          {&Hints{WWNVendorExtension: "0xb1"}, 0, "/dev/sdb", ""},
		"rotational":                                  {&Hints{Rotational: &yes}, 0, "/dev/sdb", ""},
		"not rotational: the first by path of two":    {&Hints{Rotational: &no}, 0, "/dev/sda", ""},
		"all together":                                {&Hints{Rotational: &no, MinSizeGigabytes: 500}, 0, "/dev/nvme0n1", ""},
		"together they match nothing":                 {&Hints{Rotational: &yes, Model: "SAMSUNG"}, 0, "", "does not contain"},
		"a removable disk is never chosen":            {&Hints{SerialNumber: "USB"}, 0, "", "removable"},
		"a read-only disk is never chosen":            {&Hints{DeviceName: "/dev/sdd"}, 0, "", "read-only"},
		"a disk that matches but is too small":        {&Hints{SerialNumber: "S64"}, 961 * gib, "", "are needed"},
		"several match, only one is large enough":     {&Hints{Rotational: &no}, 900 * gib, "/dev/nvme0n1", ""},
		"the hint for what no disk has":               {&Hints{WWNVendorExtension: "0xff"}, 0, "", `wwnVendorExtension is "", not "0xff"`},
		"minimum size zero in hints changes nothing":  {&Hints{DeviceName: "/dev/sdb", MinSizeGigabytes: 0}, 0, "/dev/sdb", ""},
		"the size limit includes the limit":           {&Hints{MinSizeGigabytes: 960, Model: "SAMSUNG"}, 960 * gib, "/dev/nvme0n1", ""},
		"vendor is not looked for in model":           {&Hints{Vendor: "SAMSUNG"}, 0, "", "vendor"},
		"a hint with the name of a removable default": {&Hints{DeviceName: "/dev/sdc"}, 0, "", "removable"},
	} {
		t.Run(name, func(t *testing.T) {
			got, failure := Choose(rack(), c.hints, c.min)
			if c.refused != "" {
				if failure == nil || failure.Kind != step.Invalid || !strings.Contains(failure.Message, c.refused) {
					t.Fatalf("got %q, failure %v; want a refusal that says %q", got.Name, failure, c.refused)
				}
				return
			}
			if failure != nil || got.Name != c.want {
				t.Fatalf("got %q, failure %v; want %q", got.Name, failure, c.want)
			}
		})
	}
}

// What is outside of the machine is chosen only where its host says that it is its own.
func TestChooseLeavesOthersDisksAlone(t *testing.T) {
	lun := step.Disk{Name: "/dev/sda", SerialNumber: "LUN", SizeBytes: 500 * gib, Transport: step.FC}
	stick := step.Disk{Name: "/dev/sdb", SerialNumber: "USB", SizeBytes: 500 * gib, Transport: step.USB, Removable: true}
	own := step.Disk{Name: "/dev/sdc", SerialNumber: "OWN", SizeBytes: 900 * gib, Transport: step.SATA}
	for name, c := range map[string]struct {
		hints *Hints
		owns  []step.Outside
		want  string
	}{
		"without hints, the own one":           {nil, nil, "OWN"},
		"the LUN by name":                      {&Hints{SerialNumber: "LUN"}, nil, ""},
		"the LUN by name, with another word":   {&Hints{SerialNumber: "LUN"}, []step.Outside{step.OverISCSI}, ""},
		"the LUN by name, with the word":       {&Hints{SerialNumber: "LUN"}, []step.Outside{step.OverFC}, "LUN"},
		"without hints, /dev/sda is the LUN":   {nil, []step.Outside{step.OverFC}, "LUN"},
		"the stick by name":                    {&Hints{SerialNumber: "USB"}, []step.Outside{step.OverFC}, ""},
		"the stick by name, with its own word": {&Hints{SerialNumber: "USB"}, []step.Outside{step.IsRemovable}, "USB"},
	} {
		d, failure := Choose([]step.Disk{lun, stick, own}, c.hints, 0, c.owns...)
		if d.SerialNumber != c.want || (failure == nil) != (c.want != "") {
			t.Errorf("%s: chose %q, %v; want %q", name, d.SerialNumber, failure, c.want)
		}
	}
}

func TestChooseWithoutHintsAndWithoutSDA(t *testing.T) {
	for name, c := range map[string]struct {
		disks []step.Disk
		want  string
	}{
		"the smallest of at least 4 GiB": {[]step.Disk{{Name: "/dev/nvme1n1", SizeBytes: 100 * gib}, {Name: "/dev/nvme0n1", SizeBytes: 200 * gib}, {Name: "/dev/vda", SizeBytes: 3 * gib}}, "/dev/nvme1n1"},
		"exactly 4 GiB":                  {[]step.Disk{{Name: "/dev/vda", SizeBytes: 4 * gib}}, "/dev/vda"},
		"of two equal the first by name": {[]step.Disk{{Name: "/dev/nvme10n1", SizeBytes: 100 * gib}, {Name: "/dev/nvme2n1", SizeBytes: 100 * gib}}, "/dev/nvme2n1"},
		"a removable /dev/sda is not it": {[]step.Disk{{Name: "/dev/sda", SizeBytes: 32 * gib, Removable: true}, {Name: "/dev/nvme0n1", SizeBytes: 200 * gib}}, "/dev/nvme0n1"},
		"too small":                      {[]step.Disk{{Name: "/dev/vda", SizeBytes: 4*gib - 1}}, ""},
		"none":                           {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, failure := Choose(c.disks, nil, 0)
			if (failure == nil) != (c.want != "") || got.Name != c.want {
				t.Fatalf("got %q, failure %v; want %q", got.Name, failure, c.want)
			}
		})
	}
}

// TestChooseProperties: the answer does not depend on the order of the disks, is never one that must not be written, and every other disk has a reason or comes later.
func TestChooseProperties(t *testing.T) {
	disk := rapid.Custom(func(t *rapid.T) step.Disk {
		return step.Disk{
			Name:         rapid.SampledFrom([]string{"/dev/sda", "/dev/sdb", "/dev/sdaa", "/dev/nvme0n1", "/dev/vda"}).Draw(t, "name"),
			SerialNumber: rapid.StringMatching("[A-C]{1,3}").Draw(t, "serial"),
			Model:        rapid.SampledFrom([]string{"x", "Y1", ""}).Draw(t, "model"),
			SizeBytes:    rapid.Int64Range(0, 9*gib).Draw(t, "size"),
			Rotational:   rapid.Bool().Draw(t, "rotational"),
			Removable:    rapid.IntRange(0, 4).Draw(t, "removable") == 0,
			ReadOnly:     rapid.IntRange(0, 4).Draw(t, "readonly") == 0,
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		disks := rapid.SliceOfNDistinct(disk, 0, 5, func(d step.Disk) string { return d.Name }).Draw(t, "disks")
		h := rapid.SampledFrom([]*Hints{nil, {Model: "y"}, {MinSizeGigabytes: 2}, {SerialNumber: "A"}, {DeviceName: "/dev/vda"}}).Draw(t, "hints")
		got, failure := Choose(disks, h, 0)
		again, _ := Choose(rapid.Permutation(disks).Draw(t, "order"), h, 0)
		if got.Name != again.Name {
			t.Fatalf("the order of the disks decides: %q and %q", got.Name, again.Name)
		}
		if got.Removable || got.ReadOnly {
			t.Fatalf("chose %+v", got)
		}
		if failure != nil && failure.Message == "" {
			t.Fatal("a refusal without a word")
		}
		for _, v := range Explain(disks, h, 0) {
			if v.Fits == (v.Why != "") {
				t.Fatalf("verdict %+v", v)
			}
		}
	})
}
