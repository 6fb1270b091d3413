package bmcsim

import (
	"context"
	"net/http"
	"slices"
	"time"
)

// reset does a ResetType (ComputerSystem, Resource.ResetType).
func (b *BMC) reset(c *call) reply {
	var ask struct{ ResetType string }
	if rep := c.into(&ask); rep != nil {
		return *rep
	}
	if ask.ResetType == "" {
		return refuse(http.StatusBadRequest, "ActionParameterMissing", "The action #ComputerSystem.Reset requires the parameter ResetType.")
	}
	if !slices.Contains(b.who.resetTypes(), ask.ResetType) {
		return refuse(http.StatusBadRequest, "ActionParameterValueNotInList", "The value '"+ask.ResetType+"' for the parameter ResetType is not in the list of acceptable values.")
	}
	b.orders.Lock()
	defer b.orders.Unlock()
	on := b.machine.Powered()
	if rep := legal(ask.ResetType, on); rep != nil {
		return *rep
	}
	b.mu.Lock()
	lost := b.faults.loses()
	b.mu.Unlock()
	if lost {
		return noContent()
	}
	if err := b.order(b.server.ctx, ask.ResetType, on); err != nil {
		b.server.opts.Logger.Error("simulated machine refused an order", "machine", b.config.Name, "bmc", b.HostPort(), "err", err)
		return refuse(http.StatusInternalServerError, "InternalError", "The machine did not take the order: "+err.Error())
	}
	return noContent()
}

// legal refuses what a machine in this state cannot do, as real BMCs refuse it.
func legal(kind string, on bool) *reply {
	if on != (kind == "On") || kind == "PushPowerButton" {
		return nil
	}
	rep := refuse(http.StatusConflict, "OperationFailed", "The reset type "+kind+" is not possible while the power state is "+onOff(on)+".")
	return &rep
}

// order is called with orders held.
func (b *BMC) order(ctx context.Context, kind string, on bool) error {
	switch kind {
	case "On":
		return b.turnOn(ctx)
	case "ForceOff":
		return b.turnOff(ctx)
	case "ForceRestart", "GracefulRestart":
		return b.restart(ctx)
	case "PowerCycle":
		if err := b.turnOff(ctx); err != nil {
			return err
		}
		return b.turnOn(ctx)
	case "PushPowerButton":
		if !on {
			return b.turnOn(ctx)
		}
	}
	return b.machine.GracefulOff(ctx)
}

func (b *BMC) turnOn(ctx context.Context) error {
	return b.boot(func(p BootPlan) error { return b.machine.PowerOn(ctx, p) }, "Off", "PoweringOn")
}

func (b *BMC) restart(ctx context.Context) error {
	return b.boot(func(p BootPlan) error { return b.machine.Reset(ctx, p) }, "On", "PoweringOn")
}

// boot gives a plan to a boot, and takes it back where the machine does not start, so that a one-time override is not lost.
func (b *BMC) boot(start func(BootPlan) error, before, meanwhile string) error {
	b.mu.Lock()
	was, booted, settings := b.override, b.booted, b.firmware
	plan := b.nextBoot()
	b.mu.Unlock()
	if err := start(plan); err != nil {
		b.mu.Lock()
		b.override, b.booted, b.firmware = was, booted, settings
		if settings.job != nil {
			settings.job.state = "Running"
		}
		b.mu.Unlock()
		return err
	}
	b.show(before, meanwhile)
	return nil
}

func (b *BMC) turnOff(ctx context.Context) error {
	if err := b.machine.ForceOff(ctx); err != nil {
		return err
	}
	b.show("On", "PoweringOff")
	return nil
}

// show is what the BMC says of the power state after a change.
func (b *BMC) show(before, meanwhile string) {
	b.powerEvent(before == "On" && meanwhile == "PoweringOn")
	b.mu.Lock()
	defer b.mu.Unlock()
	b.power = powerView{stale: before, staleReads: b.faults.set.StalePowerReads}
	if d := b.config.PowerDelay; d > 0 {
		b.power.changing, b.power.until = meanwhile, time.Now().Add(d)
	}
}
