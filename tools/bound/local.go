package bound

import (
	"go/ast"
	"go/constant"
	"go/types"
	"strings"
)

// Families of addresses that never leave the machine (address_families(7)).
const (
	familyUnix    = 1
	familyNetlink = 16
)

// localArgument is where a call says which network it means, for those that may be local.
var localArgument = map[string]int{
	"net.Listen": 0, "net.ListenPacket": 0, "net.Dial": 0, "net.DialTimeout": 0,
	"net.ListenConfig.Listen": 1, "net.ListenConfig.ListenPacket": 1, "net.Dialer.Dial": 0, "net.Dialer.DialContext": 1,
	"syscall.Socket": 0, "syscall.Socketpair": 0, "golang.org/x/sys/unix.Socket": 0, "golang.org/x/sys/unix.Socketpair": 0,
}

// alwaysLocal opens nothing but Unix sockets.
var alwaysLocal = map[string]bool{"net.ListenUnix": true, "net.ListenUnixgram": true, "net.DialUnix": true, "net.Dialer.DialUnix": true}

// excuseLocal lets calls be that open what never leaves the machine, and the variables that serve such calls only.
func (s *search) excuseLocal() {
	served := map[types.Object]int{}
	s.inspect(func(n ast.Node, _ []ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return
		}
		callee := calleeOf(call)
		if callee == nil || !s.local(callee, call) {
			return
		}
		s.excused[callee] = true
		selector, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
		if !ok {
			return
		}
		receiver := ast.Unparen(selector.X)
		if id, ok := receiver.(*ast.Ident); ok {
			served[s.TypesInfo.Uses[id]]++
			return
		}
		ast.Inspect(receiver, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				s.excused[id] = true
			}
			return true
		})
	})
	all := map[types.Object]int{}
	for _, obj := range s.TypesInfo.Uses {
		all[obj]++
	}
	s.inspect(func(n ast.Node, _ []ast.Node) {
		names, declared := declaration(n)
		for _, name := range names {
			obj := s.TypesInfo.Defs[name]
			if obj == nil || served[obj] == 0 || served[obj] != all[obj] {
				return
			}
		}
		for _, d := range declared {
			ast.Inspect(d, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok {
					s.excused[id] = true
				}
				return true
			})
		}
	})
}

// declaration gives the names that a statement declares, with what it declares them by.
func declaration(n ast.Node) (names []*ast.Ident, by []ast.Node) {
	switch n := n.(type) {
	case *ast.ValueSpec:
		if n.Type != nil {
			by = append(by, n.Type)
		}
		for _, v := range n.Values {
			by = append(by, v)
		}
		return n.Names, by
	case *ast.AssignStmt:
		for _, l := range n.Lhs {
			id, ok := l.(*ast.Ident)
			if !ok {
				return nil, nil
			}
			names = append(names, id)
		}
		for _, v := range n.Rhs {
			by = append(by, v)
		}
		return names, by
	default:
		return nil, nil
	}
}

func (s *search) local(callee *ast.Ident, call *ast.CallExpr) bool {
	obj := s.TypesInfo.Uses[callee]
	if obj == nil {
		return false
	}
	name := opens(obj)
	if alwaysLocal[name] {
		return true
	}
	i, ok := localArgument[name]
	if !ok || i >= len(call.Args) {
		return false
	}
	value := s.TypesInfo.Types[call.Args[i]].Value
	if value == nil {
		return false
	}
	switch value.Kind() {
	case constant.String:
		return strings.HasPrefix(constant.StringVal(value), "unix")
	case constant.Int:
		family, exact := constant.Int64Val(value)
		return exact && (family == familyUnix || family == familyNetlink)
	default:
		return false
	}
}

// calleeOf is the name by which a call's function is named; nil where it is a value.
func calleeOf(call *ast.CallExpr) *ast.Ident {
	switch f := ast.Unparen(call.Fun).(type) {
	case *ast.Ident:
		return f
	case *ast.SelectorExpr:
		return f.Sel
	default:
		return nil
	}
}
