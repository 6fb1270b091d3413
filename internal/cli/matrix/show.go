package matrix

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
	"github.com/ingotmetal/ingot/matrix/markdown"
	"github.com/ingotmetal/ingot/matrix/report"
)

// formats adds -o with a command's own values; the first is the default.
func formats(c *cobra.Command, value *string, all ...string) {
	c.Flags().StringVarP(value, "output", "o", all[0], strings.Join(all[:len(all)-1], ", ")+" or "+all[len(all)-1])
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(all, cobra.ShellCompDirectiveNoFileComp))
}

// known refuses a format that a command does not have, before it works.
func known(value string, all ...string) error {
	if slices.Contains(all, value) {
		return nil
	}
	return fmt.Errorf("output format %q is not known: use one of %s", value, strings.Join(all, ", "))
}

func addFilterFlags(c *cobra.Command, f *report.Filter) {
	flags := c.Flags()
	flags.StringVar((*string)(&f.Role), "role", "", "only flows with this role at an end")
	flags.StringVar((*string)(&f.Zone), "zone", "", "only flows with an end in this zone")
	flags.StringVar((*string)(&f.Plane), "plane", "", "only flows with an end on this plane")
	flags.StringVar(&f.Feature, "feature", "", "only flows that this feature switches on")
	flags.StringVar(&f.Section, "section", "", "only flows of the table of this title")
	flags.StringVar(&f.Reading, "reading", "", "only this reading of a document that contradicts itself")
	flags.StringVar(&f.Text, "text", "", "only flows with this text in number, name, wire, purpose or notes")
}

func showCommand(s *session.Session) *cobra.Command {
	src := source{session: s}
	var filter report.Filter
	var output string
	var width int
	var rows []string
	all := []string{"table", "wide", "json", "yaml", "csv", "markdown", "html"}
	c := &cobra.Command{
		Use:   "show [FILE...]",
		Short: "Show the flows of a matrix",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := known(output, all...); err != nil {
				return err
			}
			m, err := src.load(cmd.Context(), args, cmd.InOrStdin())
			if err != nil {
				return err
			}
			if m, err = filter.Apply(m); err != nil {
				return err
			}
			if m, err = onlyRows(m, rows); err != nil {
				return err
			}
			text, err := view(m, output, width)
			if err != nil {
				return err
			}
			_, err = s.Out.Write(text)
			return err
		},
	}
	src.addFlags(c)
	addFilterFlags(c, &filter)
	c.Flags().StringSliceVar(&rows, "row", nil, "only the rows with these numbers")
	c.Flags().IntVar(&width, "width", report.DefaultWidth, "columns of a table")
	formats(c, &output, all...)
	src.complete(c)
	return c
}

// onlyRows keeps the rows that are named.
func onlyRows(m matrix.Matrix, ids []string) (matrix.Matrix, error) {
	if len(ids) == 0 {
		return m, nil
	}
	for _, id := range ids {
		if _, ok := m.Row(id); !ok {
			return m, fmt.Errorf("the matrix %s has no row %s; `ingot matrix show --text WORD` finds rows", m.Name, id)
		}
	}
	m.Rows = slices.DeleteFunc(slices.Clone(m.Rows), func(r matrix.Row) bool { return !slices.Contains(ids, r.ID) })
	return m, nil
}

// view is a matrix in one of show's formats.
func view(m matrix.Matrix, format string, width int) ([]byte, error) {
	switch format {
	case "json":
		var out []byte
		for _, object := range document.Objects(m) {
			text, err := json.MarshalIndent(object, "", "  ")
			if err != nil {
				return nil, fmt.Errorf("write the matrix as JSON: %w", err)
			}
			out = append(append(out, text...), '\n')
		}
		return out, nil
	case "yaml":
		return document.Encode(m)
	case "csv":
		return report.CSV(m), nil
	case "markdown":
		return markdown.Export(m), nil
	case "html":
		return report.HTML(m), nil
	default:
		return []byte(report.Table(m, report.Options{Width: width, Wide: format == "wide"})), nil
	}
}

func summaryCommand(s *session.Session) *cobra.Command {
	src := source{session: s}
	var filter report.Filter
	var output string
	var width int
	all := []string{"text", "markdown", "html", "json"}
	c := &cobra.Command{
		Use:   "summary [FILE...]",
		Short: "Say what a security officer asks: what holds, what does not and why, and which doors are open",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := known(output, all...); err != nil {
				return err
			}
			m, err := src.load(cmd.Context(), args, cmd.InOrStdin())
			if err != nil {
				return err
			}
			if m, err = filter.Apply(m); err != nil {
				return err
			}
			summary := report.Summarize(m)
			text := []byte(summary.Text(width))
			switch output {
			case "markdown":
				text = summary.Markdown()
			case "html":
				text = summary.HTML()
			case "json":
				if text, err = json.MarshalIndent(summary, "", "  "); err != nil {
					return fmt.Errorf("write the summary as JSON: %w", err)
				}
				text = append(text, '\n')
			}
			_, err = s.Out.Write(text)
			return err
		},
	}
	src.addFlags(c)
	addFilterFlags(c, &filter)
	c.Flags().IntVar(&width, "width", report.DefaultWidth, "columns of the text")
	formats(c, &output, all...)
	src.complete(c)
	return c
}
