package agent_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The agent travels to a machine's memory on every boot, and listens on nothing.
func TestTheAgentIsSmallAndSilent(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{.ImportPath}} {{.Dir}}", "../../cmd/ingot-agent").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	const own = "github.com/ingotmetal/ingot/"
	checked := 0
	for line := range strings.Lines(string(out)) {
		path, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		for _, heavy := range []string{"k8s.io/", "sigs.k8s.io/", "go.etcd.io/", "gvisor.dev/", "github.com/metal3-io/", "github.com/stmcginnis/"} {
			if strings.HasPrefix(path, heavy) {
				t.Errorf("the agent links %s", path)
			}
		}
		// The socket drivers can listen, for other roles; nothing else may.
		if strings.HasPrefix(path, own) && !strings.HasPrefix(path, own+"internal/driver/socket") {
			checked++
			checkSilent(t, dir)
		}
	}
	if checked < 10 {
		t.Errorf("only %d of our packages were looked at", checked)
	}
}

// checkSilent finds calls of anything named Listen in a folder's sources.
func checkSilent(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if s, ok := call.Fun.(*ast.SelectorExpr); ok && (strings.HasPrefix(s.Sel.Name, "Listen") || s.Sel.Name == "Serve" || s.Sel.Name == "Accept") {
				t.Errorf("%s calls %s: the agent listens on nothing", file, s.Sel.Name)
			}
			return true
		})
	}
}
