package simulated

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"github.com/ingotmetal/ingot/internal/agent"
	"github.com/ingotmetal/ingot/internal/driver/disk/filebacked"
	"github.com/ingotmetal/ingot/internal/image/partition"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/netboot/medium"
	"github.com/ingotmetal/ingot/step"
)

// agentVersion is what a simulated machine's agent calls itself.
const agentVersion = "simulated"

// agent runs the real agent on the described hardware until it turns the machine off.
func (m *Machine) agent(ctx context.Context, config medium.Config) error {
	m.at.Store(AtAgent)
	dial, release, err := m.online(ctx)
	if err != nil {
		return fmt.Errorf("agent has no network: %w", err)
	}
	defer release()
	end := &power{}
	inventory, _, disks := m.shape()
	arrays := filebacked.NewArrays(disks, partition.Places)
	err = agent.Run(ctx, agent.Options{
		Config: config,
		Hardware: agent.Hardware{Inspector: inspector{inventory}, Disks: arrays, Arrays: arrays, Power: end,
			Stress: stress{m.config.Parts, inventory.CPU.Count}},
		Dial: func(ctx context.Context, _ matrix.FlowName, to string) (net.Conn, error) {
			return m.config.Parts.slowed(dial(ctx, to))
		},
		Log:     agent.NewLog(slog.NewTextHandler(m.console, nil)),
		Version: agentVersion,
		Timing:  m.config.Timing,
	})
	if end.how != nil {
		return end.how
	}
	return err
}

// inspector tells the described hardware.
type inspector struct{ inventory step.Inventory }

// Inspect implements agent.Inspector.
func (i inspector) Inspect(context.Context) (step.Inventory, error) { return i.inventory, nil }

// Disks implements agent.Inspector.
func (i inspector) Disks(context.Context) ([]step.Disk, error) { return i.inventory.Disks, nil }

// SystemUUID implements agent.Inspector.
func (i inspector) SystemUUID(context.Context) (string, error) { return i.inventory.System.UUID, nil }

// MACAddresses implements agent.Inspector.
func (i inspector) MACAddresses(context.Context) ([]string, error) {
	macs := make([]string, len(i.inventory.NICs))
	for n, nic := range i.inventory.NICs {
		macs[n] = nic.MAC
	}
	return macs, nil
}

// power notes what the agent asked for; the machine does it when the agent has returned.
type power struct{ how error }

// PowerOff implements agent.Power.
func (p *power) PowerOff(context.Context) error {
	p.how = errPowerOff
	return nil
}

// Reboot implements agent.Power.
func (p *power) Reboot(context.Context) error {
	p.how = errRestart
	return nil
}
