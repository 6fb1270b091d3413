package fake

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// session implements bmc.Session and, by its parts, the rest of the contract.
type session struct {
	b      *BMC
	closed atomic.Bool
}

func (s *session) call(ctx context.Context, op string, do func() error) error {
	if s.closed.Load() {
		return s.b.failure(op, step.Internal, "the session is closed", "")
	}
	return s.b.call(ctx, op, do)
}

// Identity implements bmc.Session.
func (s *session) Identity() bmc.Identity {
	all := []bmc.Capability{
		bmc.CanPower, bmc.CanSoftPowerOff, bmc.CanBootOnce, bmc.CanBootMode, bmc.CanSecureBoot, bmc.CanVirtualMedia, bmc.CanInventory, bmc.CanTasks, bmc.CanSessions, bmc.CanConsoleLog,
		bmc.CanBIOS, bmc.CanAccounts, bmc.CanUEFIHTTP, bmc.CanComponents, bmc.CanEvents, bmc.CanHealth, bmc.CanStorage,
	}
	all = slices.DeleteFunc(all, s.b.lacks)
	slices.Sort(all)
	return bmc.Identity{
		Driver: "fake", Vendor: "Ingot", Model: "Fake", FirmwareVersion: "1", ProtocolVersion: "1", SystemID: "1", SystemUUID: s.b.config.Hardware.UUID, Capabilities: all,
	}
}

// Power implements bmc.Session.
func (s *session) Power() bmc.Power { return power{s} }

// Boot implements bmc.Session.
func (s *session) Boot() bmc.Boot { return boot{s} }

// Media implements bmc.Session.
func (s *session) Media() bmc.Media {
	if s.b.lacks(bmc.CanVirtualMedia) {
		return nil
	}
	return media{s}
}

// Inventory implements bmc.Session.
func (s *session) Inventory() bmc.Inventory {
	if s.b.lacks(bmc.CanInventory) {
		return nil
	}
	return inventory{s}
}

// ConsoleLog implements bmc.Session.
func (s *session) ConsoleLog() bmc.ConsoleLog {
	if s.b.lacks(bmc.CanConsoleLog) {
		return nil
	}
	return console{s}
}

// Components implements bmc.Session.
func (s *session) Components() bmc.Components {
	if s.b.lacks(bmc.CanComponents) {
		return nil
	}
	return components{s}
}

// Storage implements bmc.Session.
func (s *session) Storage() bmc.Storage {
	if s.b.lacks(bmc.CanStorage) {
		return nil
	}
	return storage{s}
}

// BIOS implements bmc.Session.
func (s *session) BIOS() bmc.BIOS {
	if s.b.lacks(bmc.CanBIOS) {
		return nil
	}
	return bios{s}
}

// Console implements bmc.Session: what a machine writes is in its log.
func (s *session) Console() bmc.Console { return nil }

// Accounts implements bmc.Session.
func (s *session) Accounts() bmc.Accounts {
	if s.b.lacks(bmc.CanAccounts) {
		return nil
	}
	return accounts{s}
}

// Events implements bmc.Session.
func (s *session) Events() bmc.Events {
	if s.b.lacks(bmc.CanEvents) {
		return nil
	}
	return events{s}
}

// Health implements bmc.Session.
func (s *session) Health() bmc.Health {
	if s.b.lacks(bmc.CanHealth) {
		return nil
	}
	return healthPart{s}
}

// Close implements bmc.Session.
func (s *session) Close(context.Context) error {
	if s.closed.Swap(true) {
		return nil
	}
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.b.sessions--
	return nil
}

type power struct{ s *session }

// State implements bmc.Power.
func (p power) State(ctx context.Context) (out bmc.PowerState, err error) {
	b := p.s.b
	err = p.s.call(ctx, "read power state", func() error {
		out = b.shownState()
		return nil
	})
	return out, err
}

// Do implements bmc.Power.
func (p power) Do(ctx context.Context, a bmc.PowerAction) error {
	b, op := p.s.b, "power "+string(a)
	return p.s.call(ctx, op, func() error {
		switch a {
		case bmc.PowerOn:
			if !b.on {
				b.boot()
			}
		case bmc.ForceRestart, bmc.PowerCycle:
			b.boot()
		case bmc.ForceOff:
			b.setPower(false)
		case bmc.GracefulOff:
			if b.lacks(bmc.CanSoftPowerOff) {
				return b.failure(op, step.Unsupported, "the BMC has no reset type for it", "")
			}
			if !b.config.IgnoresButton {
				b.setPower(false)
			}
		case bmc.GracefulRestart:
			if b.on && b.lacks(bmc.CanSoftPowerOff) {
				return b.failure(op, step.Unsupported, "the BMC has no reset type for it", "")
			}
			if !b.on || !b.config.IgnoresButton {
				b.boot()
			}
		}
		return nil
	})
}

type boot struct{ s *session }

// Get implements bmc.Boot.
func (o boot) Get(ctx context.Context) (out bmc.BootSetting, err error) {
	err = o.s.call(ctx, "read boot override", func() error { out = o.s.b.override; return nil })
	return out, err
}

// Set implements bmc.Boot.
func (o boot) Set(ctx context.Context, set bmc.BootSetting) error {
	b, op := o.s.b, "set boot override "+string(set.Device)
	return o.s.call(ctx, op, func() error {
		if set.Mode == bmc.ModeSecureBoot && b.lacks(bmc.CanSecureBoot) {
			return b.failure(op, step.Unsupported, "the BMC cannot switch UEFI Secure Boot", "")
		}
		if set.Mode == bmc.ModeLegacy && b.lacks(bmc.CanBootMode) {
			return b.failure(op, step.Unsupported, "the BMC cannot set the firmware mode", "")
		}
		if set.Device == bmc.BootHTTP && (b.lacks(bmc.CanUEFIHTTP) || set.URI == "") {
			return b.failure(op, step.Unsupported, "the BMC cannot boot "+strconv.Quote(set.URI)+" by UEFI HTTP", "")
		}
		set.Authorities = ""
		if set.Mode == "" {
			set.Mode = b.override.Mode
		}
		set.Once = set.Once && set.Device != bmc.BootNone && !b.lacks(bmc.CanBootOnce)
		b.override = set
		return nil
	})
}

type media struct{ s *session }

// Inserted implements bmc.Media.
func (m media) Inserted(ctx context.Context) (out string, err error) {
	err = m.s.call(ctx, "read virtual medium", func() error { out = m.s.b.medium; return nil })
	return out, err
}

// Insert implements bmc.Media.
func (m media) Insert(ctx context.Context, medium string) error {
	const op = "insert virtual medium"
	b := m.s.b
	return m.s.call(ctx, op, func() error {
		u, err := url.Parse(medium)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return b.failure(op, step.Invalid, "a virtual medium must be an http or https URL", "")
		}
		b.medium = ""
		if b.config.Unreadable != nil && b.config.Unreadable(medium) {
			return b.failure(op, step.Internal, "the remote image could not be connected", "")
		}
		b.medium = medium
		return nil
	})
}

// Eject implements bmc.Media.
func (m media) Eject(ctx context.Context) error {
	return m.s.call(ctx, "eject virtual medium", func() error { m.s.b.medium = ""; return nil })
}

type inventory struct{ s *session }

// Read implements bmc.Inventory.
func (i inventory) Read(ctx context.Context) (out bmc.Hardware, err error) {
	err = i.s.call(ctx, "read inventory", func() error {
		out = i.s.b.config.Hardware
		out.NICs, out.Disks, out.ReadAt = slices.Clone(out.NICs), slices.Clone(out.Disks), time.Now().UTC()
		return nil
	})
	return out, err
}

type console struct{ s *session }

// Read implements bmc.ConsoleLog.
func (c console) Read(ctx context.Context) (out string, err error) {
	err = c.s.call(ctx, "read console log", func() error { out = strings.Clone(string(c.s.b.console)); return nil })
	return out, err
}
