package matrix_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/matrix"
)

func TestBuiltinIsWhole(t *testing.T) {
	if err := matrix.Complete(matrix.Own()); err != nil {
		t.Fatal(err)
	}
}

// Every constant has a row and every row a constant: a flow that cannot be named cannot happen.
func TestFlowNamesAreRows(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "flows.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var named []matrix.FlowName
	ast.Inspect(file, func(n ast.Node) bool {
		if _, isFunc := n.(*ast.FuncDecl); isFunc {
			return false
		}
		if literal, ok := n.(*ast.BasicLit); ok {
			text, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			named = append(named, matrix.FlowName(text))
		}
		return true
	})
	var rows []matrix.FlowName
	for _, r := range matrix.Builtin() {
		rows = append(rows, r.Name)
		if got, ok := matrix.Lookup(r.Name); !ok || got.ID != r.ID {
			t.Errorf("Lookup(%s) gives row %q", r.Name, got.ID)
		}
	}
	slices.Sort(named)
	slices.Sort(rows)
	if !slices.Equal(named, rows) {
		t.Errorf("constants %v\nrows      %v", named, rows)
	}
	if _, ok := matrix.Lookup("no-such-flow"); ok {
		t.Error("Lookup finds a flow that is not there")
	}
}

func TestCheckFindsEachDefect(t *testing.T) {
	cases := map[string]struct {
		spoil func(rows []matrix.Row) []matrix.Row
		want  string
	}{
		"id twice":           {func(r []matrix.Row) []matrix.Row { r[1].ID = r[0].ID; return r }, "used twice"},
		"name twice":         {func(r []matrix.Row) []matrix.Row { r[1].Name = r[0].Name; return r }, "used twice"},
		"flow twice":         {func(r []matrix.Row) []matrix.Row { x := r[0]; x.ID, x.Name = "9", "nine"; return append(r, x) }, "same flow as"},
		"blank cell":         {func(r []matrix.Row) []matrix.Row { r[0].Integrity = matrix.Property{}; return r }, "integrity is blank"},
		"yes without how":    {func(r []matrix.Row) []matrix.Row { r[0].Confidential.How = ""; return r }, "confidential has no how"},
		"no without bound":   {func(r []matrix.Row) []matrix.Row { r[0].Trusted.Bound = ""; return r }, "no bound"},
		"yes with bound":     {func(r []matrix.Row) []matrix.Row { r[0].Integrity.Bound = "x"; return r }, "bounds are for exceptions"},
		"unknown role":       {func(r []matrix.Row) []matrix.Row { r[0].From.Role = "guest"; return r }, `role "guest" is unknown`},
		"unknown zone":       {func(r []matrix.Row) []matrix.Row { r[0].To.Zone = "moon"; return r }, `zone "moon" is unknown`},
		"unknown protocol":   {func(r []matrix.Row) []matrix.Row { r[0].Protocol = "quic"; return r }, `protocol "quic" is unknown`},
		"port out of range":  {func(r []matrix.Row) []matrix.Row { r[0].Ports = matrix.Ports{{9, 8}}; return r }, "ports 9-8"},
		"no port":            {func(r []matrix.Row) []matrix.Row { r[0].Ports = nil; return r }, "has no port"},
		"no purpose":         {func(r []matrix.Row) []matrix.Row { r[0].Purpose = ""; return r }, "no purpose"},
		"empty stage":        {func(r []matrix.Row) []matrix.Row { r[0].Stages = []string{""}; return r }, "empty stage"},
		"no identity":        {func(r []matrix.Row) []matrix.Row { r[0].Identity = ""; return r }, "with an identity"},
		"no rights":          {func(r []matrix.Row) []matrix.Row { r[0].Rights = nil; return r }, "without any right"},
		"right to all":       {func(r []matrix.Row) []matrix.Row { r[1].Rights = r[0].Rights; return r }, "every group"},
		"right without verb": {func(r []matrix.Row) []matrix.Row { r[1].Rights = []matrix.Right{{Resources: []string{"x"}}}; return r }, "without verbs"},
		"right to a scope": {func(r []matrix.Row) []matrix.Row {
			r[1].Rights = []matrix.Right{{Resources: []string{"x"}, Verbs: []string{"get"}, Scope: "Racks"}}
			return r
		}, "HostNamespaces, or none"},
		"scope in a namespace": {func(r []matrix.Row) []matrix.Row {
			r[1].Rights = []matrix.Right{{Resources: []string{"x"}, Verbs: []string{"get"}, Scope: matrix.HostNamespaces, Namespace: "n"}}
			return r
		}, "a scope stands alone"},
		"names of what is not there": {func(r []matrix.Row) []matrix.Row {
			r[1].Rights = []matrix.Right{{Resources: []string{"x"}, Verbs: []string{"create"}, Names: []string{"n"}}}
			return r
		}, "no name before it is made"},
		"right to nothing": {func(r []matrix.Row) []matrix.Row { r[1].Rights = []matrix.Right{{Verbs: []string{"get"}}}; return r }, "neither or both"},
		"path in namespace": {func(r []matrix.Row) []matrix.Row {
			r[1].Rights = []matrix.Right{{Verbs: []string{"get"}, Paths: []string{"/x"}, Namespace: "n"}}
			return r
		}, "paths have none"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := matrix.Own()
			m.Rows = c.spoil(m.Rows)
			err := matrix.Complete(m)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want a problem with %q, have: %v", c.want, err)
			}
		})
	}
}

// The boundary that the split of the roles is for, read from the rows themselves.
func TestBootHoldsNoBMCSecret(t *testing.T) {
	for _, p := range matrix.Permissions(matrix.Builtin()) {
		if p.Role != matrix.Boot {
			continue
		}
		for _, r := range p.Rights {
			if slices.Contains(r.Resources, "secrets") && p.Namespace != "ingot-boot" {
				t.Errorf("boot may %v secrets in %q", r.Verbs, p.Namespace)
			}
			for _, verb := range r.Verbs {
				// What it heard from unknown machines is all that it writes.
				ours := slices.Equal(r.Resources, []string{"netbootrecords"}) && p.Namespace == "ingot-boot"
				if !ours && !slices.Contains([]string{"get", "list", "watch"}, verb) {
					t.Errorf("boot may %s %v", verb, r.Resources)
				}
			}
		}
	}
}
