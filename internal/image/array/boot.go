package array

import (
	"context"
	"errors"
	"fmt"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/image/partition"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/step"
)

// copyBytes is one piece of a copy.
const copyBytes = 4 << 20

// Write writes an image to an array. The disks' partitions for the firmware are empty until the image is on the array and was found right.
func Write(ctx context.Context, arrays disk.Arrays, target disk.Disk, name string, image func() (step.Written, error)) (step.Written, error) {
	if err := ClearBoot(ctx, arrays, name); err != nil {
		return step.Written{}, err
	}
	written, err := image()
	if err == nil {
		err = CopyBoot(ctx, arrays, target, name)
	}
	return written, err
}

// ClearBoot makes the partitions for the firmware on the disks of an array empty, so that nothing of a former image is started from them.
func ClearBoot(ctx context.Context, arrays disk.Arrays, name string) error {
	return eachBoot(ctx, arrays, name, func(d disk.Disk) error {
		return errors.Join(d.Erase(disk.Zero, 0, 8<<20), d.Flush())
	})
}

// CopyBoot copies the EFI system partition of the image that was written to an array to each disk of it. The first block goes last: without it there is no file system.
func CopyBoot(ctx context.Context, arrays disk.Arrays, target disk.Disk, name string) error {
	g := target.Geometry()
	table, err := partition.ReadPrimaryGPT(target, g.SizeBytes, g.SectorBytes)
	if err != nil {
		return &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("the image on the array %s has no GPT: %v", name, err), Fix: bootFix}
	}
	var esp partition.Span
	for _, p := range table.Partitions() {
		if p.Type == partition.EFISystem() {
			esp = p.Span
			break
		}
	}
	switch {
	case esp.Length == 0:
		return &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("the image on the array %s has no EFI system partition, and a disk of an array is booted by one", name), Fix: bootFix}
	case esp.Length > raid.BootBytes:
		return &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("the image's EFI system partition has %d bytes, and the disks of an array have %d for it", esp.Length, raid.BootBytes), Fix: bootFix}
	}
	return eachBoot(ctx, arrays, name, func(d disk.Disk) error { return copyPart(ctx, target, esp, d) })
}

const bootFix = "use an image for UEFI, with GRUB's mdraid1x or another loader that reads software RAID, and mdadm in its initial ramdisk"

// eachBoot does something with the partition for the firmware on each disk of an array.
func eachBoot(ctx context.Context, arrays disk.Arrays, name string, do func(disk.Disk) error) error {
	running, err := arrays.Assemble(ctx, nil)
	if err != nil {
		return err
	}
	done := 0
	for _, r := range running {
		for _, m := range r.Members {
			if r.Name != name || m.Number <= raid.BootPartition {
				continue
			}
			if err := oneBoot(ctx, arrays, disk.Member{Disk: m.Disk, Number: raid.BootPartition}, do); err != nil {
				return fmt.Errorf("the EFI system partition of %s: %w", m.Disk, err)
			}
			done++
		}
	}
	if done == 0 {
		return fmt.Errorf("no disk of the array %s has a partition for the firmware", name)
	}
	return nil
}

func oneBoot(ctx context.Context, arrays disk.Arrays, m disk.Member, do func(disk.Disk) error) error {
	d, err := arrays.OpenPartition(ctx, m)
	if err != nil {
		return err
	}
	if size := d.Geometry().SizeBytes; size != raid.BootBytes {
		return errors.Join(fmt.Errorf("it has %d bytes, not the %d that were laid out", size, raid.BootBytes), d.Close())
	}
	return errors.Join(do(d), d.Close())
}

func copyPart(ctx context.Context, from disk.Disk, span partition.Span, to disk.Disk) error {
	b := disk.Buffer(copyBytes)
	move := func(off int64) error {
		n := min(copyBytes, span.Length-off)
		if _, err := from.ReadAt(b[:n], span.Off+off); err != nil {
			return err
		}
		_, err := to.WriteAt(b[:n], off)
		return err
	}
	for off := int64(copyBytes); off < span.Length; off += copyBytes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := move(off); err != nil {
			return err
		}
	}
	if err := to.Flush(); err != nil {
		return err
	}
	return errors.Join(move(0), to.Flush())
}
