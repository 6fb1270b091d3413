package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/rootdevice"
	"github.com/ingotmetal/ingot/step"
)

// execute does one step on the hardware.
func (a *agent) execute(ctx context.Context, s protocol.Step, report func(step.Progress)) step.Outcome {
	switch {
	case s.Kind == step.Inspect:
		return a.inspect(ctx, s.Inspect, report)
	case s.Kind == step.ChooseDisk && s.ChooseDisk != nil:
		return a.chooseDisk(ctx, *s.ChooseDisk)
	case s.Kind == step.Clean && s.Clean != nil:
		return a.clean(ctx, *s.Clean, report)
	case s.Kind == step.WriteImage && s.WriteImage != nil:
		return a.writeImage(ctx, *s.WriteImage, report)
	case s.Kind == step.ConfigureRAID && s.ConfigureRAID != nil:
		return a.configureRAID(ctx, *s.ConfigureRAID, report)
	case s.Kind == step.BurnIn && s.BurnIn != nil:
		return a.burnIn(ctx, *s.BurnIn, report)
	case s.Kind == step.LoadSystem && s.LoadSystem != nil:
		return a.loadSystem(ctx, *s.LoadSystem)
	case s.Kind == step.EnterSystem:
		return a.mayEnter()
	case s.Kind == step.PowerOff:
		// The exchange that carries this outcome turns the machine off.
		return step.Outcome{}
	}
	return failed(step.Unsupported, fmt.Sprintf("step %s: this agent (%s) does not know the kind %q, or the step lacks its parameters", s.ID, a.version, s.Kind),
		"use an agent of the same release as the partition role")
}

func (a *agent) inspect(ctx context.Context, p *protocol.Inspect, report func(step.Progress)) step.Outcome {
	report(step.Progress{Phase: "reading the hardware"})
	inventory, err := a.hardware.Inspector.Inspect(ctx)
	if err != nil {
		return failure(fmt.Errorf("inspect the hardware: %w", err))
	}
	if p != nil && p.Benchmark {
		inventory.Disks = slices.Clone(inventory.Disks) // they are the inspector's
		if err := a.benchmark(ctx, inventory.Disks, p.Owns, report); err != nil {
			return failure(err)
		}
	}
	a.tellArrays(ctx, inventory.Disks)
	return step.Outcome{Inventory: &inventory}
}

func (a *agent) chooseDisk(ctx context.Context, p protocol.ChooseDisk) step.Outcome {
	disks, err := a.disks(ctx, p.Arrays)
	if err != nil {
		return failure(fmt.Errorf("list the disks: %w", err))
	}
	hints := p.Hints
	if noHints(hints) && len(p.Arrays) > 0 {
		// The first volume is the root device.
		hints = &rootdevice.Hints{SerialNumber: p.Arrays[0]}
	}
	d, refused := rootdevice.Choose(markKept(disks, p.Erasure), hints, p.MinSizeBytes, p.Owns...)
	if refused != nil {
		return step.Outcome{Failure: refused}
	}
	return step.Outcome{Disk: &d}
}

func failed(kind step.FailureKind, message, fix string) step.Outcome {
	return step.Outcome{Failure: &step.Failure{Kind: kind, Message: message, Fix: fix}}
}

// failure makes an outcome of an error; a *step.Failure inside keeps its kind and fix.
func failure(err error) step.Outcome {
	f := &step.Failure{Kind: step.Internal, Message: err.Error()}
	var known *step.Failure
	if errors.As(err, &known) {
		f.Kind, f.Fix = known.Kind, known.Fix
	}
	return step.Outcome{Failure: f}
}
