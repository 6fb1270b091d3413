package machine

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/internal/agent/coldplug"
)

// mounts are what programs expect to find, in order.
var mounts = []struct {
	source, target, kind string
	flags                uintptr
	data                 string
}{
	{"proc", "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
	{"sysfs", "/sys", "sysfs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
	{"devtmpfs", "/dev", "devtmpfs", unix.MS_NOSUID | unix.MS_NOEXEC, "mode=0755"},
	{"tmpfs", "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, "mode=0755,size=16m"},
	{"tmpfs", "/tmp", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, "mode=1777,size=16m"},
}

func mountAll() error {
	var problems []error
	for _, m := range mounts {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			problems = append(problems, err)
			continue
		}
		if err := unix.Mount(m.source, m.target, m.kind, m.flags, m.data); err != nil && !errors.Is(err, unix.EBUSY) {
			problems = append(problems, fmt.Errorf("mount %s: %w", m.target, err))
		}
	}
	return errors.Join(problems...)
}

// mountEFI mounts the firmware's variables, read-only, on a machine that has them; its file system may be a module.
func mountEFI(modules *coldplug.Plug) error {
	const variables = "/sys/firmware/efi/efivars"
	if _, err := os.Stat(variables); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	modules.Named("efivarfs")
	if err := unix.Mount("efivarfs", variables, "efivarfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_RDONLY, ""); err != nil && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("mount %s: %w", variables, err)
	}
	return nil
}
