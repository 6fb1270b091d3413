package filesystem

import "fmt"

// Standard is the layout of a machine that gets a partition image and whose host names none: what both firmwares boot from, and the root on all the rest. The EFI system partition is large enough for FAT32 on
// disks with sectors of 4,096 bytes, and for unified kernel images beside the boot loader.
func Standard() Layout {
	return Layout{
		Partitions: []Partition{{Name: "bios", Type: BIOSBoot, SizeMiB: 1}, {Name: "esp", Type: EFISystem, SizeMiB: 512}, {Name: "root", Type: Linux}},
		Filesystems: []Filesystem{
			{Partition: "esp", Format: VFAT, Path: "/boot/efi", MountOptions: []string{"umask=0077"}}, {Partition: "root", Format: Ext4, Path: "/"},
		},
	}
}

// CheckForImage says what of a layout cannot be where the root is not made but comes as an image; nil for nothing. Check has been passed.
func CheckForImage(l Layout) Problems {
	var p Problems
	for i, f := range l.Filesystems {
		at := func(field string) string { return fmt.Sprintf("filesystems[%d].%s", i, field) }
		switch {
		case f.Path == "/boot" || f.Path == "/usr" || f.Path == "/etc":
			p.add(at("path"), "%s comes with the image's root and cannot be a file system of its own", f.Path)
		case f.Path != "/":
		case len(f.CreateOptions) > 0:
			p.add(at("createOptions"), "the root is not made: it is the image's")
		case f.Label != "":
			p.add(at("label"), "the root keeps the label that it has in the image")
		}
	}
	return p
}

// Becomes tells the plan of the file system that the image brought for the root.
func (p *Plan) Becomes(format Format, id string) {
	for i := range p.Mounts {
		if p.Mounts[i].Path == "/" {
			p.Mounts[i].Format, p.Mounts[i].ID = format, id
		}
	}
}
