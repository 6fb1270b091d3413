// Command ingot is what people type, and the server roles that run as processes of their own.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/cli/apply"
	"github.com/ingotmetal/ingot/internal/cli/claim"
	"github.com/ingotmetal/ingot/internal/cli/discover"
	"github.com/ingotmetal/ingot/internal/cli/host"
	"github.com/ingotmetal/ingot/internal/cli/layout"
	"github.com/ingotmetal/ingot/internal/cli/matrix"
	"github.com/ingotmetal/ingot/internal/cli/node"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/imagebuild"
	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/internal/role/boot"
	"github.com/ingotmetal/ingot/internal/role/controller"
	"github.com/ingotmetal/ingot/internal/role/partition"
	"github.com/ingotmetal/ingot/internal/role/up"
	"github.com/ingotmetal/ingot/internal/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program with everything from outside as a parameter. 0: done; 1: it failed, the reason is on errOut, or the answer to a question is no; other codes are the
// command's (session.Exit).
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	root := command(out, errOut)
	root.SetArgs(args)
	if err := root.ExecuteContext(ctx); err != nil {
		if err.Error() != "" {
			fmt.Fprintln(errOut, "ingot:", err)
		}
		return session.ExitCode(err)
	}
	return 0
}

func command(out, errOut io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:           "ingot",
		Short:         "Turn racks of bare metal into a private cloud, without opening a port into the data centre",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetOut(out)
	root.SetErr(errOut)
	s := session.New(out, errOut)
	root.AddCommand(host.Command(s), claim.Command(s), discover.Command(s), layout.Command(s), apply.Command(s), matrix.Command(s), node.Command(s), versionCommand(out))
	root.AddCommand(up.Command(), partition.Command(), boot.Command(), controller.Command(), lab.Command(), imagebuild.Command(out, errOut))
	return root
}

func versionCommand(out io.Writer) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "version",
		Short: "Say which build this is",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			format, err := print.ParseFormat(output)
			if err != nil {
				return err
			}
			info := version.Get()
			if format == print.JSON || format == print.YAML {
				return print.Object(out, format, info)
			}
			_, err = fmt.Fprintln(out, info)
			return err
		},
	}
	c.Flags().StringVarP(&output, "output", "o", string(print.Table), "table, json or yaml")
	return c
}
