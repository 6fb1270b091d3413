// Command ingot-node enforces the host firewall on one host: it takes policies from files or from the API, tries them, and keeps what was confirmed.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/cli/daemon"
	"github.com/ingotmetal/ingot/internal/node"
	"github.com/ingotmetal/ingot/internal/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program with everything from outside as a parameter. 0: done; 1: it failed, the reason is on errOut.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	root := command(out, errOut)
	root.SetArgs(args)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(errOut, "ingot-node:", err)
		return 1
	}
	return 0
}

// places are where things are, for every sub-command.
type places struct{ state, run, table string }

func command(out, errOut io.Writer) *cobra.Command {
	p := &places{}
	root := &cobra.Command{
		Use:           "ingot-node",
		Short:         "Enforce the communication matrix on this host",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetOut(out)
	root.SetErr(errOut)
	root.PersistentFlags().StringVar(&p.state, "state-dir", "/var/lib/ingot-node", "directory of the last confirmed ruleset")
	root.PersistentFlags().StringVar(&p.run, "run-dir", daemon.RunDir, "directory of the control socket")
	root.PersistentFlags().StringVar(&p.table, "table", node.DefaultTable, "name of the table in the kernel")
	root.AddCommand(runCommand(p, errOut), loadCommand(p, out), removeCommand(p, out), enrollCommand(p, out), firstBootCommand(p, errOut))
	root.AddCommand(daemon.Asking{Dir: func() string { return p.run }, Out: out}.Commands()...)
	root.AddCommand(&cobra.Command{Use: "version", Short: "Say which build this is", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		_, err := fmt.Fprintln(out, version.Get())
		return err
	}})
	return root
}
