package rootfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/filesystem"
	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/image/partition"
	"github.com/ingotmetal/ingot/step"
)

// errNoSpace is a file system that is full.
var errNoSpace = unix.ENOSPC

// table is the partition table to be, and where the config drive goes.
type table struct {
	gpt   *partition.GPT
	drive partition.Span
	// guids are the partitions' own, by number.
	guids map[int]partition.GUID
}

// tailBytes is what a config drive takes at the disk's end: whole MiB, and one for the alignment.
func tailBytes(drive int) int64 {
	if drive == 0 {
		return 0
	}
	return (int64(drive)+partition.AlignBytes-1)/partition.AlignBytes*partition.AlignBytes + partition.AlignBytes
}

// swapType is the type of a swap partition: 0657FD6D-A4AB-43C4-84E5-0933C84B4F4F.
func swapType() partition.GUID {
	return partition.GUID{0x6d, 0xfd, 0x57, 0x06, 0xab, 0xa4, 0xc4, 0x43, 0x84, 0xe5, 0x09, 0x33, 0xc8, 0x4b, 0x4f, 0x4f}
}

func makeTable(plan filesystem.Plan, g disk.Geometry, seed string, drive int) (table, error) {
	t := table{gpt: partition.NewGPT(partition.DeriveGUID([]byte("disk"), []byte(seed)), g.SizeBytes, g.SectorBytes), guids: map[int]partition.GUID{}}
	types := map[filesystem.Type]partition.GUID{
		filesystem.EFISystem: partition.EFISystem(), filesystem.BIOSBoot: partition.BIOSBoot(), filesystem.Linux: partition.LinuxFilesystem(), filesystem.LinuxSwap: swapType(),
	}
	for _, p := range plan.Partitions {
		made, err := t.gpt.AddAt(types[p.Type], p.Name, partition.Span{Off: p.OffBytes, Length: p.SizeBytes})
		if err == nil && made.Number != p.Number {
			err = fmt.Errorf("it became number %d", made.Number)
		}
		if err != nil {
			return t, fmt.Errorf("partition %d (%s): %w", p.Number, p.Name, err)
		}
		t.guids[p.Number] = made.GUID
	}
	if drive > 0 {
		made, err := t.gpt.AddAtEnd(partition.LinuxFilesystem(), filesystem.ConfigDrive, int64(drive))
		if err != nil {
			return t, fmt.Errorf("partition of the config drive: %w", err)
		}
		t.drive = made.Span
	}
	return t, nil
}

// blank makes both ends of a disk zero.
func blank(d disk.Disk) error {
	g := d.Geometry()
	n := min(headBytes, g.SizeBytes)
	zeros := disk.Buffer(int(n))
	for _, off := range []int64{0, g.SizeBytes - n} {
		if _, err := d.WriteAt(zeros, off); err != nil {
			return err
		}
	}
	return d.Flush()
}

// unboot makes the disk unbootable after a failure.
func (i *installer) unboot(ctx context.Context) error {
	if !i.touched {
		return nil
	}
	d, err := i.r.Open(ctx)
	if err != nil {
		return err
	}
	err = blank(d)
	if err == nil {
		err = d.RereadPartitions()
	}
	return errors.Join(err, d.Close())
}

// commit makes the disk bootable.
func (i *installer) commit(ctx context.Context) error {
	d, err := i.r.Open(ctx)
	if err != nil {
		return err
	}
	err = i.finish(ctx, d)
	return errors.Join(err, d.Close())
}

func (i *installer) finish(ctx context.Context, d disk.Disk) error {
	if got := d.Geometry(); got != i.geo {
		return &step.Failure{Kind: step.Internal, Message: fmt.Sprintf("the disk %s is another one than the operating system was unpacked to: it has %d bytes, not %d", i.r.Disk, got.SizeBytes, i.geo.SizeBytes)}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// What nobody boots by itself.
	for _, p := range []partition.Patch{{Off: i.table.drive.Off, Data: i.r.Options.ConfigDrive}, i.loader.code(i.plan)} {
		if len(p.Data) == 0 {
			continue
		}
		if err := write(d, p); err != nil {
			return err
		}
	}
	if i.loader.boot != nil {
		i.table.gpt.SetBootCode(i.loader.boot)
	}
	if err := d.Flush(); err != nil {
		return err
	}
	tables := i.table.gpt.Encode() // the primary one with the protective MBR, the backup
	page := min(disk.BufferAlignment, len(tables[0].Data))
	first, rest := partition.Patch{Data: tables[0].Data[:page]}, partition.Patch{Off: int64(page), Data: tables[0].Data[page:]}
	for _, patches := range [][]partition.Patch{{tables[1], rest}, {first}} {
		for _, p := range patches {
			if err := write(d, p); err != nil {
				return err
			}
		}
		if err := d.Flush(); err != nil {
			return err
		}
	}
	for _, p := range tables {
		got := disk.Buffer(len(p.Data))
		if n, err := d.ReadAt(got, p.Off); n != len(got) {
			return err
		}
		if !bytes.Equal(got, p.Data) {
			return &step.Failure{Kind: step.Internal, Message: fmt.Sprintf("the disk gives back other bytes at %d than were written", p.Off), Fix: "replace the disk"}
		}
	}
	if err := d.RereadPartitions(); err != nil && !errors.Is(err, disk.ErrBusy) {
		return err
	}
	return nil
}

// write pads a patch to whole sectors with zeros: all of them begin at one.
func write(d disk.Disk, p partition.Patch) error {
	sector := d.Geometry().SectorBytes
	padded := disk.Buffer((len(p.Data) + sector - 1) / sector * sector)
	copy(padded, p.Data)
	for part := range slices.Chunk(padded, 4<<20) {
		if _, err := d.WriteAt(part, p.Off); err != nil {
			return err
		}
		p.Off += int64(len(part))
	}
	return nil
}
