package matrix

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/difference"
	"github.com/ingotmetal/ingot/matrix/report"
)

// diffing is a call of diff.
type diffing struct {
	oldReading, newReading string
	output                 string
	width                  int
}

func diffCommand(s *session.Session) *cobra.Command {
	var o diffing
	c := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Say which packets become allowed or denied from one matrix to another",
		Long: "Compare two matrices in packets, not in lines: rows that are renamed, split or moved make no difference.\n" +
			"OLD and NEW are files, - for standard input, or builtin for Ingot's own.\n\n" +
			"Ends with 0 when no packet is treated differently, with 1 when one is, and with 2 when a matrix has no meaning or cannot be read.",
		Example: "  git show main:site.yaml | ingot matrix diff - site.yaml\n" +
			"  ingot matrix diff artesca.yaml artesca.yaml --old-reading table --new-reading prose",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := known(o.output, "table", "json"); err != nil {
				return noAnswer(err)
			}
			if args[0] == "-" && args[1] == "-" {
				return noAnswer(fmt.Errorf("standard input can be one of the two only: give the other as a file"))
			}
			before, err := side(args[0], o.oldReading, "--old-reading", cmd.InOrStdin())
			if err != nil {
				return noAnswer(err)
			}
			after, err := side(args[1], o.newReading, "--new-reading", cmd.InOrStdin())
			if err != nil {
				return noAnswer(err)
			}
			r, err := difference.Of(before, after)
			if err != nil {
				return noAnswer(err)
			}
			return o.tell(s.Out, r)
		},
	}
	c.Flags().StringVar(&o.oldReading, "old-reading", "", "the reading of OLD, where it has several")
	c.Flags().StringVar(&o.newReading, "new-reading", "", "the reading of NEW, where it has several")
	c.Flags().IntVar(&o.width, "width", report.DefaultWidth, "columns of the table")
	formats(c, &o.output, "table", "json")
	for flag, at := range map[string]int{"old-reading": 0, "new-reading": 1} {
		_ = c.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) <= at {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			m, err := readFiles(args[at:at+1], cmd.InOrStdin())
			if err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			return m.Readings(), cobra.ShellCompDirectiveNoFileComp
		})
	}
	c.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"yaml", "yml", "json"}, cobra.ShellCompDirectiveFilterFileExt
	}
	return c
}

// side is one of the two matrices in one reading.
func side(name, chosen, flag string, stdin io.Reader) (matrix.Matrix, error) {
	m := matrix.Own()
	if name != "builtin" {
		var err error
		if m, err = readFiles([]string{name}, stdin); err != nil {
			return m, err
		}
	}
	m, err := reading(m, chosen)
	if err != nil {
		return m, fmt.Errorf("%s: %s", name, strings.ReplaceAll(err.Error(), "--reading", flag))
	}
	return m, nil
}

// statement is one as JSON.
type statement struct {
	Change    difference.Change `json:"change"`
	Direction string            `json:"direction"`
	At        string            `json:"at"`
	Peer      string            `json:"peer"`
	Protocol  matrix.Protocol   `json:"protocol"`
	Ports     string            `json:"ports,omitempty"`
	Rows      []string          `json:"rows"`
	Classes   int               `json:"classes"`
}

func (o diffing) tell(w io.Writer, r difference.Report) error {
	if o.output == "json" {
		all := make([]statement, 0, len(r.Statements))
		for _, s := range r.Statements {
			all = append(all, statement{s.Change, string(s.Direction), s.At, s.Peer, s.Protocol, s.Ports.String(), append([]string{}, s.Rows...), s.Classes})
		}
		text, err := json.MarshalIndent(map[string]any{"allowed": r.Allowed, "denied": r.Denied, "statements": all}, "", "  ")
		if err != nil {
			return noAnswer(fmt.Errorf("write the difference as JSON: %w", err))
		}
		fmt.Fprintf(w, "%s\n", text)
	} else {
		o.table(w, r)
	}
	if !r.Same() {
		return no()
	}
	return nil
}

func (o diffing) table(w io.Writer, r difference.Report) {
	if r.Same() {
		fmt.Fprintln(w, "no packet is treated differently")
		return
	}
	var rows [][]string
	for _, s := range r.Statements {
		sign := "+ "
		if s.Change == difference.Denied {
			sign = "- "
		}
		rows = append(rows, []string{
			sign + string(s.Change), strings.ToLower(string(s.Direction)), s.At, s.Peer, report.Wire(matrix.Row{Protocol: s.Protocol, Ports: s.Ports}), fmt.Sprint(s.Classes), strings.Join(s.Rows, ", "),
		})
	}
	for _, line := range report.Lines([]string{"change", "direction", "at", "peer", "wire", "classes", "rows"}, rows, o.width) {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintf(w, "\n%d classes of packets become allowed, %d become denied\n", r.Allowed, r.Denied)
}
