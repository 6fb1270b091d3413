package bmc

import (
	"context"

	"github.com/ingotmetal/ingot/firmware"
)

// BIOS reads and changes the settings of the machine's firmware. Values are texts, whatever JSON type the BMC has them in.
type BIOS interface {
	// Read gives the settings that are in force, and the name of the registry that describes them; empty where the BMC names none.
	Read(ctx context.Context) (BIOSSettings, error)
	// Registry reads the description of the settings, by the name that Read gave. It is large (a megabyte and more): keep it. Unsupported where the BMC has none of that name.
	Registry(ctx context.Context, name string) (firmware.Registry, error)
	// Pending are the settings that wait for the next boot; those that are in force already are left out.
	Pending(ctx context.Context) (map[string]string, error)
	// Set asks for settings from the next boot on: all of them or, with an error, none. It returns when the BMC took them, not when they are in force: boot, and Read. Setting what
	// is in force already is no error. Invalid where the BMC refuses a name or a value. An empty map asks for nothing.
	Set(ctx context.Context, settings map[string]string) error
}

// BIOSSettings is one reading.
type BIOSSettings struct {
	Settings map[string]string
	Registry string
}
