package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/linux"
	"github.com/ingotmetal/ingot/internal/node"
	"github.com/ingotmetal/ingot/internal/node/control"
	"github.com/ingotmetal/ingot/internal/node/source"
	"github.com/ingotmetal/ingot/internal/node/state"
)

// daemon is what the run command is told.
type daemon struct {
	*places
	name, policies string
	management                         []string
	trial, look, unused                time.Duration
	neighbours                         bool
}

func runCommand(p *places, errOut io.Writer) *cobra.Command {
	d := &daemon{places: p}
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon",
		Long: "Run the daemon. Policies come from the files of a directory (--policies). New rules are on trial in the kernel until somebody\n" +
			"confirms them over a new connection; otherwise the kernel goes back by itself, even when this process is dead.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return d.run(c.Context(), errOut) },
	}
	f := c.Flags()
	f.StringVar(&d.name, "node", "", "this host's name in HostEndpoints (default: the host name)")
	f.StringVar(&d.policies, "policies", "", "directory of Calico manifests and CommunicationMatrix files")
	f.StringArrayVar(&d.management, "management", nil, "a management row besides those of the matrix, as protocol/port or protocol/port/network, like tcp/22/192.0.2.0/24; may be given several times")
	f.DurationVar(&d.trial, "trial", time.Minute, "how long new rules are tried without a confirmation")
	f.DurationVar(&d.look, "look", 10*time.Second, "how often the kernel is compared with what was confirmed")
	f.DurationVar(&d.unused, "unused-after", 30*24*time.Hour, "report rows that met no packet for so long; 0: never")
	f.BoolVar(&d.neighbours, "neighbour-discovery", true, "let IPv6 neighbour discovery through as failsafe rows nd-in and nd-out, which no policy can say for tracked packets")
	return c
}

func (d *daemon) run(ctx context.Context, errOut io.Writer) error {
	if d.policies == "" {
		return errors.New("--policies is needed: say where policies come from")
	}
	if d.name == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("find the host's name: %w (give it with --node)", err)
		}
		d.name = name
	}
	rows, err := node.ParseManagement(d.management)
	if err != nil {
		return err
	}
	host, err := linux.New()
	if err != nil {
		return err
	}
	defer func() { _ = host.Close() }()
	dir, err := state.Open(d.state)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(errOut, nil))
	o := node.Options{
		Name: d.name, Table: d.table, Trial: d.trial, Look: d.look, UnusedAfter: d.unused, Management: rows, Host: host, State: dir, Log: log,
	}
	if err := d.connect(&o); err != nil {
		return err
	}
	n, err := node.New(o)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return n.Run(ctx) })
	group.Go(func() error { return control.Serve(ctx, d.places.run, n) })
	return group.Wait()
}

func (d *daemon) failsafes() []firewall.Failsafe {
	if d.neighbours {
		return firewall.NeighbourDiscovery()
	}
	return nil
}

// connect gives the daemon its source.
func (d *daemon) connect(o *node.Options) error {
	o.Source = source.Files{Dir: d.policies, Every: time.Second, Failsafes: d.failsafes()}
	return nil
}

func loadCommand(p *places, out io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "load",
		Short: "Write the last confirmed rules to the kernel (at boot, before the network)",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			host, err := linux.New()
			if err != nil {
				return err
			}
			defer func() { _ = host.Close() }()
			generation, err := node.Load(c.Context(), host, state.Dir(p.state), p.table)
			if err != nil {
				return err
			}
			if generation == 0 {
				_, err = fmt.Fprintln(out, "nothing was confirmed on this host yet: nothing is loaded")
				return err
			}
			_, err = fmt.Fprintf(out, "generation %d rules\n", generation)
			return err
		},
	}
}

func removeCommand(p *places, out io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "remove",
		Short: "Take our rules out of the kernel, and our state off the disk",
		Long:  "Take our rules out of the kernel, and our state off the disk. The host is as it was found; other tables are not touched. Stop the daemon first.",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := (control.Client{Dir: p.run}).Status(c.Context()); err == nil {
				return errors.New("the daemon runs and would write the rules again: stop it first (systemctl stop ingot-node)")
			}
			host, err := linux.New()
			if err != nil {
				return err
			}
			defer func() { _ = host.Close() }()
			if err := node.Remove(c.Context(), host, state.Dir(p.state), p.table); err != nil {
				return err
			}
			_, err = fmt.Fprintf(out, "the table %s and %s are gone\n", p.table, p.state)
			return err
		},
	}
}
