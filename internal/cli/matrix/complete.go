package matrix

import (
	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/report"
)

type completion = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// names completes a flag by names of the matrix that the rest of the line is about.
func (s *source) names(of func(matrix.Matrix) []string) completion {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		m, err := s.load(cmd.Context(), args, cmd.InOrStdin())
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return of(m), cobra.ShellCompDirectiveNoFileComp
	}
}

// objects completes --name.
func (s *source) objects(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	list, err := listMatrices(cmd.Context(), s.session)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for i := range list {
		if list[i].Spec.Extends == "" {
			names = append(names, list[i].Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// complete registers completions for those of a command's flags that have names of a matrix as values, and for its files.
func (s *source) complete(c *cobra.Command) {
	for flag, f := range map[string]completion{
		"role": s.names(report.Roles), "zone": s.names(report.Zones), "plane": s.names(report.Planes), "feature": s.names(report.Features),
		"section": s.names(report.Sections), "reading": s.names(matrix.Matrix.Readings), "row": s.names(rowIDs), "host": s.names(hostNames), "name": s.objects,
	} {
		if c.Flags().Lookup(flag) != nil {
			_ = c.RegisterFlagCompletionFunc(flag, f)
		}
	}
	c.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"yaml", "yml", "json"}, cobra.ShellCompDirectiveFilterFileExt
	}
}

func rowIDs(m matrix.Matrix) []string {
	all := make([]string, len(m.Rows))
	for i, r := range m.Rows {
		all[i] = r.ID + "\t" + r.From.String() + " to " + r.To.String() + ", " + report.Wire(r)
	}
	return all
}

func hostNames(m matrix.Matrix) []string {
	all := make([]string, len(m.Hosts))
	for i, h := range m.Hosts {
		all[i] = h.Name
	}
	return all
}
