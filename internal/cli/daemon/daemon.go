// Package daemon is what a person asks of ingot-node: what rules, who was refused, what happens to a packet; and says to it: keep this, try again, go back.
//
// It owns the commands and how their answers look, one set for both programs, `ingot node` and `ingot-node`. It refuses to know where a daemon keeps its socket (the caller says)
// and how other hosts are asked: who can, gives an Elsewhere.
//
// Invariant: what a host says of itself and what the API holds of it are printed alike.
package daemon

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/node"
	"github.com/ingotmetal/ingot/internal/node/control"
)

// RunDir is where the daemon of the Debian package has its control socket.
const RunDir = "/run/ingot-node"

// Elsewhere asks about other hosts than this one.
type Elsewhere interface {
	// Drops are the latest that a host refused.
	Drops(ctx context.Context, host string) ([]node.Drop, error)
	// Status prints what is known of a host.
	Status(ctx context.Context, out io.Writer, host string, format print.Format) error
	// Hosts are the names that can be asked for.
	Hosts(ctx context.Context) ([]string, error)
}

// Asking is who asks.
type Asking struct {
	// Dir is the daemon's run directory, known once flags are read.
	Dir func() string
	Out io.Writer
	// Elsewhere is nil where a program speaks for its own host only.
	Elsewhere Elsewhere
}

// Commands are all of them.
func (a Asking) Commands() []*cobra.Command {
	return []*cobra.Command{a.status(), a.drops(), a.explain(), a.confirm(), a.try(), a.withdraw()}
}

func (a Asking) client() control.Client { return control.Client{Dir: a.Dir()} }

// about is what may be named: a host, where others can be asked.
func (a Asking) about(c *cobra.Command) {
	c.Args = cobra.NoArgs
	if a.Elsewhere == nil {
		return
	}
	c.Args = cobra.MaximumNArgs(1)
	c.Use += " [HOST]"
	c.ValidArgsFunction = func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		hosts, err := a.Elsewhere.Hosts(c.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return hosts, cobra.ShellCompDirectiveNoFileComp
	}
}

// here adds to a failure to reach the daemon what else can be asked.
func (a Asking) here(err error, use string) error {
	if err != nil && a.Elsewhere != nil {
		return fmt.Errorf("%w; without HOST the daemon of this machine is asked: `ingot node %s HOST` asks the API server about a host", err, use)
	}
	return err
}

// output adds -o.
func output(c *cobra.Command) func() (print.Format, error) {
	var text string
	c.Flags().StringVarP(&text, "output", "o", string(print.Table), print.Help)
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(print.Formats(), cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace))
	return func() (print.Format, error) { return print.ParseFormat(text) }
}
