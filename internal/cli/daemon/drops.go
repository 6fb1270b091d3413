package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/node"
)

// followEvery is how often drops are asked for anew.
const followEvery = time.Second

func (a Asking) drops() *cobra.Command {
	var follow bool
	c := &cobra.Command{
		Use: "drops", Short: "Say who was refused, by what, and which row would allow it",
		Long: "Says who was refused, the latest first: by which policy or tier's end, and which row of the matrix would allow it, or what to add.",
	}
	if a.Elsewhere != nil {
		c.Long += "\n\nWithout HOST the daemon of this machine says it. Of another HOST the API server holds the latest 64 of each endpoint; the host tells it twice a minute."
		c.Example = "  ingot node drops --follow        # on the host itself\n  ingot node drops node1           # from anywhere, by the API server"
	}
	a.about(c)
	format := output(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		f, err := format()
		if err != nil {
			return err
		}
		ask := func(ctx context.Context) ([]node.Drop, error) {
			drops, err := a.client().Drops(ctx)
			return drops, a.here(err, "drops")
		}
		if len(args) == 1 {
			ask = func(ctx context.Context) ([]node.Drop, error) { return a.Elsewhere.Drops(ctx, args[0]) }
		}
		if follow && f == print.Markdown {
			return errors.New("--follow with -o markdown: a stream has no end to be written at; take the table, or -o json")
		}
		if follow {
			return followDrops(c.Context(), a.Out, f, ask)
		}
		drops, err := ask(c.Context())
		if err != nil {
			return err
		}
		if f.Structured() {
			return print.Object(a.Out, f, append([]node.Drop{}, drops...))
		}
		return print.Text(a.Out, f, func(w io.Writer) error { return dropsTable(w, drops, true) })
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on, and print those that are refused again or newly, as they are; JSON has one a line")
	return c
}

// followDrops prints what is there and then what is new, until ctx ends.
func followDrops(ctx context.Context, out io.Writer, f print.Format, ask func(context.Context) ([]node.Drop, error)) error {
	known := map[string]uint64{}
	for first := true; ; first = false {
		drops, err := ask(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if fresh := news(drops, known); first || len(fresh) > 0 {
			if err := printNews(out, f, fresh, first); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followEvery):
		}
	}
}

func printNews(out io.Writer, f print.Format, fresh []node.Drop, first bool) error {
	if f == print.JSON {
		e := json.NewEncoder(out)
		for _, d := range fresh {
			if err := e.Encode(d); err != nil {
				return fmt.Errorf("render a drop as JSON: %w", err)
			}
		}
		return nil
	}
	if f.Structured() && len(fresh) == 0 {
		return nil
	}
	if f.Structured() {
		return print.Object(out, f, fresh) // of YAML: items of one list, however many prints it takes
	}
	return dropsTable(out, fresh, first)
}

// news are the drops with packets that known does not have yet; it has them then. The kernel forgets a tuple after a day and may count it from one again: that is news, too.
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

// dropsTable writes drops for people. Columns have a width of their own at least, so that what follows later stands below.
func dropsTable(out io.Writer, drops []node.Drop, header bool) error {
	w := tabwriter.NewWriter(out, 8, 0, 2, ' ', 0)
	if header {
		fmt.Fprintln(w, "PACKETS\tLAST\tFROM\tTO\tPROTOCOL\tINTERFACE\tREFUSED BY\tWHAT WOULD ALLOW IT")
	}
	for _, d := range drops {
		from := d.From.String()
		if d.Who != "" {
			from += " (" + d.Who + ")"
		}
		protocol := d.Protocol
		if d.Port != 0 {
			protocol = fmt.Sprintf("%s/%d", d.Protocol, d.Port)
		}
		by := d.By
		if strings.HasPrefix(by, "tier/") && len(d.Policies) > 0 { // a rule's name has its policy's
			by += ", no rule of " + strings.Join(d.Policies, ", ")
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s %s\t%s\t%s\n", d.Packets, d.Last.Local().Format(time.DateTime), from, d.To, protocol, d.Hook, d.Interface, by, d.Fix)
	}
	return w.Flush()
}
