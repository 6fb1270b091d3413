// Package joining is the commands of who is in the mesh: join, connect and proxy.
//
// It owns their flags. It refuses the coordinator and the relay, so that the program of a member carries neither: it is on every firewall and on operators' laptops, and is the smaller half of the memory.
//
// Invariant: what it listens at on the host is a loopback address, by a flow of the matrix. The sockets of WireGuard are tailscale's own; rows node-to-node-wireguard, node-to-mesh and node-to-relay are about them.
package joining

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/internal/version"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/mesh/member"
)

// Root is the program of a member.
func Root() *cobra.Command {
	root := &cobra.Command{Use: "ingot-mesh-member", Short: "Be in the mesh", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(Commands()...)
	root.AddCommand(&cobra.Command{Use: "version", Short: "Say which build this is", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		_, err := fmt.Fprintln(c.OutOrStdout(), version.Get())
		return err
	}})
	return root
}

// Commands are those of who joins.
func Commands() []*cobra.Command {
	return []*cobra.Command{joinCommand(), connectCommand(), proxyCommand()}
}

// expelledCode is the exit code of a member that was expelled: to start it again is of no use, and a supervisor can tell (RestartPreventExitStatus of systemd).
const expelledCode = 3

// ExitCode is what a program of a member ends with.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, member.ErrExpelled):
		return expelledCode
	default:
		return 1
	}
}

// Logger writes JSON lines.
func Logger(w io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
}

// headerTimeout bounds how long a program may take to say what it wants.
const headerTimeout = 10 * time.Second

// web serves a handler at a listener until ctx ends. Connections into the mesh are hijacked, and end with the process.
func web(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: headerTimeout}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// operatorLoopback opens a loopback listener for programs of the same machine.
func operatorLoopback(ctx context.Context, flag, text string) (net.Listener, error) {
	a, err := netip.ParseAddrPort(text)
	if err != nil || !a.Addr().IsLoopback() {
		return nil, fmt.Errorf("--%s %q: only a loopback address, like 127.0.0.1:1080", flag, text)
	}
	row, ok := matrix.Lookup(matrix.ProgramToMeshProxy)
	if !ok {
		return nil, fmt.Errorf("the flow %s is no row of the matrix", matrix.ProgramToMeshProxy)
	}
	return socket.Bind(matrix.Operator, []matrix.Row{row}, kernel.Network{}).Listen(ctx, matrix.ProgramToMeshProxy, a)
}

// stdio is the process's own input and output as one connection.
type stdio struct{}

func (stdio) Read(b []byte) (int, error)  { return os.Stdin.Read(b) }
func (stdio) Write(b []byte) (int, error) { return os.Stdout.Write(b) }
func (stdio) Close() error                { return errors.Join(os.Stdin.Close(), os.Stdout.Close()) }
func (stdio) CloseWrite() error           { return os.Stdout.Close() }
