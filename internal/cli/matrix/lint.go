package matrix

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/matrix/lint"
	"github.com/ingotmetal/ingot/matrix/report"
)

// severities from the gravest on.
var severities = []lint.Severity{lint.Error, lint.Warning, lint.Note}

// linting is a call of lint.
type linting struct {
	only, ignore []string
	failsafes    bool
	failOn       string
	output       string
	width        int
	rows         []string
}

func lintCommand(s *session.Session) *cobra.Command {
	src := source{session: s}
	var o linting
	c := &cobra.Command{
		Use:   "lint [FILE...]",
		Short: "Name contradictions, gaps, dead rows and missing ones; for CI",
		Long: "Name everything in a matrix that somebody should look at, with why it matters and what to do.\n\n" +
			"Ends with 0 when nothing is found at or above --fail-on, with 1 when something is, and with 2 when the matrix has no meaning or cannot be read.",
		Example: "  ingot matrix lint site.yaml --fail-on warning\n" +
			"  ingot matrix lint site.yaml --only blank-cell,unknown-cell",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return noAnswer(err)
			}
			m, err := src.load(cmd.Context(), args, cmd.InOrStdin())
			if err != nil {
				return noAnswer(err)
			}
			if _, err := onlyRows(m, o.rows); err != nil {
				return noAnswer(err)
			}
			findings := lint.Findings(m, lint.Options{Only: codes(o.only), Ignore: codes(o.ignore), CalicoFailsafes: o.failsafes})
			if len(o.rows) > 0 {
				findings = slices.DeleteFunc(findings, func(f lint.Finding) bool {
					return !slices.ContainsFunc(f.Rows, func(id string) bool { return slices.Contains(o.rows, id) })
				})
			}
			return o.tell(s.Out, m.Name, findings)
		},
	}
	src.addFlags(c)
	f := c.Flags()
	f.StringSliceVar(&o.only, "only", nil, "report these codes only")
	f.StringSliceVar(&o.ignore, "ignore", nil, "do not report these codes")
	f.BoolVar(&o.failsafes, "calico-failsafes", false, "also say what Calico's own open ports would do to the matrix")
	f.StringVar(&o.failOn, "fail-on", string(lint.Error), "the least severity that ends with 1: error, warning, note or never")
	f.StringSliceVar(&o.rows, "row", nil, "only findings about these rows")
	f.IntVar(&o.width, "width", report.DefaultWidth, "columns of the table")
	formats(c, &o.output, "table", "json")
	_ = c.RegisterFlagCompletionFunc("only", completeCodes)
	_ = c.RegisterFlagCompletionFunc("ignore", completeCodes)
	_ = c.RegisterFlagCompletionFunc("fail-on", cobra.FixedCompletions([]string{"error", "warning", "note", "never"}, cobra.ShellCompDirectiveNoFileComp))
	src.complete(c)
	return c
}

func codes(names []string) []lint.Code {
	all := make([]lint.Code, len(names))
	for i, n := range names {
		all[i] = lint.Code(n)
	}
	return all
}

func completeCodes(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var all []string
	for _, k := range lint.Codes() {
		all = append(all, string(k.Code)+"\t"+k.Title)
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// check refuses words that mean nothing: a mistyped code would find nothing, for ever.
func (o linting) check() error {
	if err := known(o.output, "table", "json"); err != nil {
		return err
	}
	if o.failOn != "never" && !slices.Contains(severities, lint.Severity(o.failOn)) {
		return fmt.Errorf("--fail-on %q is not known: use error, warning, note or never", o.failOn)
	}
	for _, name := range slices.Concat(o.only, o.ignore) {
		if !slices.ContainsFunc(lint.Codes(), func(k lint.Kind) bool { return string(k.Code) == name }) {
			var all []string
			for _, k := range lint.Codes() {
				all = append(all, string(k.Code))
			}
			return fmt.Errorf("there is no code %q; the codes are: %s", name, strings.Join(all, ", "))
		}
	}
	return nil
}

// found is a finding as JSON.
type found struct {
	Code     lint.Code     `json:"code"`
	Severity lint.Severity `json:"severity"`
	Rows     []string      `json:"rows"`
	What     string        `json:"what"`
	Why      string        `json:"why"`
	Fix      string        `json:"fix"`
}

func (o linting) tell(w io.Writer, name string, findings []lint.Finding) error {
	if o.output == "json" {
		all := make([]found, 0, len(findings))
		for _, f := range findings {
			all = append(all, found{f.Code, f.Severity, append([]string{}, f.Rows...), f.What, f.Why, f.Fix})
		}
		text, err := json.MarshalIndent(all, "", "  ")
		if err != nil {
			return noAnswer(fmt.Errorf("write the findings as JSON: %w", err))
		}
		fmt.Fprintf(w, "%s\n", text)
	} else {
		o.table(w, name, findings)
	}
	for _, f := range findings {
		if o.failOn != "never" && slices.Index(severities, f.Severity) <= slices.Index(severities, lint.Severity(o.failOn)) {
			return no()
		}
	}
	return nil
}

// group is the findings of one kind that matter for the same reason.
type group struct {
	first    lint.Finding
	findings []lint.Finding
}

// groups gathers findings, so that why and fix are said once where they are the same.
func groups(findings []lint.Finding) []group {
	var all []group
	for _, f := range findings {
		i := slices.IndexFunc(all, func(g group) bool {
			return g.first.Code == f.Code && g.first.Severity == f.Severity && g.first.Why == f.Why && g.first.Fix == f.Fix
		})
		if i < 0 {
			all = append(all, group{first: f})
			i = len(all) - 1
		}
		all[i].findings = append(all[i].findings, f)
	}
	return all
}

func (o linting) table(w io.Writer, name string, findings []lint.Finding) {
	for _, g := range groups(findings) {
		fmt.Fprintf(w, "%s %s: %s\n", strings.ToUpper(string(g.first.Severity)), g.first.Code, titleOf(g.first.Code))
		var rows [][]string
		for _, f := range g.findings {
			rows = append(rows, []string{strings.Join(f.Rows, ", "), f.What})
		}
		for _, line := range report.Lines([]string{"rows", "what"}, rows, o.width-2) {
			fmt.Fprintln(w, "  "+line)
		}
		for _, line := range report.Lines([]string{"", ""}, [][]string{{"why", g.first.Why}, {"fix", g.first.Fix}}, o.width-2)[1:] {
			fmt.Fprintln(w, "  "+line)
		}
		fmt.Fprintln(w)
	}
	if len(findings) == 0 {
		fmt.Fprintf(w, "%s: nothing found\n", name)
		return
	}
	var counts []string
	for _, s := range severities {
		n := 0
		for _, f := range findings {
			if f.Severity == s {
				n++
			}
		}
		word := string(s)
		if n != 1 {
			word += "s"
		}
		counts = append(counts, fmt.Sprintf("%d %s", n, word))
	}
	fmt.Fprintf(w, "%s: %s\n", name, strings.Join(counts, ", "))
}

func titleOf(c lint.Code) string {
	for _, k := range lint.Codes() {
		if k.Code == c {
			return k.Title
		}
	}
	return ""
}
