package reference

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Metric is one that a role registers.
type Metric struct {
	Name, Kind, Help string
	Labels, Roles    []string
}

// servedBy says which roles serve the metrics that a package makes. A package that makes some and is not here fails the test.
func servedBy() map[string][]string {
	return map[string][]string{
		"internal/node/metric":                  {"ingot-node"},
		"internal/driver/socket/inventory":      {"apiserver", "auditor", "boot", "console", "controller", "mesh", "partition", "relay"},
		"internal/controlplane/auditing":        {"apiserver"},
		"internal/role/boot":                    {"boot"},
		"internal/role/console":                 {"console"},
		"internal/controller/leak":              {"controller"},
		"internal/controller/calico":            {"controller"},
		"internal/controller/gauge":             {"controller"},
		"internal/controller/bmcevent":          {"partition"},
		"internal/controller/host":              {"partition"},
		"internal/controller/host/metal3metric": {"partition"},
		"internal/driver/otlp":                  {"partition"},
	}
}

// Metrics finds the metrics that the product makes, in the sources below root: each call of client_golang's constructors, with the names that its callers pass where a function of ours stands between.
func Metrics(root string) ([]Metric, error) {
	var all []Metric
	err := filepath.WalkDir(filepath.Join(root, "internal"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		p, err := read(path)
		if err != nil {
			return err
		}
		found, err := p.metrics()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		roles := servedBy()[filepath.ToSlash(name)]
		if len(found) > 0 && len(roles) == 0 {
			return fmt.Errorf("%s makes metrics, and servedBy does not say which role serves them", name)
		}
		for _, m := range found {
			m.Roles = roles
			all = append(all, m)
		}
		return nil
	})
	slices.SortFunc(all, func(a, b Metric) int { return strings.Compare(a.Name, b.Name) })
	for _, m := range all {
		if m.Help == "" {
			err = fmt.Errorf("metric %s has no help text", m.Name)
		}
	}
	return slices.CompactFunc(all, func(a, b Metric) bool { return a.Name == b.Name }), err
}

// sources are one package's files.
type sources struct {
	set     *token.FileSet
	files   []*ast.File
	parents map[ast.Node]ast.Node
	consts  map[string]ast.Expr
}

func read(dir string) (*sources, error) {
	p := &sources{set: token.NewFileSet(), parents: map[ast.Node]ast.Node{}, consts: map[string]ast.Expr{}}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(p.set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		p.files = append(p.files, f)
		var stack []ast.Node
		ast.Inspect(f, func(n ast.Node) bool {
			if n == nil {
				stack = stack[:len(stack)-1]
				return true
			}
			if len(stack) > 0 {
				p.parents[n] = stack[len(stack)-1]
			}
			stack = append(stack, n)
			if v, ok := n.(*ast.ValueSpec); ok {
				for i := range v.Values {
					p.consts[v.Names[i].Name] = v.Values[i]
				}
			}
			if a, ok := n.(*ast.AssignStmt); ok && a.Tok == token.DEFINE && len(a.Lhs) == len(a.Rhs) {
				for i := range a.Lhs {
					if id, ok := a.Lhs[i].(*ast.Ident); ok {
						p.consts[id.Name] = a.Rhs[i]
					}
				}
			}
			return true
		})
	}
	return p, nil
}

// made is a call of client_golang's that makes a metric.
type made struct {
	at                 *ast.CallExpr
	kind               string
	name, help, labels ast.Expr
}

func (p *sources) metrics() ([]Metric, error) {
	var all []Metric
	for _, f := range p.files {
		var err error
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || err != nil {
				return err == nil
			}
			m, ok := constructor(call)
			if !ok {
				return true
			}
			bindings := p.bindings(call)
			for _, b := range bindings {
				x := Metric{Kind: m.kind, Name: p.text(m.name, b), Help: p.text(m.help, b), Labels: p.list(m.labels, b)}
				if x.Kind == "" {
					x.Kind = "gauge"
					if strings.HasSuffix(x.Name, "_total") {
						x.Kind = "counter"
					}
				}
				if x.Name == "" || strings.HasSuffix(x.Name, "_") {
					err = fmt.Errorf("%s: the name of this metric cannot be read from the source", p.set.Position(call.Pos()))
				}
				all = append(all, x)
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// constructor reads a call of prometheus.NewDesc, NewCounter, NewGaugeVec and so on.
func constructor(call *ast.CallExpr) (made, bool) {
	s, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 {
		return made{}, false
	}
	if pkg, ok := s.X.(*ast.Ident); !ok || pkg.Name != "prometheus" || !strings.HasPrefix(s.Sel.Name, "New") {
		return made{}, false
	}
	if s.Sel.Name == "NewDesc" {
		return made{at: call, name: call.Args[0], help: call.Args[1], labels: call.Args[2]}, true
	}
	lit, ok := call.Args[0].(*ast.CompositeLit)
	if !ok {
		return made{}, false
	}
	m := made{at: call}
	for _, kind := range []string{"Counter", "Gauge", "Histogram", "Summary"} {
		if strings.HasPrefix(s.Sel.Name, "New"+kind) {
			m.kind = strings.ToLower(kind)
		}
	}
	for _, e := range lit.Elts {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		switch fmt.Sprint(kv.Key) {
		case "Name":
			m.name = kv.Value
		case "Help":
			m.help = kv.Value
		}
	}
	if strings.HasSuffix(s.Sel.Name, "Vec") && len(call.Args) > 1 {
		m.labels = call.Args[1]
	}
	return m, m.name != nil
}

// binding gives a function's parameters the arguments of one call; a variadic one has several.
type binding map[string][]ast.Expr

// bindings are those of the function that a node stands in, by each call of it in this package; one empty one where the function is called by others, or has parameters that no metric needs.
func (p *sources) bindings(n ast.Node) []binding {
	name, params := p.enclosing(n)
	if name == "" {
		return []binding{{}}
	}
	var all []binding
	for _, f := range p.files {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !calls(call, name) {
				return true
			}
			for _, outer := range p.bindings(call) {
				b := binding{}
				for i, param := range params {
					args := call.Args[min(i, len(call.Args)):]
					if i < len(params)-1 || len(args) > 0 && len(params) == len(call.Args) {
						args = args[:min(1, len(args))]
					}
					for _, a := range args {
						if id, ok := a.(*ast.Ident); ok && outer[id.Name] != nil {
							b[param] = append(b[param], outer[id.Name]...)
							continue
						}
						b[param] = append(b[param], a)
					}
				}
				all = append(all, b)
			}
			return true
		})
	}
	if len(all) == 0 {
		return []binding{{}}
	}
	return all
}

func calls(call *ast.CallExpr, name string) bool {
	id, ok := call.Fun.(*ast.Ident)
	return ok && id.Name == name
}

// enclosing is the name and the parameters of the nearest function around a node that has a parameter called name or operation, as ours that make metrics do; empty where there is none.
func (p *sources) enclosing(n ast.Node) (string, []string) {
	for at := p.parents[n]; at != nil; at = p.parents[at] {
		var typ *ast.FuncType
		name := ""
		switch f := at.(type) {
		case *ast.FuncDecl:
			typ, name = f.Type, f.Name.Name
		case *ast.FuncLit:
			typ = f.Type
			if a, ok := p.parents[f].(*ast.AssignStmt); ok {
				name = fmt.Sprint(a.Lhs[0])
			}
		default:
			continue
		}
		var params []string
		for _, field := range typ.Params.List {
			for _, id := range field.Names {
				params = append(params, id.Name)
			}
		}
		if name != "" && (slices.Contains(params, "name") || slices.Contains(params, "operation")) {
			return name, params
		}
	}
	return "", nil
}

// text is the value of an expression of string literals, constants and bound parameters.
func (p *sources) text(e ast.Expr, b binding) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, _ := strconv.Unquote(e.Value)
		return s
	case *ast.BinaryExpr:
		return p.text(e.X, b) + p.text(e.Y, b)
	case *ast.Ident:
		if bound := b[e.Name]; len(bound) > 0 {
			return p.text(bound[0], nil)
		}
		if v := p.consts[e.Name]; v != nil {
			return p.text(v, nil)
		}
	}
	return ""
}

func (p *sources) list(e ast.Expr, b binding) []string {
	var all []string
	switch e := e.(type) {
	case *ast.CompositeLit:
		for _, x := range e.Elts {
			all = append(all, p.text(x, b))
		}
	case *ast.CallExpr: // append(list, "more")
		if calls(e, "append") && len(e.Args) > 0 {
			all = p.list(e.Args[0], b)
			for _, x := range e.Args[1:] {
				all = append(all, p.text(x, b))
			}
		}
	case *ast.Ident:
		if bound, ok := b[e.Name]; ok {
			for _, x := range bound {
				all = append(all, p.text(x, nil))
			}
		} else if v := p.consts[e.Name]; v != nil {
			all = p.list(v, nil)
		}
	}
	return all
}

// metricsPage is the reference of metrics.
func metricsPage(all []Metric) string {
	var b strings.Builder
	b.WriteString("# Metrics\n\nEvery metric that a role of Ingot makes, with its labels and the roles that serve it, at `/metrics` of the role's `--health-bind` (the API server: its own `/metrics`).\n" +
		"Beside them each role serves what its libraries count: Go's runtime (`go_…`, `process_…`), controller-runtime (`controller_runtime_…`, `workqueue_…`, `rest_client_…`) and, in the API server,\n" +
		"Kubernetes and etcd (`apiserver_…`, `etcd_…`). The names that begin with `metal3_` are Metal3's own, for dashboards that exist.\n\n| metric | kind | labels | roles | |\n|---|---|---|---|---|\n")
	for _, m := range all {
		labels := ""
		if len(m.Labels) > 0 {
			labels = "`" + strings.Join(m.Labels, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", m.Name, m.Kind, labels, strings.Join(m.Roles, ", "), cell(prose(m.Help)))
	}
	return b.String()
}
