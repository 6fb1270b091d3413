package fake

import (
	"context"
	"maps"

	"github.com/ingotmetal/ingot/firmware"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

type bios struct{ s *session }

// Read implements bmc.BIOS.
func (o bios) Read(ctx context.Context) (out bmc.BIOSSettings, err error) {
	err = o.s.call(ctx, "read BIOS settings", func() error {
		out = bmc.BIOSSettings{Settings: maps.Clone(o.s.b.settings), Registry: o.s.b.config.Registry.Name}
		return nil
	})
	return out, err
}

// Registry implements bmc.BIOS.
func (o bios) Registry(ctx context.Context, name string) (out firmware.Registry, err error) {
	const op = "read BIOS registry"
	err = o.s.call(ctx, op, func() error {
		if out = o.s.b.config.Registry; name == "" || out.Name != name {
			return o.s.b.failure(op, step.Unsupported, "the BMC has no such registry", "")
		}
		return nil
	})
	return out, err
}

// Pending implements bmc.BIOS.
func (o bios) Pending(ctx context.Context) (out map[string]string, err error) {
	err = o.s.call(ctx, "read pending BIOS settings", func() error { out = maps.Clone(o.s.b.pending); return nil })
	return out, err
}

// Set implements bmc.BIOS.
func (o bios) Set(ctx context.Context, settings map[string]string) error {
	const op = "set BIOS settings"
	b := o.s.b
	return o.s.call(ctx, op, func() error {
		if wrong := firmware.Check(b.config.Registry.Settings, settings); len(wrong) > 0 {
			return b.failure(op, step.Invalid, firmware.Listed(wrong), "")
		}
		for name, value := range settings {
			delete(b.pending, name)
			if b.settings[name] != value {
				b.pending[name] = value
			}
		}
		return nil
	})
}
