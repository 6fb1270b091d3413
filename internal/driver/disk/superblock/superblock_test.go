package superblock_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/driver/disk/superblock"
)

func sample(level, role, members int) superblock.Super {
	s := superblock.Super{Array: superblock.UUID{1, 2, 3, 4, 0xab}, Device: superblock.UUID{9, byte(role)}, Name: "any:volume1", CreatedAt: 1700000000, Level: level, Members: members, Role: role,
		DataOffset: 1 << 20, DataBytes: 30 << 20}
	if level != superblock.RAID1 {
		s.ChunkBytes = 512 << 10
	}
	return s
}

// mdadm, which knows the format best, reads what we write.
func TestMdadmReadsIt(t *testing.T) {
	for level, want := range map[int]string{superblock.RAID0: "raid0", superblock.RAID1: "raid1", superblock.RAID10: "raid10"} {
		for role := range 4 {
			b, err := sample(level, role, 4).Encode()
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "member")
			disk := make([]byte, 31<<20)
			copy(disk[superblock.Offset12:], b)
			if err := os.WriteFile(path, disk, 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), "mdadm", "--examine", path).CombinedOutput()
			if err != nil {
				t.Fatalf("mdadm --examine (package mdadm): %v: %s", err, out)
			}
			for _, line := range []string{"Version : 1.2", "Array UUID : 01020304:ab000000:00000000:00000000", "Raid Level : " + want, "Raid Devices : 4", "Data Offset : 2048 sectors",
				"Super Offset : 8 sectors", "Avail Dev Size : 61440 sectors", "- correct", "Name : any:volume1"} {
				if !strings.Contains(string(out), line) {
					t.Errorf("level %d, member %d: mdadm does not say %q:\n%s", level, role, line, out)
				}
			}
			found, err := superblock.Find(bytes.NewReader(disk), int64(len(disk)))
			want := sample(level, role, 4)
			want.Minor = 2
			if err != nil || found != want {
				t.Errorf("read back %+v, %v; want %+v", found, err, want)
			}
		}
	}
}

func TestNoSuperblock(t *testing.T) {
	whole, err := sample(superblock.RAID1, 0, 2).Encode()
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(whole)
	damaged[40]++
	for name, disk := range map[string][]byte{
		"empty": make([]byte, 1<<20), "short": make([]byte, 100), "damaged": append(make([]byte, superblock.Offset12), damaged...), "elsewhere": append(bytes.Clone(whole), make([]byte, 1<<20)...),
	} {
		if s, err := superblock.Find(bytes.NewReader(disk), int64(len(disk))); !errors.Is(err, superblock.ErrNone) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func TestRefusesToEncode(t *testing.T) {
	for name, change := range map[string]func(*superblock.Super){
		"no place":    func(s *superblock.Super) { s.Role = 2 },
		"long name":   func(s *superblock.Super) { s.Name = strings.Repeat("x", 32) },
		"over itself": func(s *superblock.Super) { s.DataOffset = 4096 },
	} {
		s := sample(superblock.RAID1, 0, 2)
		change(&s)
		if _, err := s.Encode(); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, level := range []int{superblock.RAID0, superblock.RAID1, superblock.RAID10} {
		b, err := sample(level, 1, 4).Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := superblock.Parse(b)
		if err != nil {
			return
		}
		if s.Role >= s.Members || s.DataBytes < 0 || s.DataOffset < 0 {
			t.Errorf("%+v", s)
		}
	})
}
