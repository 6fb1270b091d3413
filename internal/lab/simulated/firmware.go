package simulated

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ingotmetal/ingot/internal/bootmedia"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/netboot/medium"
)

// boot is one boot: the firmware's time, then the first device in the plan's order that has something to boot.
func (m *Machine) boot(ctx context.Context, plan bmcsim.BootPlan) error {
	m.console.printf("\nBIOS: %s, boot device %s\n", plan.Mode, plan.Device)
	if err := pause(ctx, m.config.FirmwareTime); err != nil {
		return err
	}
	if m.random.Float64() < m.config.HangChance {
		m.at.Store(AtHung)
		m.log.Warn("simulated machine hangs in firmware, as the lab's faults ask for")
		<-ctx.Done()
		return ctx.Err()
	}
	for _, device := range bootOrder(plan.Device) {
		next, err := m.try(ctx, device, plan)
		if err == nil {
			return next(ctx)
		}
		m.console.printf("BIOS: %s: %v\n", device, err)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	m.at.Store(AtNoBoot)
	return errors.New("no bootable device")
}

// bootOrder is the wanted device, then the machine's own order: disks before network, a CD only when it is asked for.
func bootOrder(wanted bmc.Device) []bmc.Device {
	switch wanted {
	case bmc.BootCD:
		return []bmc.Device{bmc.BootCD, bmc.BootDisk, bmc.BootPXE}
	case bmc.BootHTTP:
		return []bmc.Device{bmc.BootHTTP, bmc.BootDisk, bmc.BootPXE}
	case bmc.BootPXE:
		return []bmc.Device{bmc.BootPXE, bmc.BootDisk}
	default:
		return []bmc.Device{bmc.BootDisk, bmc.BootPXE}
	}
}

// running is what a boot device started.
type running func(ctx context.Context) error

// try looks for something to boot on one kind of device. What it gives back runs until the machine restarts, turns itself off, or halts.
func (m *Machine) try(ctx context.Context, device bmc.Device, plan bmcsim.BootPlan) (running, error) {
	switch device {
	case bmc.BootCD:
		archive, err := archiveOf(plan.Medium)
		if err != nil {
			return nil, err
		}
		return m.agentFrom(archive)
	case bmc.BootHTTP:
		archive, err := m.bootHTTP(ctx, plan)
		if err != nil {
			return nil, err
		}
		return m.agentFrom(archive)
	case bmc.BootPXE:
		archive, err := m.bootNetwork(ctx)
		if err != nil {
			return nil, err
		}
		return m.agentFrom(archive)
	default:
		path, err := m.bootableDisk()
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) error { return m.system(ctx, path) }, nil
	}
}

func (m *Machine) agentFrom(archive []byte) (running, error) {
	config, err := medium.Decode(archive)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { return m.agent(ctx, config) }, nil
}

// archiveOf reads the boot configuration out of a boot ISO, as GRUB does: by the ISO's directory.
func archiveOf(cd *bmcsim.Medium) ([]byte, error) {
	if cd == nil || cd.Image == nil {
		return nil, errors.New("no medium in the virtual CD drive")
	}
	at, err := bootmedia.Find(cd.Image, medium.ISOPath)
	if err != nil {
		return nil, fmt.Errorf("medium is not bootable: %w", err)
	}
	if at.Bytes != medium.Size {
		return nil, fmt.Errorf("%s has %d bytes, want %d", medium.ISOPath, at.Bytes, medium.Size)
	}
	archive := make([]byte, at.Bytes)
	if _, err := cd.Image.ReadAt(archive, at.Offset); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w", medium.ISOPath, err)
	}
	return archive, nil
}
