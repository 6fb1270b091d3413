package agent

import (
	"context"
	"fmt"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/step"
)

// Kernels starts an installed system's kernel in place of the agent's (kexec).
type Kernels interface {
	// Load makes the kernel of the system on a disk ready.
	Load(ctx context.Context, disk step.Disk) (step.Loaded, error)
	// Enter starts what was made ready. On real hardware it does not return when it works.
	Enter(ctx context.Context) error
}

// loadSystem makes the system on the claimed disk ready. What it is cannot is a failure, after which the machine is started by its firmware.
func (a *agent) loadSystem(ctx context.Context, p protocol.LoadSystem) step.Outcome {
	if a.hardware.Kernels == nil {
		return failed(step.Unsupported, "this machine's agent cannot start a kernel", "")
	}
	disks, err := a.hardware.Inspector.Disks(ctx)
	if err != nil {
		return failure(fmt.Errorf("list the disks: %w", err))
	}
	found, refused := findClaimed(disks, p.Claim)
	if refused != nil {
		return step.Outcome{Failure: refused}
	}
	loaded, err := a.hardware.Kernels.Load(ctx, found)
	if err != nil {
		return failure(fmt.Errorf("make the system on %s ready: %w", found.Name, err))
	}
	a.loaded.Store(true)
	a.logger.Info("Installed system ready", "disk", found.Name, "kernel", loaded.Kernel, "commandLine", loaded.CommandLine)
	return step.Outcome{Loaded: &loaded}
}

// mayEnter: the exchange that carries this outcome starts the system.
func (a *agent) mayEnter() step.Outcome {
	if !a.loaded.Load() {
		return failed(step.Internal, "no system was made ready in this boot", "")
	}
	return step.Outcome{}
}

// enter starts the system; where that fails the firmware starts it, from the disk that the BMC was told.
func (a *agent) enter(ctx context.Context) error {
	a.logger.Info("Starting the installed system")
	closing, cancel := context.WithTimeout(ctx, closingTime)
	defer cancel()
	if s := a.currentSession(); s != nil {
		a.shipOnce(closing, s)
	}
	err := a.hardware.Kernels.Enter(ctx)
	if err == nil {
		return nil
	}
	a.logger.Error("Installed system not started, restarting the machine", "err", err)
	return a.hardware.Power.Reboot(ctx)
}
