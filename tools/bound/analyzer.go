package bound

import (
	"fmt"
	"go/ast"
	"go/token"
	"reflect"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// Analyzer finds sockets and flow names that the matrix does not bind. Its result is a *Found.
var Analyzer = &analysis.Analyzer{
	Name:       "bound",
	Doc:        "find sockets that are opened outside of internal/driver/socket, and flows that are named by anything but the matrix's constants",
	Run:        run,
	ResultType: reflect.TypeFor[*Found](),
}

// Found is what one package says about the whole.
type Found struct {
	// Flows are the constants of package matrix that the package names.
	Flows []string
	// Used are the places by which something was let be.
	Used []Place
}

// finding is something to report.
type finding struct {
	at   token.Pos
	says string
}

// search is one pass over a package.
type search struct {
	*analysis.Pass
	found   []finding
	excused map[*ast.Ident]bool
}

func run(pass *analysis.Pass) (any, error) {
	result := &Found{Flows: flowsNamed(pass)}
	for _, one := range []struct {
		rule Rule
		look func(*search)
	}{
		{Opens, func(s *search) { s.excuseLocal(); s.uses(); s.literals(); s.configs() }},
		{Names, (*search).flows},
	} {
		s := &search{Pass: pass, excused: map[*ast.Ident]bool{}}
		one.look(s)
		if place, ok := placeOf(pass.Pkg.Path(), one.rule); ok {
			if len(s.found) > 0 {
				result.Used = append(result.Used, place)
			}
			continue
		}
		s.tell()
	}
	return result, nil
}

// add notes a finding, except in the files of tests.
func (s *search) add(at token.Pos, format string, args ...any) {
	if strings.HasSuffix(s.Fset.Position(at).Filename, "_test.go") {
		return
	}
	s.found = append(s.found, finding{at, fmt.Sprintf(format, args...)})
}

// tell reports in the order of the source, one finding a line: "new(net.Dialer).Dial" is one thing.
func (s *search) tell() {
	slices.SortStableFunc(s.found, func(a, b finding) int { return int(a.at) - int(b.at) })
	last := token.Position{}
	for _, f := range s.found {
		at := s.Fset.Position(f.at)
		if at.Filename == last.Filename && at.Line == last.Line {
			continue
		}
		last = at
		s.Report(analysis.Diagnostic{Pos: f.at, Message: f.says})
	}
}

// uses finds every mention of what opens sockets.
func (s *search) uses() {
	for id, obj := range s.TypesInfo.Uses {
		if name := opens(obj); name != "" && !s.excused[id] {
			s.add(id.Pos(), "%s opens a socket past the matrix: listen and dial by a flow's name, with a socket.Bound", name)
		}
	}
}

// inspect walks all files, with the nodes from the file down to the one shown.
func (s *search) inspect(show func(n ast.Node, stack []ast.Node)) {
	for _, f := range s.Files {
		var stack []ast.Node
		ast.Inspect(f, func(n ast.Node) bool {
			if n == nil {
				stack = stack[:len(stack)-1]
				return true
			}
			stack = append(stack, n)
			show(n, stack)
			return true
		})
	}
}
