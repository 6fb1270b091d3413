package joining

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/mesh/member"
)

// joinOptions are the flags of every command that joins.
type joinOptions struct {
	member.Options
	ca      string
	verbose bool
}

func (o *joinOptions) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.Dir, "dir", "", "folder of who this member is; it joins again by it (required)")
	f.StringVar(&o.Coordinator, "coordinator", "", "URL of the coordinator, like https://192.0.2.1:8449; one of Tailscale or a headscale of your own does too (required)")
	f.StringVar(&o.ca, "ca", "", "PEM file of the CA of the coordinator and its relays, and no other is trusted; without it the system's CAs are, for a foreign coordinator")
	f.StringVar(&o.KeyFile, "key-file", "", "file with the one-time key, for the first time")
	f.BoolVar(&o.verbose, "verbose", false, "log more")
	for _, required := range []string{"dir", "coordinator"} {
		_ = c.MarkFlagRequired(required)
	}
}

// join joins, and says so.
func (o *joinOptions) join(ctx context.Context, log *slog.Logger) (*member.Member, error) {
	if err := member.CheckCoordinator(o.Coordinator, o.ca != ""); err != nil {
		return nil, err
	}
	if err := member.Prepare(o.ca); err != nil {
		return nil, err
	}
	if o.Hostname == "" {
		name, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("ask for this host's name: %w", err)
		}
		o.Hostname = name
	}
	o.Log = log
	m, err := member.Join(ctx, o.Options)
	if err != nil {
		return nil, err
	}
	log.Info("joined the mesh", "addresses", m.Addresses())
	return m, nil
}

func joinCommand() *cobra.Command {
	var o joinOptions
	var forwards []string
	c := &cobra.Command{
		Use:   "join",
		Short: "Be a member of the mesh, and forward ports of its address there to servers of this host",
		Long: "Joins the mesh and stays in it. What comes to a forwarded port of the member's address in the mesh goes to a loopback address or a Unix socket of this host, so that the server behind it listens " +
			"nowhere else: --forward 22=127.0.0.1:22. No root and no network interface are needed. A member that is expelled ends with exit code 3; while the coordinator is merely away it stays.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var all []member.Forward
			for _, text := range forwards {
				f, err := member.ParseForward(text)
				if err != nil {
					return err
				}
				all = append(all, f)
			}
			if len(all) == 0 {
				return errors.New("nothing is forwarded: say --forward PORT=ADDRESS:PORT at least once")
			}
			ctx := c.Context()
			m, err := o.join(ctx, Logger(c.ErrOrStderr(), o.verbose))
			if err != nil {
				return err
			}
			return errors.Join(m.Serve(ctx, all), m.Close())
		},
	}
	o.add(c)
	c.Flags().BoolVar(&o.RemoveKey, "remove-key-file", false, "delete the file of --key-file once the member has joined")
	c.Flags().StringVar(&o.Hostname, "hostname", "", "what the member calls itself (default: this host's name)")
	c.Flags().Uint16Var(&o.Port, "port", 41641, "UDP port of WireGuard, as the communication matrix has it; 0: any")
	c.Flags().StringArrayVar(&forwards, "forward", nil, "PORT=ADDRESS:PORT or PORT=unix:PATH; as often as needed")
	return c
}

func connectCommand() *cobra.Command {
	o := joinOptions{Options: member.Options{Ephemeral: true}}
	c := &cobra.Command{
		Use:   "connect PEER:PORT",
		Short: "Join the mesh and be a connection to a peer, on standard input and output",
		Long: "Joins in this process and connects its standard input and output with a port of a peer: ssh -o ProxyCommand='ingot-mesh connect … %h:%p' 100.64.0.7. PEER is an address in the mesh, a node key or " +
			"a node's number, as a MeshNode has them; a name is refused, and nothing outside the mesh is ever dialed.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			m, err := o.join(ctx, Logger(c.ErrOrStderr(), o.verbose))
			if err != nil {
				return err
			}
			ctx, stop := m.Staying(ctx)
			defer stop()
			to, err := m.Dial(ctx, args[0])
			if err != nil {
				return errors.Join(err, member.Expulsion(ctx), m.Close())
			}
			member.Splice(ctx, stdio{}, to)
			return errors.Join(member.Expulsion(ctx), m.Close())
		},
	}
	o.add(c)
	return c
}

func proxyCommand() *cobra.Command {
	o := joinOptions{Options: member.Options{Ephemeral: true}}
	listen := "127.0.0.1:0"
	c := &cobra.Command{
		Use:   "proxy",
		Short: "Join the mesh and be an HTTP proxy into it, for programs of this machine",
		Long: "Joins in this process and serves an HTTP proxy (CONNECT and plain HTTP) at a loopback address: a browser that uses it reaches the web pages of peers by their address in the mesh, and nothing else. " +
			"Once it can be used it prints its address.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx := c.Context()
			log := Logger(c.ErrOrStderr(), o.verbose)
			l, err := operatorLoopback(ctx, "listen", listen)
			if err != nil {
				return err
			}
			defer func() { _ = l.Close() }()
			m, err := o.join(ctx, log)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "proxy http://%s\n", l.Addr())
			ctx, stop := m.Staying(ctx)
			defer stop()
			return errors.Join(web(ctx, l, m.Proxy()), member.Expulsion(ctx), m.Close())
		},
	}
	o.add(c)
	c.Flags().StringVar(&listen, "listen", listen, "loopback address of the proxy")
	return c
}
