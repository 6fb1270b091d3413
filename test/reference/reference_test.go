package reference_test

import (
	"flag"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/issue"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/test/reference"
)

var update = flag.Bool("update", false, "write the pages anew")

const root, folder = "../..", "../../docs/reference"

// written are the pages that are made of no data.
var written = []string{"index.md", "holes.md", "log-keys.md"}

// TestPages holds the committed pages to the data; make generate writes them (-update).
func TestPages(t *testing.T) {
	pages, err := reference.Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		file := filepath.Join(folder, name)
		if *update {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(pages[name]), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != pages[name] {
			t.Errorf("%s is stale (%v): run make generate and commit", file, err)
		}
	}
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil || strings.HasPrefix(name, "cli") || slices.Contains(written, name) || pages[filepath.ToSlash(name)] != "" {
			return err
		}
		if *update {
			return os.Remove(path)
		}
		t.Errorf("%s is made of nothing any more: run make generate and commit", path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPagesAreWhole looks for what a page must not miss: each row of the matrix, each exception's bound, each issue, and the metrics of every form in which the sources make them.
func TestPagesAreWhole(t *testing.T) {
	pages, err := reference.Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	has := func(page string, all ...string) {
		t.Helper()
		for _, want := range all {
			if !strings.Contains(pages[page], want) {
				t.Errorf("%s lacks %q", page, want)
			}
		}
	}
	for _, r := range matrix.Own().Rows {
		has("matrix.md", "\n## "+string(r.Name)+"\n")
		for _, c := range r.Cells() {
			if c.State == matrix.Excepted {
				has("exceptions.md", "| ["+string(r.Name)+"](")
			}
		}
	}
	for _, k := range issue.Kinds() {
		has("issues.md", "| `"+string(k.ID)+"` |")
	}
	has("metrics.md",
		"| `ingot_node_packets_total` | counter | `rule`, `row`, `verdict` | ingot-node |",
		"| `ingot_listener_info` | gauge | `flow`, `protocol`, `address` |",
		"| `ingot_issues` | gauge | `id`, `severity`, `kind` | controller |",
		"| `ingot_bmc_action_seconds` | histogram | `action`, `result` | partition |",
		"| `ingot_console_sessions_cut_total` | counter |",
		"| `metal3_operation_provision_duration_seconds` | histogram | `namespace`, `host` | partition |",
		"| `metal3_operation_power_change_total` | counter | `namespace`, `host`, `on_off` | partition |",
		"| `metal3_credentials_missing_total` | counter |",
		"| `ingot_bmc_event_streams` | gauge |",
	)
	has("kinds/ingot.dev-machine.md", "# Machine\n", "`spec.role`", "Refused otherwise: ")
	has("kinds/index.md", "(metal3.io-baremetalhost.md)", "(ingot.dev-ip.md)")
	has("states.md", "| available | provisioning | online and an image is asked for |")
}
