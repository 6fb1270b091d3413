package ipmisim

import (
	"context"
	"sync"

	"github.com/bougou/go-ipmi/pkg/hal"
	"github.com/bougou/go-ipmi/pkg/types"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
)

// chassis implements the library's chassis by a machine of the lab.
type chassis struct {
	hal.ChassisHAL // what is not here is not supported
	machine        bmcsim.Machine

	// orders is held over calls of the machine.
	orders sync.Mutex
	// mu guards all below, and is never held over a call of the machine, which may ask for its plan.
	mu    sync.Mutex
	flags types.BootOptionParam_BootFlags
	ack   types.BootOptionParam_BootInfoAcknowledge
}

func newChassis(m bmcsim.Machine) *chassis {
	c := &chassis{machine: m}
	c.flags.BIOSBootType = types.BIOSBootType(m.Hardware().UEFI)
	return c
}

// PowerState implements hal.ChassisHAL.
func (c *chassis) PowerState(context.Context) (bool, error) { return c.machine.Powered(), nil }

// SetPower implements hal.ChassisHAL.
func (c *chassis) SetPower(ctx context.Context, on bool) error {
	c.orders.Lock()
	defer c.orders.Unlock()
	switch {
	case on == c.machine.Powered():
		return nil
	case on:
		return c.machine.PowerOn(ctx, c.NextBoot())
	default:
		return c.machine.ForceOff(ctx)
	}
}

// PowerCycle implements hal.ChassisHAL. A machine that is off stays off (IPMI 2.0 table 28-4: an implementation may refuse).
func (c *chassis) PowerCycle(ctx context.Context) error { return c.restart(ctx) }

// ColdReset implements hal.ChassisHAL: the hard reset of Chassis Control.
func (c *chassis) ColdReset(ctx context.Context) error { return c.restart(ctx) }

func (c *chassis) restart(ctx context.Context) error {
	c.orders.Lock()
	defer c.orders.Unlock()
	if !c.machine.Powered() {
		return types.CompletionCode(0xd5) // not possible in the present state, table 5-2
	}
	return c.machine.Reset(ctx, c.NextBoot())
}

// WarmReset implements hal.ChassisHAL: the library calls it for the soft shutdown of Chassis Control, which is a press of the power button.
func (c *chassis) WarmReset(ctx context.Context) error {
	c.orders.Lock()
	defer c.orders.Unlock()
	if !c.machine.Powered() {
		return c.machine.PowerOn(ctx, c.NextBoot())
	}
	return c.machine.GracefulOff(ctx)
}

// Identify implements hal.ChassisHAL: there is no light.
func (c *chassis) Identify(context.Context, uint8) error { return nil }

// IntrusionState implements hal.ChassisHAL.
func (c *chassis) IntrusionState(context.Context) (bool, error) { return false, hal.ErrNotSupported }

// SetBootFlags implements hal.ChassisHAL.
func (c *chassis) SetBootFlags(_ context.Context, f *types.BootOptionParam_BootFlags) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flags = *f
	return nil
}

// GetBootFlags implements hal.ChassisHAL.
func (c *chassis) GetBootFlags(context.Context) (*types.BootOptionParam_BootFlags, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.flags
	return &f, nil
}

// SetBootInfoAcknowledge implements hal.ChassisHAL.
func (c *chassis) SetBootInfoAcknowledge(_ context.Context, a *types.BootOptionParam_BootInfoAcknowledge) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ack = *a
	return nil
}

// GetBootInfoAcknowledge implements hal.ChassisHAL.
func (c *chassis) GetBootInfoAcknowledge(context.Context) (*types.BootOptionParam_BootInfoAcknowledge, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.ack
	return &a, nil
}

// NextBoot implements bmcsim.Firmware.
func (c *chassis) NextBoot() bmcsim.BootPlan {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := bmcsim.BootPlan{Mode: bmc.ModeLegacy, Device: bmc.BootNone}
	if c.flags.BIOSBootType == types.BIOSBootTypeEFI {
		p.Mode = bmc.ModeUEFI
	}
	if !c.flags.BootFlagsValid {
		return p
	}
	switch c.flags.BootDeviceSelector {
	case types.BootDeviceSelectorForcePXE:
		p.Device = bmc.BootPXE
	case types.BootDeviceSelectorForceHardDrive:
		p.Device = bmc.BootDisk
	case types.BootDeviceSelectorForceCDROM:
		p.Device = bmc.BootCD
	default: // nothing that a machine of the lab has
	}
	if !c.flags.Persist {
		p.Once = true
		c.flags.BootFlagsValid = false
	}
	return p
}
