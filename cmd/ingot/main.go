// Command ingot is what people type, and the server roles that run as processes of their own.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/cli/apply"
	"github.com/ingotmetal/ingot/internal/cli/audit"
	"github.com/ingotmetal/ingot/internal/cli/auth"
	"github.com/ingotmetal/ingot/internal/cli/catalog"
	"github.com/ingotmetal/ingot/internal/cli/claim"
	consolecli "github.com/ingotmetal/ingot/internal/cli/console"
	"github.com/ingotmetal/ingot/internal/cli/discover"
	"github.com/ingotmetal/ingot/internal/cli/events"
	"github.com/ingotmetal/ingot/internal/cli/firewall"
	"github.com/ingotmetal/ingot/internal/cli/host"
	"github.com/ingotmetal/ingot/internal/cli/ip"
	"github.com/ingotmetal/ingot/internal/cli/layout"
	"github.com/ingotmetal/ingot/internal/cli/login"
	"github.com/ingotmetal/ingot/internal/cli/machine"
	"github.com/ingotmetal/ingot/internal/cli/matrix"
	"github.com/ingotmetal/ingot/internal/cli/network"
	"github.com/ingotmetal/ingot/internal/cli/node"
	"github.com/ingotmetal/ingot/internal/cli/object"
	partitioncli "github.com/ingotmetal/ingot/internal/cli/partition"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/project"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/cli/size"
	"github.com/ingotmetal/ingot/internal/cli/ssh"
	"github.com/ingotmetal/ingot/internal/cli/support"
	"github.com/ingotmetal/ingot/internal/cli/token"
	"github.com/ingotmetal/ingot/internal/cli/vpn"
	"github.com/ingotmetal/ingot/internal/imagebuild"
	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/internal/role/auditor"
	"github.com/ingotmetal/ingot/internal/role/boot"
	"github.com/ingotmetal/ingot/internal/role/console"
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
	s := session.New(out, errOut)
	root := command(s)
	callAs(root, os.Args[0])
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if unwritten := s.Close(); err == nil {
		err = unwritten
	}
	if err != nil {
		if err.Error() != "" {
			fmt.Fprintln(errOut, "ingot:", err)
		}
		return session.ExitCode(err)
	}
	return 0
}

// callAs has the help speak of `kubectl ingot` where kubectl runs the program, which finds its plugins by their file's name.
func callAs(root *cobra.Command, program string) {
	if filepath.Base(program) == "kubectl-ingot" {
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl ingot"}
	}
}

func command(s *session.Session) *cobra.Command {
	out, errOut := s.Out, s.Err
	root := &cobra.Command{
		Use:           "ingot",
		Short:         "Turn racks of bare metal into a private cloud, without opening a port into the data centre",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetOut(out)
	root.SetErr(errOut)
	image := imagebuild.Command(out, errOut)
	catalog.Add(image, s)
	root.AddCommand(size.Command(s), host.Command(s), claim.Command(s), discover.Command(s), layout.Command(s), apply.Command(s), object.Describe(s), object.Edit(s), object.Delete(s), matrix.Command(s), node.Command(s), versionCommand(s))
	site := partition.Command()
	site.AddCommand(partitioncli.Verbs(s)...)
	root.AddCommand(events.Command(s))
	root.AddCommand(consolecli.Command(s, os.Stdin), console.Command())
	root.AddCommand(up.Command(), site, boot.Command(), controller.Command(), lab.Command(), image)
	root.AddCommand(audit.Command(s), auditor.Command())
	root.AddCommand(login.Command(s), login.LogoutCommand(s), auth.Command(s), token.Command(s))
	root.AddCommand(machine.Command(s), firewall.Command(s), project.Command(s), project.QuotaCommand(s))
	root.AddCommand(network.Command(s), ip.Command(s))
	root.AddCommand(support.Command(s))
	root.AddCommand(ssh.Command(s, os.Stdin), vpn.Command(s), vpn.ProxyCommand(s))
	return root
}

func versionCommand(s *session.Session) *cobra.Command {
	c := &cobra.Command{
		Use:   "version",
		Short: "Say which build this is",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			info := version.Get()
			if format.Structured() {
				return print.Object(s.Out, format, info)
			}
			_, err = fmt.Fprintln(s.Out, info)
			return err
		},
	}
	s.AddOutput(c)
	return c
}
