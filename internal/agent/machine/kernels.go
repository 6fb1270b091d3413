package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/internal/agent/installed"
	"github.com/ingotmetal/ingot/step"
)

// kernels starts installed systems by kexec.
type kernels struct{ end *power }

// Load implements agent.Kernels. The kernel checks what it is given; one that is locked down takes only what is signed, and says no to all else.
func (k kernels) Load(_ context.Context, d step.Disk) (step.Loaded, error) {
	disk, err := os.Open(d.Name)
	if err != nil {
		return step.Loaded{}, err
	}
	defer func() { _ = disk.Close() }()
	system, err := installed.Find(disk, d.SizeBytes)
	if err != nil {
		return step.Loaded{}, err
	}
	kernel, err := inMemory("kernel", system.WriteKernel)
	if err != nil {
		return step.Loaded{}, err
	}
	defer func() { _ = kernel.Close() }()
	initrd, flags := -1, unix.KEXEC_FILE_NO_INITRAMFS
	if len(system.Initrds) > 0 {
		f, err := inMemory("initrd", system.WriteInitrd)
		if err != nil {
			return step.Loaded{}, err
		}
		defer func() { _ = f.Close() }()
		initrd, flags = int(f.Fd()), 0
	}
	if err := unix.KexecFileLoad(int(kernel.Fd()), initrd, system.CommandLine, flags); err != nil {
		why := ""
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EKEYREJECTED) || errors.Is(err, unix.ENOKEY) {
			why = ": the agent's kernel is locked down and takes only signed kernels"
		}
		return step.Loaded{}, fmt.Errorf("kexec_file_load(2) of %s: %w%s", system.Kernel, err, why)
	}
	return step.Loaded{Kernel: system.Kernel, CommandLine: system.CommandLine}, nil
}

// inMemory is a file that has no other place than memory.
func inMemory(name string, write func(io.Writer) error) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create(2): %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if err := write(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Enter implements agent.Kernels. Where it fails, the machine can still be restarted.
func (k kernels) Enter(context.Context) error {
	k.end.logger.Info("Starting the installed kernel")
	k.end.console.drain()
	unix.Sync()
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_KEXEC); err != nil {
		return fmt.Errorf("reboot(2) into the loaded kernel: %w", err)
	}
	return nil
}
