package bound

import (
	"go/ast"
	"go/constant"
	"go/types"
	"slices"

	"golang.org/x/tools/go/analysis"
)

// The package of the flows' names, and their type.
const (
	MatrixPath = Module + "/matrix"
	FlowType   = "FlowName"
)

func isFlow(t types.Type) bool {
	if t == nil {
		return false
	}
	n, ok := types.Unalias(t).(*types.Named)
	return ok && n.Obj().Name() == FlowType && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == MatrixPath
}

// flowsNamed are the matrix's constants that a package names, outside of the matrix and of tests.
func flowsNamed(pass *analysis.Pass) []string {
	if pass.Pkg.Path() == MatrixPath {
		return nil
	}
	var all []string
	for _, obj := range pass.TypesInfo.Uses {
		if c, ok := obj.(*types.Const); ok && ofMatrix(c) && isFlow(c.Type()) {
			all = append(all, c.Name())
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func ofMatrix(obj types.Object) bool { return obj.Pkg() != nil && obj.Pkg().Path() == MatrixPath }

// flows finds names of flows that are no constants of the matrix. With literals, conversions and the rows' own fields refused, every variable of the type holds
// one of the constants, wherever it was passed through.
func (s *search) flows() {
	s.inspect(func(n ast.Node, _ []ast.Node) {
		switch n := n.(type) {
		case *ast.BasicLit:
			if v := s.TypesInfo.Types[n]; isFlow(v.Type) && !empty(v.Value) {
				s.add(n.Pos(), "flow %s is named by a literal: use the constant of package matrix, and add a row where there is none", n.Value)
			}
		case *ast.BinaryExpr:
			if isFlow(s.TypesInfo.TypeOf(n)) {
				s.add(n.Pos(), "a flow's name is put together: use the constant of package matrix, and add a row where there is none")
			}
		case *ast.Ident:
			s.untyped(n)
		case *ast.CallExpr:
			s.conversion(n)
			s.arguments(n)
		case *ast.AssignStmt:
			for _, v := range n.Rhs {
				s.ofRow(v)
			}
		case *ast.ValueSpec:
			for _, v := range n.Values {
				s.ofRow(v)
			}
		}
	})
}

func empty(v constant.Value) bool {
	return v != nil && v.Kind() == constant.String && constant.StringVal(v) == ""
}

// untyped finds a constant string that becomes a flow's name where it is used.
func (s *search) untyped(id *ast.Ident) {
	c, ok := s.TypesInfo.Uses[id].(*types.Const)
	if ok && isFlow(s.TypesInfo.TypeOf(id)) && !isFlow(c.Type()) && !empty(c.Val()) {
		s.add(id.Pos(), "flow %s is named by the constant %s, which is not the matrix's: use the one of package matrix", c.Val(), c.Name())
	}
}

// conversion finds a flow's name that is made of another string.
func (s *search) conversion(call *ast.CallExpr) {
	f := s.TypesInfo.Types[call.Fun]
	if !f.IsType() || !isFlow(f.Type) || len(call.Args) != 1 {
		return
	}
	from := s.TypesInfo.Types[call.Args[0]]
	if isFlow(from.Type) && from.Value == nil || empty(from.Value) {
		return
	}
	s.add(call.Pos(), "a flow's name is made of a string: use the constant of package matrix, and add a row where there is none")
}

// arguments finds the name of whatever row being passed on as the flow that is meant.
func (s *search) arguments(call *ast.CallExpr) {
	if s.TypesInfo.Types[call.Fun].IsType() {
		return
	}
	signature, ok := types.Unalias(s.TypesInfo.TypeOf(call.Fun)).(*types.Signature)
	if !ok {
		return
	}
	for i, a := range call.Args {
		if i < signature.Params().Len() && isFlow(signature.Params().At(i).Type()) {
			s.ofRow(a)
		}
	}
}

// ofRow finds a field of one of the matrix's structs.
func (s *search) ofRow(e ast.Expr) {
	selector, ok := ast.Unparen(e).(*ast.SelectorExpr)
	if !ok || !isFlow(s.TypesInfo.TypeOf(selector)) {
		return
	}
	if field, ok := s.TypesInfo.Uses[selector.Sel].(*types.Var); ok && field.IsField() && ofMatrix(field) {
		s.add(e.Pos(), "the flow is whatever row %s stands in: name it by its constant", types.ExprString(selector))
	}
}
