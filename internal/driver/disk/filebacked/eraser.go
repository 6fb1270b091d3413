package filebacked

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/driver/disk/firmware"
	"github.com/ingotmetal/ingot/step"
)

var _ disk.Eraser = (*Disk)(nil)

// FirmwareFor makes the firmware that a disk of an inventory would have: NVMe's and SATA's have one, others have none, as a virtual disk.
func FirmwareFor(d step.Disk) *Firmware {
	switch {
	case d.Transport == step.NVMe || d.Transport == "" && d.Type == "nvme":
		return &Firmware{Protocol: SpeaksNVMe}
	case d.Transport == step.SATA:
		return &Firmware{Protocol: SpeaksATA}
	}
	return nil
}

// Ability implements disk.Eraser.
func (d *Disk) Ability(ctx context.Context) (disk.Ability, error) {
	switch {
	case d.firmware == nil:
		return disk.Ability{Why: "a disk without firmware"}, nil
	case d.firmware.Protocol == SpeaksNVMe:
		return d.nvme().Ability(ctx)
	}
	return d.ata().Ability(ctx)
}

// EraseAll implements disk.Eraser.
func (d *Disk) EraseAll(ctx context.Context, how disk.Means, progress func(float64)) (string, error) {
	nvme := how == disk.NVMeSanitize || how == disk.NVMeFormat
	switch {
	case d.firmware == nil || nvme != (d.firmware.Protocol == SpeaksNVMe):
		return "", &disk.Error{Op: string(how), Disk: d.Name, Kind: disk.ErrUnsupported}
	case nvme:
		return d.nvme().EraseAll(ctx, how, progress)
	}
	return d.ata().EraseAll(ctx, how, progress)
}

func (d *Disk) nvme() firmware.NVMeDisk {
	return firmware.NVMeDisk{Name: d.Name, Carrier: carrier{d.firmware, d}, Poll: time.Millisecond}
}

func (d *Disk) ata() firmware.ATADisk {
	return firmware.ATADisk{Name: d.Name, Carrier: carrier{d.firmware, d}}
}

// ReadAt implements disk.Disk: a disk that is locked, or erases itself, reads nothing.
func (d *Disk) ReadAt(p []byte, off int64) (int, error) {
	if err := d.firmware.usable(); err != nil {
		return 0, &disk.Error{Op: "read", Disk: d.Name, Kind: disk.ErrIO, Err: err}
	}
	if d.spoiled != nil && d.spoiled(off, int64(len(p))) {
		return 0, &disk.Error{Op: fmt.Sprintf("read %d bytes at %d of", len(p), off), Disk: d.Name, Kind: disk.ErrIO}
	}
	return d.File.ReadAt(p, off)
}

// WriteAt implements disk.Disk.
func (d *Disk) WriteAt(p []byte, off int64) (int, error) {
	if err := d.firmware.usable(); err != nil {
		return 0, &disk.Error{Op: "write to", Disk: d.Name, Kind: disk.ErrIO, Err: err}
	}
	return d.File.WriteAt(p, off)
}

// punch makes a hole, or writes zeros where the file system has none.
func (d *Disk) punch(off, length int64) error {
	err := unix.Fallocate(int(d.F.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, length)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return d.writeZeros(off, length)
	}
	return err
}
