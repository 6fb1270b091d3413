package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/guard"
	"github.com/ingotmetal/ingot/internal/node"
	"github.com/ingotmetal/ingot/internal/node/control"
)

// printed writes a value as JSON, or as a table.
func printed(out io.Writer, format string, value any, table func(io.Writer)) error {
	switch format {
	case "json":
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(value)
	case "table":
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		table(w)
		return w.Flush()
	}
	return fmt.Errorf("--output %q: want table or json", format)
}

func statusCommand(p *places, out io.Writer) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use: "status", Short: "Say what rules, what is on trial, and what is other than the policies say", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := (control.Client{Dir: p.run}).Status(c.Context())
			if err != nil {
				return err
			}
			return printed(out, format, s, func(w io.Writer) { statusTable(w, s) })
		},
	}
	c.Flags().StringVarP(&format, "output", "o", "table", "table or json")
	return c
}

func statusTable(w io.Writer, s node.Status) {
	line := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	d := s.Decision
	line("node", "%s", s.Node)
	line("phase", "%s, since %s", d.Phase, s.Since.Format(time.RFC3339))
	line("why", "%s", d.Reason)
	if d.Fix != "" {
		line("what helps", "%s", d.Fix)
	}
	if !d.Deadline.IsZero() {
		line("reverts at", "%s (in %s)", d.Deadline.Format(time.RFC3339), time.Until(d.Deadline).Round(time.Second))
	}
	if !d.Next.IsZero() && d.Next != d.Deadline {
		line("next attempt", "%s", d.Next.Format(time.RFC3339))
	}
	line("rules now", "generation %d", s.Generation)
	if s.Confirmed.Generation != 0 {
		line("confirmed", "generation %d at %s, over %s", s.Confirmed.Generation, s.Confirmed.At.Format(time.RFC3339), s.Confirmed.By)
	}
	if s.Failure != "" {
		line("failed", "%s", s.Failure)
	}
	if !s.Source.LostSince.IsZero() {
		line("policies", "not read since %s: %s", s.Source.LostSince.Format(time.RFC3339), s.Source.Why)
	}
	for _, e := range s.Endpoints {
		line("endpoint", "%s on %s", e.Name, e.Interface)
	}
	for _, name := range s.Inactive {
		line("endpoint", "%s has no interface here", name)
	}
	for _, m := range s.Management {
		line("management", "%s: %s", m.Row, map[bool]string{true: "open", false: "closed"}[m.Open])
	}
	if len(s.Failsafes) > 0 {
		line("failsafe rows", "%s", strings.Join(s.Failsafes, ", "))
	}
	line("new connections", "%d packets accepted, %d refused", s.Accepted, s.Refused)
	for _, one := range s.Drift {
		line("drift", "%s: %s", one.Kind, one.What)
	}
}

func confirmCommand(p *places, out io.Writer) *cobra.Command {
	var console bool
	c := &cobra.Command{
		Use:   "confirm",
		Short: "Keep the rules that are on trial",
		Long: "Keep the rules that are on trial. Run it in a session that began after the trial did: the daemon looks whether a connection on a management row came in through the new\n" +
			"rules. A session that was there before passes every ruleset and proves nothing.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if console && os.Getenv("SSH_CONNECTION") != "" {
				return errors.New("--console is for a person who sits before the machine, and this is an SSH session: run `ingot-node confirm` without it, from a new session")
			}
			g, err := (control.Client{Dir: p.run}).Confirm(c.Context(), console)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(out, "generation %d is confirmed, over %s\n", g.Generation, g.By)
			return err
		},
	}
	c.Flags().BoolVar(&console, "console", false, "I sit at the console of this machine, or have its serial line, and no network can lock me out")
	return c
}

func tryCommand(p *places, out io.Writer) *cobra.Command {
	return orderCommand(p, out, guard.Retry, "try", "Try again rules that were reverted")
}

func withdrawCommand(p *places, out io.Writer) *cobra.Command {
	return orderCommand(p, out, guard.Withdraw, "withdraw", "End the trial: what ruled before rules again")
}

func orderCommand(p *places, out io.Writer, o guard.Order, use, short string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := (control.Client{Dir: p.run}).Order(c.Context(), o)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(out, "%s: %s\n", d.Phase, d.Reason)
			return err
		},
	}
}

func dropsCommand(p *places, out io.Writer) *cobra.Command {
	var format string
	var follow bool
	c := &cobra.Command{
		Use: "drops", Short: "Say who was refused, by what, and what would allow it", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client := control.Client{Dir: p.run}
			known := map[string]uint64{}
			for {
				drops, err := client.Drops(c.Context())
				if err != nil {
					return err
				}
				if fresh := news(drops, known); !follow || len(fresh) > 0 {
					if err := printed(out, format, fresh, func(w io.Writer) { dropsTable(w, fresh) }); err != nil {
						return err
					}
				}
				if !follow {
					return nil
				}
				select {
				case <-c.Context().Done():
					return nil
				case <-time.After(time.Second):
				}
			}
		},
	}
	c.Flags().StringVarP(&format, "output", "o", "table", "table or json")
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on, and print those with new packets every second")
	return c
}

// news are the drops with packets that known does not have yet.
func news(drops []node.Drop, known map[string]uint64) []node.Drop {
	fresh := []node.Drop{}
	for _, d := range drops {
		key := fmt.Sprint(d.From, d.To, d.Protocol, d.Port)
		if last, ok := known[key]; !ok || last != d.Packets {
			fresh = append(fresh, d)
		}
		known[key] = d.Packets
	}
	return fresh
}

func dropsTable(w io.Writer, drops []node.Drop) {
	fmt.Fprintln(w, "PACKETS\tLAST\tFROM\tTO\tPROTOCOL\tPORT\tINTERFACE\tREFUSED BY\tWHAT WOULD ALLOW IT")
	for _, d := range drops {
		from := d.From.String()
		if d.Who != "" {
			from += " (" + d.Who + ")"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%d\t%s %s\t%s\t%s\n", d.Packets, d.Last.Format(time.TimeOnly), from, d.To, d.Protocol, d.Port, d.Hook, d.Interface, d.By, d.Fix)
	}
}

func explainCommand(p *places, out io.Writer) *cobra.Command {
	var from, to, proto, format string
	var port, icmp uint16
	c := &cobra.Command{
		Use: "explain", Short: "Say what happens to a packet, and why", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			source, err := netip.ParseAddr(from)
			if err != nil {
				return fmt.Errorf("--from: %w", err)
			}
			destination, err := netip.ParseAddr(to)
			if err != nil {
				return fmt.Errorf("--to: %w", err)
			}
			protocol, err := node.ParseProtocol(proto)
			if err != nil {
				return fmt.Errorf("--proto: %w", err)
			}
			packet := firewall.Packet{Source: source, Destination: destination, Protocol: protocol, SourcePort: 40000, DestinationPort: port, ICMPType: uint8(icmp)}
			all, err := (control.Client{Dir: p.run}).Explain(c.Context(), packet)
			if err != nil {
				return err
			}
			return printed(out, format, all, func(w io.Writer) { explainTable(w, all) })
		},
	}
	f := c.Flags()
	f.StringVar(&from, "from", "", "source address")
	f.StringVar(&to, "to", "", "destination address")
	f.StringVar(&proto, "proto", "tcp", "protocol, by name or number")
	f.Uint16Var(&port, "port", 0, "destination port")
	f.Uint16Var(&icmp, "icmp-type", 8, "type, for icmp and icmpv6")
	f.StringVarP(&format, "output", "o", "table", "table or json")
	return c
}

func explainTable(w io.Writer, all []node.Explanation) {
	for _, e := range all {
		fmt.Fprintf(w, "packet\t%s\nunder\t%s\nverdict\t%s, by %s\n", e.Packet, e.Ruleset, e.Verdict, e.By)
		if e.Row != "" {
			fmt.Fprintf(w, "row\t%s\n", e.Row)
		}
		if e.Who != "" {
			fmt.Fprintf(w, "from\t%s\n", e.Who)
		}
		if len(e.Trace) > 1 {
			fmt.Fprintf(w, "passed\t%s\n", strings.Join(e.Trace, " -> "))
		}
		if e.Fix != "" {
			fmt.Fprintf(w, "what helps\t%s\n", e.Fix)
		}
	}
}
