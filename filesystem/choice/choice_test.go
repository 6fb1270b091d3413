package choice

import (
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/filesystem"
)

func server() filesystem.Layout {
	return filesystem.Layout{
		Partitions:  []filesystem.Partition{{Name: "esp", Type: filesystem.EFISystem, SizeMiB: 100}, {Name: "root", Type: filesystem.Linux, SizeMiB: 20480}, {Name: "data", Type: filesystem.Linux}},
		Filesystems: []filesystem.Filesystem{{Partition: "esp", Format: filesystem.VFAT, Path: "/boot/efi"}, {Partition: "root", Format: filesystem.Ext4, Path: "/"}, {Partition: "data", Format: filesystem.XFS, Path: "/srv"}},
	}
}

func layout(name string, c *Constraints) Layout {
	return Layout{Name: name, Constraints: c, Layout: server()}
}

func images(name, versions string) *Constraints {
	return &Constraints{Images: []Image{{Name: name, Versions: versions}}}
}

const gib = 1 << 30

// machine has two disks, of 10 and 100 GiB; the hints mean the large one.
func machine(url string, change func(*metal3.BareMetalHost)) Host {
	h := &metal3.BareMetalHost{}
	h.Labels = map[string]string{"size": "m1"}
	h.Spec.Image = &metal3.Image{URL: url}
	h.Spec.RootDeviceHints = &metal3.RootDeviceHints{SerialNumber: "BIG"}
	h.Status.HardwareDetails = &metal3.HardwareDetails{Storage: []metal3.Storage{
		{Name: "/dev/sda", SerialNumber: "SMALL", SizeBytes: 10 * gib}, {Name: "/dev/sdb", SerialNumber: "BIG", SizeBytes: 100 * gib}, {SerialNumber: "BEHIND-RAID", SizeBytes: 9 * gib},
	}}
	if change != nil {
		change(h)
	}
	return Of(h)
}

const debian = "https://images.example.net/debian-12.4.tar.zst"

func TestChoose(t *testing.T) {
	with := func(change func(*Constraints)) *Constraints {
		c := images("debian", "")
		change(c)
		return c
	}
	for _, c := range []struct {
		name    string
		layouts []Layout
		host    Host
		want    string
		says    string
	}{
		{"the one", []Layout{layout("a", images("debian", ">=12, <13")), layout("b", images("ubuntu", ""))}, machine(debian, nil), "a", ""},
		{"by version", []Layout{layout("a", images("debian", "<12")), layout("b", images("debian", ">=12"))}, machine(debian, nil), "b", ""},
		{"two fit", []Layout{layout("b", images("debian", "")), layout("a", images("debian", "12"))}, machine(debian, nil), "", "the FilesystemLayouts a, b are all for this host"},
		{"none", []Layout{layout("a", images("ubuntu", ""))}, machine(debian, nil), "", "a: the image is debian, not ubuntu"},
		{"none by version", []Layout{layout("a", images("debian", ">=13"))}, machine(debian, nil), "", "a: the image is debian 12.4, not >=13"},
		{"no version in the URL", []Layout{layout("a", images("debian", ">=13"))}, machine("https://x/debian.tar.zst", nil), "", "version is not in its URL"},
		{"no version asked for", []Layout{layout("a", images("debian", ""))}, machine("https://x/debian.tar.zst", nil), "a", ""},
		{"by name only", []Layout{layout("a", nil)}, machine(debian, nil), "", "no FilesystemLayout has constraints"},
		{"one by name only beside", []Layout{layout("z", nil), layout("a", images("debian", ""))}, machine(debian, nil), "a", ""},
		{"no layouts", nil, machine(debian, nil), "", "no FilesystemLayout has constraints"},
		{"a label", []Layout{layout("a", with(func(c *Constraints) { c.HostLabels = map[string]string{"size": "m1"} }))}, machine(debian, nil), "a", ""},
		{"another label", []Layout{layout("a", with(func(c *Constraints) { c.HostLabels = map[string]string{"size": "m2"} }))}, machine(debian, nil), "", `the host's label size is "m1", not "m2"`},
		{"a size", []Layout{layout("a", with(func(c *Constraints) { c.Sizes = []string{"g1", "m1-*"} }))}, machine(debian, func(h *metal3.BareMetalHost) { h.Labels["ingot.dev/size"] = "m1-small" }), "a", ""},
		{"another size", []Layout{layout("a", with(func(c *Constraints) { c.Sizes = []string{"g1", "m1-*"} }))}, machine(debian, func(h *metal3.BareMetalHost) { h.Labels["ingot.dev/size"] = "m2" }), "", "the host's size is m2, not g1 or m1-*"},
		{"no size", []Layout{layout("a", with(func(c *Constraints) { c.Sizes = []string{"*"} }))}, machine(debian, nil), "", "the host's size is not known, not *"},
		{"a disk", []Layout{layout("a", with(func(c *Constraints) { c.MinDiskGigabytes, c.MaxDiskGigabytes = 50, 100 }))}, machine(debian, nil), "a", ""},
		{"too small a disk", []Layout{layout("a", with(func(c *Constraints) { c.MinDiskGigabytes = 101 }))}, machine(debian, nil), "", "the disk /dev/sdb has 100 GiB, at least 101"},
		{"too large a disk", []Layout{layout("a", with(func(c *Constraints) { c.MaxDiskGigabytes = 99 }))}, machine(debian, nil), "", "at most 99"},
		{"no disks known", []Layout{layout("a", with(func(c *Constraints) { c.MinDiskGigabytes = 1 }))}, machine(debian, func(h *metal3.BareMetalHost) { h.Status.HardwareDetails = nil }), "", "not known yet"},
		{"an array", []Layout{layout("a", with(func(c *Constraints) { c.MinDiskGigabytes = 1 }))}, machine(debian, func(h *metal3.BareMetalHost) {
			h.Spec.RAID = &metal3.RAIDConfig{SoftwareRAIDVolumes: []metal3.SoftwareRAIDVolume{{Level: "1"}}}
		}), "", "an array that is made first"},
		{"a wrong layout", []Layout{{Name: "a", Constraints: images("debian", "")}}, machine(debian, nil), "", "a: it is wrong"},
		{"no image", []Layout{layout("a", images("debian", ""))}, machine("", func(h *metal3.BareMetalHost) { h.Spec.Image = nil }), "", "no image"},
	} {
		name, problem, verdicts := Choose(c.layouts, c.host)
		if name != c.want || !strings.Contains(problem, c.says) || (problem == "") != (name != "") || len(verdicts) != len(c.layouts) {
			t.Errorf("%s: %q, %q", c.name, name, problem)
		}
		for _, v := range verdicts {
			if v.Name != name && len(v.Reasons) == 0 && c.name != "two fit" {
				t.Errorf("%s: %s is not chosen without a reason", c.name, v.Name)
			}
		}
	}
}

func TestTry(t *testing.T) {
	fits := Try(server(), machine(debian, nil))
	if len(fits) != 2 {
		t.Fatalf("%+v", fits)
	}
	small, big := fits[0], fits[1]
	if small.Disk != "/dev/sda" || small.Meant || small.Problem == "" || len(small.Plan) != 0 || small.Hints == "" {
		t.Errorf("%+v", small)
	}
	if big.Disk != "/dev/sdb" || !big.Meant || big.Problem != "" || len(big.Plan) != 3 {
		t.Errorf("%+v", big)
	}
	legacy := Try(server(), machine(debian, func(h *metal3.BareMetalHost) { h.Spec.BootMode = metal3.Legacy }))
	if !strings.Contains(legacy[1].Problem, "BIOS") && !strings.Contains(legacy[1].Problem, "bios") {
		t.Errorf("without a partition for BIOS: %+v", legacy[1])
	}
}

func TestParse(t *testing.T) {
	for url, want := range map[string]string{
		debian: "debian 12.4", "https://x/debian-12.tar.zst?sig=1-2": "debian 12", "oci://registry.example.net:5000/os/debian:12.4": "debian 12.4", "oci://r/os/debian:v12.4.1@sha256:abc": "debian 12.4.1",
		"https://x/ubuntu-24.04-20260101.tar.gz": "ubuntu 24.4.20260101", "https://x/rocky_9.tar.xz": "rocky 9", "https://x/debian.tar": "debian ", "oci://r/os/debian:latest": "debian ",
		"https://x/debian-12-genericcloud-amd64.tar.xz": "debian 12", "https://x/k8s-node-1.31.2.tgz": "k8s-node 1.31.2", "": ". ",
	} {
		name, v := Parse(url)
		if got := name + " " + v.String(); got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}

func TestRange(t *testing.T) {
	for _, c := range []struct {
		r, v string
		want bool
	}{
		{"", "1", true}, {">=12", "12", true}, {">=12", "12.0.1", true}, {">12", "12", false}, {">12", "12.1", true}, {"<13", "12.99", true}, {"<=12", "12.1", false}, {"=12", "12.4", true}, {"12", "12.4", true},
		{"=12.4", "12", false}, {"12.0", "12", false}, {">=12, <14", "13", true}, {">=12,<14", "14", false}, {"v2", "2.1", true}, {">= 9", "10", true},
	} {
		r, err := ParseRange(c.r)
		_, v := Parse("x-" + c.v)
		if err != nil || r.Holds(v) != c.want {
			t.Errorf("%s in %q: %v, %v", c.v, c.r, !c.want, err)
		}
	}
	for _, bad := range []string{"x", ">=", "1.2.3.4.5", ">=1 <2", "1,,2", "~1", "1,1,1,1,1,1,1,1,1"} {
		if _, err := ParseRange(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{debian, "oci://r/os/debian:12", ">=12, <14", "x-1.2.3.4.5", "-1", ":1", "//", "x-999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if _, v := Parse(s); len(v) > maxNumbers {
			t.Errorf("%q: %v", s, v)
		}
		if r, err := ParseRange(s); err == nil && len(r) > maxComparisons {
			t.Errorf("%q: %d", s, len(r))
		}
	})
}
