package partition

import (
	"errors"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/role/identity"
	"github.com/ingotmetal/ingot/internal/role/traces"
)

// Options are the flags.
type Options struct {
	identity.Flags
	// DataDir holds the agents' logs.
	DataDir string
	// AgentBind is the address on the provisioning network, OperatorBind the one on the kernel's. Port 0 lets the network choose.
	AgentBind, OperatorBind string
	// AgentEndpoint and OperatorEndpoint are the URLs that are given to machines and published; empty: made from the addresses above. MediaEndpoint is the boot role's URL as BMCs
	// see it; empty: no virtual media.
	AgentEndpoint, OperatorEndpoint, MediaEndpoint string
	// HTTPBootEndpoint is the boot role's URL as machines' firmware sees it, HTTPBootCA a PEM file that the firmware must trust for it; empty: no UEFI HTTP boot, and nothing to trust.
	HTTPBootEndpoint, HTTPBootCA string
	// ConsoleEndpoint is the console role's URL as people reach it, ConsoleSSHEndpoint its SSH server's host and port; empty: the partition has no console role.
	ConsoleEndpoint, ConsoleSSHEndpoint string
	// FirewallAPIServer is the API server's URL that Firewalls' machines are given; empty: the one in the kubeconfig.
	FirewallAPIServer string
	// BMCCA is a PEM file that verifies the BMCs' certificates; empty: the system's roots.
	BMCCA string
	// Traces are where spans of hosts go.
	Traces      traces.Flags
	LeaderElect bool
	// Workers is how many hosts are decided on at once.
	Workers int
	// BMCCallsPerSecond is the budget of one BMC.
	BMCCallsPerSecond float64
	// BMCEventStreams is how many BMCs' event streams are open at once; 0: all hosts are polled.
	BMCEventStreams int
	// BootDeadline is how long a machine may take from power-on to its agent's first word; 0: 20 min, which covers the self-test of large servers.
	BootDeadline time.Duration
	// Verbose logs at debug level.
	Verbose bool
}

// The garbage collector's settings: heap growth in percent that starts a collection, and the bytes that it aims to stay under.
const (
	gcPercent   = 300
	memoryLimit = 384 << 20
)

// Command is `ingot partition`.
func Command() *cobra.Command {
	var o Options
	c := &cobra.Command{
		Use:   "partition",
		Short: "Run the partition role: look after one site's hosts",
		Long: "Runs the role that looks after the hosts of one Partition: it talks to their BMCs, lets agents in and hands them their steps. " +
			"All state is in the API server: the process may be killed at any moment and goes on where it stood.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			// Its live objects are small beside what a pass allocates: with Go's defaults it would collect several times a second under load.
			debug.SetGCPercent(gcPercent)
			debug.SetMemoryLimit(memoryLimit)
			return Run(c.Context(), o, identity.Logger(o.Verbose))
		},
	}
	o.Add(c.Flags())
	f := c.Flags()
	f.StringVar(&o.DataDir, "data-dir", "", "folder for agents' logs (required)")
	f.StringVar(&o.AgentBind, "agent-bind", "", "address for agents on the provisioning network, like 10.0.0.2:8443 (required)")
	f.StringVar(&o.AgentEndpoint, "agent-endpoint", "", "URL that machines reach --agent-bind by (default: https:// and the address)")
	f.StringVar(&o.MediaEndpoint, "media-endpoint", "", "URL of the boot role's media as BMCs reach it; without it there is no virtual media")
	f.StringVar(&o.HTTPBootEndpoint, "uefi-http-endpoint", "", "URL of the boot role's --https-bind as machines' firmware reaches it; without it there is no UEFI HTTP boot")
	f.StringVar(&o.HTTPBootCA, "uefi-http-ca", "", "PEM file of the certificate that BMCs are told to trust for --uefi-http-endpoint (default: they do already)")
	f.StringVar(&o.OperatorBind, "operator-bind", "127.0.0.1:8444", "address for operators")
	f.StringVar(&o.OperatorEndpoint, "operator-endpoint", "", "URL that operators reach --operator-bind by (default: https:// and the address)")
	f.StringVar(&o.ConsoleEndpoint, "console-endpoint", "", "URL of the console role as people reach it, through the mesh; published for the CLI (default: there is no console role)")
	f.StringVar(&o.ConsoleSSHEndpoint, "console-ssh-endpoint", "", "host and port of the console role's SSH server as people reach it (default: none)")
	f.StringVar(&o.FirewallAPIServer, "firewall-api-server", "", "URL by which the machines of Firewalls reach the API server (default: the one in --kubeconfig)")
	f.StringVar(&o.BMCCA, "bmc-ca", "", "PEM file that verifies the BMCs' certificates (default: the system's roots)")
	o.Traces.Add(f)
	f.BoolVar(&o.LeaderElect, "leader-elect", true, "wait for the leadership of the partition; off where only one process is ever started")
	f.IntVar(&o.Workers, "workers", 8, "hosts that are decided on at once")
	f.IntVar(&o.BMCEventStreams, "bmc-event-streams", 1000, "BMCs whose events are listened to at once, in the place of polling them each minute; 0: none")
	f.Float64Var(&o.BMCCallsPerSecond, "bmc-calls-per-second", 4, "budget of calls to one BMC")
	f.DurationVar(&o.BootDeadline, "boot-deadline", 20*time.Minute, "how long a machine may take from power-on to its agent's first word")
	f.BoolVar(&o.Verbose, "verbose", false, "log more")
	return c
}

func (o *Options) check() error {
	if err := o.Flags.Check(); err != nil { //nolint:staticcheck // o.Check within o.check would be mistaken for it
		return err
	}
	if err := o.Traces.Check(); err != nil {
		return err
	}
	switch {
	case o.DataDir == "":
		return errors.New("--data-dir is required")
	case o.AgentBind == "":
		return errors.New("--agent-bind is required")
	case o.HTTPBootEndpoint != "" && !strings.HasPrefix(o.HTTPBootEndpoint, "https://"):
		return errors.New("--uefi-http-endpoint must be https://: the medium holds the boot's one-time token")
	case o.ConsoleEndpoint != "" && !strings.HasPrefix(o.ConsoleEndpoint, "https://"):
		return errors.New("--console-endpoint must be https://: people send their tokens there")
	case o.FirewallAPIServer != "" && !strings.HasPrefix(o.FirewallAPIServer, "https://"):
		return errors.New("--firewall-api-server must be https://")
	case o.Workers < 1:
		return errors.New("--workers must be at least 1")
	case o.BMCEventStreams < 0:
		return errors.New("--bmc-event-streams must be 0 or more")
	case o.BMCCallsPerSecond <= 0:
		return errors.New("--bmc-calls-per-second must be more than 0")
	}
	return nil
}
