package agentimage

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/cavaliergopher/cpio"

	"github.com/ingotmetal/ingot/internal/image/rootfs"
)

// biosScript finds the root file system that was installed on the disk that GRUB was loaded from: $root is that disk, and with a comma behind it the search begins with its
// partitions. It is run by GRUB's rescue parser, command by command.
const biosScript = "search --no-floppy --file --set=root --hint=$root, " + rootfs.BootConfig + "\nconfigfile " + rootfs.BootConfig + "\n"

// efiScript reads the configuration beside it: $root is the EFI system partition that GRUB was loaded from.
const efiScript = "configfile " + rootfs.EFIBootConfig + "\n"

// The modules: the disk, tables and file systems that a layout can have, and what menus use.
var (
	biosLoaderModules = append([]string{"biosdisk"}, loaderModules...)
	efiLoaderModules  = append([]string{"efi_gop"}, loaderModules...)
	loaderModules     = []string{
		"part_gpt", "part_msdos", "ext2", "xfs", "fat", "search", "search_fs_file", "search_fs_uuid", "search_label", "normal", "configfile", "linux", "boot", "serial", "terminal",
		"echo", "test", "ls", "minicmd", "sleep", "gzio", "reboot", "halt",
	}
)

// loaderRecipe is what the boot loader is made of besides the packages.
func loaderRecipe() string {
	return strings.Join([]string{biosScript, efiScript, strings.Join(biosLoaderModules, " "), strings.Join(efiLoaderModules, " ")}, "\n")
}

// loaderFiles makes the boot loader for both firmwares of the modules of two unpacked packages, with grub-mkimage of grub-common.
func loaderFiles(ctx context.Context, bios, efi string) ([]packed, error) {
	work, err := os.MkdirTemp("", "ingot-loader-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(work) }()
	modules := filepath.Join(bios, "usr/lib/grub/i386-pc")
	for _, one := range []struct {
		format, modules, script, out string
		names                        []string
	}{
		{"i386-pc", modules, biosScript, rootfs.BIOSCoreFile, biosLoaderModules},
		{"x86_64-efi", filepath.Join(efi, "usr/lib/grub/x86_64-efi"), efiScript, rootfs.EFIFile, efiLoaderModules},
	} {
		if err := os.WriteFile(filepath.Join(work, "script"), []byte(one.script), 0o600); err != nil {
			return nil, err
		}
		args := append([]string{"-O", one.format, "-d", one.modules, "-p", "/boot/grub", "-c", "script", "-o", one.out}, one.names...)
		if _, err := run(ctx, work, "grub-mkimage", args...); err != nil {
			return nil, err
		}
	}
	var out []packed
	for name, from := range map[string]string{rootfs.BIOSSectorFile: modules, rootfs.BIOSCoreFile: work, rootfs.EFIFile: work} {
		content, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return nil, err
		}
		out = append(out, packed{LoaderFolder + "/" + name, int(cpio.TypeReg) | 0o644, content})
	}
	return sorted(out), nil
}
