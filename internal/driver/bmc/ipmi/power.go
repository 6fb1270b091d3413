package ipmi

import (
	"context"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/command/chassis"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// power implements bmc.Power by Get Chassis Status and Chassis Control (IPMI 2.0 §28.2, §28.3).
type power struct{ s *session }

// State implements bmc.Power.
func (p power) State(ctx context.Context) (bmc.PowerState, error) {
	state, err := p.read(ctx)
	return state, p.s.wrap("read power state", err)
}

func (p power) read(ctx context.Context) (state bmc.PowerState, err error) {
	err = p.s.call(ctx, func(ctx context.Context, c *client.Client) error {
		status, err := c.GetChassisStatus(ctx)
		if err != nil {
			return err
		}
		state = bmc.Off
		if status.PowerIsOn {
			state = bmc.On
		}
		return nil
	})
	return state, err
}

// controls are the chassis controls of actions. There is none that asks the operating system for a restart.
func controls() map[bmc.PowerAction]chassis.ChassisControl {
	return map[bmc.PowerAction]chassis.ChassisControl{
		bmc.PowerOn: chassis.ChassisControlPowerUp, bmc.ForceOff: chassis.ChassisControlPowerDown, bmc.GracefulOff: chassis.ChassisControlSoftShutdown,
		bmc.ForceRestart: chassis.ChassisControlHardReset, bmc.PowerCycle: chassis.ChassisControlPowerCycle,
	}
}

// Do implements bmc.Power. The state is read first: a soft shutdown is a press of the power button, which turns a machine on that is off, and a BMC may refuse to
// reset one that is off.
func (p power) Do(ctx context.Context, a bmc.PowerAction) error {
	op := "power " + string(a)
	state, err := p.read(ctx)
	if err != nil {
		return p.s.wrap(op, err)
	}
	control, known := controls()[a]
	switch {
	case !known && state == bmc.On:
		return p.s.wrap(op, &fault{step.Unsupported, "IPMI has no such chassis control", "restart the machine from its operating system, or force it"})
	case a == bmc.PowerOn && state == bmc.On, (a == bmc.ForceOff || a == bmc.GracefulOff) && state == bmc.Off:
		return nil
	case state == bmc.Off:
		control = chassis.ChassisControlPowerUp
	}
	return p.s.wrap(op, p.s.call(ctx, func(ctx context.Context, c *client.Client) error {
		_, err := c.ChassisControl(ctx, control)
		return err
	}))
}
