package recognize_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/filesystem"
	"github.com/ingotmetal/ingot/filesystem/recognize"
)

const id = "12345678-9abc-def0-1234-56789abcdef0"

// made is the head of a file of some MiB after programs worked on it; each command's last word is the file.
func made(t testing.TB, sizeMiB int64, commands ...string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, sizeMiB<<20); err != nil {
		t.Fatal(err)
	}
	for _, c := range commands {
		words := append(strings.Fields(c), file)
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), words[0], words[1:]...)
		cmd.Env = append(os.Environ(), "MKE2FS_CONFIG=/nonexistent")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s (in scripts/packages.txt?): %v: %s", c, err, out)
		}
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, recognize.HeadBytes)
	if _, err := io.ReadFull(f, head); err != nil {
		t.Fatal(err)
	}
	return head
}

// seeds are what the programs of Debian make.
func seeds(t testing.TB) map[string][]byte {
	return map[string][]byte{
		"ext4":    made(t, 40, "mke2fs -q -F -t ext4 -b 4096 -U "+id),
		"ext2":    made(t, 8, "mke2fs -q -F -t ext2 -b 1024 -U "+id),
		"64bit":   made(t, 40, "mke2fs -q -F -t ext4 -b 4096 -O 64bit,metadata_csum -U "+id),
		"xfs":     made(t, 320, "mkfs.xfs -q -f -m uuid="+id),
		"old xfs": made(t, 320, "mkfs.xfs -q -f -m crc=0,uuid="+id),
	}
}

func TestLook(t *testing.T) {
	all := seeds(t)
	for name, want := range map[string]recognize.Found{
		"ext4": {Format: filesystem.Ext4, ID: id, SizeBytes: 40 << 20}, "64bit": {Format: filesystem.Ext4, ID: id, SizeBytes: 40 << 20}, "ext2": {Format: filesystem.Ext4, ID: id, SizeBytes: 8 << 20},
		"xfs": {Format: filesystem.XFS, ID: id, SizeBytes: 320 << 20}, "old xfs": {Format: filesystem.XFS, ID: id, SizeBytes: 320 << 20},
	} {
		if got, err := recognize.Look(all[name]); err != nil || got != want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestWhatCannotBeARoot(t *testing.T) {
	mark := func(off int, magic string) []byte {
		b := make([]byte, recognize.HeadBytes)
		copy(b[off:], magic)
		return b
	}
	change := func(b []byte, off int, value byte) []byte {
		b[off] = value
		return b
	}
	ext := func() []byte { return made(t, 8, "mke2fs -q -F -t ext4 -U "+id) }
	zero := ext()
	copy(zero[0x468:0x478], make([]byte, 16))
	blockless := ext()
	binary.LittleEndian.PutUint32(blockless[0x404:], 0)
	for name, c := range map[string]struct {
		head []byte
		text string
	}{
		"a whole disk":        {made(t, 8, "sgdisk -n 1:0:0"), "a whole disk with a partition table"},
		"a disk with an MBR":  {mark(0x1fe, "\x55\xaa"), "a whole disk with a boot sector"},
		"LVM":                 {mark(0x218, "LVM2 001"), "device-mapper"},
		"LUKS":                {mark(0, "LUKS\xba\xbe"), "device-mapper"},
		"a member of an md":   {mark(0x1000, "\xfc\x4e\x2b\xa9"), "software RAID"},
		"btrfs":               {mark(0x10040, "_BHRfS_M"), "btrfs"},
		"vfat":                {made(t, 64, "mkfs.fat -F 32"), "vfat"},
		"nothing":             {nil, "neither's superblock"},
		"zeros":               {make([]byte, 4096), "neither's superblock"},
		"csum_seed":           {made(t, 8, "mke2fs -q -F -t ext4 -O metadata_csum_seed"), "boot loader"},
		"no UUID":             {zero, "has no UUID"},
		"no blocks":           {blockless, "0 blocks"},
		"in use":              {change(ext(), 0x460, 0x46), "its journal"},
		"huge blocks":         {change(ext(), 0x418, 9), "2^9 KiB"},
		"half a superblock":   {ext()[:0x500], "ends in the superblock"},
		"half an XFS":         {[]byte("XFSB1234"), "ends in the superblock"},
		"XFS with odd blocks": {mark(0, "XFSB\x00\x00\x10\x01"), "blocks of 4097 bytes"},
		"XFS of tomorrow":     {mark(0, "XFSB\x00\x00\x10\x00"), "version 0"},
	} {
		_, err := recognize.Look(c.head)
		var r *recognize.Refusal
		if !errors.As(err, &r) || !strings.Contains(r.Message, c.text) || r.Fix == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzLook(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b[:min(len(b), 4096)])
	}
	form := regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	f.Fuzz(func(t *testing.T, head []byte) {
		got, err := recognize.Look(head)
		var r *recognize.Refusal
		switch {
		case err != nil && (!errors.As(err, &r) || r.Message == "" || r.Fix == ""):
			t.Errorf("%v", err)
		case err == nil && (!form.MatchString(got.ID) || got.SizeBytes <= 0 || got.SizeBytes > 1<<60 || got.Format != filesystem.Ext4 && got.Format != filesystem.XFS):
			t.Errorf("%+v", got)
		}
	})
}
