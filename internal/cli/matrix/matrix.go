// Package matrix is `ingot matrix`: what a person asks of a communication matrix.
//
// It owns where a matrix comes from (files, the program itself, the API server), how answers are written and what the program ends with. It refuses what a matrix
// means: views are packages report's and diagram's, policies, differences and findings those of their packages below matrix, the proof is internal/prove's.
//
// Commands that answer a question end with 0 for yes (clean, same, proved, as declared), 1 for no, and 2 where there is no answer: a file that cannot be read, a matrix
// without a meaning, a host without what is needed. The others end with 0 or 1 as every command does.
package matrix

import (
	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/cli/session"
)

// Command is `ingot matrix`.
func Command(s *session.Session) *cobra.Command {
	c := &cobra.Command{
		Use:   "matrix",
		Short: "Show, check, compile and prove communication matrices",
		Long: "A communication matrix has every flow of a system once: who dials whom, how it is protected, and what for.\n" +
			"Without FILE, commands look at Ingot's own; --name takes one from the API server.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	s.AddServerFlags(c)
	c.AddCommand(listCommand(s), showCommand(s), explainCommand(s), graphCommand(s), summaryCommand(s), lintCommand(s), diffCommand(s), compileCommand(s), importCommand(s), proveCommand(s), verifyCommand(s))
	return c
}
