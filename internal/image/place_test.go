package image_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/configdrive"
	"github.com/ingotmetal/ingot/internal/image"
	"github.com/ingotmetal/ingot/internal/image/partition"
	"github.com/ingotmetal/ingot/step"
)

func drive(t testing.TB) []byte {
	t.Helper()
	b, err := configdrive.Build(configdrive.Drive{Metadata: configdrive.Metadata{"uuid": "u"}, UserData: bytes.Repeat([]byte("user data "), 1000)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// withTable is a disk image of 12 MiB that a tool has partitioned, with data in it.
func withTable(t testing.TB, stdin string, command ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "img")
	b := make([]byte, 12*mib)
	copy(b[3*mib:], bytes.Repeat([]byte("system"), 50000))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if len(command) > 0 {
		run(t, []byte(stdin), append(command, path)...)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConfigDriveGetsItsPartition(t *testing.T) {
	iso := drive(t)
	for name, c := range map[string]struct {
		img  []byte
		at   int64 // where it must be; 0: the last MiB that ends before the backup table
		kind string
	}{
		"GPT":                      {sparse(t, 12*mib, 20), diskBytes - 2*mib, "gpt"},
		"GPT that brings its own":  {withTable(t, "", "sgdisk", "-n", "1:2M:+2M", "-n", "2:8M:+1M", "-c", "2:config-2"), 8 * mib, "gpt"},
		"MBR":                      {withTable(t, "label: dos\nstart=4096, size=8M\n", "sfdisk", "-q"), diskBytes - mib, "dos"},
		"MBR with three in use":    {withTable(t, "label: dos\nsize=1M\nsize=1M\nsize=1M\n", "sfdisk", "-q"), diskBytes - mib, "dos"},
		"GPT as large as the disk": {sparse(t, diskBytes, 21)[:diskBytes], 0, "full"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{data: c.img}
			o := options()
			o.ConfigDrive = iso
			x := stale(t, diskBytes, 512)
			_, err := x.write(t, image.Source{URL: s.start(t) + "/i", Checksum: sha(c.img)}, o)
			if c.kind == "full" {
				failure(t, err, step.Invalid, "config drive finds no place")
				x.wantUnbootable(t)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := x.bytes(t)
			if !bytes.Equal(got[c.at:c.at+int64(len(iso))], iso) {
				t.Errorf("the config drive is not at %d", c.at)
			}
			if rest := got[c.at+int64(len(iso)) : c.at+mib-64<<10]; !bytes.Equal(rest, make([]byte, len(rest))) {
				t.Error("old bytes behind the config drive")
			}
			if c.kind == "gpt" {
				if out := string(run(t, nil, "sgdisk", "-v", "-p", x.path)); !strings.Contains(out, "No problems found") || strings.Count(out, "config-2") != 1 {
					t.Error(out)
				}
			} else if out := string(run(t, nil, "sfdisk", "--verify", x.path)); !strings.Contains(out, "No errors detected") {
				t.Error(out)
			}
			if !bytes.Equal(got[2*mib:8*mib], c.img[2*mib:8*mib]) {
				t.Error("the image's own bytes changed")
			}
		})
	}
}

func TestConfigDriveWithoutAPlace(t *testing.T) {
	iso := drive(t)
	for name, c := range map[string]struct {
		img      []byte
		contains string
	}{
		"no table":             {withTable(t, ""), "no partition table"},
		"MBR with four in use": {withTable(t, "label: dos\nsize=1M\nsize=1M\nsize=1M\nsize=1M\n", "sfdisk", "-q"), "four entries"},
		"own partition small":  {withTable(t, "", "sgdisk", "-a", "1", "-n", "1:2M:+2M", "-n", "2:8M:+8K", "-c", "2:config-2"), "config drive"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{data: c.img}
			o := options()
			o.ConfigDrive = iso
			x := stale(t, diskBytes, 512)
			_, err := x.write(t, image.Source{URL: s.start(t) + "/i", Checksum: sha(c.img)}, o)
			failure(t, err, step.Invalid, c.contains)
			x.wantUnbootable(t)
		})
	}
}

func TestConfigDriveOnSectorsOf4096(t *testing.T) {
	const size = 12 * mib
	img := make([]byte, size)
	g := partition.NewGPT(partition.DeriveGUID([]byte("4k")), size, 4096)
	if _, err := g.AddAt(partition.LinuxFilesystem(), "root", partition.Span{Off: mib, Length: 8 * mib}); err != nil {
		t.Fatal(err)
	}
	for _, p := range g.Encode() {
		copy(img[p.Off:], p.Data)
	}
	iso := drive(t)
	s := &server{data: img}
	o := options()
	o.ConfigDrive = iso
	x := stale(t, diskBytes, 4096)
	if _, err := x.write(t, image.Source{URL: s.start(t) + "/i", Checksum: sha(img)}, o); err != nil {
		t.Fatal(err)
	}
	got := x.bytes(t)
	table, err := partition.ReadPrimaryGPT(bytes.NewReader(got), diskBytes, 4096)
	if err != nil || len(table.Partitions()) != 2 {
		t.Fatalf("%v, %v", table, err)
	}
	at := table.Partitions()[1].Span.Off
	if !bytes.Equal(got[at:at+int64(len(iso))], iso) {
		t.Error("the config drive is not in its partition")
	}
}

// TestManyPasses writes a qcow2 image whose tables come after its data from a server that gives no ranges: the file is read more than once, and each reading is verified.
func TestManyPasses(t *testing.T) {
	raw := sparse(t, 12*mib, 22)
	path := filepath.Join(t.TempDir(), "raw")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	out := path + ".qcow2"
	run(t, nil, "qemu-img", "convert", "-O", "qcow2", "-o", "preallocation=full", path, out)
	file, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{data: file, noRanges: true}
	x := stale(t, diskBytes, 512)
	w, err := x.write(t, image.Source{URL: s.start(t) + "/i", Checksum: sha(file)}, options())
	if err != nil {
		t.Fatal(err)
	}
	x.wantImage(t, raw)
	if w.DownloadedBytes < 2*int64(len(file)) {
		t.Errorf("%d bytes downloaded of a file of %d: the test shows nothing", w.DownloadedBytes, len(file))
	}
	for _, changed := range []int{0, 1} {
		s := &server{data: file, noRanges: true, changeContentAfter: changed + 1, noTag: true}
		x := stale(t, diskBytes, 512)
		_, err := x.write(t, image.Source{URL: s.start(t) + "/i", Checksum: sha(file)}, options())
		if changed == 0 {
			failure(t, err, step.Invalid, "digest is wrong")
			x.wantUnbootable(t)
		} else if err != nil {
			t.Errorf("a change after the last pass: %v", err)
		}
	}
}
