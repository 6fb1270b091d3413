package agent

import (
	"context"
	"net"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/driver/volume"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/step"
)

// Hardware is the machine below the agent, cut by capability. Implementations: internal/agent/machine (Linux on real or virtual hardware) and the lab's
// simulated machine.
type Hardware struct {
	// TPM is nil where the machine cannot have one.
	TPM TPM
	// Kernels starts an installed system without the firmware; nil: it cannot.
	Kernels   Kernels
	Inspector Inspector
	// Disks opens the disks by the names that Inspector gives them.
	Disks disk.Opener
	// Volumes makes file systems; nil: it cannot. Loader is the folder with the boot loader that goes with them (package rootfs).
	Volumes volume.Maker
	Loader  string
	// Arrays is the machine's software RAID, whose arrays Disks opens as well; nil: it has none.
	Arrays disk.Arrays
	Power  Power
	// Stress tests processors and memory; nil: it cannot.
	Stress Stress
}

// Stress tests what the machine calculates with. The results lack their times.
type Stress interface {
	// CPU has all processors calculate for a time and says whether they did it right.
	CPU(ctx context.Context, length time.Duration, report func(done time.Duration)) (step.TestResult, error)
	// Memory writes patterns to all memory that is free and reads them back, passes times.
	Memory(ctx context.Context, passes int, report func(done, total int64)) (step.TestResult, error)
}

// Inspector lists the hardware.
type Inspector interface {
	// Inspect gives the whole inventory, disks included. It may take some seconds, since it listens for LLDP.
	Inspect(ctx context.Context) (step.Inventory, error)
	// Disks lists the disks alone, fresh and at once; it is asked again right before a destructive step.
	Disks(ctx context.Context) ([]step.Disk, error)
	// MACAddresses gives those of all NICs, lower case, at once; the enrolment names them.
	MACAddresses(ctx context.Context) ([]string, error)
	// SystemUUID is the machine's, lower case, at once; empty where it has none.
	SystemUUID(ctx context.Context) (string, error)
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
