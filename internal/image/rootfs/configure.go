package rootfs

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/step"
)

// configure writes what makes the unpacked files a system of this machine: fstab and the boot loader's files. Nothing of the archive is run.
func (i *installer) configure() error {
	if err := i.put("etc/fstab", 0o644, []byte(i.plan.Fstab())); err != nil {
		return err
	}
	k, err := i.kernel()
	if err != nil {
		return err
	}
	if err := i.put("boot/grub/grub.cfg", 0o644, []byte(i.menu(k))); err != nil {
		return err
	}
	entry := []byte(i.entry())
	if i.loader.core != nil {
		if err := i.put(BootConfig, 0o644, entry); err != nil {
			return err
		}
	}
	esp := i.plan.EFI()
	if esp == nil {
		return nil
	}
	return i.efi(strings.TrimPrefix(esp.Path, "/"), entry)
}

// efi puts a boot loader where UEFI firmware looks for one on a disk that it does not know. The archive's own signed one is taken if it has one, so that Secure Boot can stay
// on; one that the archive put there itself is left.
func (i *installer) efi(esp string, entry []byte) error {
	const fallback = "/EFI/BOOT/BOOTX64.EFI"
	id := i.systemID()
	if err := i.put(esp+EFIBootConfig, 0o644, entry); err != nil {
		return err
	}
	// Debian's and Ubuntu's signed GRUB read this one.
	if own := esp + "/EFI/" + id + "/grub.cfg"; id != "" && !i.exists(own) {
		if err := i.put(own, 0o644, entry); err != nil {
			return err
		}
	}
	if i.exists(esp + fallback) {
		return nil
	}
	const shim, grub = "usr/lib/shim/shimx64.efi.signed", "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"
	if !i.exists(shim) || !i.exists(grub) {
		return i.put(esp+fallback, 0o644, i.loader.efi)
	}
	for from, to := range map[string]string{shim: fallback, grub: "/EFI/BOOT/grubx64.efi", "usr/lib/shim/mmx64.efi.signed": "/EFI/BOOT/mmx64.efi"} {
		content, err := i.root.ReadFile(from)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := i.put(esp+to, 0o644, content); err != nil {
			return err
		}
	}
	return nil
}

// kernel is the newest kernel of the archive.
type kernel struct{ image, initrd, name string }

func (i *installer) kernel() (kernel, error) {
	none := &step.Failure{Kind: step.Invalid, Message: "the archive has no kernel: there is no /boot/vmlinuz-*", Fix: "install a kernel in the image"}
	dir, err := i.root.Open("boot")
	if errors.Is(err, fs.ErrNotExist) {
		return kernel{}, none
	}
	if err != nil {
		return kernel{}, err
	}
	names, err := dir.Readdirnames(-1)
	if err := errors.Join(err, dir.Close()); err != nil {
		return kernel{}, err
	}
	slices.SortFunc(names, func(a, b string) int { return compareVersions(b, a) })
	for _, n := range names {
		version, is := strings.CutPrefix(n, "vmlinuz-")
		if !is || !plain(n) {
			continue
		}
		k := kernel{image: n, name: version}
		for _, initrd := range []string{"initrd.img-" + version, "initramfs-" + version + ".img", "initrd-" + version} {
			if slices.Contains(names, initrd) {
				k.initrd = initrd
				break
			}
		}
		return k, nil
	}
	return kernel{}, none
}

// plain says whether a name means itself to GRUB.
func plain(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._+~-", r)
	})
}

// compareVersions compares numbers in names as numbers: 6.1.0-9 is before 6.1.0-10.
func compareVersions(a, b string) int {
	for a != "" && b != "" {
		x, y := leading(a), leading(b)
		if isDigit(x[0]) && isDigit(y[0]) {
			m, n := strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if c := cmp.Or(cmp.Compare(len(m), len(n)), strings.Compare(m, n)); c != 0 {
				return c
			}
		} else if c := strings.Compare(x, y); c != 0 {
			return c
		}
		a, b = a[len(x):], b[len(y):]
	}
	return cmp.Compare(len(a), len(b))
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// leading is the run of digits, or of anything else, that a string begins with.
func leading(s string) string {
	n := 1
	for n < len(s) && isDigit(s[n]) == isDigit(s[0]) {
		n++
	}
	return s[:n]
}

// entry leads a boot loader that knows nothing to the menu.
func (i *installer) entry() string {
	boot, inside := i.plan.Holding("/boot/grub")
	return fmt.Sprintf("search --no-floppy --fs-uuid --set=root %s\nset prefix=($root)%s\nconfigfile ($root)%s/grub.cfg\n", boot.ID, inside, inside)
}

// menu is the configuration of GRUB as an update of the system would write it too.
func (i *installer) menu(k kernel) string {
	boot, inside := i.plan.Holding("/boot/" + k.image)
	root, _ := i.plan.Holding("/")
	where := "UUID=" + root.ID
	if k.initrd == "" {
		// A kernel alone knows partitions, not file systems.
		where = "PARTUUID=" + strings.ToLower(i.table.guids[root.Number].String())
	}
	arguments := i.arguments()
	var b strings.Builder
	b.WriteString("# Made by Ingot when the system was installed; update-grub replaces it.\nset timeout=1\n")
	if strings.Contains(arguments, "console=ttyS0") {
		b.WriteString("serial --unit=0 --speed=115200\nterminal_input console serial\nterminal_output console serial\n")
	}
	fmt.Fprintf(&b, "search --no-floppy --fs-uuid --set=root %s\nmenuentry 'Linux %s' {\n  linux %s root=%s ro %s\n", boot.ID, k.name, inside, where, arguments)
	if k.initrd != "" {
		fmt.Fprintf(&b, "  initrd %s\n", path.Join(path.Dir(inside), k.initrd))
	}
	b.WriteString("}\n")
	return b.String()
}

// arguments are the kernel's, as the image has them for its own tools: /etc/kernel/cmdline, or the two variables of /etc/default/grub. Words that mean something else to
// GRUB than themselves are left out, and so is a root of another machine.
func (i *installer) arguments() string {
	text := ""
	if b, err := i.root.ReadFile("etc/kernel/cmdline"); err == nil {
		text = string(b)
	} else if b, err := i.root.ReadFile("etc/default/grub"); err == nil {
		text = variable(b, "GRUB_CMDLINE_LINUX") + " " + variable(b, "GRUB_CMDLINE_LINUX_DEFAULT")
	}
	var words []string
	for w := range strings.FieldsSeq(text) {
		own := strings.HasPrefix(w, "root=") || w == "ro" || w == "rw" || strings.HasPrefix(w, "BOOT_IMAGE=")
		if !own && !strings.ContainsAny(w, "'\"\\$`{};|&<>#()") {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}

// variable reads the last assignment of a shell variable from a file, which is not run.
func variable(text []byte, name string) string {
	value := ""
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		if v, ok := strings.CutPrefix(strings.TrimSpace(s.Text()), name+"="); ok {
			value = strings.Trim(v, `"'`)
		}
	}
	return value
}

// systemID is the ID of /etc/os-release; empty where it has none that could be a folder's name.
func (i *installer) systemID() string {
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		b, err := i.root.ReadFile(name)
		if err != nil {
			continue
		}
		if id := variable(b, "ID"); id != "" && plain(id) && !strings.HasPrefix(id, ".") {
			return id
		}
	}
	return ""
}

func (i *installer) exists(name string) bool {
	_, err := i.root.Stat(name)
	return err == nil
}

// put writes a file of root's, in the place of whatever had its name.
func (i *installer) put(name string, mode fs.FileMode, content []byte) error {
	name = strings.TrimPrefix(name, "/")
	if err := i.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	if err := i.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := i.root.WriteFile(name, content, mode); err != nil {
		return fmt.Errorf("write /%s of the new system: %w", name, err)
	}
	return nil
}
