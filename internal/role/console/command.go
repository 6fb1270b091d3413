package console

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/console"
	"github.com/ingotmetal/ingot/internal/role/identity"
)

// Options are the flags.
type Options struct {
	identity.Flags
	// DataDir holds the recordings.
	DataDir string
	// WebBind and SSHBind are loopback addresses; SSHBind empty: no SSH.
	WebBind, SSHBind string
	// SSHNames are the names and addresses that people dial SSH by, beside loopback's.
	SSHNames []string
	// Keep says which recordings stay, Largest how long one may become, in bytes.
	Keep    console.Keep
	Largest int64
	// RecordInput records what is typed too.
	RecordInput bool
	Verbose     bool

	// ready, if not nil, is told the addresses when both listen; for tests.
	ready func(bind, ssh netip.AddrPort)
}

// The defaults of recordings.
const (
	keepCount = 10000
	keepBytes = 10 << 30
	keepAge   = 90 * 24 * time.Hour
	largest   = 256 << 20
)

// Command is `ingot console-server`.
func Command() *cobra.Command {
	var o Options
	c := &cobra.Command{
		Use:   "console-server",
		Short: "Run the console role: show people the serial consoles of one site's machines",
		Long: "Runs the role that people reach serial consoles by: WebSocket for `ingot console`, and SSH with a certificate that lives for ten minutes. It asks the API server who may see " +
			"what, ends a session with the allocation that it was for, and records what machines write. What is typed is not recorded, but what a machine echoes is output: a password that a " +
			"system shows as it is typed is in the recording. It listens on loopback only; the mesh forwards to it.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return Run(c.Context(), o, identity.Logger(o.Verbose))
		},
	}
	o.AddCentral(c.Flags())
	f := c.Flags()
	f.StringVar(&o.Partition, "partition", "", "name of the Partition whose consoles are shown (required)")
	f.StringVar(&o.DataDir, "data-dir", "", "folder for recordings (required)")
	f.StringVar(&o.WebBind, "bind", "127.0.0.1:8452", "loopback address of the HTTPS server")
	f.StringVar(&o.SSHBind, "ssh-bind", "127.0.0.1:8453", "loopback address of the SSH server; empty: none")
	f.StringSliceVar(&o.SSHNames, "ssh-name", nil, "further names and addresses that people dial the SSH server by, for its certificate")
	f.IntVar(&o.Keep.Count, "recordings", keepCount, "how many recordings are kept; 0: any number")
	f.Int64Var(&o.Keep.Bytes, "recordings-bytes", keepBytes, "how many bytes of recordings are kept; 0: any number")
	f.DurationVar(&o.Keep.Age, "recordings-age", keepAge, "how long a recording is kept; 0: for ever")
	f.Int64Var(&o.Largest, "recording-bytes", largest, "how long one recording may become: its session then ends; 0: any length")
	f.BoolVar(&o.RecordInput, "record-input", false, "record what is typed as well, passwords among it")
	f.BoolVar(&o.Verbose, "verbose", false, "log more")
	return c
}

func (o *Options) check() error {
	if err := o.Flags.Check(); err != nil { //nolint:staticcheck // o.Check within o.check would be mistaken for it
		return err
	}
	switch {
	case o.DataDir == "":
		return errors.New("--data-dir is required")
	case o.Keep.Count < 0, o.Keep.Bytes < 0, o.Keep.Age < 0, o.Largest < 0:
		return errors.New("--recordings, --recordings-bytes, --recordings-age and --recording-bytes must be 0 or more")
	}
	if _, err := loopback("--bind", o.WebBind); err != nil {
		return err
	}
	if o.SSHBind == "" {
		return nil
	}
	_, err := loopback("--ssh-bind", o.SSHBind)
	return err
}

// loopback refuses every address that somebody else could dial.
func loopback(flag, text string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(text)
	if err != nil || !a.Addr().IsLoopback() {
		return a, fmt.Errorf("%s %q: the console role listens on loopback only, like 127.0.0.1:8452; people elsewhere come through the mesh", flag, text)
	}
	return a, nil
}
