// Package simulated is the lab's machine without a machine: firmware that reads its boot medium, the real agent as goroutines over file-backed disks, and an operating system
// that reports its first boot.
//
// It owns the described hardware, the firmware's choice of a boot device and the time it takes, and the journal of disk writers. It refuses to imitate the agent: internal/agent
// runs here as it runs on real hardware, so that whatever the simulation proves of it holds. It refuses Redfish (package bmcsim). It is hardware, so it opens
// its own sockets, on the kernel's loopback.
//
// A power-off ends everything the machine was doing and waits for it: what a real machine's disks never see after the power is cut, the files here never see either.
//
// Invariants: at most one boot of a machine is alive; a machine that is off has no goroutine and no open disk; each open of a disk for writing is in the journal with its
// end.
package simulated

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ingotmetal/ingot/internal/agent"
	"github.com/ingotmetal/ingot/internal/driver/disk/filebacked"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/internal/lab/ethernet"
	"github.com/ingotmetal/ingot/step"
)

// Config is one machine.
type Config struct {
	Name string
	// Inventory is what the machine is made of. Each of its disks has a file in DiskPaths, by the disk's name.
	Inventory step.Inventory
	DiskPaths map[string]string
	// VolumeDir is where the volumes of RAID controllers have their files; empty: the folder of the first disk's.
	VolumeDir string
	// FirmwareTime is how long the firmware takes to a boot device, SystemTime how long the system on disk takes to its first-boot report.
	FirmwareTime, SystemTime time.Duration
	// HangChance is how often a boot hangs in firmware until the machine is reset or turned off, drawn from Seed.
	HangChance float64
	Seed       uint64
	// Journal, when not nil, gets every writer of a disk.
	Journal *Journal
	// Parts is what is broken about the machine; nil: nothing is.
	Parts *Parts
	// Timing changes the agent's intervals.
	Timing agent.Timing
	// Port is where the cable of the first NIC is plugged in; nil: the machine speaks through the kernel's loopback, and there is no network boot.
	Port *ethernet.Port
	Log  *slog.Logger
}

// At is what a machine is doing.
type At string

// What a machine can be at.
const (
	AtOff      At = "off"
	AtFirmware At = "firmware"
	AtHung     At = "hung"
	AtNoBoot   At = "no bootable device"
	AtAgent    At = "agent"
	AtSystem   At = "system"
)

// Machine is one simulated machine. It implements bmcsim.Machine.
type Machine struct {
	config  Config
	log     *slog.Logger
	console *console
	disks   *filebacked.Machine
	on      atomic.Bool
	at      atomic.Value
	boots   atomic.Int64
	reports atomic.Int64
	// random is used by the one live boot only.
	random *rand.Rand

	// shapes guards the volumes of RAID controllers, by their WWN and in their order.
	shapes      sync.Mutex
	volumes     map[string]volumeFile
	volumeOrder []string

	// mu guards what follows.
	mu       sync.Mutex
	firmware bmcsim.Firmware
	closed   bool
	// cancel ends the live boot, ended is closed when it has; both nil while the machine is off.
	cancel context.CancelFunc
	ended  chan struct{}
}

var _ bmcsim.Machine = (*Machine)(nil)

// New makes a machine that is off, and the files of its disks where they do not exist.
func New(c Config) (*Machine, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	m := &Machine{config: c, log: c.Log.With("machine", c.Name), console: &console{}, random: rand.New(rand.NewPCG(c.Seed, 0))}
	m.at.Store(AtOff)
	m.disks = &filebacked.Machine{Disks: map[string]filebacked.Spec{}}
	if c.Journal != nil {
		m.disks.Observer = observer{c.Journal, c.Name, &m.boots}
	}
	if len(c.Inventory.NICs) == 0 || m.mac() == nil {
		return nil, fmt.Errorf("machine %s has no network interface with an address", c.Name)
	}
	for i, d := range c.Inventory.Disks {
		path := c.DiskPaths[d.Name]
		if path == "" {
			return nil, fmt.Errorf("machine %s: disk %s has no file", c.Name, d.Name)
		}
		if err := filebacked.Create(path, d.SizeBytes); err != nil {
			return nil, fmt.Errorf("machine %s: disk %s: %w", c.Name, d.Name, err)
		}
		m.disks.Disks[d.Name] = filebacked.Spec{Path: path, SectorBytes: d.SectorBytes, Firmware: filebacked.FirmwareFor(d), Unreadable: c.Parts.unreadable(i, d.SizeBytes)}
	}
	return m, nil
}

// Attach tells the machine its BMC, which is asked for a plan when the machine restarts by itself.
func (m *Machine) Attach(f bmcsim.Firmware) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.firmware = f
}

// Close turns the machine off for good.
func (m *Machine) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.stop()
	return nil
}

// PowerOn implements bmcsim.Machine.
func (m *Machine) PowerOn(_ context.Context, plan bmcsim.BootPlan) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.on.Load() {
		return nil
	}
	return m.start(plan) // a boot outlives the call that ordered it
}

// ForceOff implements bmcsim.Machine.
func (m *Machine) ForceOff(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stop()
	return nil
}

// GracefulOff implements bmcsim.Machine: agent and system obey the power button, firmware does not.
func (m *Machine) GracefulOff(context.Context) error {
	if at := m.At(); at != AtAgent && at != AtSystem {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cancel != nil {
		m.cancel()
	}
	return nil
}

// Reset implements bmcsim.Machine.
func (m *Machine) Reset(_ context.Context, plan bmcsim.BootPlan) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stop()
	return m.start(plan) // a boot outlives the call that ordered it
}

// Powered implements bmcsim.Machine.
func (m *Machine) Powered() bool { return m.on.Load() }

// At says what the machine is doing.
func (m *Machine) At() At { return m.at.Load().(At) }

// Boots counts the boots since the machine was made.
func (m *Machine) Boots() int { return int(m.boots.Load()) }

// FirstBootReports counts how often its system reported.
func (m *Machine) FirstBootReports() int { return int(m.reports.Load()) }

// Console implements bmcsim.Machine.
func (m *Machine) Console(max int) []byte { return m.console.last(max) }

// start begins a boot. The caller holds mu, and the machine is off.
func (m *Machine) start(plan bmcsim.BootPlan) error {
	if m.closed {
		return fmt.Errorf("turn on machine %s: the lab is closed", m.config.Name)
	}
	if m.ended != nil {
		// It turned itself off.
		m.cancel()
		<-m.ended
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel, m.ended = cancel, make(chan struct{})
	m.on.Store(true)
	m.at.Store(AtFirmware)
	go m.live(ctx, plan, m.ended)
	return nil
}

// stop cuts the power and waits until nothing of the machine moves. The caller holds mu.
func (m *Machine) stop() {
	if m.ended == nil {
		return
	}
	m.cancel()
	<-m.ended
	m.cancel, m.ended = nil, nil
}

// errPowerOff and errRestart are how a boot ends by itself.
var (
	errPowerOff = errors.New("the machine turns itself off")
	errRestart  = errors.New("the machine restarts itself")
)

// live is the machine from power-on to power-off: one boot, or more where it restarts itself.
func (m *Machine) live(ctx context.Context, plan bmcsim.BootPlan, ended chan<- struct{}) {
	defer close(ended)
	defer m.on.Store(false)
	defer m.at.Store(AtOff)
	for {
		m.boots.Add(1)
		err := m.boot(ctx, plan)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errPowerOff):
			m.console.printf("power down\n")
			return
		case !errors.Is(err, errRestart):
			// Nothing more happens by itself.
			m.console.printf("system halted: %v\n", err)
			m.log.Warn("simulated machine halted", "err", err)
			<-ctx.Done()
			return
		}
		m.console.printf("restarting\n")
		m.at.Store(AtFirmware)
		if plan = m.nextPlan(ctx); ctx.Err() != nil {
			return
		}
	}
}

// nextPlan asks the BMC what to do in a boot that nobody ordered. The BMC may be in the middle of an order to this machine, which holds mu and waits for this
// boot to end: the answer is not waited for any longer than the power is on.
func (m *Machine) nextPlan(ctx context.Context) bmcsim.BootPlan {
	asked := make(chan bmcsim.BootPlan, 1)
	go func() {
		m.mu.Lock()
		f := m.firmware
		m.mu.Unlock()
		if f == nil || ctx.Err() != nil {
			asked <- bmcsim.BootPlan{}
			return
		}
		asked <- f.NextBoot()
	}()
	select {
	case plan := <-asked:
		return plan
	case <-ctx.Done():
		return bmcsim.BootPlan{}
	}
}

// pause waits, or gives the context's error when the power goes first.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
