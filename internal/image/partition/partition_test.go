package partition_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/internal/image/partition"
)

const mib = 1 << 20

// tool runs a real tool; its absence fails the test.
func tool(t testing.TB, stdin string, command ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v (packages gdisk fdisk): %v: %s", command, err, out)
	}
	return string(out)
}

// made is a disk that a tool has partitioned.
func made(t testing.TB, size int64, stdin string, command ...string) []byte {
	t.Helper()
	dir, err := os.MkdirTemp("", "partition")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "disk")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, size)); err != nil {
		t.Fatal(err)
	}
	tool(t, stdin, append(command, path)...)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func apply(disk []byte, patches []partition.Patch) {
	for _, p := range patches {
		copy(disk[p.Off:], p.Data)
	}
}

// verify asks two other implementations about a disk.
func verify(t testing.TB, disk []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := tool(t, "", "sgdisk", "-v", path); !strings.Contains(out, "No problems found") {
		t.Fatalf("sgdisk -v: %s", out)
	}
	if out := tool(t, "", "sfdisk", "--verify", path); !strings.Contains(out, "No errors detected") {
		t.Fatalf("sfdisk --verify: %s", out)
	}
	return tool(t, "", "sgdisk", "-p", path)
}

func TestATableMovesToALargerDiskAndGetsAPartition(t *testing.T) {
	for name, args := range map[string][]string{
		"usual":       {"-n", "1:2048:+4M", "-n", "2:0:+8M", "-c", "2:root"},
		"full":        {"-n", "1:0:0"},
		"4 entries":   {"-S", "4", "-n", "1:2048:+4M"},
		"256 entries": {"-S", "256", "-n", "200:2048:+4M"},
		"hybrid":      {"-n", "1:2048:+4M", "-h", "1:EE"},
	} {
		t.Run(name, func(t *testing.T) {
			img := made(t, 20*mib, "", append([]string{"sgdisk", "-a", "2"}, args...)...)
			copy(img, "BOOTCODE")
			disk := make([]byte, 64*mib)
			copy(disk, img)
			g, err := partition.ReadPrimaryGPT(bytes.NewReader(disk), int64(len(disk)), 512)
			if err != nil {
				t.Fatal(err)
			}
			before := g.Partitions()
			if err := g.Resize(int64(len(disk))); err != nil {
				t.Fatal(err)
			}
			p, err := g.AddAtEnd(partition.LinuxFilesystem(), "config-2", 3*mib-5)
			if err != nil {
				t.Fatal(err)
			}
			if p.Span.Length != 3*mib || p.Span.Off%mib != 0 || p.Span.End() < 62*mib {
				t.Errorf("partition at %+v, want 3 MiB at the end", p.Span)
			}
			apply(disk, g.Encode())
			if out := verify(t, disk); !strings.Contains(out, "config-2") {
				t.Errorf("sgdisk does not see the partition: %s", out)
			}
			if string(disk[:8]) != "BOOTCODE" {
				t.Error("the boot code is gone")
			}
			again, err := partition.ReadPrimaryGPT(bytes.NewReader(disk), int64(len(disk)), 512)
			if err != nil || len(again.Partitions()) != len(before)+1 || again.DiskGUID != g.DiskGUID {
				t.Errorf("read again: %v, %v", again, err)
			}
			for i := range before {
				if !strings.Contains(fmt.Sprint(again.Partitions()), fmt.Sprint(before[i])) {
					t.Errorf("partition %v changed", before[i])
				}
			}
		})
	}
}

func TestTheBackupIsReadWhenThePrimaryIsGone(t *testing.T) {
	disk := made(t, 20*mib, "", "sgdisk", "-n", "1:2048:+4M")
	clear(disk[:34*512])
	g, err := partition.ReadGPT(bytes.NewReader(disk), int64(len(disk)), 512)
	if err != nil || len(g.Partitions()) != 1 {
		t.Fatalf("%v, %v", g, err)
	}
	if _, err := partition.ReadPrimaryGPT(bytes.NewReader(disk), int64(len(disk)), 512); !errors.Is(err, partition.ErrNone) {
		t.Errorf("primary: %v; want ErrNone", err)
	}
}

func TestRefusesGPT(t *testing.T) {
	good := made(t, 20*mib, "", "sgdisk", "-n", "1:2048:+4M", "-n", "2:0:+4M")
	for name, edit := range map[string]func(b []byte){
		"header checksum": func(b []byte) { b[512+60] ^= 1 },
		"entry checksum":  func(b []byte) { b[1024+40] ^= 1 },
		"header size":     func(b []byte) { b[512+12] = 10 },
	} {
		b := bytes.Clone(good)
		edit(b)
		if _, err := partition.ReadPrimaryGPT(bytes.NewReader(b), int64(len(b)), 512); !errors.Is(err, partition.ErrCorrupt) {
			t.Errorf("%s: %v; want ErrCorrupt", name, err)
		}
	}
	g, err := partition.ReadPrimaryGPT(bytes.NewReader(good), int64(len(good)), 512)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Resize(6 * mib); !errors.Is(err, partition.ErrCorrupt) {
		t.Errorf("resize below a partition: %v", err)
	}
	if _, err := g.AddAt(partition.LinuxFilesystem(), "x", partition.Span{Off: 2 * mib, Length: mib}); !errors.Is(err, partition.ErrNoRoom) {
		t.Errorf("overlap: %v; want ErrNoRoom", err)
	}
	if _, err := g.AddAtEnd(partition.LinuxFilesystem(), "x", 15*mib); !errors.Is(err, partition.ErrNoRoom) {
		t.Errorf("too large: %v; want ErrNoRoom", err)
	}
	if n := len(g.Partitions()); n != 2 {
		t.Errorf("%d partitions after refusals, want 2", n)
	}
}

func TestSectorsOf4096(t *testing.T) {
	disk := make([]byte, 16*mib)
	g := partition.NewGPT(partition.DeriveGUID([]byte("x")), int64(len(disk)), 4096)
	if _, err := g.AddAt(partition.LinuxFilesystem(), "root", partition.Span{Off: mib, Length: 8 * mib}); err != nil {
		t.Fatal(err)
	}
	apply(disk, g.Encode())
	again, err := partition.ReadPrimaryGPT(bytes.NewReader(disk), int64(len(disk)), 4096)
	if err != nil || again.Partitions()[0].Span != (partition.Span{Off: mib, Length: 8 * mib}) {
		t.Fatalf("%v, %v", again, err)
	}
	if backup, err := partition.ReadGPT(zeroHead{disk}, int64(len(disk)), 4096); err != nil || backup.DiskGUID != g.DiskGUID {
		t.Errorf("backup: %v, %v", backup, err)
	}
}

// zeroHead is a disk whose first MiB is lost.
type zeroHead struct{ disk []byte }

func (z zeroHead) ReadAt(p []byte, off int64) (int, error) {
	b := bytes.Clone(z.disk)
	clear(b[:mib])
	return bytes.NewReader(b).ReadAt(p, off)
}

func TestMBR(t *testing.T) {
	disk := made(t, 64*mib, "label: dos\nsize=4M, bootable\nsize=8M\n", "sfdisk", "-q")
	m, err := partition.ReadMBR(bytes.NewReader(disk), int64(len(disk)), 512)
	if err != nil || len(m.Spans()) != 2 {
		t.Fatalf("%v, %v", m, err)
	}
	span, err := m.AddAtEnd(0x83, 2*mib)
	if err != nil || span != (partition.Span{Off: 62 * mib, Length: 2 * mib}) {
		t.Fatalf("%+v, %v", span, err)
	}
	apply(disk, m.Encode())
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := tool(t, "", "sfdisk", "--verify", path); !strings.Contains(out, "No errors detected") {
		t.Error(out)
	}
	if _, err := m.AddAtEnd(0x83, 60*mib); !errors.Is(err, partition.ErrNoRoom) {
		t.Errorf("overlap: %v; want ErrNoRoom", err)
	}
}

func TestMBRFullOrLarge(t *testing.T) {
	disk := made(t, 64*mib, "label: dos\nsize=4M\nsize=4M\nsize=4M\nsize=4M\n", "sfdisk", "-q")
	m, err := partition.ReadMBR(bytes.NewReader(disk), int64(len(disk)), 512)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.AddAtEnd(0x83, mib); !errors.Is(err, partition.ErrNoRoom) {
		t.Errorf("four used entries: %v; want ErrNoRoom", err)
	}
	disk = made(t, 64*mib, "label: dos\nsize=4M\n", "sfdisk", "-q")
	m, err = partition.ReadMBR(bytes.NewReader(disk), 8<<40, 512)
	if err != nil {
		t.Fatal(err)
	}
	if span, err := m.AddAtEnd(0x83, mib); err != nil || span.End() != 2<<40 {
		t.Errorf("on 8 TiB: %+v, %v; want the end at 2 TiB", span, err)
	}
}

func TestLogicalPartitionsAndEndlessChains(t *testing.T) {
	disk := made(t, 96*mib, "label: dos\np1 : size=10M\np2 : size=80M, type=5\np5 : start=24576, size=20M\np6 : start=67584, size=20M\n", "sfdisk", "-q")
	m, err := partition.ReadMBR(bytes.NewReader(disk), int64(len(disk)), 512)
	if err != nil {
		t.Fatal(err)
	}
	want := []partition.Span{{Off: 12 * mib, Length: 20 * mib}, {Off: 33 * mib, Length: 20 * mib}}
	if got := m.Logical(bytes.NewReader(disk)); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("logical %v, want %v", got, want)
	}
	ebr := disk[11*mib:]
	copy(ebr[462+8:], []byte{0, 0, 0, 0}) // the chain's next link is itself
	if got := m.Logical(bytes.NewReader(disk)); len(got) != 1 {
		t.Errorf("a chain that loops: %v", got)
	}
}

func TestWhatIsNoMBR(t *testing.T) {
	gpt := made(t, 20*mib, "", "sgdisk", "-n", "1:2048:+4M")
	fat := make([]byte, 4096)
	copy(fat, "\xeb\x3c\x90mkfs.fat")
	copy(fat[446:510], bytes.Repeat([]byte("code"), 16))
	fat[510], fat[511] = 0x55, 0xaa
	for name, b := range map[string][]byte{"GPT": gpt, "FAT": fat, "zeros": make([]byte, 4096), "short": make([]byte, 100)} {
		if m, err := partition.ReadMBR(bytes.NewReader(b), int64(len(b)), 512); !errors.Is(err, partition.ErrNone) {
			t.Errorf("%s: %v, %v; want ErrNone", name, m, err)
		}
	}
}

// TestAnyPartitionsSurvive holds that whatever is added and wherever the table moves, it reads back as it was.
func TestAnyPartitionsSurvive(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		sector := rapid.SampledFrom([]int{512, 4096}).Draw(rt, "sector")
		size := rapid.Int64Range(16, 64).Draw(rt, "MiB") * mib
		g := partition.NewGPT(partition.DeriveGUID([]byte("any")), size, sector)
		var want []string
		for i := range rapid.IntRange(0, 8).Draw(rt, "partitions") {
			p, err := g.AddAt(partition.LinuxFilesystem(), fmt.Sprint("p", i), partition.Span{
				Off: rapid.Int64Range(0, 64).Draw(rt, "at") * mib, Length: rapid.Int64Range(1, 8).Draw(rt, "length") * mib,
			})
			if err == nil {
				want = append(want, fmt.Sprint(p))
			}
		}
		larger := size + rapid.Int64Range(0, 16).Draw(rt, "more")*mib
		if err := g.Resize(larger); err != nil {
			rt.Fatal(err)
		}
		disk := make([]byte, larger)
		apply(disk, g.Encode())
		again, err := partition.ReadPrimaryGPT(bytes.NewReader(disk), larger, sector)
		if err != nil || again.Check() != nil {
			rt.Fatal(err)
		}
		got := []string{}
		for _, p := range again.Partitions() {
			got = append(got, fmt.Sprint(p))
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			rt.Fatalf("read %v, want %v", got, want)
		}
	})
}

// FuzzRead holds that any first MiB is read without a panic, and that what is accepted can be encoded and read again.
func FuzzRead(f *testing.F) {
	f.Add(made(f, 4*mib, "", "sgdisk", "-n", "1:2048:+1M")[:64<<10])
	f.Add(made(f, 8*mib, "label: dos\np1 : size=1M\np2 : size=5M, type=5\np5 : size=1M\n", "sfdisk", "-q")[:4<<10])
	f.Fuzz(func(t *testing.T, head []byte) {
		const size = 8 * mib
		disk := make([]byte, size)
		copy(disk, head)
		if m, err := partition.ReadMBR(bytes.NewReader(disk), size, 512); err == nil {
			_ = m.Logical(bytes.NewReader(disk))
			if span, err := m.AddAtEnd(0x83, mib); err == nil && span.End() > size {
				t.Errorf("a partition outside of the disk: %+v", span)
			}
		}
		g, err := partition.ReadGPT(bytes.NewReader(disk), size, 512)
		if err != nil || g.Check() != nil {
			return
		}
		apply(disk, g.Encode())
		again, err := partition.ReadPrimaryGPT(bytes.NewReader(disk), size, 512)
		if err != nil || fmt.Sprint(again.Partitions()) != fmt.Sprint(g.Partitions()) {
			t.Errorf("%v does not survive: %v, %v", g.Partitions(), again, err)
		}
	})
}
