package filesystem

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

const mib = 1 << 20

// Target is the disk that a layout is planned for.
type Target struct {
	SizeBytes int64
	// SectorBytes is 512 or 4096.
	SectorBytes int
	// UEFI: the machine boots by UEFI, else by BIOS.
	UEFI bool
	// TailBytes is kept free at the end for the config drive.
	TailBytes int64
	// Seed makes the identifiers of the file systems: another one for each time that a machine is installed, so that no two disks have the same.
	Seed string
}

// Plan is a layout in bytes.
type Plan struct {
	Partitions []Planned
	// Mounts are in the order of mounting: a folder before what is mounted below it.
	Mounts []Mount
	// Swaps are the swap partitions.
	Swaps []Mount
	// Temporary are the tmpfs, for fstab alone.
	Temporary []Mount
}

// Planned is a partition with its place.
type Planned struct {
	Partition

	Number              int
	OffBytes, SizeBytes int64
}

// Mount is a file system with its place.
type Mount struct {
	Filesystem

	// Number is the partition's, 0 for tmpfs.
	Number int
	// ID is its UUID, or its serial number as 12AB-34CD for vfat.
	ID string
}

// Make plans. The error says what does not fit.
func Make(l Layout, t Target) (Plan, error) {
	if problems := Check(l); len(problems) > 0 {
		return Plan{}, problems
	}
	var p Plan
	if err := p.place(l.Partitions, t); err != nil {
		return Plan{}, err
	}
	for _, f := range l.Filesystems {
		m := Mount{Filesystem: f}
		for _, one := range p.Partitions {
			if f.Partition != "" && one.Name == f.Partition {
				m.Number, m.ID = one.Number, identifier(t.Seed, one.Name, f.Format)
			}
		}
		if f.Format == XFS && p.Partitions[m.Number-1].SizeBytes < minXFSMiB*mib {
			return Plan{}, fmt.Errorf("the partition %s has %d MiB on this disk, and xfs needs at least %d", f.Partition, p.Partitions[m.Number-1].SizeBytes/mib, minXFSMiB)
		}
		switch f.Format {
		case Swap:
			p.Swaps = append(p.Swaps, m)
		case TmpFS:
			p.Temporary = append(p.Temporary, m)
		case VFAT, Ext4, XFS:
			p.Mounts = append(p.Mounts, m)
		}
	}
	slices.SortStableFunc(p.Mounts, func(a, b Mount) int {
		return cmp.Or(cmp.Compare(depth(a.Path), depth(b.Path)), strings.Compare(a.Path, b.Path))
	})
	return p, p.boots(l, t)
}

// place puts the partitions one behind the other, from the second MiB on, up to the last whole MiB before the backup table.
func (p *Plan) place(all []Partition, t Target) error {
	if t.SectorBytes != 512 && t.SectorBytes != 4096 {
		return fmt.Errorf("the disk has sectors of %d bytes, and only 512 and 4096 are known", t.SectorBytes)
	}
	end := (t.SizeBytes - mib - t.TailBytes) / mib * mib
	at := int64(mib)
	for i, one := range all {
		size := one.SizeMiB * mib
		if size == 0 {
			size = end - at
		}
		if size < mib || at+size > end {
			return fmt.Errorf("the disk of %d bytes is too small for the layout: the partition %s needs %d MiB from MiB %d on, and there is room up to MiB %d",
				t.SizeBytes, one.Name, max(one.SizeMiB, 1), at/mib, end/mib)
		}
		if least := map[Type]int64{EFISystem: minEFIMiB}[one.Type]; size < least*mib {
			return fmt.Errorf("the disk of %d bytes leaves %d MiB for the partition %s, which needs %d", t.SizeBytes, size/mib, one.Name, least)
		}
		p.Partitions = append(p.Partitions, Planned{Partition: one, Number: i + 1, OffBytes: at, SizeBytes: size})
		at += size
	}
	return nil
}

// boots holds that this machine's firmware can boot it.
func (p *Plan) boots(l Layout, t Target) error {
	if _, ok := l.efi(); t.UEFI && !ok {
		return fmt.Errorf("the machine boots by UEFI, and the layout has no partition of type %s", EFISystem)
	}
	if !t.UEFI && p.ofType(BIOSBoot) == nil {
		return fmt.Errorf("the machine boots by BIOS, and the layout has no partition of type %s", BIOSBoot)
	}
	return nil
}

func (p *Plan) ofType(kind Type) *Planned {
	for i := range p.Partitions {
		if p.Partitions[i].Type == kind {
			return &p.Partitions[i]
		}
	}
	return nil
}

// BIOSBoot is the partition for the boot loader's code, nil for none.
func (p *Plan) BIOSBoot() *Planned { return p.ofType(BIOSBoot) }

// EFI is the mounted EFI system partition, nil for none.
func (p *Plan) EFI() *Mount {
	esp := p.ofType(EFISystem)
	for i := range p.Mounts {
		if esp != nil && p.Mounts[i].Number == esp.Number {
			return &p.Mounts[i]
		}
	}
	return nil
}

// Holding is the mount that holds a path, and the path within it.
func (p *Plan) Holding(name string) (Mount, string) {
	best := Mount{}
	for _, m := range p.Mounts {
		if (m.Path == "/" || under(name, m.Path)) && len(m.Path) > len(best.Path) {
			best = m
		}
	}
	inside := strings.TrimPrefix(name, strings.TrimSuffix(best.Path, "/"))
	return best, cmp.Or(inside, "/")
}

func depth(name string) int {
	if name == "/" {
		return 0
	}
	return strings.Count(name, "/")
}

// identifier is a UUID of version 8 (RFC 9562), or eight digits for vfat.
func identifier(seed, partition string, f Format) string {
	h := sha256.New()
	for _, s := range []string{seed, partition, string(f)} {
		_ = binary.Write(h, binary.LittleEndian, int64(len(s)))
		h.Write([]byte(s))
	}
	b := h.Sum(nil)[:16]
	if f == VFAT {
		return fmt.Sprintf("%02X%02X-%02X%02X", b[0], b[1], b[2], b[3])
	}
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Fstab is the text of /etc/fstab.
func (p *Plan) Fstab() string {
	var b strings.Builder
	b.WriteString("# Made by Ingot from the machine's filesystem layout.\n")
	line := func(what, where string, f Filesystem, pass int) {
		options := strings.Join(f.MountOptions, ",")
		fmt.Fprintf(&b, "%s %s %s %s 0 %d\n", what, where, f.Format, cmp.Or(options, "defaults"), pass)
	}
	for _, m := range p.Mounts {
		pass := 2
		if m.Path == "/" {
			pass = 1
		}
		if m.Format == XFS {
			pass = 0 // fsck.xfs does nothing: the kernel replays the journal
		}
		line("UUID="+m.ID, m.Path, m.Filesystem, pass)
	}
	for _, m := range p.Swaps {
		line("UUID="+m.ID, "none", m.Filesystem, 0)
	}
	for _, m := range p.Temporary {
		line("tmpfs", m.Path, m.Filesystem, 0)
	}
	return b.String()
}
