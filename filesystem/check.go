package filesystem

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	nameForm   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,36}$`)
	labelForm  = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	optionForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:=%/+-]{0,127}$`)
	valueForm  = regexp.MustCompile(`^[A-Za-z0-9^][A-Za-z0-9_.,:=^-]{0,127}$`)
	pathForm   = regexp.MustCompile(`^(/|(/[A-Za-z0-9._@-]+)+)$`)
)

func checkPartitions(p *Problems, all []Partition) map[string]Partition {
	named := map[string]Partition{}
	switch {
	case len(all) == 0:
		p.add("partitions", "there is none: an operating system needs at least one for its root")
	case len(all) > maxPartitions:
		p.add("partitions", "there are %d, at most %d", len(all), maxPartitions)
		return named
	}
	for i, one := range all {
		at := fmt.Sprintf("partitions[%d]", i)
		_, twice := named[one.Name]
		switch {
		case !nameForm.MatchString(one.Name):
			p.add(at+".name", "%q is no name of 1 to 36 letters, digits, - and _", one.Name)
		case one.Name == ConfigDrive:
			p.add(at+".name", "%s is the name of the partition that holds user data, which is made where it is needed", one.Name)
		case twice:
			p.add(at+".name", "%s is used twice", one.Name)
		}
		named[one.Name] = one
		if !slices.Contains([]Type{EFISystem, BIOSBoot, Linux, LinuxSwap}, one.Type) {
			p.add(at+".type", "%q is none of %s, %s, %s, %s", one.Type, EFISystem, BIOSBoot, Linux, LinuxSwap)
		}
		checkSize(p, at, one, i == len(all)-1)
		for _, other := range all[:i] {
			if other.Type == one.Type && (one.Type == EFISystem || one.Type == BIOSBoot) {
				p.add(at+".type", "there is a partition of type %s before it", one.Type)
			}
		}
	}
	return named
}

func checkSize(p *Problems, at string, one Partition, last bool) {
	least := map[Type]int64{EFISystem: minEFIMiB, BIOSBoot: minBIOSMiB}[one.Type]
	switch {
	case one.SizeMiB < 0 || one.SizeMiB > maxSizeMiB:
		p.add(at+".sizeMiB", "%d is no size", one.SizeMiB)
	case one.SizeMiB == 0 && !last:
		p.add(at+".sizeMiB", "only the last partition can take all that is left")
	case one.SizeMiB != 0 && one.SizeMiB < least:
		p.add(at+".sizeMiB", "a partition of type %s needs at least %d MiB", one.Type, least)
	}
}

func checkFilesystems(p *Problems, all []Filesystem, partitions map[string]Partition) {
	if len(all) > maxFilesystems {
		p.add("filesystems", "there are %d, at most %d", len(all), maxFilesystems)
		return
	}
	used, mounted := map[string]bool{}, map[string]bool{}
	for i, f := range all {
		at := fmt.Sprintf("filesystems[%d]", i)
		if !slices.Contains([]Format{VFAT, Ext4, XFS, Swap, TmpFS}, f.Format) {
			p.add(at+".format", "%q is none of %s, %s, %s, %s, %s", f.Format, VFAT, Ext4, XFS, Swap, TmpFS)
			continue
		}
		checkPlace(p, at, f, partitions, used)
		checkPath(p, at, f, mounted)
		checkLabel(p, at, f)
		checkOptions(p, at, f)
	}
	if !mounted["/"] {
		p.add("filesystems", "none is mounted at /")
	}
	for name, one := range partitions {
		if !used[name] && one.Type != BIOSBoot {
			p.add("filesystems", "the partition %s has none", name)
		}
	}
}

func checkPlace(p *Problems, at string, f Filesystem, partitions map[string]Partition, used map[string]bool) {
	if f.Format == TmpFS {
		if f.Partition != "" {
			p.add(at+".partition", "tmpfs is in no partition")
		}
		return
	}
	on, known := partitions[f.Partition]
	switch {
	case !known:
		p.add(at+".partition", "there is no partition %q", f.Partition)
		return
	case used[f.Partition]:
		p.add(at+".partition", "%s has a file system already", f.Partition)
	case on.Type == BIOSBoot:
		p.add(at+".partition", "%s is for the boot loader's own code and holds no file system", f.Partition)
	case on.Type == EFISystem && f.Format != VFAT:
		p.add(at+".format", "a partition of type %s holds %s, not %s", EFISystem, VFAT, f.Format)
	case (on.Type == LinuxSwap) != (f.Format == Swap):
		p.add(at+".format", "swap and partitions of type %s belong together", LinuxSwap)
	case f.Format == XFS && on.SizeMiB != 0 && on.SizeMiB < minXFSMiB:
		p.add(at+".format", "xfs needs at least %d MiB", minXFSMiB)
	}
	used[f.Partition] = true
}

func checkPath(p *Problems, at string, f Filesystem, mounted map[string]bool) {
	if f.Format == Swap {
		if f.Path != "" {
			p.add(at+".path", "swap is not mounted")
		}
		return
	}
	reserved := []string{"/dev", "/proc", "/sys", "/run"}
	switch {
	case len(f.Path) > 255 || !pathForm.MatchString(f.Path) || path.Clean(f.Path) != f.Path:
		p.add(at+".path", "%.80q is no clean absolute path of letters, digits and . _ @ -", f.Path)
	case mounted[f.Path]:
		p.add(at+".path", "%s is mounted twice", f.Path)
	case slices.ContainsFunc(reserved, func(r string) bool { return f.Path == r || strings.HasPrefix(f.Path, r+"/") }):
		p.add(at+".path", "%s is the system's own", f.Path)
	case f.Path == "/" && f.Format != Ext4 && f.Format != XFS:
		p.add(at+".format", "the root is %s or %s, not %s", Ext4, XFS, f.Format)
	}
	mounted[f.Path] = true
}

func checkLabel(p *Problems, at string, f Filesystem) {
	longest := map[Format]int{Ext4: 16, XFS: 12, VFAT: 11, Swap: 15}[f.Format]
	switch {
	case f.Label == "":
	case f.Format == TmpFS:
		p.add(at+".label", "tmpfs has none")
	case len(f.Label) > longest || !labelForm.MatchString(f.Label):
		p.add(at+".label", "%q is no label of at most %d letters, digits, . _ and - for %s", f.Label, longest, f.Format)
	}
}

// createLetters are the options of mkfs that shape a file system and can neither name a file nor take the check of it away.
func createLetters(f Format) string {
	return map[Format]string{Ext4: "bCEGgIiJmNOT", XFS: "bdimns", VFAT: "FsSR"}[f]
}

func checkOptions(p *Problems, at string, f Filesystem) {
	for _, o := range f.MountOptions {
		if !optionForm.MatchString(o) {
			p.add(at+".mountOptions", "%.80q is no option: one each, without commas and blanks", o)
		}
	}
	for i := 0; i < len(f.CreateOptions); i += 2 {
		letter := f.CreateOptions[i]
		switch {
		case len(letter) != 2 || letter[0] != '-' || !strings.Contains(createLetters(f.Format), letter[1:]):
			p.add(at+".createOptions", "%.80q is none of the options that are allowed for %s: -[%s]", letter, f.Format, createLetters(f.Format))
		case i+1 == len(f.CreateOptions):
			p.add(at+".createOptions", "%s has no value", letter)
		case !valueForm.MatchString(f.CreateOptions[i+1]):
			p.add(at+".createOptions", "%.80q is no value for %s", f.CreateOptions[i+1], letter)
		case f.Format == XFS && strings.Contains(f.CreateOptions[i+1], "file"), strings.Contains(f.CreateOptions[i+1], "name="), strings.Contains(f.CreateOptions[i+1], "device="):
			p.add(at+".createOptions", "%.80q names something else than the partition", f.CreateOptions[i+1])
		case f.Format == XFS && strings.Contains(f.CreateOptions[i+1], "uuid="):
			p.add(at+".createOptions", "the UUID is made for each machine")
		}
	}
}

// checkBoot holds that some firmware can boot it.
func checkBoot(p *Problems, l Layout) {
	bios := slices.ContainsFunc(l.Partitions, func(one Partition) bool { return one.Type == BIOSBoot })
	if _, uefi := l.efi(); !uefi && !bios {
		p.add("partitions", "there is neither one of type %s for UEFI nor one of type %s for BIOS: nothing could boot it", EFISystem, BIOSBoot)
	}
	for i, f := range l.Filesystems {
		if under(f.Path, "/boot") && f.Format == TmpFS || f.Format == TmpFS && slices.Contains([]string{"/etc", "/usr", "/lib", "/bin", "/sbin"}, f.Path) {
			p.add(fmt.Sprintf("filesystems[%d].path", i), "%s is needed from the disk", f.Path)
		}
		if f.Path == "/boot" && f.Format == VFAT {
			p.add(fmt.Sprintf("filesystems[%d].format", i), "/boot holds links and owners, which vfat has not: mount the EFI system partition at /boot/efi")
		}
	}
}

func under(name, folder string) bool { return name == folder || strings.HasPrefix(name, folder+"/") }

// efi is the file system of the EFI system partition.
func (l Layout) efi() (Filesystem, bool) {
	for _, one := range l.Partitions {
		for _, f := range l.Filesystems {
			if one.Type == EFISystem && f.Partition == one.Name {
				return f, true
			}
		}
	}
	return Filesystem{}, false
}
