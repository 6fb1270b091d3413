package ipmi

import (
	"context"
	"fmt"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/types"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// bootFlags implements bmc.Boot by the boot flags of Set System Boot Options (IPMI 2.0 §28.12, §28.14 parameter 5).
type bootFlags struct{ s *session }

// selectors are the boot device selectors.
func selectors() map[bmc.Device]types.BootDeviceSelector {
	return map[bmc.Device]types.BootDeviceSelector{
		bmc.BootNone: types.BootDeviceSelectorNoOverride, bmc.BootPXE: types.BootDeviceSelectorForcePXE, bmc.BootDisk: types.BootDeviceSelectorForceHardDrive,
		bmc.BootCD: types.BootDeviceSelectorForceCDROM,
	}
}

// Get implements bmc.Boot.
func (b bootFlags) Get(ctx context.Context) (bmc.BootSetting, error) {
	flags, err := b.read(ctx)
	if err != nil {
		return bmc.BootSetting{}, b.s.wrap("read boot flags", err)
	}
	return settingOf(flags), nil
}

func (b bootFlags) read(ctx context.Context) (types.BootOptionParam_BootFlags, error) {
	var flags types.BootOptionParam_BootFlags
	err := b.s.call(ctx, func(ctx context.Context, c *client.Client) error { return c.GetSystemBootOptionsParamFor(ctx, &flags) })
	return flags, err
}

// settingOf reads boot flags. A device that the contract has no word for reads as none.
func settingOf(f types.BootOptionParam_BootFlags) bmc.BootSetting {
	set := bmc.BootSetting{Device: bmc.BootNone, Mode: bmc.ModeLegacy}
	if f.BIOSBootType == types.BIOSBootTypeEFI {
		set.Mode = bmc.ModeUEFI
	}
	if !f.BootFlagsValid {
		return set
	}
	for device, selector := range selectors() {
		if selector == f.BootDeviceSelector {
			set.Device = device
		}
	}
	set.Once = set.Device != bmc.BootNone && !f.Persist
	return set
}

// Set implements bmc.Boot.
func (b bootFlags) Set(ctx context.Context, set bmc.BootSetting) error {
	op := "set boot device " + string(set.Device)
	selector, known := selectors()[set.Device]
	if !known {
		return b.s.wrap(op, &fault{step.Invalid, fmt.Sprintf("there is no boot device %q", set.Device), ""})
	}
	flags := types.BootOptionParam_BootFlags{BootFlagsValid: set.Device != bmc.BootNone, Persist: !set.Once && set.Device != bmc.BootNone, BootDeviceSelector: selector}
	switch set.Mode {
	case bmc.ModeUEFI:
		flags.BIOSBootType = types.BIOSBootTypeEFI
	case bmc.ModeLegacy:
		flags.BIOSBootType = types.BIOSBootTypeLegacy
	case "":
		now, err := b.read(ctx)
		if err != nil {
			return b.s.wrap(op, err)
		}
		flags.BIOSBootType = now.BIOSBootType
	default:
		return b.s.wrap(op, &fault{step.Unsupported, fmt.Sprintf("IPMI cannot set the firmware mode %s", set.Mode), "use the BMC's Redfish address, or change spec.bootMode"})
	}
	return b.s.wrap(op, b.s.call(ctx, func(ctx context.Context, c *client.Client) error {
		if err := keepValid(ctx, c); err != nil {
			return err
		}
		return c.SetSystemBootOptionsParamFor(ctx, &flags)
	}))
}

// keepValid keeps the flags in force when the machine needs more than 60 s to restart after the BMC was told (§28.14, parameter 3). A BMC that has no such parameter has no such limit.
func keepValid(ctx context.Context, c *client.Client) error {
	err := c.SetSystemBootOptionsParamFor(ctx, &types.BootOptionParam_BMCBootFlagValidBitClear{DontClearOnCommandReceivedTimeout: true})
	if err != nil && !answered(err) {
		return fmt.Errorf("keep the boot flags valid: %w", err)
	}
	return nil
}
