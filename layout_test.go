// Package ingot holds the test of the house: which package may import which, and how large a thing may grow.
package ingot

import (
	"bufio"
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/ingotmetal/ingot"

// domain is the pure half: decisions and data, no world.
var domain = []string{
	"console", "sshcert", "journey", "lifecycle", "discover", "inspect", "prepare", "provision", "run", "clean", "step", "rootdevice", "ramdisk", "power",
	"matrix", "netboot", "firewall", "claim", "firmware", "ipam", "health", "event", "subscription", "artifact", "filesystem", "raid", "volume", "attest", "bootentry",
	"discovery", "account", "pin", "wildcard", "size", "catalog", "audit", "firstboot",
	"issue", "capacity", "pace",
}

// bans are imports that a part must not have, each with its reason. A part is a folder with all below it.
var bans = []struct {
	part, banned, reason string
}{
	{"domain", "internal/", "a decision that reaches for the world can't be tested as a table"},
	{"domain", "os", "facts come in as parameters"},
	{"domain", "net", "facts come in as parameters; net/netip is fine"},
	{"domain", "net/http", "facts come in as parameters"},
	{"domain", "context", "a decision takes no time and can't be cancelled"},
	{"domain", "log", "a decision's words are its outcome"},
	{"domain", "log/slog", "a decision's words are its outcome"},
	{"domain", "math/rand", "a decision is the same for the same facts"},
	{"domain", "math/rand/v2", "a decision is the same for the same facts"},
	{"domain", "k8s.io/client-go", "facts come in as parameters"},
	{"api", module + "/", "other programs import api without Ingot's dependencies"},
	{"step", "k8s.io/", "the agent imports it and travels on every boot"},
	{"rootdevice", "k8s.io/", "the agent imports it and travels on every boot"},
	{"netboot/medium", "k8s.io/", "the agent imports it and travels on every boot"},
	{"internal/agent", "k8s.io/", "the agent travels on every boot"},
	{"internal/agent", "sigs.k8s.io/", "the agent travels on every boot"},
	{"cmd/ingot-agent", "k8s.io/", "the agent travels on every boot"},
	{"internal/driver", "internal/controller", "a driver does what it is told"},
	{"internal/driver", "internal/server", "a driver does what it is told"},
	{"internal/driver/bmc/redfish", "internal/driver/bmc/fake", "drivers don't know each other"},
	{"internal/controller", "internal/driver/bmc/redfish", "a controller knows the contract; its role wires the driver"},
	{"internal/controller", "internal/lab", "the product doesn't know the lab"},
	{"internal/server", "internal/controller", "servers and controllers meet in the objects"},
	{"internal/server", "internal/lab", "the product doesn't know the lab"},
	{"internal/controlplane", "github.com/jackc/", "the archive's cost is its own process's"},
	{"internal/cli", "internal/controller", "the CLI is a client of the public API"},
	{"internal/cli", "internal/lab", "the CLI is a client of the public API"},
}

// stages never import each other: the one table of them is in lifecycle.
var stages = []string{"discover", "inspect", "prepare", "provision", "run", "clean"}

// The limits, in lines and files. exceptions may only shrink.
const (
	maxFileLines     = 500
	maxFunctionLines = 70
	maxPackageFiles  = 20
)

// kindPackages hold API kinds, one file a kind: there are as many as there are kinds.
var kindPackages = map[string]int{"api/v1alpha1": 40}

// longFunctions are over the limit for a reason.
var longFunctions = map[string]string{}

// kubernetesServer may be imported by these only.
var kubernetesServer = []string{"internal/controlplane", "cmd/ingot-apiserver"}

// source is one Go file that is not generated.
type source struct {
	path, dir string
	test      bool
	file      *ast.File
	lines     int
}

func TestImportsKeepTheHouse(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, imported := range imports(s) {
			checkBans(t, s, imported)
			checkStages(t, s, imported)
			if (strings.HasPrefix(imported, "k8s.io/kubernetes") || strings.HasPrefix(imported, "go.etcd.io/")) && !in(s.dir, kubernetesServer...) {
				t.Errorf("%s imports %s: only internal/controlplane links the API server and etcd", s.path, imported)
			}
		}
	}
}

func checkBans(t *testing.T, s source, imported string) {
	t.Helper()
	for _, b := range bans {
		parts := []string{b.part}
		if b.part == "domain" {
			parts = domain
		}
		if !in(s.dir, parts...) {
			continue
		}
		banned := b.banned
		if strings.HasPrefix(banned, "internal/") {
			banned = module + "/" + banned
		}
		if imported == strings.TrimSuffix(banned, "/") || strings.HasPrefix(imported, strings.TrimSuffix(banned, "/")+"/") && banned != "net" {
			t.Errorf("%s imports %s: %s", s.path, imported, b.reason)
		}
	}
}

func checkStages(t *testing.T, s source, imported string) {
	t.Helper()
	for _, a := range stages {
		for _, b := range stages {
			if a != b && in(s.dir, a) && imported == module+"/"+b {
				t.Errorf("%s imports %s: stages don't know each other; lifecycle holds the table", s.path, imported)
			}
		}
	}
}

func TestDomainReadsNoClock(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || !in(s.dir, domain...) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			if ok && pkg.Name == "time" && (sel.Sel.Name == "Now" || sel.Sel.Name == "Since" || sel.Sel.Name == "Until") {
				t.Errorf("%s calls time.%s: now is a parameter in the domain", s.path, sel.Sel.Name)
			}
			return true
		})
	}
}

func TestNoInitAndNoCodeNames(t *testing.T) {
	refused := []string{"util", "utils", "common", "helper", "helpers", "manager", "misc", "pkg", "types", "data"}
	for _, s := range sources(t) {
		for _, name := range refused {
			if path.Base(s.dir) == name {
				t.Errorf("%s: a package is named for what it serves, not %q", s.path, name)
			}
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s has an init function: wiring is written out in cmd", s.path)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	comments, dirs := map[string]int{}, map[string]bool{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		dirs[s.dir] = true
		if s.file.Doc != nil {
			comments[s.dir]++
		}
	}
	for dir := range dirs {
		if comments[dir] != 1 {
			t.Errorf("package %s has %d package comments, want exactly one", dir, comments[dir])
		}
	}
}

func TestThingsStaySmall(t *testing.T) {
	files := map[string]int{}
	for _, s := range sources(t) {
		if s.lines > maxFileLines {
			t.Errorf("%s has %d lines, at most %d: is it one thing?", s.path, s.lines, maxFileLines)
		}
		if s.test {
			continue
		}
		files[s.dir]++
		checkFunctions(t, s)
	}
	for dir, n := range files {
		if most := cmp.Or(kindPackages[dir], maxPackageFiles); n > most {
			t.Errorf("package %s has %d files, at most %d", dir, n, most)
		}
	}
}

func checkFunctions(t *testing.T, s source) {
	t.Helper()
	for _, d := range s.file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		name := s.dir + "." + f.Name.Name
		if n := lineCount(f); n > maxFunctionLines && longFunctions[name] == "" {
			t.Errorf("%s: function %s has %d lines, at most %d", s.path, f.Name.Name, n, maxFunctionLines)
		}
	}
}

func TestNoFoldersImportEachOther(t *testing.T) {
	edges := map[string]map[string]bool{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, imported := range imports(s) {
			to, ours := strings.CutPrefix(imported, module+"/")
			if !ours {
				continue
			}
			a, b := area(s.dir), area(to)
			if a != b {
				if edges[a] == nil {
					edges[a] = map[string]bool{}
				}
				edges[a][b] = true
			}
		}
	}
	for a, targets := range edges {
		for b := range targets {
			if a < b && edges[b][a] {
				t.Errorf("folders %s and %s import each other", a, b)
			}
		}
	}
}

// area is the folder at whose level cycles are looked for: the top one in the domain, two below internal.
func area(dir string) string {
	parts := strings.Split(dir, "/")
	if parts[0] == "internal" && len(parts) > 1 {
		return strings.Join(parts[:2], "/")
	}
	return parts[0]
}

func in(dir string, parts ...string) bool {
	for _, p := range parts {
		if dir == p || strings.HasPrefix(dir, p+"/") {
			return true
		}
	}
	return false
}

func imports(s source) []string {
	var all []string
	for _, i := range s.file.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err == nil {
			all = append(all, p)
		}
	}
	sort.Strings(all)
	return all
}

var positions = token.NewFileSet()

func lineCount(n ast.Node) int {
	return positions.Position(n.End()).Line - positions.Position(n.Pos()).Line + 1
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "bin" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasPrefix(d.Name(), "zz_generated") {
			return nil
		}
		f, err := parser.ParseFile(positions, p, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		all = append(all, source{
			path: p, dir: filepath.ToSlash(filepath.Dir(p)), test: strings.HasSuffix(p, "_test.go"), file: f, lines: countLines(t, p),
		})
		return nil
	})
	if err != nil {
		t.Fatalf("read the tree: %v", err)
	}
	return all
}

func countLines(t *testing.T, p string) int {
	t.Helper()
	f, err := os.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		n++
	}
	return n
}
