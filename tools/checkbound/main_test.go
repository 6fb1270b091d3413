package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/tools/bound"
)

// repository makes a main module, and what check looks for below it.
func repository(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	all := map[string]string{
		"go.mod":       "module " + bound.Module + "\n\ngo 1.26.0\n",
		"api/go.mod":   "module " + bound.Module + "/api\n\ngo 1.26.0\n",
		"api/api.go":   "package api\n",
		"tools/go.mod": "module " + bound.Module + "/tools\n\ngo 1.26.0\n",
		"tools/doc.go": "package tools\n",
		"mesh/go.mod":  "module " + bound.Module + "/mesh\n\ngo 1.26.0\n",
		"mesh/doc.go":  "package mesh\n",
	}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const flows = `package matrix

type FlowName string

const (
	AgentToPartition FlowName = "a"
	BootHealth       FlowName = "b"
	PartitionToDNS   FlowName = "c"
)

func HealthOf() FlowName { return BootHealth }
`

func TestCheckTellsWhatNoPackageCan(t *testing.T) {
	dir := repository(t, map[string]string{
		"matrix/flows.go": flows,
		"cmd/role.go": `package main

import "` + bound.Module + `/matrix"

func main() { println(matrix.AgentToPartition, matrix.PartitionToDNS) }
`,
		"api/sub/dial.go": "package sub\n\nimport \"net\"\n\nvar Dial = net.Dial\n",
	})
	var out strings.Builder
	findings, err := check(dir, &out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"no code names the flow BootHealth",
		"code names the flow PartitionToDNS, which bound.Unopened says",
		"bound.Unopened has AgentToDNS, which is no constant",
		"api/sub/dial.go:5:16: net.Dial opens a socket",
		"nothing in internal/driver/socket needs the exception",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("nothing says %q in:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "names the flow AgentToPartition") {
		t.Errorf("a flow that code names is reported:\n%s", out.String())
	}
	if lines := strings.Count(out.String(), "\n"); findings != lines || findings == 0 {
		t.Errorf("%d findings, %d lines", findings, lines)
	}
}

func TestCheckFailsWhereItCannotLook(t *testing.T) {
	for name, dir := range map[string]string{
		"no module":      t.TempDir(),
		"does not build": repository(t, map[string]string{"matrix/flows.go": "package matrix\n\nvar x int = \"\"\n"}),
		"no flows":       repository(t, map[string]string{"matrix/flows.go": "package matrix\n\ntype FlowName string\n"}),
	} {
		if _, err := check(dir, &strings.Builder{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
