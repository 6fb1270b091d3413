package bootmedia

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/netboot/medium"
)

// grubScript is built into GRUB. It is run by GRUB's rescue parser, command by command, whatever the one before came to: when something is missing, the last one hands
// the machine back to its firmware instead of leaving a prompt on the console.
//
// There is no "search": GRUB's root is the device that the firmware loaded it from, and a disk with files of the same names must not be able to take its place.
func grubScript(c netboot.CommandLine) string {
	return fmt.Sprintf("linux /%s %s\ninitrd /%s %s\nboot\nexit\n", isoKernel, c, isoRamdisk, medium.ISOPath)
}

// The modules: the device, the file system, the loader, and for UEFI a screen for the kernel to go on with.
var (
	biosModules = []string{"biosdisk", "iso9660", "linux", "boot", "minicmd"}
	efiModules  = []string{"iso9660", "linux", "boot", "minicmd", "fat", "efi_gop"}
)

const grubPrefix = "/boot/grub"

func grubBIOS(ctx context.Context, s Sources, out string) error {
	return grubImage(ctx, s, "i386-pc-eltorito", "i386-pc", "grub-pc-bin", biosModules, out)
}

func grubEFI(ctx context.Context, s Sources, out string) error {
	return grubImage(ctx, s, "x86_64-efi", "x86_64-efi", "grub-efi-amd64-bin", efiModules, out)
}

func grubImage(ctx context.Context, s Sources, format, directory, pkg string, modules []string, out string) error {
	script := out + ".cfg"
	if err := os.WriteFile(script, []byte(grubScript(s.CommandLine)), 0o600); err != nil {
		return err
	}
	defer func() { _ = os.Remove(script) }() // it would only be one file more on the medium
	args := append([]string{"--format=" + format, "--directory=" + filepath.Join(s.GRUB, directory), "--prefix=" + grubPrefix,
		"--config=" + script, "--output=" + out}, modules...)
	text, err := exec.CommandContext(ctx, "grub-mkimage", args...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return errors.New("grub-mkimage is not installed: install Debian's packages grub-common, grub-pc-bin and grub-efi-amd64-bin")
	}
	if err != nil {
		return fmt.Errorf("grub-mkimage --format=%s (is Debian's package %s installed?): %w: %s", format, pkg, err, text)
	}
	return nil
}
