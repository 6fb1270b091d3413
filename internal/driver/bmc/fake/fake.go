// Package fake is a BMC in memory, for tests of what uses BMCs.
//
// It owns the contract's semantics without a network, and faults on order: the next calls fail, the power state is stale, a hook sees every call. It
// passes the same suite as the real driver (bmctest), so that it cannot promise what they don't. It refuses chance and time: nothing happens but
// by a call.
package fake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/ingotmetal/ingot/firmware"
	"github.com/ingotmetal/ingot/health"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/step"
)

// Driver holds the BMCs by their address.
type Driver struct {
	mu   sync.Mutex
	bmcs map[string]*BMC
}

// New makes a driver without BMCs.
func New() *Driver { return &Driver{bmcs: map[string]*BMC{}} }

// Config is one BMC and its machine.
type Config struct {
	// Address is as a BareMetalHost has it.
	Address  string
	Username string
	Password secret.String
	// Lacks are capabilities to leave out.
	Lacks    []bmc.Capability
	Hardware bmc.Hardware
	// Unreadable says which media the BMC cannot read; nil: none.
	Unreadable func(url string) bool
	// OnBoot, if not nil, is called after each boot, without any lock held.
	OnBoot func(Boot)
	// IgnoresButton: the operating system does not follow the power button.
	IgnoresButton bool
	// Settings are the firmware's settings in force, Registry what describes them. IgnoresSettings: what is set is taken and never comes into force.
	Settings        map[string]string
	Registry        firmware.Registry
	IgnoresSettings bool
	// Health is how the machine is at first; the zero value is a healthy one.
	Health health.Reading
	// NoEventStream: the BMC sends events to subscribers only.
	NoEventStream bool
	// Updates is the firmware that can be updated.
	Updates Updates
	// RAID is its machine's RAID controllers.
	RAID RAID
}

// Boot is one boot of the machine.
type Boot struct {
	Setting bmc.BootSetting
	Medium  string
}

// BMC is one BMC with its machine.
type BMC struct {
	config  Config
	address string

	mu       sync.Mutex
	on       bool
	override bmc.BootSetting
	medium   string
	console  []byte
	boots    []Boot
	calls    int
	under    int
	sessions int
	fail     []Fault
	stale    int
	shown    bmc.PowerState
	hook     func(ctx context.Context, op string) error
	// settings are the firmware's, pending those of the next boot.
	settings, pending map[string]string
	events            eventState
	health            health.Reading
	components        componentsState
	storage           storageState
	accounts          accountState
}

// Fault fails calls.
type Fault struct {
	// Op is the call that fails, by the words of bmc.Error.Op; empty for any.
	Op   string
	Kind step.FailureKind
	// Message is what the BMC says; empty for a plain one.
	Message string
	// Times is how many calls fail; 0 counts as 1.
	Times int
	// After: the call is done first, and its answer lost.
	After bool
}

// Add makes a BMC.
func (d *Driver) Add(c Config) (*BMC, error) {
	a, err := bmc.ParseAddress(c.Address)
	if err != nil {
		return nil, err
	}
	b := &BMC{config: c, address: a.String(), override: bmc.BootSetting{Device: bmc.BootNone, Mode: bmc.ModeUEFI}}
	b.settings, b.pending = maps.Clone(c.Settings), map[string]string{}
	if b.health = c.Health; b.health.Rollup == health.Unknown {
		b.health.Rollup = health.OK
	}
	b.components = componentsState{now: slices.Clone(c.Updates.Components), held: c.Updates.Held}
	b.storage = storageState{now: c.RAID.Storage, fails: c.RAID.Fails}
	b.accounts.by = map[string]secret.String{}
	if b.settings == nil {
		b.settings = map[string]string{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bmcs[b.address] != nil {
		return nil, fmt.Errorf("there is a fake BMC at %s already", b.address)
	}
	d.bmcs[b.address] = b
	return b, nil
}

// Remove takes a BMC off the network: its calls fail as Unreachable.
func (d *Driver) Remove(b *BMC) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.bmcs, b.address)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = []Fault{{Kind: step.Unreachable, Message: "no route to host", Times: 1 << 62}}
}

// Open implements bmc.Driver.
func (d *Driver) Open(ctx context.Context, t bmc.Target) (bmc.Session, error) {
	const op = "connect"
	a, err := bmc.ParseAddress(t.Address)
	if err != nil {
		return nil, &bmc.Error{Op: op, Address: t.Address, Kind: step.Invalid, Err: err, Fix: "correct spec.bmc.address"}
	}
	if a.Protocol != bmc.Redfish {
		return nil, &bmc.Error{Op: op, Address: a.String(), Kind: step.Unsupported, Err: errors.New("this is no Redfish address")}
	}
	d.mu.Lock()
	b := d.bmcs[a.String()]
	d.mu.Unlock()
	if b == nil {
		return nil, &bmc.Error{Op: op, Address: a.String(), Kind: step.Unreachable, Err: errors.New("connection refused")}
	}
	s := &session{b: b}
	err = b.call(ctx, op, func() error {
		if !b.admits(t) {
			return b.failure(op, step.Denied, "401 Unauthorized", "check user name and password in the host's BMC Secret")
		}
		b.sessions++
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (b *BMC) failure(op string, kind step.FailureKind, message, fix string) error {
	return &bmc.Error{Op: op, Address: b.address, Kind: kind, Err: errors.New(message), Fix: fix}
}

// call does one call under the lock, with the faults on order around it.
func (b *BMC) call(ctx context.Context, op string, do func() error) error {
	b.mu.Lock()
	hook := b.hook
	b.calls++
	b.under++
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.under--
	}()
	if hook != nil {
		if err := hook(ctx, op); err != nil {
			return &bmc.Error{Op: op, Address: b.address, Kind: bmc.KindOf(err), Err: err}
		}
	}
	if err := ctx.Err(); err != nil {
		return &bmc.Error{Op: op, Address: b.address, Kind: step.Timeout, Err: fmt.Errorf("gave up waiting: %w", err)}
	}
	b.mu.Lock()
	before := len(b.boots)
	err := b.faulty(op, do)
	booted := slices.Clone(b.boots[before:])
	b.mu.Unlock()
	if b.config.OnBoot != nil {
		for _, boot := range booted {
			b.config.OnBoot(boot)
		}
	}
	return err
}

func (b *BMC) faulty(op string, do func() error) error {
	for i := range b.fail {
		f := &b.fail[i]
		if f.Op != "" && f.Op != op {
			continue
		}
		if f.After {
			if err := do(); err != nil {
				return err
			}
		}
		message := f.Message
		if message == "" {
			message = "fault on order"
		}
		err := b.failure(op, f.Kind, message, "")
		if f.Times--; f.Times <= 0 {
			b.fail = slices.Delete(b.fail, i, i+1)
		}
		return err
	}
	return do()
}

// FailNext puts a fault on order.
func (b *BMC) FailNext(f Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = append(b.fail, f)
}

// Heal takes back the faults that are on order.
func (b *BMC) Heal() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail, b.stale = nil, 0
}

// StalePower makes the next reads of the power state show what it is now, whatever happens.
func (b *BMC) StalePower(reads int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stale, b.shown = reads, state(b.on)
}

// OnCall sets a hook that runs before every call, for latency; its error fails the call. nil takes it away.
func (b *BMC) OnCall(hook func(ctx context.Context, op string) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hook = hook
}

// Powered says whether the machine is on.
func (b *BMC) Powered() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.on
}

// PowerOffByItself is the operating system's shutdown.
func (b *BMC) PowerOffByItself() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.setPower(false)
}

// ShutDown is PowerOffByItself by what the n-th boot started. A machine that was started again since stays on.
func (b *BMC) ShutDown(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.boots) == n {
		b.setPower(false)
	}
}

// RebootByItself is the operating system's restart, which takes the boot override into account like any boot.
func (b *BMC) RebootByItself() {
	b.mu.Lock()
	boot := b.boot()
	b.mu.Unlock()
	if b.config.OnBoot != nil {
		b.config.OnBoot(boot)
	}
}

// Boots are the boots until now.
func (b *BMC) Boots() []Boot {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.boots)
}

// Calls counts the calls, Sessions the logins that are open.
func (b *BMC) Calls() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls
}

// Sessions is how many sessions are open.
func (b *BMC) Sessions() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sessions
}

// Say writes a line to the console.
func (b *BMC) Say(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.console = append(append(b.console, line...), '\n')
}

// Override and Medium are what the machine would boot with.
func (b *BMC) Override() bmc.BootSetting {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.override
}

// Medium is what is inserted.
func (b *BMC) Medium() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.medium
}

// Settings are the firmware's settings in force.
func (b *BMC) Settings() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.settings)
}

func (b *BMC) lacks(c bmc.Capability) bool {
	return slices.Contains(b.config.Lacks, c) || c == bmc.CanComponents && len(b.config.Updates.Components) == 0 ||
		c == bmc.CanStorage && len(b.config.RAID.Storage.Controllers) == 0
}

// boot is called with mu held.
func (b *BMC) boot() Boot {
	b.setPower(true)
	boot := Boot{Setting: b.override, Medium: b.medium}
	if b.override.Once {
		b.override.Device, b.override.Once = bmc.BootNone, false
	}
	b.boots = append(b.boots, boot)
	if !b.config.IgnoresSettings {
		maps.Copy(b.settings, b.pending)
	}
	clear(b.pending)
	b.bootComponents()
	b.bootVolumes()
	return boot
}

func state(on bool) bmc.PowerState {
	if on {
		return bmc.On
	}
	return bmc.Off
}
