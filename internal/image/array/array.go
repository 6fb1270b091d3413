// Package array brings software RAID onto disks, and an image's boot loader onto each disk of an array.
//
// It owns the order in which tables and superblocks are written, the proof that a new array shows nothing of a former use, and the copies of the EFI system partition. It refuses to decide where
// anything goes: that is a raid.Plan. Arrays are made by writing md's superblocks, and started by whoever drives the disks: no other program is needed for it, and what is written is what the
// tests see on files.
//
// Why each disk has an EFI system partition of its own beside the array: firmware reads disks, not arrays. The image has its own inside of the array, as it was built; its content is copied to each
// disk after the image's digest was found right, so that nothing can be started before. A system that updates its boot loader has to update the copies too.
//
// Invariants: a disk gets its table before its superblocks; an array counts as made only after the places of metadata in it were wiped and read back.
package array

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/driver/disk/superblock"
	"github.com/ingotmetal/ingot/internal/image/partition"
	"github.com/ingotmetal/ingot/internal/image/wipe"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/step"
)

// Maker makes arrays.
type Maker struct {
	Disks  disk.Opener
	Arrays disk.Arrays
	// Host is what the UUIDs are made of, with the volume's number: the same host has the same ones each time.
	Host   string
	Now    func() time.Time
	Report func(step.Progress)
}

// Make lays the disks out and makes the arrays. The disks hold nothing and no array runs on them.
func (m Maker) Make(ctx context.Context, p raid.Plan) ([]step.Array, error) {
	m.Report(step.Progress{Phase: "laying out the disks"})
	disks := map[string]step.Disk{}
	names := make([]string, 0, len(p.Disks))
	for _, d := range p.Disks {
		if err := m.table(ctx, d); err != nil {
			return nil, fmt.Errorf("lay out %s for RAID: %w", d.Disk.Name, err)
		}
		disks[d.Disk.Name] = d.Disk
		names = append(names, d.Disk.Name)
	}
	for _, a := range p.Arrays {
		if err := m.superblocks(ctx, a); err != nil {
			return nil, fmt.Errorf("make the array of volume %d: %w", a.Volume+1, err)
		}
	}
	m.Report(step.Progress{Phase: "starting the arrays"})
	running, err := m.Arrays.Assemble(ctx, names)
	if err != nil {
		return nil, err
	}
	out := make([]step.Array, 0, len(p.Arrays))
	for _, a := range p.Arrays {
		made, err := m.prove(ctx, a, running)
		if err != nil {
			return nil, err
		}
		for _, member := range a.Members {
			made.Disks = append(made.Disks, disks[member.Disk])
		}
		out = append(out, made)
	}
	return out, nil
}

// table writes a disk's partition table, whose backup first.
func (m Maker) table(ctx context.Context, p raid.DiskPlan) error {
	d, err := m.Disks.Open(ctx, p.Disk.Name)
	if err != nil {
		return err
	}
	g := d.Geometry()
	t := partition.NewGPT(partition.DeriveGUID([]byte("raid disk"), []byte(m.Host), []byte(p.Disk.Name)), g.SizeBytes, g.SectorBytes)
	for _, part := range p.Partitions {
		kind, label := partition.LinuxRAID(), fmt.Sprintf("volume%d", part.Volume+1)
		if part.Volume < 0 {
			kind, label = partition.EFISystem(), "esp"
		}
		if _, e := t.AddAt(kind, label, partition.Span{Off: part.Off, Length: part.Length}); e != nil {
			return errors.Join(e, d.Close())
		}
	}
	patches := t.Encode()
	for i := range patches {
		patch := patches[len(patches)-1-i]
		b := disk.Buffer(len(patch.Data))
		copy(b, patch.Data)
		if _, e := d.WriteAt(b, patch.Off); e != nil {
			return errors.Join(e, d.Close())
		}
	}
	return errors.Join(d.Flush(), d.RereadPartitions(), d.Close())
}

// superblocks makes the members of an array.
func (m Maker) superblocks(ctx context.Context, a raid.ArrayPlan) error {
	for i, member := range a.Members {
		s := superblock.Super{
			Array: m.uuid(a), Device: superblock.UUID(partition.DeriveGUID([]byte("raid member"), []byte(m.Host), []byte{byte(a.Volume), byte(i)})),
			Name: fmt.Sprintf("any:volume%d", a.Volume+1), CreatedAt: uint64(max(m.Now().Unix(), 0)), Members: len(a.Members), Role: i,
			DataOffset: raid.HeadBytes, DataBytes: a.MemberBytes,
		}
		switch a.Level {
		case raid.Mirrored:
			s.Level = superblock.RAID1
		case raid.Striped:
			s.Level, s.ChunkBytes = superblock.RAID0, raid.ChunkBytes
		case raid.MirroredStripes:
			s.Level, s.ChunkBytes = superblock.RAID10, raid.ChunkBytes
		}
		block, err := s.Encode()
		if err != nil {
			return err
		}
		if err := m.writeMember(ctx, member, block); err != nil {
			return fmt.Errorf("%s, partition %d: %w", member.Disk, member.Number, err)
		}
	}
	return nil
}

// writeMember makes the head of a member empty but for its superblock.
func (m Maker) writeMember(ctx context.Context, member raid.Member, block []byte) error {
	d, err := m.Arrays.OpenPartition(ctx, disk.Member{Disk: member.Disk, Number: member.Number})
	if err != nil {
		return err
	}
	b := disk.Buffer(raid.HeadBytes)
	copy(b[superblock.Offset12:], block)
	_, err = d.WriteAt(b, 0)
	return errors.Join(err, d.Flush(), d.Close())
}

func (m Maker) uuid(a raid.ArrayPlan) superblock.UUID {
	return superblock.UUID(partition.DeriveGUID([]byte("raid array"), []byte(m.Host), []byte{byte(a.Volume)}))
}

// prove wipes an array that runs: what lies in it was of a former use, in places that no wipe of the disks looked at.
func (m Maker) prove(ctx context.Context, a raid.ArrayPlan, running []disk.Array) (step.Array, error) {
	out := step.Array{UUID: m.uuid(a).String(), Level: a.Level}
	for _, r := range running {
		if r.UUID == out.UUID {
			out.Name, out.SizeBytes = r.Name, r.SizeBytes
		}
	}
	switch {
	case out.Name == "":
		return out, fmt.Errorf("the array %s of volume %d was made and does not start", out.UUID, a.Volume+1)
	case out.SizeBytes < a.SizeBytes:
		return out, fmt.Errorf("the array %s has %d bytes, and %d were planned", out.Name, out.SizeBytes, a.SizeBytes)
	}
	m.Report(step.Progress{Phase: "wiping " + out.Name})
	d, err := m.Disks.Open(ctx, out.Name)
	if err != nil {
		return out, err
	}
	w := wipe.Disk(ctx, d, step.Disk{Name: out.Name, SerialNumber: out.UUID}, m.Now, nil)
	if err := d.Close(); err != nil {
		return out, err
	}
	if !w.Clean {
		return out, fmt.Errorf("the array %s is not proved to be empty: %s", out.Name, w.Message)
	}
	return out, nil
}
