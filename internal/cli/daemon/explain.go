package daemon

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/node"
)

func (a Asking) explain() *cobra.Command {
	var from, to, proto string
	var port uint16
	var icmp uint8
	c := &cobra.Command{Use: "explain", Short: "Say what happens to a packet, and why", Args: cobra.NoArgs}
	format := output(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		chosen, err := format()
		if err != nil {
			return err
		}
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
		packet := firewall.Packet{Source: source, Destination: destination, Protocol: protocol, SourcePort: 40000, DestinationPort: port, ICMPType: icmp}
		all, err := a.client().Explain(c.Context(), packet)
		if err != nil {
			return err
		}
		if chosen.Structured() {
			return print.Object(a.Out, chosen, all)
		}
		return print.Text(a.Out, chosen, func(out io.Writer) error {
			w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
			explainTable(w, all)
			return w.Flush()
		})
	}
	f := c.Flags()
	f.StringVar(&from, "from", "", "source address")
	f.StringVar(&to, "to", "", "destination address")
	f.StringVar(&proto, "proto", "tcp", "protocol, by name or number")
	f.Uint16Var(&port, "port", 0, "destination port")
	f.Uint8Var(&icmp, "icmp-type", 8, "type, for icmp and icmpv6")
	_ = c.MarkFlagRequired("from")
	_ = c.MarkFlagRequired("to")
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
