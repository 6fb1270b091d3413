package raid

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/rootdevice"
	"github.com/ingotmetal/ingot/step"
)

func disks(sizesGiB ...int64) []step.Disk {
	var out []step.Disk
	for i, s := range sizesGiB {
		out = append(out, step.Disk{Name: fmt.Sprintf("/dev/sd%c", 'a'+i), SerialNumber: fmt.Sprintf("S%d", i), SizeBytes: s * gib})
	}
	return out
}

func serials(names ...string) []rootdevice.Hints {
	var out []rootdevice.Hints
	for _, n := range names {
		out = append(out, rootdevice.Hints{SerialNumber: n})
	}
	return out
}

func TestLayout(t *testing.T) {
	// left is what is left of a disk of so many GiB beside the tables and the firmware's partition.
	left := func(g int64) int64 { return g*gib - 2*mib - BootBytes }
	for name, c := range map[string]struct {
		volumes []Volume
		disks   []step.Disk
		by      Owner
		// want is each array as level, size in MiB, members; says a part of the refusal.
		want []string
		says string
	}{
		"one over all disks":     {[]Volume{{Level: "1"}}, disks(10, 12), Owner{}, []string{fmt.Sprintf("1 %d [{/dev/sda 2} {/dev/sdb 2}]", left(10)/mib-1)}, ""},
		"of a size":              {[]Volume{{Level: "1", SizeBytes: 5 * gib}}, disks(10, 12), Owner{}, []string{"1 5120 [{/dev/sda 2} {/dev/sdb 2}]"}, ""},
		"of three disks":         {[]Volume{{Level: "1", SizeBytes: 5 * gib}}, disks(10, 12, 9), Owner{}, []string{"1 5120 [{/dev/sda 2} {/dev/sdb 2} {/dev/sdc 2}]"}, ""},
		"the rest striped":       {[]Volume{{Level: "1", SizeBytes: 5 * gib}, {Level: "0"}}, disks(10, 10), Owner{}, []string{"1 5120 [{/dev/sda 2} {/dev/sdb 2}]", fmt.Sprintf("0 %d [{/dev/sda 3} {/dev/sdb 3}]", 2*((left(10)-5*gib)/mib-2))}, ""},
		"the first is the rest":  {[]Volume{{Level: "1"}, {Level: "1", SizeBytes: 2 * gib}}, disks(10, 10), Owner{}, []string{fmt.Sprintf("1 %d [{/dev/sda 2} {/dev/sdb 2}]", (left(10)-2*gib)/mib-2), "1 2048 [{/dev/sda 3} {/dev/sdb 3}]"}, ""},
		"mirrored stripes":       {[]Volume{{Level: "1", SizeBytes: gib}, {Level: "1+0", SizeBytes: 8 * gib}}, disks(9, 9, 9, 9), Owner{}, []string{"1 1024 [{/dev/sda 2} {/dev/sdb 2} {/dev/sdc 2} {/dev/sdd 2}]", "1+0 8192 [{/dev/sda 3} {/dev/sdb 3} {/dev/sdc 3} {/dev/sdd 3}]"}, ""},
		"disks by hint":          {[]Volume{{Level: "1", Disks: serials("S2", "S0")}}, disks(10, 1, 10), Owner{}, []string{fmt.Sprintf("1 %d [{/dev/sda 2} {/dev/sdc 2}]", left(10)/mib-1)}, ""},
		"volumes on other disks": {[]Volume{{Level: "1", Disks: serials("S2", "S0")}, {Level: "0", Disks: serials("S1", "S3")}}, disks(10, 3, 10, 3), Owner{}, []string{fmt.Sprintf("1 %d [{/dev/sda 2} {/dev/sdc 2}]", left(10)/mib-1), fmt.Sprintf("0 %d [{/dev/sdb 1} {/dev/sdd 1}]", 2*(3*1024-3))}, ""},
		"without the kept one":   {[]Volume{{Level: "1", SizeBytes: gib}}, disks(10, 10, 10), Owner{Erasure: step.Erasure{Disks: []step.DiskRule{{SerialNumber: "S1", Keep: true}}}}, []string{"1 1024 [{/dev/sda 2} {/dev/sdc 2}]"}, ""},
		"nothing asked for":      {nil, disks(10), Owner{}, nil, ""},
		"a kept one by hint":     {[]Volume{{Level: "1", Disks: serials("S0", "S1")}}, disks(10, 10, 10), Owner{Erasure: step.Erasure{Disks: []step.DiskRule{{SerialNumber: "S1", Keep: true}}}}, nil, "volume 1, physicalDisks 2"},
		"one disk twice":         {[]Volume{{Level: "1", Disks: serials("S0", "S0")}}, disks(10, 10), Owner{}, nil, "physicalDisks 2"},
		"one disk":               {[]Volume{{Level: "1"}}, disks(10), Owner{}, nil, "needs 2 disks, and the machine has 1"},
		"one named":              {[]Volume{{Level: "1", Disks: serials("S0")}}, disks(10, 10), Owner{}, nil, "names 1 disks"},
		"too large":              {[]Volume{{Level: "1", SizeBytes: 10 * gib}}, disks(10, 10), Owner{}, nil, "does not fit"},
		"two of the rest":        {[]Volume{{Level: "1"}, {Level: "0"}}, disks(10, 10), Owner{}, nil, "volume 2 does not fit"},
		"disks too small":        {[]Volume{{Level: "1"}}, disks(1, 1), Owner{}, nil, "does not fit"},
		"a striped root":         {[]Volume{{Level: "0"}}, disks(10, 10), Owner{}, nil, "has to be level 1"},
		"level 5":                {[]Volume{{Level: "1", SizeBytes: gib}, {Level: "5"}}, disks(10, 10, 10), Owner{}, nil, `level "5"`},
		"three":                  {[]Volume{{Level: "1"}, {Level: "1"}, {Level: "1"}}, disks(10, 10), Owner{}, nil, "at most 2"},
		"of three for 1+0":       {[]Volume{{Level: "1", SizeBytes: gib}, {Level: "1+0"}}, disks(10, 10, 10), Owner{}, nil, "needs 4 disks"},
	} {
		t.Run(name, func(t *testing.T) {
			p, f := Layout(c.volumes, c.disks, c.by)
			if c.says != "" {
				if f == nil || f.Kind != step.Invalid || f.Fix == "" || !strings.Contains(f.Message, c.says) {
					t.Fatalf("%+v, want a refusal with %q", f, c.says)
				}
				return
			}
			if f != nil {
				t.Fatal(f.Message)
			}
			var got []string
			for _, a := range p.Arrays {
				got = append(got, fmt.Sprintf("%s %d %v", a.Level, a.SizeBytes/mib, a.Members))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// Whatever the disks and volumes are, a plan keeps the invariants of the package.
func TestAPlanFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []step.Disk
		for i := range rapid.IntRange(0, 6).Draw(t, "disks") {
			d := step.Disk{Name: fmt.Sprintf("/dev/sd%c", 'a'+i), SerialNumber: fmt.Sprintf("S%d", i), SizeBytes: rapid.Int64Range(1, 40<<30).Draw(t, "bytes") / 512 * 512}
			d.ReadOnly, d.Removable = rapid.IntRange(0, 9).Draw(t, "read-only") == 0, rapid.IntRange(0, 9).Draw(t, "removable") == 0
			all = append(all, d)
		}
		var volumes []Volume
		for i := range rapid.IntRange(1, 2).Draw(t, "volumes") {
			v := Volume{Level: Mirrored, SizeBytes: rapid.Int64Range(0, 12).Draw(t, "GiB") * gib}
			if i > 0 {
				v.Level = rapid.SampledFrom([]string{Striped, Mirrored, MirroredStripes}).Draw(t, "level")
			}
			volumes = append(volumes, v)
		}
		p, f := Layout(volumes, all, Owner{})
		turned := slices.Clone(all)
		slices.Reverse(turned)
		if q, g := Layout(volumes, turned, Owner{}); (g == nil) != (f == nil) || fmt.Sprint(q) != fmt.Sprint(p) {
			t.Fatalf("the order of the disks matters: %v and %v", p, q)
		}
		if f != nil {
			return
		}
		checkPlan(t, volumes, p)
	})
}

func checkPlan(t *rapid.T, volumes []Volume, p Plan) {
	t.Helper()
	at := map[Member]Partition{}
	for _, d := range p.Disks {
		end := int64(tableBytes)
		for i, part := range d.Partitions {
			if part.Off < end || part.Off%mib != 0 || part.Length%mib != 0 || part.Length <= 0 {
				t.Fatalf("%s: partition %d is %+v, behind %d", d.Disk.Name, i+1, part, end)
			}
			end = part.Off + part.Length
			at[Member{d.Disk.Name, i + 1}] = part
		}
		if end > d.Disk.SizeBytes-tableBytes || d.Disk.ReadOnly || d.Disk.Removable {
			t.Fatalf("%s of %d bytes is used up to %d", d.Disk.Name, d.Disk.SizeBytes, end)
		}
	}
	for i, a := range p.Arrays {
		if len(a.Members) < fewest(a.Level) || a.SizeBytes < volumes[i].SizeBytes || a.SizeBytes <= 0 {
			t.Fatalf("array %+v for %+v", a, volumes[i])
		}
		for _, m := range a.Members {
			part, ok := at[m]
			if !ok || part.Volume != i || part.Length != a.MemberBytes+HeadBytes {
				t.Fatalf("array %+v: member %+v is %+v", a, m, part)
			}
			if boot := at[Member{m.Disk, BootPartition}]; i == 0 && (boot.Volume != -1 || boot.Length != BootBytes) {
				t.Fatalf("%s has no partition for the firmware", m.Disk)
			}
		}
	}
}
