package matrix

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/internal/cli/explain"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/policy"
	"github.com/ingotmetal/ingot/matrix/report"
)

func explainCommand(s *session.Session) *cobra.Command {
	src := source{session: s}
	var files []string
	c := &cobra.Command{
		Use:   "explain FLOW",
		Short: "Say of a flow, by its name or its row's number, who opens it to whom, how it is protected, what it lets do, and what is compiled of it",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			m, err := src.load(cmd.Context(), files, cmd.InOrStdin())
			if err != nil {
				return err
			}
			rows := slices.DeleteFunc(slices.Clone(m.Rows), func(r matrix.Row) bool { return r.ID != args[0] && string(r.Name) != args[0] })
			if len(rows) == 0 {
				return session.Missing(fmt.Errorf("the matrix %s has neither a flow nor a row %s; `ingot matrix show --text WORD` finds rows", m.Name, args[0]))
			}
			a, err := explainRow(m, rows[0])
			if err != nil {
				return err
			}
			if format.Structured() {
				return print.Object(s.Out, format, a)
			}
			return a.Write(s.Out)
		},
	}
	src.addFlags(c)
	s.AddOutput(c)
	c.Flags().StringSliceVarP(&files, "file", "f", nil, "the matrix in these files")
	src.complete(c)
	c.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		m, err := src.load(cmd.Context(), files, cmd.InOrStdin())
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		names := make([]string, len(m.Rows))
		for i, r := range m.Rows {
			names[i] = string(r.Name) + "\t" + r.From.String() + " to " + r.To.String() + ", " + report.Wire(r)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
	return c
}

// explainRow is a pure function of a matrix and one of its rows.
func explainRow(m matrix.Matrix, r matrix.Row) (explain.Answer, error) {
	a := explain.Answer{Subject: fmt.Sprintf("flow %s, row %s of the matrix %s", r.Name, r.ID, m.Name)}
	a.State = fmt.Sprintf("%s opens %s to %s", end(m, r.From), report.Wire(r), end(m, r.To))
	a.Say("Purpose", r.Purpose)
	a.Say("Notes", r.Notes)
	for _, c := range r.Cells() {
		a.Say(c.Name, protection(c.Property))
		if c.Gap() {
			a.Help("say in the matrix whether the flow is %s: nobody answered", strings.ToLower(c.Name))
		}
	}
	a.Say("Who dials shows", r.Identity)
	a.Say("Who answers shows", r.ServerIdentity)
	for _, right := range r.Rights {
		a.Say("May", may(right))
	}
	a.Say("Stages", strings.Join(r.Stages, ", "))
	a.Say("Only with", r.Feature)
	switch {
	case r.Failsafe:
		a.Say("Failsafe", "it holds whatever other policies say")
	case r.Management:
		a.Say("Management", "a host is never given rules that close the last such flow")
	}
	err := compiled(&a, m, r)
	return a, err
}

// end is an end with its title.
func end(m matrix.Matrix, e matrix.Endpoint) string {
	var words []string
	if role, ok := m.Role(e.Role); ok && role.Title != "" {
		words = append(words, role.Title)
	}
	if !m.Ours(e) {
		words = append(words, "not ours")
	}
	if len(words) == 0 {
		return e.String()
	}
	return e.String() + " (" + strings.Join(words, ", ") + ")"
}

func protection(p matrix.Property) string {
	text := string(p.State)
	if p.How != "" {
		text += ": " + p.How
	}
	if p.Bound != "" {
		text += "; " + p.Bound
	}
	return text
}

func may(r matrix.Right) string {
	text := strings.Join(r.Verbs, ", ") + " " + strings.Join(slices.Concat(r.Resources, r.Paths), ", ")
	if r.Group != "" {
		text += " of " + r.Group
	}
	if len(r.Names) > 0 {
		text += " named " + strings.Join(r.Names, ", ")
	}
	switch {
	case r.Namespace != "":
		text += " in namespace " + r.Namespace
	case r.Scope != "":
		text += ", " + string(r.Scope)
	}
	return text
}

// compiled are the policies' rules that carry the row, and the hosts that have an end of it.
func compiled(a *explain.Answer, m matrix.Matrix, r matrix.Row) error {
	one := m
	if readings := m.Readings(); len(readings) > 0 { // rules are of one reading: the row's, or any of those that have it
		one = m.As(cmp.Or(r.Reading, readings[0]))
	}
	c, err := policy.Compile(one)
	if err != nil {
		return fmt.Errorf("compile the matrix %s: %w", m.Name, err)
	}
	var rules []string
	for _, p := range c.Objects.Policies {
		for _, d := range []calico.Direction{calico.Ingress, calico.Egress} {
			all := p.Ingress
			if d == calico.Egress {
				all = p.Egress
			}
			if n := len(slices.DeleteFunc(slices.Clone(all), func(x calico.Rule) bool { return x.Annotations[calico.FlowAnnotation] != r.ID })); n > 0 {
				rules = append(rules, fmt.Sprintf("%s of %s (%d)", strings.ToLower(string(d)), p.Name, n))
			}
		}
	}
	a.Say("Rules", explain.Few(rules))
	if len(rules) == 0 {
		a.Say("Rules", "none: no host firewall sees it, or neither end is ours")
	}
	for _, h := range m.Hosts {
		for _, i := range h.Interfaces {
			if r.Egress() && isEnd(i, r.From) {
				a.Judge(h.Name+"/"+i.Name, true, "dials it")
			}
			if r.Ingress() && isEnd(i, r.To) {
				a.Judge(h.Name+"/"+i.Name, true, "answers it")
			}
		}
	}
	return nil
}

// isEnd says whether an interface is an end.
func isEnd(i matrix.Interface, e matrix.Endpoint) bool {
	if e == matrix.Anybody {
		return false
	}
	return (e.Zone == matrix.AnyZone || e.Zone == i.Zone) && (e.Role == matrix.AnyRole || slices.Contains(i.Roles, e.Role))
}
