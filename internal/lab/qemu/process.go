package qemu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/internal/child"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
)

// startLimit bounds the time until QEMU's monitor answers; a busy host takes a second or two.
const startLimit = 3 * time.Minute

// process is one QEMU process: one boot of the machine.
type process struct {
	monitor *monitor
	// serial is what is typed at the machine's serial console.
	serial net.Conn
	pid    int
	kill   func()
	// exited is closed when the process is gone and its ports are detached.
	exited chan struct{}
	// tpm is nil where the machine has none.
	tpm *tpm

	// mu guards why, the reason of the guest's own stop: "guest-reset", "guest-shutdown", or empty.
	mu  sync.Mutex
	why string
}

// launch starts QEMU for one boot and lets its processors run.
func launch(ctx context.Context, c Config, plan bmcsim.BootPlan) (*process, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	files, monitorConn, nicConns, err := cables(len(c.NICs) + 1)
	defer closeAll(files)
	if err != nil {
		return nil, fmt.Errorf("make sockets for machine %s: %w", c.Name, err)
	}
	p := &process{serial: nicConns[len(c.NICs)], exited: make(chan struct{})}
	nicConns = nicConns[:len(c.NICs)]
	stderr := &tail{max: 4096}
	if p.tpm, err = startTPM(c); err != nil {
		closeConns(append(nicConns, monitorConn, p.serial))
		return nil, err
	}
	defer p.tpm.handed()
	if p.tpm != nil {
		files = append(files, p.tpm.far)
	}
	dead, err := p.start(c, arguments(c, plan), files, stderr)
	if err != nil {
		closeConns(append(nicConns, monitorConn, p.serial))
		p.tpm.end()
		return nil, fmt.Errorf("start %s for machine %s: %w", program, c.Name, err)
	}
	// QEMU writes to the log and to us, and stops the machine while we do not read.
	go func() { _, _ = io.Copy(io.Discard, p.serial) }()
	go p.release(c, dead, monitorConn)
	for i, conn := range nicConns {
		if err := c.NICs[i].Port.Attach(conn); err != nil {
			_ = conn.Close()
			p.end()
			return nil, fmt.Errorf("plug in machine %s: %w", c.Name, err)
		}
	}
	p.monitor, err = openMonitor(ctx, monitorConn, p.onEvent)
	if err == nil {
		err = p.monitor.execute(ctx, "cont", nil)
	}
	if err != nil {
		p.end()
		return nil, fmt.Errorf("start machine %s: %w; QEMU said: %q; its TPM said: %q", c.Name, err, stderr.String(), p.tpm.said())
	}
	return p, nil
}

// start runs the process. The channel is closed when it is gone.
func (p *process) start(c Config, args []string, files []*os.File, stderr *tail) (<-chan struct{}, error) {
	cmd := exec.Command(program, args...) //nolint:noctx // a boot outlives the call that ordered it; the machine ends it
	cmd.Dir = c.Dir
	cmd.ExtraFiles = files
	cmd.Stderr = stderr
	running, err := child.Start(cmd)
	if err != nil {
		return nil, err
	}
	p.pid = running.PID()
	p.kill = func() { _ = running.Kill() }
	if err := os.WriteFile(c.pidPath(), []byte(strconv.Itoa(running.PID())), 0o600); err != nil {
		return nil, errors.Join(err, running.Kill())
	}
	return running.Done(), nil
}

// release frees what belongs to the process when it is gone.
func (p *process) release(c Config, dead <-chan struct{}, monitorConn net.Conn) {
	<-dead
	for _, n := range c.NICs {
		n.Port.Detach()
	}
	_ = monitorConn.Close()
	_ = p.serial.Close()
	p.tpm.end()
	_ = os.Remove(c.pidPath())
	close(p.exited)
}

// end kills the process and waits until it is gone.
func (p *process) end() {
	p.kill()
	<-p.exited
}

// reason says why the guest stopped by itself, empty when it did not.
func (p *process) reason() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why
}

func (p *process) onEvent(name string, data json.RawMessage) {
	if name != "SHUTDOWN" {
		return
	}
	var d shutdownData
	if json.Unmarshal(data, &d) != nil || !d.Guest {
		return
	}
	p.mu.Lock()
	p.why = d.Reason
	p.mu.Unlock()
	p.kill()
}

// cables makes the sockets: the first file is the monitor's, then one per network interface, the serial console as the last of them; the connections are our ends.
func cables(nics int) (files []*os.File, monitorConn net.Conn, nicConns []net.Conn, err error) {
	var conns []net.Conn
	for range nics + 1 {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			closeConns(conns)
			return files, nil, nil, err
		}
		files = append(files, os.NewFile(uintptr(fds[0]), "machine"))
		ours := os.NewFile(uintptr(fds[1]), "lab")
		conn, err := net.FileConn(ours)
		_ = ours.Close()
		if err != nil {
			closeConns(conns)
			return files, nil, nil, err
		}
		conns = append(conns, conn)
	}
	return files, conns[0], conns[1:], nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

func closeConns(conns []net.Conn) {
	for _, c := range conns {
		_ = c.Close()
	}
}

// killStale ends a QEMU of this machine that an earlier lab left, which the parent-death signal makes next to impossible. The process ID is only believed when its
// command line names this machine's console.
func killStale(c Config) error {
	text, err := os.ReadFile(c.pidPath())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return os.Remove(c.pidPath())
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err == nil && strings.Contains(string(line), escape(c.consolePath())) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("end the QEMU %d of an earlier lab: %w", pid, err)
		}
	}
	return os.Remove(c.pidPath())
}

// tail keeps the last bytes written to it.
type tail struct {
	mu   sync.Mutex
	max  int
	data []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, b...)
	if over := len(t.data) - t.max; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.data)
}
