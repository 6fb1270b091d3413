package daemon

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/node"
)

func (a Asking) status() *cobra.Command {
	c := &cobra.Command{Use: "status", Short: "Say what rules, what is on trial, and what is other than the policies say"}
	if a.Elsewhere != nil {
		c.Long = c.Short + ".\n\nWithout HOST the daemon of this machine says it; of another HOST the API server has the status of its endpoints."
	}
	a.about(c)
	format := output(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		f, err := format()
		if err != nil {
			return err
		}
		if len(args) == 1 {
			return print.Text(a.Out, f, func(w io.Writer) error { return a.Elsewhere.Status(c.Context(), w, args[0], f) })
		}
		s, err := a.client().Status(c.Context())
		if err != nil {
			return a.here(err, "status")
		}
		if f.Structured() {
			return print.Object(a.Out, f, s)
		}
		return print.Text(a.Out, f, func(out io.Writer) error {
			w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
			statusTable(w, s)
			return w.Flush()
		})
	}
	return c
}

func statusTable(w io.Writer, s node.Status) {
	line := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	d := s.Decision
	line("node", "%s", s.Node)
	line("phase", "%s, since %s", d.Phase, s.Since.Local().Format(time.RFC3339))
	line("why", "%s", d.Reason)
	if d.Fix != "" {
		line("what helps", "%s", d.Fix)
	}
	if !d.Deadline.IsZero() {
		line("reverts at", "%s (in %s)", d.Deadline.Local().Format(time.RFC3339), time.Until(d.Deadline).Round(time.Second))
	}
	if !d.Next.IsZero() && d.Next != d.Deadline {
		line("next attempt", "%s", d.Next.Local().Format(time.RFC3339))
	}
	line("rules now", "generation %d", s.Generation)
	if s.Confirmed.Generation != 0 {
		line("confirmed", "generation %d at %s, over %s", s.Confirmed.Generation, s.Confirmed.At.Local().Format(time.RFC3339), s.Confirmed.By)
	}
	if s.Failure != "" {
		line("failed", "%s", s.Failure)
	}
	if !s.Source.LostSince.IsZero() {
		line("policies", "not read since %s: %s", s.Source.LostSince.Local().Format(time.RFC3339), s.Source.Why)
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
