// Command checkbound says where the code is not bound by the communication matrix: it runs the analyzer of package bound over whole modules, and compares
// what they name with what the matrix has.
//
// It owns what no single package can tell: a constant that no code names (a dead row), and an exception that excepts nothing any more. It refuses to mend anything.
// Its exit code is 1 where there is a finding, and 2 where it could not look.
package main

import (
	"flag"
	"fmt"
	"go/types"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/checker"
	"golang.org/x/tools/go/packages"

	"github.com/ingotmetal/ingot/tools/bound"
)

func main() {
	root := flag.String("root", "..", "folder of the main module")
	flag.Parse()
	findings, err := check(*root, os.Stdout)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "checkbound:", err)
		os.Exit(2)
	case findings > 0:
		fmt.Fprintf(os.Stderr, "checkbound: %d findings\n", findings)
		os.Exit(1)
	}
}

// modules are the ones of the repository, below its root.
var modules = []string{".", "api", "tools", "mesh"}

// whole is what is gathered over all packages.
type whole struct {
	out      io.Writer
	root     string
	findings int
	flows    map[string]bool
	declared []string
	used     map[bound.Place]bool
}

func check(root string, out io.Writer) (int, error) {
	absolute, err := filepath.Abs(root)
	if err != nil {
		return 0, fmt.Errorf("find the folder %q: %w", root, err)
	}
	w := &whole{out: out, root: absolute, flows: map[string]bool{}, used: map[bound.Place]bool{}}
	for _, m := range modules {
		if err := w.module(filepath.Join(absolute, m)); err != nil {
			return 0, err
		}
	}
	if len(w.declared) == 0 {
		return 0, fmt.Errorf("no constant of type %s in %s: is %s the main module?", bound.FlowType, bound.MatrixPath, absolute)
	}
	w.deadFlows()
	w.deadPlaces()
	return w.findings, nil
}

func (w *whole) module(dir string) error {
	loaded, err := packages.Load(&packages.Config{Dir: dir, Mode: packages.LoadSyntax | packages.NeedModule}, "./...")
	if err != nil {
		return fmt.Errorf("load the packages in %s: %w", dir, err)
	}
	if broken := packages.PrintErrors(loaded); broken > 0 {
		return fmt.Errorf("load the packages in %s: %d errors; it has to build first", dir, broken)
	}
	graph, err := checker.Analyze([]*analysis.Analyzer{bound.Analyzer}, loaded, nil)
	if err != nil {
		return fmt.Errorf("analyze the packages in %s: %w", dir, err)
	}
	for _, a := range graph.Roots {
		if a.Err != nil {
			return fmt.Errorf("analyze %s: %w", a.Package.PkgPath, a.Err)
		}
		for _, d := range a.Diagnostics {
			at := a.Package.Fset.Position(d.Pos)
			if short, err := filepath.Rel(w.root, at.Filename); err == nil {
				at.Filename = short
			}
			w.tell("%s: %s", at, d.Message)
		}
		w.gather(a.Package, a.Result.(*bound.Found))
	}
	return nil
}

func (w *whole) gather(p *packages.Package, f *bound.Found) {
	for _, name := range f.Flows {
		w.flows[name] = true
	}
	for _, place := range f.Used {
		w.used[place] = true
	}
	if p.PkgPath != bound.MatrixPath {
		return
	}
	for _, name := range p.Types.Scope().Names() {
		c, ok := p.Types.Scope().Lookup(name).(*types.Const)
		if ok && c.Exported() && types.Identical(c.Type(), p.Types.Scope().Lookup(bound.FlowType).Type()) {
			w.declared = append(w.declared, name)
		}
	}
}

func (w *whole) tell(format string, args ...any) {
	w.findings++
	fmt.Fprintf(w.out, format+"\n", args...)
}

// deadFlows finds rows that no code opens.
func (w *whole) deadFlows() {
	for _, name := range w.declared {
		reason, excepted := bound.Unopened[name]
		switch {
		case !w.flows[name] && !excepted:
			w.tell("matrix: no code names the flow %s: a row that can't happen isn't there; remove it, or say in bound.Unopened who opens it", name)
		case w.flows[name] && excepted:
			w.tell("tools/bound: code names the flow %s, which bound.Unopened says is %q: remove it there", name, reason)
		}
	}
	for name := range bound.Unopened {
		if !slices.Contains(w.declared, name) {
			w.tell("tools/bound: bound.Unopened has %s, which is no constant of the matrix", name)
		}
	}
}

// deadPlaces finds exceptions that except nothing.
func (w *whole) deadPlaces() {
	for _, p := range bound.Places {
		if !w.used[p] {
			w.tell("tools/bound: nothing in %s needs the exception %q any more: remove it from bound.Places", p.Path, p.Rule)
		}
	}
}
