package matrix

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
)

// source is where a command's matrix comes from.
type source struct {
	session *session.Session
	builtin bool
	name    string
}

func (s *source) addFlags(c *cobra.Command) {
	c.Flags().BoolVar(&s.builtin, "builtin", false, "Ingot's own matrix (the default without FILE)")
	c.Flags().StringVar(&s.name, "name", "", "the CommunicationMatrix of this name, from the API server")
	c.MarkFlagsMutuallyExclusive("builtin", "name")
}

// load reads the matrix that a command is about: the files, which are joined where one extends another, or what the flags say.
func (s *source) load(ctx context.Context, files []string, stdin io.Reader) (matrix.Matrix, error) {
	switch {
	case len(files) > 0 && (s.builtin || s.name != ""):
		return matrix.Matrix{}, errors.New("FILE and --builtin or --name name two matrices: give one of them")
	case len(files) > 0:
		return readFiles(files, stdin)
	case s.name != "":
		return s.fromServer(ctx)
	default:
		return matrix.Own(), nil
	}
}

// readFiles joins the files as one stream of documents.
func readFiles(files []string, stdin io.Reader) (matrix.Matrix, error) {
	var stream bytes.Buffer
	for _, name := range files {
		if strings.EqualFold(filepath.Ext(name), ".md") {
			return matrix.Matrix{}, fmt.Errorf("%s is Markdown: make a matrix of it with `ingot matrix import %s > matrix.yaml`", name, name)
		}
		text, err := readFile(name, stdin)
		if err != nil {
			return matrix.Matrix{}, err
		}
		if stream.Len() > 0 {
			stream.WriteString("\n---\n")
		}
		stream.Write(text)
	}
	m, err := document.Decode(stream.Bytes())
	if err != nil {
		return matrix.Matrix{}, fmt.Errorf("%s:\n%w", strings.Join(files, ", "), err)
	}
	return m, nil
}

// readFile reads a file, or standard input for "-".
func readFile(name string, stdin io.Reader) ([]byte, error) {
	if name == "-" {
		text, err := io.ReadAll(stdin)
		if err != nil {
			return nil, fmt.Errorf("read the matrix from standard input: %w", err)
		}
		return text, nil
	}
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no file %s; `ingot matrix show --builtin -o yaml` shows what one looks like", name)
	}
	if err != nil {
		return nil, fmt.Errorf("read the matrix: %w", err)
	}
	return text, nil
}

// fromServer reads an object and all that extend it.
func (s *source) fromServer(ctx context.Context) (matrix.Matrix, error) {
	list, err := listMatrices(ctx, s.session)
	if err != nil {
		return matrix.Matrix{}, err
	}
	parts := document.Parts(s.name, list)
	var names []string
	for i := range list {
		switch o := &list[i]; {
		case o.Name == s.name && o.Spec.Extends != "":
			return matrix.Matrix{}, fmt.Errorf("CommunicationMatrix %s is a part: ask for --name %s", s.name, o.Spec.Extends)
		case o.Spec.Extends == "":
			names = append(names, o.Name)
		}
	}
	if len(parts) == 0 {
		have := "there are none"
		if len(names) > 0 {
			have = "there are: " + strings.Join(names, ", ")
		}
		return matrix.Matrix{}, fmt.Errorf("the API server has no CommunicationMatrix %s; %s", s.name, have)
	}
	m, err := document.Join(parts...)
	if err != nil {
		return matrix.Matrix{}, fmt.Errorf("CommunicationMatrix %s:\n%w", s.name, err)
	}
	return m, nil
}

func listMatrices(ctx context.Context, s *session.Session) ([]ingot.CommunicationMatrix, error) {
	c, err := s.Client()
	if err != nil {
		return nil, err
	}
	var list ingot.CommunicationMatrixList
	if err := c.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("list the communication matrices: %w", err)
	}
	return list.Items, nil
}

// reading chooses a reading of a matrix that has several. Rules and proofs are of one.
func reading(m matrix.Matrix, name string) (matrix.Matrix, error) {
	all := m.Readings()
	switch {
	case name != "" && len(all) == 0:
		return m, fmt.Errorf("the matrix %s has one reading only: leave --reading out", m.Name)
	case name != "":
		for _, r := range all {
			if r == name {
				return m.As(name), nil
			}
		}
		return m, fmt.Errorf("the matrix %s has no reading %q; it has: %s", m.Name, name, strings.Join(all, ", "))
	case len(all) > 1:
		return m, fmt.Errorf("the matrix %s has several readings, which contradict each other: choose one with --reading: %s", m.Name, strings.Join(all, ", "))
	case len(all) == 1:
		return m.As(all[0]), nil
	}
	return m, nil
}

// noAnswer marks an error of a command that answers a question: the program ends with 2.
func noAnswer(err error) error {
	if err == nil {
		return nil
	}
	var e *session.Exit
	if errors.As(err, &e) {
		return err
	}
	return &session.Exit{Code: 2, Err: err}
}

// no is the answer no: the program ends with 1, and what was printed says why.
func no() error { return &session.Exit{Code: 1} }
