package bound

import (
	"go/ast"
	"go/constant"
	"go/types"
	"strings"
)

// needed are structs that dial by themselves unless a field says how.
var needed = map[string]string{
	"net/http.Client":                     "Transport",
	"net/http.Transport":                  "DialContext",
	"net/http/httputil.ReverseProxy":      "Transport",
	"k8s.io/client-go/rest.Config":        "Dial",
	"github.com/gorilla/websocket.Dialer": "NetDialContext",
}

// listening are structs of which a field is an address to listen at, and "0" or nothing means not to.
var listening = map[string]struct {
	fields []string
	// must: without the field a default port is opened.
	must bool
}{
	"sigs.k8s.io/controller-runtime/pkg/manager.Options":        {[]string{"HealthProbeBindAddress", "PprofBindAddress"}, false},
	"sigs.k8s.io/controller-runtime/pkg/metrics/server.Options": {[]string{"BindAddress"}, true},
}

// managerOptions open a port for metrics where nothing is said of them.
const managerOptions = "sigs.k8s.io/controller-runtime/pkg/manager.Options"

// literals finds values that will dial or listen by themselves: made by a literal, by new, as a variable's or a field's zero value.
func (s *search) literals() {
	s.inspect(func(n ast.Node, stack []ast.Node) {
		switch n := n.(type) {
		case *ast.CompositeLit:
			t := s.TypesInfo.TypeOf(n)
			s.needs(n, t, n, stack)
			s.listens(n, t)
		case *ast.CallExpr:
			if id, ok := ast.Unparen(n.Fun).(*ast.Ident); ok && len(n.Args) == 1 && s.TypesInfo.Uses[id] == types.Universe.Lookup("new") {
				s.needs(n, s.TypesInfo.TypeOf(n), nil, stack)
			}
		case *ast.ValueSpec:
			if n.Type != nil && len(n.Values) == 0 && !pointer(s.TypesInfo.TypeOf(n.Type)) {
				s.needs(n, s.TypesInfo.TypeOf(n.Type), nil, stack)
			}
		case *ast.Field:
			if _, inStruct := parent(stack, 2).(*ast.StructType); inStruct && !pointer(s.TypesInfo.TypeOf(n.Type)) {
				s.needs(n, s.TypesInfo.TypeOf(n.Type), nil, stack)
			}
		}
	})
}

func pointer(t types.Type) bool {
	_, is := types.Unalias(t).(*types.Pointer)
	return is
}

// parent is the n-th node above the last one of a stack.
func parent(stack []ast.Node, n int) ast.Node {
	if len(stack) <= n {
		return nil
	}
	return stack[len(stack)-1-n]
}

// needs finds a value of a type that dials by itself, and no field that says how. A field that the same function sets later counts.
func (s *search) needs(at ast.Node, t types.Type, literal *ast.CompositeLit, stack []ast.Node) {
	name := nameOf(t)
	field := needed[name]
	if field == "" {
		return
	}
	if literal != nil && s.given(literal, t, field) || s.setLater(stack, name, field) {
		return
	}
	s.add(at.Pos(), "%s without %s dials past the matrix: give it the DialContext of a socket.Bound", name, field)
}

// given says whether a literal sets a field to something.
func (s *search) given(literal *ast.CompositeLit, t types.Type, field string) bool {
	value := fieldOf(literal, t, field)
	return value != nil && !s.TypesInfo.Types[value].IsNil()
}

// fieldOf is what a literal sets a field to, by its name or by its place.
func fieldOf(literal *ast.CompositeLit, t types.Type, field string) ast.Expr {
	layout, _ := namedOf(t).Underlying().(*types.Struct)
	for i, e := range literal.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.Ident); ok && key.Name == field {
				return kv.Value
			}
			continue
		}
		if layout != nil && i < layout.NumFields() && layout.Field(i).Name() == field {
			return e
		}
	}
	return nil
}

// setLater says whether the function that a node stands in sets a field of a type's value.
func (s *search) setLater(stack []ast.Node, name, field string) bool {
	var function ast.Node
	for _, n := range stack {
		if f, ok := n.(*ast.FuncDecl); ok {
			function = f
		}
	}
	if function == nil {
		return false
	}
	set := false
	ast.Inspect(function, func(n ast.Node) bool {
		assign, ok := n.(*ast.AssignStmt)
		if !ok {
			return true
		}
		for i, l := range assign.Lhs {
			selector, ok := l.(*ast.SelectorExpr)
			if !ok || selector.Sel.Name != field || nameOf(s.TypesInfo.TypeOf(selector.X)) != name {
				continue
			}
			set = set || len(assign.Rhs) != len(assign.Lhs) || !s.TypesInfo.Types[assign.Rhs[i]].IsNil()
		}
		return true
	})
	return set
}

// listens finds options that make a library listen.
func (s *search) listens(literal *ast.CompositeLit, t types.Type) {
	name := nameOf(t)
	if name == managerOptions && fieldOf(literal, t, "Metrics") == nil {
		s.add(literal.Pos(), "%s without Metrics listens at port 8080: set its BindAddress to \"0\", and serve metrics by a flow", name)
	}
	o, ok := listening[name]
	if !ok {
		return
	}
	for _, field := range o.fields {
		value := fieldOf(literal, t, field)
		if value == nil && !o.must {
			continue
		}
		if value == nil || !s.silent(value) {
			s.add(literal.Pos(), "%s with this %s listens past the matrix: set it to \"0\", and serve by a flow", name, field)
		}
	}
}

// silent says whether an address folds to "0".
func (s *search) silent(e ast.Expr) bool {
	v := s.TypesInfo.Types[e].Value
	return v != nil && v.Kind() == constant.String && constant.StringVal(v) == "0"
}

// configs finds API server configurations that a library made and whose way of dialing the same function does not set.
func (s *search) configs() {
	const config = "k8s.io/client-go/rest.Config"
	s.inspect(func(n ast.Node, stack []ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return
		}
		callee := calleeOf(call)
		if callee == nil {
			return
		}
		f, ok := s.TypesInfo.Uses[callee].(*types.Func)
		if !ok || f.Pkg() == nil || !makesConfigs(f.Pkg().Path()) || strings.HasSuffix(f.Name(), "CopyConfig") || strings.HasPrefix(f.Name(), "Anonymous") {
			return
		}
		results := f.Signature().Results()
		for i := range results.Len() {
			if nameOf(results.At(i).Type()) == config && !s.setLater(stack, config, "Dial") {
				s.add(call.Pos(), "the configuration of %s dials past the matrix: set its Dial to the DialContext of a socket.Bound in the same function", f.FullName())
			}
		}
	})
}

func makesConfigs(path string) bool {
	return under(path, "k8s.io/client-go") || under(path, "sigs.k8s.io/controller-runtime")
}
