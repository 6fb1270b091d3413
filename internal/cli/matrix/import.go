package matrix

import (
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
	"github.com/ingotmetal/ingot/matrix/markdown"
	"github.com/ingotmetal/ingot/matrix/policy"
	"github.com/ingotmetal/ingot/matrix/report"
)

func importCommand(s *session.Session) *cobra.Command {
	var name, output string
	c := &cobra.Command{
		Use:   "import FILE...",
		Short: "Make a matrix of a published Markdown table, or of Calico manifests",
		Long: "Make a matrix of a published Markdown table (one FILE.md), or of Calico v3 manifests (FILE.yaml, one or more).\n" +
			"The matrix goes to standard output; what the source leaves open, and what a matrix cannot say, to standard error.",
		Example: "  ingot matrix import communication-matrix.md > matrix.yaml\n" +
			"  kubectl get gnp,hep,globalnetworkset -o yaml > policies.yaml; ingot matrix import policies.yaml",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := imported(s.Err, args, name, cmd.InOrStdin())
			if err != nil {
				return err
			}
			text, err := document.Encode(m)
			if err != nil {
				return fmt.Errorf("write the matrix: %w", err)
			}
			if err := writeTo(s, output, text); err != nil {
				return err
			}
			gaps(s.Err, m)
			return nil
		},
	}
	c.Flags().StringVar(&name, "name", "", "the name of the matrix (default: the file's)")
	c.Flags().StringVarP(&output, "output", "o", "", "the file to write (default: standard output)")
	c.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"md", "yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
	}
	return c
}

// imported reads the files by their kinds.
func imported(messages io.Writer, files []string, name string, stdin io.Reader) (matrix.Matrix, error) {
	if name == "" {
		name = nameOf(files[0])
	}
	isMarkdown := strings.EqualFold(filepath.Ext(files[0]), ".md")
	if isMarkdown && len(files) > 1 {
		return matrix.Matrix{}, fmt.Errorf("%s is Markdown, and %d files are given: import Markdown one by one", files[0], len(files))
	}
	var parts []calico.Objects
	for _, file := range files {
		text, err := readFile(file, stdin)
		if err != nil {
			return matrix.Matrix{}, err
		}
		if isMarkdown {
			m, err := markdown.Import(name, text)
			if err != nil {
				return m, fmt.Errorf("%s:\n%w", file, err)
			}
			return m, nil
		}
		objects, err := calico.Decode(text)
		if err != nil {
			return matrix.Matrix{}, fmt.Errorf("%s:\n%w", file, err)
		}
		parts = append(parts, objects)
	}
	m, unsaid, err := policy.Import(calico.Merge(parts...))
	if err != nil {
		return m, fmt.Errorf("%s: %w", strings.Join(files, ", "), err)
	}
	m.Name = name
	for _, u := range unsaid {
		fmt.Fprintf(messages, "%s %s: %s\n", u.Object, u.Path, u.Why)
	}
	if len(unsaid) > 0 {
		fmt.Fprintf(messages, "%d places could not be said as they are\n", len(unsaid))
	}
	return m, nil
}

// nameOf makes a label of a file's name.
func nameOf(file string) string {
	base := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	label := strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(base), "-"), "-")
	if label == "" {
		return "imported"
	}
	return label[:min(len(label), 63)]
}

// gaps lists the questions that a document leaves open.
func gaps(w io.Writer, m matrix.Matrix) {
	s := report.Summarize(m)
	var rows [][]string
	for _, g := range s.Gaps {
		state := string(g.State)
		if state == "" {
			state = "Blank"
		}
		rows = append(rows, []string{g.Property, state, fmt.Sprint(len(g.Rows)), strings.Join(g.Rows, ", ")})
	}
	for _, z := range m.Zones {
		if !z.Unlisted {
			continue
		}
		var ids []string
		for _, r := range m.Rows {
			if r.From.Zone == z.Name || r.To.Zone == z.Name {
				ids = append(ids, r.ID)
			}
		}
		rows = append(rows, []string{"zone", string(z.Name), fmt.Sprint(len(ids)), strings.Join(ids, ", ")})
	}
	fmt.Fprintf(w, "%s: %d rows, %d roles, %d zones\n", m.Name, len(m.Rows), len(m.Roles), len(m.Zones))
	if len(rows) == 0 {
		fmt.Fprintln(w, "no gaps")
		return
	}
	fmt.Fprintln(w, "\nGaps, to be answered in the matrix:")
	for _, line := range report.Lines([]string{"what", "is", "count", "rows"}, rows, report.DefaultWidth-2) {
		fmt.Fprintln(w, "  "+line)
	}
}
