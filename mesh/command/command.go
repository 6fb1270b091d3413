// Package command is the program ingot-mesh: its commands and flags.
//
// It owns the wiring of the coordinator and the relay: flags, listeners by the rows of the matrix, and what runs together in one process. It refuses the work itself (packages coordinator, keeper and relay), and
// the members' commands (package joining), which are a program of their own too.
//
// Invariant: every listener of ours is opened by a flow of the matrix. The sockets of a member's WireGuard are tailscale's own; rows node-to-node-wireguard, node-to-mesh and node-to-relay are about them.
package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/role/identity"
	"github.com/ingotmetal/ingot/internal/version"
	"github.com/ingotmetal/ingot/mesh/command/joining"
)

// Root is the program.
func Root() *cobra.Command {
	root := &cobra.Command{Use: "ingot-mesh", Short: "The mesh: its coordinator, its relay, and its members", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(serveCommand(), relayCommand())
	root.AddCommand(joining.Commands()...)
	root.AddCommand(&cobra.Command{Use: "version", Short: "Say which build this is", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		_, err := fmt.Fprintln(c.OutOrStdout(), version.Get())
		return err
	}})
	return root
}

// headerTimeout bounds how long a client may take to say what it wants.
const headerTimeout = 10 * time.Second

// web serves a handler at a listener until ctx ends.
func web(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: headerTimeout, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	return identity.Serve(ctx, s, func(s *http.Server) error { return s.Serve(l) })
}

// together runs all until one fails or ctx ends, and waits for each.
func together(ctx context.Context, all ...func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, len(all))
	for _, one := range all {
		go func() { ended <- one(ctx) }()
	}
	var problems []error
	for range all {
		err := <-ended
		if err != nil && (ctx.Err() == nil || !errors.Is(err, context.Canceled)) {
			problems = append(problems, err)
		}
		stop()
	}
	return errors.Join(problems...)
}

func addrPort(flag, text string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		return a, fmt.Errorf("--%s %q: ADDRESS:PORT is needed", flag, text)
	}
	return a, nil
}
