// Package qemu is the lab's virtual machine behind a simulated BMC: a supervisor that owns one QEMU process per boot.
//
// It owns the command line, the process, its monitor, the disks' files and the console log. It refuses Redfish (package bmcsim), the network (package ethernet)
// and every decision about what to boot: that is the plan that comes with each boot. It runs under TCG, since the lab must work where there is no KVM.
//
// A reset is a new process rather than a reset of the old one: then the boot order, the firmware and the medium of each boot are simply its command line, and
// nothing of an earlier boot can linger. A guest that resets or turns itself off stops, tells the monitor, and the supervisor starts the next boot or none.
//
// Invariants: there is at most one process per machine; it dies with the lab (parent-death signal); nothing but its disks, its firmware's variables and its console
// log outlives a boot.
package qemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
)

// Machine is one virtual machine. It implements bmcsim.Machine and bmcsim.MediumChanger.
type Machine struct {
	config Config
	log    *slog.Logger
	// background is the context of boots that no caller waits for.
	background context.Context
	stop       context.CancelFunc
	watchers   sync.WaitGroup

	// on is what Powered says, which must not wait for mu.
	on atomic.Bool

	// mu guards what follows. It is never held while the BMC is asked.
	mu       sync.Mutex
	current  *process
	firmware bmcsim.Firmware
	boots    int
}

var (
	_ bmcsim.Machine       = (*Machine)(nil)
	_ bmcsim.MediumChanger = (*Machine)(nil)
)

// New makes a machine that is off: its disks' files and its directory's, where they do not exist.
func New(c Config) (*Machine, error) {
	if c.MemoryMebibytes == 0 {
		c.MemoryMebibytes = 512
	}
	if c.CPUs == 0 {
		c.CPUs = 1
	}
	if c.Mode == "" {
		c.Mode = bmc.ModeUEFI
	}
	if c.StallLimit == 0 {
		c.StallLimit = stallDefault
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	for _, d := range c.Disks {
		if err := makeDisk(d); err != nil {
			return nil, fmt.Errorf("make disk of machine %s: %w", c.Name, err)
		}
	}
	if err := killStale(c); err != nil {
		return nil, fmt.Errorf("machine %s: %w", c.Name, err)
	}
	m := &Machine{config: c, log: c.Log.With("machine", c.Name)}
	m.background, m.stop = context.WithCancel(context.Background())
	return m, nil
}

// Attach tells the machine its BMC, which is asked for a plan when the guest restarts by itself.
func (m *Machine) Attach(f bmcsim.Firmware) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.firmware = f
}

// Close turns the machine off for good.
func (m *Machine) Close() error {
	m.stop()
	err := m.ForceOff(context.Background())
	m.watchers.Wait()
	return err
}

// PowerOn implements bmcsim.Machine.
func (m *Machine) PowerOn(ctx context.Context, plan bmcsim.BootPlan) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current != nil {
		return nil
	}
	return m.boot(ctx, plan, watched)
}

// ForceOff implements bmcsim.Machine.
func (m *Machine) ForceOff(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.current; p != nil {
		m.current = nil
		p.end()
		m.on.Store(false)
		m.log.Info("machine turned off")
	}
	return nil
}

// GracefulOff implements bmcsim.Machine.
func (m *Machine) GracefulOff(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current == nil {
		return nil
	}
	return m.current.monitor.execute(ctx, "system_powerdown", nil)
}

// Reset implements bmcsim.Machine.
func (m *Machine) Reset(ctx context.Context, plan bmcsim.BootPlan) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.current; p != nil {
		m.current = nil
		p.end()
	}
	return m.boot(ctx, plan, watched)
}

// ChangeMedium implements bmcsim.MediumChanger.
func (m *Machine) ChangeMedium(ctx context.Context, medium *bmcsim.Medium) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.current == nil:
		return nil
	case medium == nil:
		return m.current.monitor.execute(ctx, "eject", map[string]any{"id": "cd", "force": true})
	default:
		return m.current.monitor.execute(ctx, "blockdev-change-medium",
			map[string]any{"id": "cd", "filename": medium.Path, "format": "raw", "read-only-mode": "read-only", "force": true})
	}
}

// Powered implements bmcsim.Machine.
func (m *Machine) Powered() bool { return m.on.Load() }

// Boots counts the boots since the machine was made.
func (m *Machine) Boots() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.boots
}

// Hardware implements bmcsim.Machine.
func (m *Machine) Hardware() bmcsim.Hardware { return m.config.hardware() }

// ConsolePath is the file with all that the machine wrote to its serial console.
func (m *Machine) ConsolePath() string { return m.config.consolePath() }

// Console implements bmcsim.Machine.
func (m *Machine) Console(max int) []byte {
	f, err := os.Open(m.config.consolePath())
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	if size, err := f.Seek(0, io.SeekEnd); err != nil || size > int64(max) {
		_, _ = f.Seek(-int64(max), io.SeekEnd)
	} else {
		_, _ = f.Seek(0, io.SeekStart)
	}
	text, err := io.ReadAll(io.LimitReader(f, int64(max)))
	if err != nil {
		return nil
	}
	return text
}

// typeTime bounds how long the machine may take to hear what is typed: a serial port that nobody reads from takes no more than a few bytes.
const typeTime = 2 * time.Second

// Type implements serialsim.Typist.
func (m *Machine) Type(p []byte) error {
	m.mu.Lock()
	now := m.current
	m.mu.Unlock()
	if now == nil {
		return nil
	}
	if err := now.serial.SetWriteDeadline(time.Now().Add(typeTime)); err != nil {
		return nil //nolint:nilerr // the machine went off
	}
	_, _ = now.serial.Write(p) // what a machine does not hear is lost, as on a serial line
	return nil
}

// watching says whether a boot is reset when it hangs.
type watching bool

const (
	watched   watching = true
	unwatched watching = false
)

// boot starts a process. The caller holds mu, and there is none.
func (m *Machine) boot(ctx context.Context, plan bmcsim.BootPlan, w watching) error {
	if err := m.background.Err(); err != nil {
		return fmt.Errorf("turn on machine %s: the lab is closed", m.config.Name)
	}
	mode := plan.Mode
	if mode == "" {
		mode = m.config.Mode
	}
	m.on.Store(false)
	if err := makeVariables(m.config, mode); err != nil {
		return fmt.Errorf("firmware variables of machine %s: %w", m.config.Name, err)
	}
	if plan.Device == bmc.BootHTTP {
		if err := prepareHTTP(m.config, mode, plan); err != nil {
			return fmt.Errorf("UEFI HTTP boot of machine %s: %w", m.config.Name, err)
		}
	}
	p, err := launch(ctx, m.config, plan)
	if err != nil {
		return err
	}
	m.on.Store(true)
	m.current = p
	m.boots++
	m.log.Info("machine turned on", "mode", string(mode), "device", string(plan.Device), "boot", m.boots)
	m.watchers.Go(func() { m.watch(p) })
	if w == watched {
		m.watchers.Go(func() {
			if m.watchdog(p) {
				m.unstall(p, plan)
			}
		})
	}
	return nil
}

// watch waits for the end of a boot and starts the next one where the guest restarted.
func (m *Machine) watch(p *process) {
	<-p.exited
	m.mu.Lock()
	mine, ask := m.current == p, m.firmware
	again := mine && p.reason() == "guest-reset"
	if mine && !again {
		m.current = nil
		m.on.Store(false)
		m.log.Info("machine turned itself off", "reason", p.reason())
	}
	m.mu.Unlock()
	if !again {
		return
	}
	var plan bmcsim.BootPlan
	if ask != nil {
		plan = ask.NextBoot()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	// An order of the BMC that came meanwhile goes first.
	if m.current != p {
		return
	}
	m.current = nil
	m.log.Info("machine restarts by itself")
	if err := m.boot(m.background, plan, watched); err != nil && m.background.Err() == nil {
		m.log.Error("machine did not restart", "err", err)
	}
}

func makeDisk(d Disk) error {
	f, err := os.OpenFile(d.Path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() != d.SizeBytes {
		err = f.Truncate(d.SizeBytes)
	}
	return errors.Join(err, f.Close())
}

// makeVariables copies the firmware's variables for the machine on its first boot in that mode.
func makeVariables(c Config, mode bmc.Mode) error {
	from := map[bmc.Mode]string{bmc.ModeUEFI: ovmfVars, bmc.ModeSecureBoot: ovmfSecureVars}[mode]
	to := c.varsPath(mode)
	if from == "" || exists(to) {
		return nil
	}
	content, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("%w: install Debian's package ovmf", err)
	}
	return os.WriteFile(to, content, 0o600)
}
