package rootfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/ingotmetal/ingot/filesystem"
	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/image/partition"
	"github.com/ingotmetal/ingot/step"
)

// The files of the agent's own boot loader, a GRUB that looks for BootConfig on the disk that it was loaded from.
const (
	BIOSSectorFile = "boot.img"
	BIOSCoreFile   = "core.img"
	EFIFile        = "grubx64.efi"
)

// The places of a GRUB's configuration: on the root file system for the one of BIOS, and on the EFI system partition for the one of UEFI.
const (
	BootConfig    = "/etc/ingot/boot.cfg"
	EFIBootConfig = "/EFI/ingot/boot.cfg"
)

const sectorBytes = 512

// loader is the code that is put on the disk. Nil parts are not needed.
type loader struct {
	boot, core, efi []byte
}

func readLoader(dir string, plan filesystem.Plan, uefi bool, g disk.Geometry) (loader, error) {
	var l loader
	read := func(name string) ([]byte, error) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &step.Failure{Kind: step.Unsupported, Message: "the agent's ramdisk has no boot loader " + name, Fix: "build the agent's image again: ingot image build-agent"}
		}
		return b, err
	}
	var err error
	if plan.EFI() != nil {
		if l.efi, err = read(EFIFile); err != nil {
			return l, err
		}
	}
	home := plan.BIOSBoot()
	if home == nil {
		return l, nil
	}
	if g.SectorBytes != sectorBytes {
		if uefi {
			return l, nil
		}
		return l, &step.Failure{Kind: step.Unsupported, Message: fmt.Sprintf("the disk has sectors of %d bytes, which no boot loader for BIOS reads; nothing was written", g.SectorBytes), Fix: "set spec.bootMode to UEFI"}
	}
	boot, err1 := read(BIOSSectorFile)
	core, err2 := read(BIOSCoreFile)
	if err := errors.Join(err1, err2); err != nil {
		return l, err
	}
	if len(boot) != sectorBytes || len(core) < 2*sectorBytes || int64(len(core)) > home.SizeBytes {
		return l, &step.Failure{Kind: step.Internal, Message: fmt.Sprintf("the agent's boot loader has a sector of %d bytes and %d bytes of code, for a partition of %d", len(boot), len(core), home.SizeBytes)}
	}
	l.boot, l.core = slices.Clone(boot), slices.Clone(core)
	// The boot sector is told where the code begins, and the code's first sector where the rest of it is: what grub-install does with a mounted disk. The places are those of
	// GRUB's boot.img (kernel_sector, boot_drive, the jump that some BIOSes need) and diskboot.img (the first block list).
	le, sector := binary.LittleEndian, uint64(home.OffBytes/sectorBytes)
	le.PutUint64(l.boot[0x5c:], sector)
	l.boot[0x64] = 0xff
	l.boot[0x66], l.boot[0x67] = 0x90, 0x90
	le.PutUint64(l.core[0x1f4:], sector+1)
	return l, nil
}

// code is what goes into the BIOS boot partition.
func (l loader) code(plan filesystem.Plan) partition.Patch {
	if l.core == nil {
		return partition.Patch{}
	}
	return partition.Patch{Off: plan.BIOSBoot().OffBytes, Data: l.core}
}
