package agent

import (
	"context"
	"net"
	"time"

	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/step"
)

// Hardware is the machine below the agent, cut by capability. Implementations: internal/agent/machine (Linux on real or virtual hardware) and the lab's
// simulated machine.
type Hardware struct {
	Inspector Inspector
	Power     Power
}

// Inspector lists the hardware.
type Inspector interface {
	// Inspect gives the whole inventory, disks included. It may take some seconds, since it listens for LLDP.
	Inspect(ctx context.Context) (step.Inventory, error)
}

// Power ends the agent with the machine.
type Power interface {
	// PowerOff syncs and turns the machine off. On real hardware it does not return when it works.
	PowerOff(ctx context.Context) error
	// Reboot syncs and restarts the machine. On real hardware it does not return when it works.
	Reboot(ctx context.Context) error
}

// Clock is the machine's clock. The agent sets it from the partition role's answers when it is wrong.
type Clock interface {
	Now() time.Time
	Set(now time.Time) error
}

// Dial opens a connection for a flow of the matrix. The agent uses matrix.AgentToPartition and matrix.AgentToImageStore. Address is host:port.
type Dial func(ctx context.Context, flow matrix.FlowName, address string) (net.Conn, error)
