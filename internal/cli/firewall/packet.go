package firewall

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	pure "github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/gateway"
	"github.com/ingotmetal/ingot/firewall/gateway/object"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// packet is what is asked about.
type packet struct {
	from, to, protocol string
	port               uint16
}

func explainCommand(s *session.Session) *cobra.Command {
	var p packet
	c := named(s, "explain", "Say what becomes of a new packet: which rule lets it pass, or why it is dropped", func(_ *cobra.Command, f *ingot.Firewall, format print.Format) error {
		e, err := explain(f, p)
		if err != nil {
			return err
		}
		if format.Structured() {
			return print.Object(s.Out, format, e)
		}
		w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "verdict\t%s, by %s\n", e.Verdict, e.By)
		if e.LeavesFrom != "" {
			fmt.Fprintf(w, "leaves as\t%s -> %s\n", e.LeavesFrom, e.LeavesTo)
		}
		if e.Note != "" {
			fmt.Fprintf(w, "which is\t%s\n", e.Note)
		}
		if e.Fix != "" {
			fmt.Fprintf(w, "what helps\t%s\n", e.Fix)
		}
		return w.Flush()
	})
	c.Long = c.Short + ".\n\nThe rules of the object are asked, not the machine's: `ingot firewall describe` says whether those are enforced. Limits are taken as not spent."
	c.Example = "  ingot firewall explain edge --from 10.0.4.7 --to 198.51.100.9 --port 443\n  ingot firewall explain edge --from 203.0.113.9 --to 192.0.2.80 --proto UDP --port 53\n  ingot firewall explain edge --from 10.0.4.7 --to api.example.org --port 443"
	f := c.Flags()
	f.StringVar(&p.from, "from", "", "source address")
	f.StringVar(&p.to, "to", "", "destination address, as the sender writes it, or a name")
	f.StringVar(&p.protocol, "proto", "TCP", "TCP, UDP, SCTP or ICMP")
	f.Uint16Var(&p.port, "port", 0, "destination port")
	_ = c.MarkFlagRequired("from")
	_ = c.MarkFlagRequired("to")
	_ = c.RegisterFlagCompletionFunc("proto", cobra.FixedCompletions([]string{"TCP", "UDP", "SCTP", "ICMP"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// Explanation is what becomes of a packet, by what, and what would let it pass.
type Explanation struct {
	Verdict    string `json:"verdict"`
	By         string `json:"by"`
	LeavesFrom string `json:"leavesFrom,omitempty"`
	LeavesTo   string `json:"leavesTo,omitempty"`
	Note       string `json:"note,omitempty"`
	Fix        string `json:"fix,omitempty"`
}

// Explain says what becomes of a new packet; to is an address or a name.
func Explain(f *ingot.Firewall, from, to, protocol string, port uint16) (Explanation, error) {
	return explain(f, packet{from, to, protocol, port})
}

func explain(f *ingot.Firewall, p packet) (Explanation, error) {
	g, err := object.Gateway(f, nil)
	if errors.Is(err, object.ErrUnresolved) {
		return Explanation{}, fmt.Errorf("firewall %s/%s: %w: `ingot firewall describe %s` says why", f.Namespace, f.Name, err, f.Name)
	}
	if err != nil {
		return Explanation{}, err
	}
	from, err := netip.ParseAddr(p.from)
	if err != nil {
		return Explanation{}, fmt.Errorf("--from: %w", err)
	}
	to, notAddress := netip.ParseAddr(p.to)
	if notAddress == nil && from.Is4() != to.Is4() {
		return Explanation{}, errors.New("--from and --to are not of one family")
	}
	number := gateway.Protocol(strings.ToUpper(p.protocol)).Number(from.Is6())
	if number == 0 {
		return Explanation{}, fmt.Errorf("--proto %q: write TCP, UDP, SCTP or ICMP", p.protocol)
	}
	asked := pure.Packet{Source: from, Destination: to, Protocol: number, SourcePort: 40000, DestinationPort: p.port}
	if notAddress != nil {
		return explainName(f, g, asked, p.to)
	}
	d := g.LearnedFrom(object.Resolved(f)).Explain(asked)
	e := Explanation{Verdict: d.Verdict.String(), By: d.By}
	if d.By == gateway.ByDNS {
		e.Note = "answered by the firewall itself at " + d.Destination.String() + ", since rules have names"
		return e, nil
	}
	if d.Verdict == pure.Accept {
		e.LeavesFrom, e.LeavesTo = d.Source.String(), d.Destination.String()
		return e, nil
	}
	e.Fix = fixes()[d.By]
	if d.By == gateway.ByEgress {
		e.Fix += byName(g, asked, f)
	}
	return e, nil
}

// fixes say what would let a packet pass, by what drops it.
func fixes() map[string]string {
	return map[string]string{
		gateway.ByEgress:    "an egress rule for it, if it is meant to pass",
		gateway.ByIngress:   "an ingress rule for it, if it is meant to pass: rules see the address inside, and not the one that stands for it",
		gateway.ByNoNetwork: "nothing: the firewall joins no network that has one of the addresses",
		gateway.ByTransit:   "nothing: neither address is inside",
	}
}

// followEvery is how often the object is read again; the machine writes drops every 30 s.
const followEvery = 5 * time.Second

func dropsCommand(s *session.Session) *cobra.Command {
	var follow bool
	c := named(s, "drops", "Say who was refused lately, and by what", func(cmd *cobra.Command, f *ingot.Firewall, format print.Format) error {
		if format.Structured() && !follow {
			return print.Object(s.Out, format, append([]ingot.FirewallDrop{}, f.Status.Drops...))
		}
		if follow && !format.Tabular() {
			return errors.New("--follow: the table can be followed, and other formats cannot: leave out -o, or --follow")
		}
		return show(cmd.Context(), s.Out, f, follow, func(ctx context.Context) (*ingot.Firewall, error) {
			_, now, err := kind().Read(ctx, s, f.Name)
			return now, err
		})
	})
	c.Long = "Says who was refused, the latest first: up to 64, as the machine tells them twice a minute. The log of single packets (spec.dropLog) is on the machine itself."
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on, and print those that are refused again or newly")
	return c
}

// show prints drops, and with follow what is new, until ctx ends.
func show(ctx context.Context, out io.Writer, f *ingot.Firewall, follow bool, again func(context.Context) (*ingot.Firewall, error)) error {
	known := map[string]int64{}
	w := tabwriter.NewWriter(out, 8, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PACKETS\tLAST\tFROM\tTO\tPROTOCOL\tREFUSED BY")
	for {
		for _, d := range f.Status.Drops {
			key := fmt.Sprint(d.From, " ", d.To, " ", d.Protocol, " ", d.Port)
			if known[key] == d.Packets {
				continue
			}
			known[key] = d.Packets
			protocol := d.Protocol
			if d.Port != 0 {
				protocol = fmt.Sprintf("%s/%d", d.Protocol, d.Port)
			}
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", d.Packets, d.Last.Local().Format(time.DateTime), d.From, d.To, protocol, d.By)
		}
		if err := w.Flush(); err != nil || !follow {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followEvery):
		}
		next, err := again(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil {
			f = next
		}
	}
}
