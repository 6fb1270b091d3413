package matrix

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/prove"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/policy"
)

func proveCommand(s *session.Session) *cobra.Command {
	src := source{session: s}
	var o prove.Options
	var output, name string
	all := []string{"text", "json"}
	c := &cobra.Command{
		Use:   "prove [FILE...]",
		Short: "Prove with packets that matrix, ruleset and kernel agree (needs root and Linux)",
		Long: "Send every class of header that the matrix can distinguish as real packets through each host's ruleset, in network namespaces of its own, and\n" +
			"compare the kernel's verdicts with the model's and the rule tree's. Hosts and addresses that the matrix lacks are made up.\n" +
			"A document that contradicts itself is proved in each of its readings.\n\n" +
			"Ends with 0 when nothing differs, with 1 when something does, and with 2 when no proof is possible.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := known(output, all...); err != nil {
				return noAnswer(err)
			}
			m, err := src.load(cmd.Context(), args, cmd.InOrStdin())
			if err != nil {
				return noAnswer(err)
			}
			if s.Interactive() {
				o.Progress = func(p prove.Progress) {
					fmt.Fprintf(s.Err, "\r\x1b[K%s (%d of %d): %d of %d packets", p.Node, p.Host, p.Hosts, p.Sent, p.Packets)
				}
			}
			reports, err := proveAll(cmd.Context(), m, name, o)
			if s.Interactive() {
				fmt.Fprint(s.Err, "\r\x1b[K")
			}
			if err != nil {
				return noAnswer(err)
			}
			return tell(s.Out, output, reports)
		},
	}
	src.addFlags(c)
	c.Flags().StringVar(&name, "reading", "", "prove this reading only")
	c.Flags().Uint64Var(&o.Seed, "seed", 0, "choose other members of the classes")
	c.Flags().IntVar(&o.MaxPackets, "max-packets", 0, "send at most so many packets per host, evenly spread (default: all)")
	formats(c, &output, all...)
	src.complete(c)
	return c
}

// proveAll proves each reading that is asked for.
func proveAll(ctx context.Context, m matrix.Matrix, name string, o prove.Options) ([]prove.Report, error) {
	names := m.Readings()
	if name != "" || len(names) == 0 {
		names = []string{name}
	}
	var reports []prove.Report
	for _, n := range names {
		one, err := reading(m, n)
		if err != nil {
			return nil, err
		}
		compiled, err := policy.Compile(policy.Populate(one))
		if err != nil {
			return nil, err
		}
		title := m.Name
		if n != "" {
			title += ", reading " + n
		}
		site, err := prove.SiteOf(title, compiled.Objects, compiled.Failsafes)
		if err != nil {
			return nil, err
		}
		r, err := prove.Run(ctx, site, o)
		if err != nil {
			return nil, fmt.Errorf("prove %s: %w", title, err)
		}
		reports = append(reports, r)
	}
	return reports, nil
}

// tell writes the reports, and the verdict over all of them.
func tell(out io.Writer, format string, reports []prove.Report) error {
	proved, leftOut := true, 0
	for _, r := range reports {
		proved, leftOut = proved && r.Proved(), leftOut+r.LeftOut
	}
	if format == "json" {
		text, err := json.MarshalIndent(reports, "", "  ")
		if err != nil {
			return noAnswer(fmt.Errorf("write the report as JSON: %w", err))
		}
		fmt.Fprintf(out, "%s\n", text)
	} else {
		for i, r := range reports {
			if i > 0 {
				fmt.Fprintln(out)
			}
			r.Text(out)
		}
		verdict := "proved: model, rule tree and kernel agree on every packet"
		switch {
		case !proved:
			verdict = "not proved"
		case leftOut > 0:
			verdict = fmt.Sprintf("proved in part: model, rule tree and kernel agree on every packet that was sent, and %d were left out", leftOut)
		}
		fmt.Fprintln(out, "\n"+verdict)
	}
	if !proved {
		return no()
	}
	return nil
}
