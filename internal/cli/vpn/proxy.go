package vpn

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/child"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// grace is how long a member may take to leave.
const grace = 10 * time.Second

// ProxyCommand is `ingot proxy`.
func ProxyCommand(s *session.Session) *cobra.Command {
	var o Options
	var listen string
	c := &cobra.Command{
		Use:   "proxy",
		Short: "Be an HTTP proxy into the mesh, for programs of this machine",
		Long: "Joins the mesh for as long as it runs, without root and without a network interface, and serves an HTTP proxy (CONNECT and plain HTTP) at a loopback address, which it prints. What is reached is " +
			"what the communication matrix lets operators reach, by addresses in the mesh or node keys, as `kubectl get meshnodes -A` shows them; nothing else is.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := Open(cmd.Context(), s, o, Operator())
			if err != nil {
				return err
			}
			program, err := p.Command("proxy", "--listen", listen)
			if err == nil {
				program.Stdout, program.Stderr = s.Out, s.Err
				err = run(cmd.Context(), program)
			}
			return errors.Join(err, p.Close(cmd.Context()))
		},
	}
	s.AddServerFlags(c)
	o.AddFlags(c)
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "loopback address of the proxy")
	return c
}

// run runs a program until it or ctx ends.
func run(ctx context.Context, cmd *exec.Cmd) error {
	p, err := child.Start(cmd)
	if err != nil {
		return err
	}
	select {
	case <-p.Done():
		if err := p.Err(); err != nil {
			return fmt.Errorf("the mesh's member ended: %w", err)
		}
		return nil
	case <-ctx.Done():
		return p.Stop(context.WithoutCancel(ctx), grace)
	}
}
