package linux

import (
	"context"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Numbers of the kernel's include/uapi/linux/fs.h and fs/xfs/libxfs/xfs_fs.h. What xfs_growfs does to a mounted file system is these calls, so that the ramdisk does not need it.
const (
	blkGetSize64    = 0x80081272
	xfsGeometryV1   = 0x80705864
	xfsGrowData     = 0x4010586e
	xfsLeastAGBlock = 64
)

// xfsGeometry is struct xfs_fsop_geom_v1.
type xfsGeometry struct {
	blockSize, rtExtentSize, agBlocks, agCount, logBlocks, sectorSize, inodeSize, inodePercent uint32
	dataBlocks, rtBlocks, rtExtents, logStart                                                  uint64
	_                                                                                          [48]byte
}

// xfsGrow is struct xfs_growfs_data.
type xfsGrow struct {
	newBlocks    uint64
	inodePercent uint32
	_            uint32
}

// Grow implements volume.Maker. ext4 has a program for it: the kernel's own way needs CAP_SYS_RESOURCE, and a file system that was made to be grown.
func (m Maker) Grow(ctx context.Context, device, folder, format string) error {
	switch format {
	case "ext4":
		// It would want e2fsck to have been run since the last mount; -f goes without.
		return program(ctx, "resize2fs", "-f", device)
	case "xfs":
		return m.growXFS(device, folder)
	}
	return fmt.Errorf("grow the %s on %s: no such format", format, device)
}

func (m Maker) growXFS(device, folder string) error {
	size, err := deviceBytes(device)
	if err != nil {
		return fmt.Errorf("size of %s: %w", device, err)
	}
	if err := m.Mount(device, folder, "xfs"); err != nil {
		return err
	}
	dir, err := os.Open(folder)
	if err == nil {
		err = errors.Join(growMounted(dir, size), dir.Close())
	}
	if err := errors.Join(err, m.Unmount(folder)); err != nil {
		return fmt.Errorf("grow the xfs on %s to %d bytes: %w", device, size, err)
	}
	return nil
}

func growMounted(dir *os.File, size uint64) error {
	var g xfsGeometry
	if err := control(dir, xfsGeometryV1, unsafe.Pointer(&g)); err != nil {
		return err
	}
	if g.blockSize == 0 {
		return errors.New("the kernel says blocks of 0 bytes")
	}
	blocks := size / uint64(g.blockSize)
	// Less than the smallest allocation group cannot be added.
	if blocks < g.dataBlocks+xfsLeastAGBlock {
		return nil
	}
	return control(dir, xfsGrowData, unsafe.Pointer(&xfsGrow{newBlocks: blocks, inodePercent: g.inodePercent}))
}

func deviceBytes(device string) (uint64, error) {
	f, err := os.Open(device)
	if err != nil {
		return 0, err
	}
	var size uint64
	err = control(f, blkGetSize64, unsafe.Pointer(&size))
	return size, errors.Join(err, f.Close())
}

func control(f *os.File, request uintptr, argument unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(argument)); errno != 0 {
		return errno
	}
	return nil
}
