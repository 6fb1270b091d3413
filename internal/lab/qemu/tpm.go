package qemu

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/internal/child"
)

// tpmProgram is the TPM in software, as Debian's package swtpm installs it.
const tpmProgram = "swtpm"

// tpmControlFD is the descriptor of its control channel.
const tpmControlFD = firstFD

// tpm is the TPM of one boot: a process beside QEMU's. Its seeds, and with them the endorsement key, stay in the machine's directory.
type tpm struct {
	running *child.Process
	stderr  *tail
	// far is QEMU's end of the control channel.
	far *os.File
}

func (c Config) tpmPath() string { return filepath.Join(c.Dir, "tpm") }

// startTPM starts the machine's TPM; nil where it has none.
func startTPM(c Config) (*tpm, error) {
	if !c.TPM {
		return nil, nil
	}
	if err := os.MkdirAll(c.tpmPath(), 0o700); err != nil {
		return nil, err
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	near, far := os.NewFile(uintptr(fds[0]), "tpm"), os.NewFile(uintptr(fds[1]), "machine")
	defer func() { _ = near.Close() }()
	t := &tpm{far: far, stderr: &tail{max: 4096}}
	cmd := exec.Command(tpmProgram, "socket", "--tpm2", "--tpmstate", "dir="+c.tpmPath(), //nolint:noctx // it lives as long as the boot
		"--ctrl", "type=unixio,clientfd="+strconv.Itoa(tpmControlFD), "--flags", "not-need-init", "--terminate")
	cmd.Dir, cmd.Stderr, cmd.ExtraFiles = c.Dir, t.stderr, []*os.File{near}
	if t.running, err = child.Start(cmd); err != nil {
		return nil, errors.Join(fmt.Errorf("start the TPM of machine %s: %w: install Debian's package swtpm", c.Name, err), far.Close())
	}
	return t, nil
}

// handed forgets QEMU's end once QEMU has it, or never will.
func (t *tpm) handed() {
	if t != nil {
		_ = t.far.Close()
	}
}

// end ends the process and waits for it, so that the next one finds the state free.
func (t *tpm) end() {
	if t != nil {
		_ = t.running.Kill()
		<-t.running.Done()
	}
}

// said is what the process wrote last.
func (t *tpm) said() string {
	if t == nil {
		return ""
	}
	return t.stderr.String()
}

// tpmArguments connect it. SeaBIOS and OVMF measure into it.
func tpmArguments(c Config) []string {
	if !c.TPM {
		return nil
	}
	return []string{
		"-chardev", fmt.Sprintf("socket,id=tpm-control,fd=%d", tpmFD(c)), "-tpmdev", "emulator,id=tpm,chardev=tpm-control", "-device", "tpm-crb,tpmdev=tpm",
	}
}

// tpmFD is the descriptor that QEMU inherits, behind the serial console's.
func tpmFD(c Config) int { return consoleFD(c) + 1 }
