package bootmedia

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat12"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"

	"github.com/ingotmetal/ingot/netboot/medium"
)

// Paths in the ISO.
const (
	isoKernel  = "boot/" + Kernel
	isoRamdisk = "boot/" + Ramdisk
	isoBIOS    = "boot/bios.img"
	isoEFI     = "boot/efi.img"
	isoCatalog = "boot/boot.cat"

	isoVolume = "INGOT"
)

// biosLoadSectors is how many sectors of 512 bytes the firmware loads of the BIOS image, which loads the rest itself (GRUB's cdboot).
const biosLoadSectors = 4

// buildISO makes the ISO in dir from the kernel and the ramdisk there, and says where its region is.
func buildISO(ctx context.Context, s Sources, dir string) (Region, error) {
	// go-diskfs lays the files out in a directory of their own and removes it.
	tree, err := os.MkdirTemp(dir, ".iso-*")
	if err != nil {
		return Region{}, err
	}
	defer func() { _ = os.RemoveAll(tree) }() // go-diskfs has removed it when all went well
	if err := fillTree(ctx, s, dir, tree); err != nil {
		return Region{}, err
	}
	var region Region
	path := filepath.Join(dir, ISO)
	err = replaceFile(path, func(f *os.File) error {
		if err := writeISO(f, tree); err != nil {
			return err
		}
		if region, err = Find(f, medium.ISOPath); err != nil {
			return err
		}
		return checkBlank(f, region)
	})
	return region, err
}

func fillTree(ctx context.Context, s Sources, dir, tree string) error {
	for _, sub := range []string{"boot", filepath.Dir(medium.ISOPath)} {
		if err := os.MkdirAll(filepath.Join(tree, sub), 0o755); err != nil {
			return err
		}
	}
	for name, at := range map[string]string{Kernel: isoKernel, Ramdisk: isoRamdisk} {
		if err := copyFile(filepath.Join(dir, name), filepath.Join(tree, at), 1); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(tree, medium.ISOPath), medium.Blank(), 0o644); err != nil {
		return err
	}
	if err := grubBIOS(ctx, s, filepath.Join(tree, isoBIOS)); err != nil {
		return err
	}
	return efiImage(ctx, s, filepath.Join(tree, isoEFI))
}

func writeISO(f *os.File, tree string) error {
	fs, err := iso9660.Create(file.New(f, false), 0, 0, sector, tree)
	if err != nil {
		return err
	}
	bios := &iso9660.ElToritoEntry{Platform: iso9660.BIOS, Emulation: iso9660.NoEmulation, BootFile: isoBIOS, BootTable: true}
	bios.SetLoadSize(biosLoadSectors)
	efi := &iso9660.ElToritoEntry{Platform: iso9660.EFI, Emulation: iso9660.NoEmulation, BootFile: isoEFI}
	return fs.Finalize(iso9660.FinalizeOptions{
		RockRidge: true, VolumeIdentifier: isoVolume,
		ElTorito: &iso9660.ElTorito{BootCatalog: isoCatalog, Entries: []*iso9660.ElToritoEntry{bios, efi}},
	})
}

// fatOverhead is what a FAT12 file system of this size needs beside the file, with room to spare.
const (
	fatOverhead = 128 << 10
	fatMinimum  = 1440 << 10
)

// efiImage makes the FAT image that UEFI firmware boots from a CD (UEFI 2.10 §13.3.2.1), with GRUB under the default name of §3.5.1.1.
func efiImage(ctx context.Context, s Sources, path string) error {
	program := path + ".grub"
	if err := grubEFI(ctx, s, program); err != nil {
		return err
	}
	content, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	if err := os.Remove(program); err != nil {
		return err
	}
	size := max(fatMinimum, (int64(len(content))+fatOverhead+1023)/1024*1024)
	return replaceFile(path, func(f *os.File) error {
		if err := f.Truncate(size); err != nil {
			return err
		}
		fs, err := fat12.Create(file.New(f, false), size, 0, 512, isoVolume, true)
		if err != nil {
			return fmt.Errorf("make the FAT image: %w", err)
		}
		for _, sub := range []string{"/EFI", "/EFI/BOOT"} {
			if err := fs.Mkdir(sub); err != nil {
				return fmt.Errorf("make %s in the FAT image: %w", sub, err)
			}
		}
		boot, err := fs.OpenFile("/EFI/BOOT/BOOTX64.EFI", os.O_CREATE|os.O_RDWR)
		if err != nil {
			return fmt.Errorf("make BOOTX64.EFI in the FAT image: %w", err)
		}
		if _, err := boot.Write(content); err != nil {
			return fmt.Errorf("write BOOTX64.EFI in the FAT image: %w", err)
		}
		return boot.Close()
	})
}
