package image

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/image/partition"
	"github.com/ingotmetal/ingot/step"
)

// ConfigDriveLabel is the name of the config drive's partition, and the volume label by which cloud-init finds it.
const ConfigDriveLabel = "config-2"

// mbrLinux is the partition type of an ordinary Linux partition in an MBR.
const mbrLinux = 0x83

// commit makes the disk bootable: the image is on it, flushed and verified, and only the held parts are missing.
func (w *writer) commit() error {
	s := w.sink
	w.written.WrittenBytes = s.written
	if w.o.Judge != nil {
		if err := w.o.Judge(s.head); err != nil {
			return err
		}
	}
	if err := w.arrange(); err != nil {
		return err
	}
	if err := s.eraseZeros(); err != nil {
		return err
	}
	if err := s.target.Flush(); err != nil {
		return err
	}
	// Everything of the held parts but the first page, then the page with the boot sector and the primary table's header.
	first := min(disk.BufferAlignment, len(s.head))
	for _, patches := range [][]partition.Patch{{{Off: s.tailOff, Data: s.tail}, {Off: int64(first), Data: s.head[first:]}}, {{Off: 0, Data: s.head[:first]}}} {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		for _, p := range patches {
			if _, err := s.target.WriteAt(p.Data, p.Off); err != nil {
				return err
			}
		}
		if err := s.target.Flush(); err != nil {
			return err
		}
	}
	if err := s.compare(); err != nil {
		return err
	}
	// A partition that is in use cannot be: the disk is open exclusively. udev may still hold one for longer than the driver waits; the machine starts anew anyway.
	if err := s.target.RereadPartitions(); err != nil && !errors.Is(err, disk.ErrBusy) {
		return err
	}
	return nil
}

// compare reads the parts back that decide whether the disk boots.
func (s *sink) compare() error {
	for _, p := range []partition.Patch{{Off: 0, Data: s.head}, {Off: s.tailOff, Data: s.tail}} {
		got := disk.Buffer(len(p.Data))
		if n, err := s.target.ReadAt(got, p.Off); n != len(got) {
			return err
		}
		if !bytes.Equal(got, p.Data) {
			return &step.Failure{Kind: step.Internal, Message: fmt.Sprintf("the disk gives back other bytes at %d than were written", p.Off), Fix: "replace the disk"}
		}
	}
	return nil
}

// arrange moves the backup table to the disk's end and makes room for the config drive.
func (w *writer) arrange() error {
	s, drive := w.sink, w.o.ConfigDrive
	g, err := partition.ReadPrimaryGPT(s, s.geo.SizeBytes, s.geo.SectorBytes)
	if err == nil {
		return w.arrangeGPT(g, drive)
	}
	if !errors.Is(err, partition.ErrNone) {
		return err
	}
	for _, other := range []int{512, 4096} {
		if _, err := partition.ReadPrimaryGPT(s, s.geo.SizeBytes, other); other != s.geo.SectorBytes && err == nil {
			return &step.Failure{
				Kind: step.Invalid, Message: fmt.Sprintf("the image's partition table counts in sectors of %d bytes, the disk has sectors of %d: it could not boot", other, s.geo.SectorBytes),
				Fix: "use an image made for this sector size, or another disk",
			}
		}
	}
	if len(drive) == 0 {
		return nil
	}
	m, err := partition.ReadMBR(s, s.geo.SizeBytes, s.geo.SectorBytes)
	if errors.Is(err, partition.ErrNone) {
		return &step.Failure{
			Kind: step.Invalid, Message: "the image has no partition table, so there is no place for the config drive",
			Fix: "use an image with a partition table, or no user data, network data and metadata",
		}
	}
	if err != nil {
		return err
	}
	span, err := m.AddAtEnd(mbrLinux, int64(len(drive)))
	if err != nil {
		return noRoom(err)
	}
	return w.place(span, drive, m.Encode())
}

func noRoom(err error) error {
	return &step.Failure{
		Kind: step.Invalid, Message: fmt.Sprintf("the config drive finds no place behind the image: %v", err),
		Fix: "use a larger disk or a smaller image",
	}
}

func (w *writer) arrangeGPT(g *partition.GPT, drive []byte) error {
	if err := g.Resize(w.sink.geo.SizeBytes); err != nil {
		return &step.Failure{
			Kind: step.Invalid, Message: fmt.Sprintf("the image's partition table does not fit the disk: %v", err),
			Fix: "use a larger disk, or repair the image's partition table",
		}
	}
	var span partition.Span
	if len(drive) > 0 {
		var err error
		if span, err = configPartition(g, int64(len(drive))); err != nil {
			return noRoom(err)
		}
	}
	return w.place(span, drive, g.Encode())
}

// configPartition is the partition of that name that the image brings, if it is large enough, or a new one at the end.
func configPartition(g *partition.GPT, size int64) (partition.Span, error) {
	for _, p := range g.Partitions() {
		if p.Name != ConfigDriveLabel {
			continue
		}
		if p.Span.Length < size {
			return partition.Span{}, fmt.Errorf("%w: the image's own partition %q has %d bytes, the config drive %d", partition.ErrNoRoom, ConfigDriveLabel, p.Span.Length, size)
		}
		return p.Span, nil
	}
	p, err := g.AddAtEnd(partition.LinuxFilesystem(), ConfigDriveLabel, size)
	return p.Span, err
}

// place writes the config drive and puts the tables into the held parts.
func (w *writer) place(span partition.Span, drive []byte, tables []partition.Patch) error {
	s := w.sink
	if len(drive) > 0 {
		if err := s.addZeros(span.Off, span.Length); err != nil {
			return err
		}
		sectors := (len(drive) + s.geo.SectorBytes - 1) / s.geo.SectorBytes
		padded := disk.Buffer(sectors * s.geo.SectorBytes)
		copy(padded, drive)
		if err := s.put(span.Off, padded); err != nil {
			return err
		}
	}
	for _, t := range tables {
		s.hold(t.Off, t.Data, int64(len(t.Data)))
	}
	return nil
}
