// Package calico_test holds our manifests to the types that Calico publishes, which a module of its own links (tools/calico).
package calico_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
	"github.com/ingotmetal/ingot/matrix/policy"
)

// program builds the checker.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "calico")
	build := exec.CommandContext(t.Context(), "go", "build", "-C", "../../tools/calico", "-o", path, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build tools/calico: %v: %s: its modules come from a module proxy or the module cache", err, out)
	}
	return path
}

func checked(t *testing.T, program string, manifests []byte) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Stdin = bytes.NewReader(manifests)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// compiled are the manifests of every reading of a matrix.
func compiled(t *testing.T, m matrix.Matrix) map[string][]byte {
	t.Helper()
	readings := map[string]matrix.Matrix{"": m}
	if names := m.Readings(); len(names) > 0 {
		clear(readings)
		for _, name := range names {
			readings[name] = m.As(name)
		}
	}
	all := map[string][]byte{}
	for name, m := range readings {
		c, err := policy.Compile(policy.Populate(m))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if all[name], err = policy.YAML(c.Objects); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return all
}

func TestPublishedTypes(t *testing.T) {
	program := program(t)
	t.Run("our manifests are Calico's", func(t *testing.T) { ours(t, program) })
	t.Run("what is not Calico's is refused", func(t *testing.T) { refused(t, program) })
}

func ours(t *testing.T, program string) {
	t.Helper()
	manifests := map[string][]byte{}
	for _, name := range []string{"endpoints", "policies-prose", "policies-table"} {
		manifests["examples/artesca/"+name] = read(t, "../../examples/artesca/"+name+".yaml")
	}
	matrices := map[string]matrix.Matrix{"built-in": matrix.Own()}
	for _, name := range []string{"artesca", "metal-stack"} {
		m, err := document.Decode(read(t, "../../examples/"+name+"/matrix.yaml"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		matrices[name] = m
	}
	for name, m := range matrices {
		for reading, text := range compiled(t, m) {
			manifests[name+" "+reading] = text
		}
	}
	for name, text := range manifests {
		out, err := checked(t, program, text)
		if err != nil {
			t.Errorf("%s: %v: %.3000s", name, err, out)
			continue
		}
		if documents := strings.Count("\n"+string(text), "\nkind: "); documents == 0 || sum(out) != documents {
			t.Errorf("%s: %d manifests, and these were checked: %s", name, documents, out)
		}
	}
}

func sum(counts string) int {
	total := 0
	for line := range strings.Lines(counts) {
		var kind string
		var n int
		if _, err := fmt.Sscanf(line, "%s %d", &kind, &n); err == nil {
			total += n
		}
	}
	return total
}

// refused: the checker must be able to fail.
func refused(t *testing.T, program string) {
	t.Helper()
	good := "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: p}\nspec: {ingress: [{action: Allow, protocol: TCP, destination: {ports: [22]}}]}\n"
	if out, err := checked(t, program, []byte(good)); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	for _, change := range [][2]string{{"ports: [22]", "port: 22"}, {"ingress: [", "ingres: ["}, {"action: Allow", "action: [1]"}, {"kind: GlobalNetworkPolicy", "kind: Policy"}, {"[22]", "[{a: 1}]"}} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if out, err := checked(t, program, []byte(bad)); err == nil {
			t.Errorf("%q is accepted: %s", change[1], out)
		}
	}
	if _, err := checked(t, program, nil); err == nil {
		t.Error("nothing is accepted")
	}
}
