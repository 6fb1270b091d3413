package matrix

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/diagram"
	"github.com/ingotmetal/ingot/matrix/report"
)

func graphCommand(s *session.Session) *cobra.Command {
	src := source{session: s}
	var filter report.Filter
	var output string
	c := &cobra.Command{
		Use:   "graph [FILE...]",
		Short: "Draw a matrix as SVG: one picture, or with -o DIR/ one of all, one per plane and one per role",
		Example: "  ingot matrix graph --role boot -o boot.svg\n" +
			"  ingot matrix graph examples/artesca/matrix.yaml --reading prose -o pictures/",
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := src.load(cmd.Context(), args, cmd.InOrStdin())
			if err != nil {
				return err
			}
			// The names are checked; the picture keeps the flows itself, and its title says which.
			if _, err := filter.Apply(m); err != nil {
				return err
			}
			if filter.Reading != "" {
				m = m.As(filter.Reading)
			}
			o := diagram.Options{Plane: filter.Plane, Role: filter.Role}
			if isFolder(output) {
				if o != (diagram.Options{}) {
					return fmt.Errorf("-o %s is a folder, for pictures of all planes and roles: give a file for one picture, or leave --plane and --role out", output)
				}
				return drawAll(s.Err, m, output)
			}
			return writeTo(s, output, diagram.SVG(m, o))
		},
	}
	src.addFlags(c)
	c.Flags().StringVar((*string)(&filter.Plane), "plane", "", "only the flows with an end on this plane")
	c.Flags().StringVar((*string)(&filter.Role), "role", "", "only the flows with this role at an end")
	c.Flags().StringVar(&filter.Reading, "reading", "", "only this reading of a document that contradicts itself")
	c.Flags().StringVarP(&output, "output", "o", "", "a file, or a folder for all pictures (default: standard output)")
	src.complete(c)
	return c
}

// isFolder says whether -o means a folder: it is one, or it ends like one.
func isFolder(name string) bool {
	if strings.HasSuffix(name, "/") {
		return true
	}
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// drawAll writes every picture of a matrix.
func drawAll(messages io.Writer, m matrix.Matrix, folder string) error {
	pictures := []struct {
		name string
		o    diagram.Options
	}{{"all", diagram.Options{}}}
	for _, p := range report.Planes(m) {
		pictures = append(pictures, struct {
			name string
			o    diagram.Options
		}{"plane-" + p, diagram.Options{Plane: matrix.Plane(p)}})
	}
	for _, r := range report.Roles(m) {
		pictures = append(pictures, struct {
			name string
			o    diagram.Options
		}{"role-" + r, diagram.Options{Role: matrix.Role(r)}})
	}
	for _, p := range pictures {
		if err := writeInto(folder, p.name+".svg", diagram.SVG(m, p.o)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(messages, "%d pictures in %s\n", len(pictures), folder)
	return err
}

// writeTo writes an answer to a file, or to standard output where there is none.
func writeTo(s *session.Session, file string, text []byte) error {
	if file == "" {
		_, err := s.Out.Write(text)
		return err
	}
	return writeInto(filepath.Dir(file), filepath.Base(file), text)
}

// writeInto writes a file in a folder, which is made where it is missing.
func writeInto(folder, name string, text []byte) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("make the folder %s: %w", folder, err)
	}
	if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}
