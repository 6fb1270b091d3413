// Package linux makes file systems with the kernel of the machine it runs on and the programs of e2fsprogs, xfsprogs and dosfstools.
//
// It owns the ioctls by which the kernel is told of partitions (BLKPG), the command lines of mkfs, and the mount flags. It refuses every other program, and every disk whose
// partitions are in use.
package linux

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/internal/driver/volume"
)

// Maker is a volume.Maker.
type Maker struct {
	// Load loads a kernel module by its name where it is one; nil: everything is there.
	Load func(module string)
	// Temporary is where folders for mounting are made; empty: the system's.
	Temporary string
}

// Numbers of the kernel's include/uapi/linux/blkpg.h.
const (
	blkpg    = 0x1269
	blkpgAdd = 1
	blkpgDel = 2
)

type blkpgPartition struct {
	start, length int64
	number        int32
	names         [128]byte
	_             [4]byte
}

type blkpgArgument struct {
	op, flags, length int32
	_                 int32
	data              unsafe.Pointer
}

// nodePatience is how long devtmpfs or udev may take to show a new partition.
const nodePatience = 10 * time.Second

// Add implements volume.Maker.
func (m Maker) Add(ctx context.Context, disk string, number int, at volume.Span) (string, error) {
	err := partition(disk, blkpgAdd, blkpgPartition{start: at.OffBytes, length: at.SizeBytes, number: int32(number)})
	if err != nil {
		return "", fmt.Errorf("tell the kernel of partition %d of %s (%d bytes at %d): %w", number, disk, at.SizeBytes, at.OffBytes, err)
	}
	device := Device(disk, number)
	deadline := time.Now().Add(nodePatience)
	for {
		info, err := os.Stat(device)
		if err == nil && info.Mode()&os.ModeDevice != 0 {
			return device, nil
		}
		if time.Now().After(deadline) {
			return "", fmt.Errorf("the kernel knows partition %d of %s, and there is no device %s", number, disk, device)
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Remove implements volume.Maker.
func (m Maker) Remove(disk string, number int) error {
	if err := partition(disk, blkpgDel, blkpgPartition{number: int32(number)}); err != nil && !errors.Is(err, unix.ENXIO) {
		return fmt.Errorf("make the kernel forget partition %d of %s: %w", number, disk, err)
	}
	return nil
}

// Device is the path of a partition's device.
func Device(disk string, number int) string {
	last := disk[len(disk)-1]
	if last >= '0' && last <= '9' {
		return disk + "p" + strconv.Itoa(number)
	}
	return disk + strconv.Itoa(number)
}

func partition(disk string, op int32, p blkpgPartition) error {
	f, err := os.OpenFile(disk, os.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	a := blkpgArgument{op: op, length: int32(unsafe.Sizeof(p)), data: unsafe.Pointer(&p)}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), blkpg, uintptr(unsafe.Pointer(&a)))
	err = f.Close()
	if errno != 0 {
		return errno
	}
	return err
}

// Format implements volume.Maker.
func (m Maker) Format(ctx context.Context, device string, s volume.Spec) error {
	var name string
	var args []string
	switch s.Format {
	case "swap":
		if err := makeSwap(device, s.Label, s.ID); err != nil {
			return fmt.Errorf("make swap on %s: %w", device, err)
		}
		return nil
	case "ext4":
		// What is left out is what the GRUB of Debian 12 (2.06) cannot read. An option of the layout takes the place of the same one here.
		name, args = "mke2fs", []string{"-q", "-F", "-t", "ext4", "-U", s.ID, "-E", "nodiscard", "-O", "^metadata_csum_seed,^orphan_file"}
		if s.Label != "" {
			args = append(args, "-L", s.Label)
		}
	case "xfs":
		name, args = "mkfs.xfs", []string{"-q", "-f", "-K", "-m", "uuid=" + s.ID}
		if s.Label != "" {
			args = append(args, "-L", s.Label)
		}
	case "vfat":
		name, args = "mkfs.fat", []string{"-F", "32", "-i", strings.ReplaceAll(s.ID, "-", "")}
		if s.Label != "" {
			args = append(args, "-n", s.Label)
		}
	default:
		return fmt.Errorf("make %s on %s: no such format", s.Format, device)
	}
	return program(ctx, name, append(append(args, s.Options...), device)...)
}

// program runs one of the ramdisk's programs.
func program(ctx context.Context, name string, args ...string) error {
	// By its path: process 1 has no PATH.
	cmd := exec.CommandContext(ctx, find(name), args...)
	// Without its file of defaults mke2fs takes those that it was built with, on every machine the same.
	cmd.Env = []string{"PATH=" + programs(), "LC_ALL=C", "MKE2FS_CONFIG=/nonexistent"}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %.1000s", strings.Join(append([]string{name}, args...), " "), err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}

// programs are the folders in which programs are looked for.
func programs() string { return "/usr/sbin:/sbin:/usr/bin:/bin" }

func find(program string) string {
	for dir := range strings.SplitSeq(programs(), ":") {
		if _, err := os.Stat(filepath.Join(dir, program)); err == nil {
			return filepath.Join(dir, program)
		}
	}
	return filepath.Join("/usr/sbin", program)
}

// Mount implements volume.Maker.
func (m Maker) Mount(device, folder, format string) error {
	data := ""
	if format == "vfat" {
		data = "quiet" // owners and modes, which it has not, are no error
		m.load("nls_cp437", "nls_ascii", "nls_iso8859-1")
	}
	// The checksums of ext4 and xfs.
	m.load("crc32c_generic", format)
	if err := unix.Mount(device, folder, format, unix.MS_NOATIME|unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_NOSUID, data); err != nil {
		return fmt.Errorf("mount %s (%s) at %s: %w", device, format, folder, err)
	}
	return nil
}

func (m Maker) load(modules ...string) {
	for _, name := range modules {
		if m.Load != nil {
			m.Load(name)
		}
	}
}

// Unmount implements volume.Maker.
func (m Maker) Unmount(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	// What could not be written back is said here; umount itself does not tell.
	err = unix.Syncfs(int(d.Fd()))
	if err := errors.Join(err, d.Close()); err != nil {
		return fmt.Errorf("write back what is mounted at %s: %w", folder, err)
	}
	if err := unix.Unmount(folder, unix.UMOUNT_NOFOLLOW); err != nil {
		return fmt.Errorf("unmount %s: %w", folder, err)
	}
	return nil
}

// Scratch implements volume.Maker.
func (m Maker) Scratch() (string, func() error, error) {
	dir, err := os.MkdirTemp(m.Temporary, "root-")
	if err != nil {
		return "", nil, err
	}
	// Only the folder itself: whatever is still mounted there is no affair of this one.
	return dir, func() error { return os.Remove(dir) }, nil
}
