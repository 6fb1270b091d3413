// Package docs runs the commands of the documentation against a real `ingot up` with simulated machines.
//
// It owns what a block of commands means: `sh` is run as it stands, `sh stopped` while the control plane is stopped, and `sh not-run="reason"` is not run and listed. It refuses blocks that say none of these.
package docs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/test/harness"
)

const root = "../../.."

// pages in the order of reading: what one makes, the next ones may use. Each page of docs/ with a block of commands must be here.
func pages() []string {
	return []string{
		"start.md", "concepts/journey.md", "concepts/roles.md", "concepts/matrix.md", "howto/first-rack.md", "howto/metal3.md", "howto/metal-stack.md", "howto/air-gap.md", "howto/firewall.md",
		"howto/mesh.md", "operations.md", "observability.md", "release.md", "howto/backup.md",
	}
}

// patience bounds the whole; a quiet machine takes about two minutes.
const patience = 30 * time.Minute

// block is one fenced block of a page.
type block struct {
	info, text string
	line       int
}

var notRun = regexp.MustCompile(`^sh not-run="([^"]+)"$`)

// blocks are a page's fenced ones.
func blocks(t *testing.T, file string) []block {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	var open *block
	for i, line := range strings.Split(string(source), "\n") {
		switch {
		case open == nil && strings.HasPrefix(line, "```"):
			open = &block{info: strings.TrimPrefix(line, "```"), line: i + 1}
		case open != nil && line == "```":
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	if open != nil {
		t.Errorf("%s:%d: a block is not closed", file, open.line)
	}
	return all
}

// TestEveryBlockIsRunOrSaysWhyNot looks at every page.
func TestEveryBlockIsRunOrSaysWhyNot(t *testing.T) {
	known := map[string]bool{}
	for _, p := range pages() {
		known[p] = true
	}
	docs := filepath.Join(root, "docs")
	err := filepath.WalkDir(docs, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		name, err := filepath.Rel(docs, path)
		if err != nil {
			return err
		}
		for _, b := range blocks(t, path) {
			reason := notRun.FindStringSubmatch(b.info)
			switch {
			case b.info == "text":
			case reason != nil:
				t.Logf("not run: %s:%d: %s", name, b.line, reason[1])
			case b.info != "sh" && b.info != "sh stopped":
				t.Errorf("%s:%d: a block %q: write sh, sh stopped, sh not-run=\"reason\", or text for what is no command", name, b.line, b.info)
			case !known[name]:
				t.Errorf("%s:%d: its commands are not run: add the page to pages()", name, b.line)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCommands runs them.
func TestCommands(t *testing.T) {
	bin, cache := variable(t, "INGOT_BIN"), variable(t, "INGOT_CACHE")
	w := harness.Start(t, harness.Options{Bin: bin, Artifacts: filepath.Join(cache, "artifacts"), Lab: []string{"--machines", "2", "--disk-size", "96MiB"}})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s := session{world: w, dir: t.TempDir(), bin: bin}
	examples, err := filepath.Abs(filepath.Join(root, "examples"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(examples, filepath.Join(s.dir, "examples")); err != nil {
		t.Fatal(err)
	}
	for _, page := range pages() {
		for _, b := range blocks(t, filepath.Join(root, "docs", page)) {
			switch b.info {
			case "sh":
				s.run(ctx, t, page, b)
			case "sh stopped":
				w.Up.Stop(t)
				s.run(ctx, t, page, b)
				w.Up.Start(t)
				w.Until(ctx, t, "the API after a restart", s.answers)
			}
		}
	}
}

func variable(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Fatalf("%s is not set: run this by make e2e, which builds what it names", name)
	}
	return v
}

// session is the terminal that the pages are read at.
type session struct {
	world    *harness.World
	dir, bin string
}

func (s session) command(ctx context.Context, text string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", text)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "PATH="+s.bin+":"+os.Getenv("PATH"), "KUBECONFIG="+s.world.Kubeconfig, "LAB="+filepath.Dir(s.world.State.HostsManifest), "DATA="+s.world.UpDir, "HOME="+s.dir, "XDG_CACHE_HOME="+s.dir)
	return cmd
}

func (s session) run(ctx context.Context, t *testing.T, page string, b block) {
	t.Helper()
	out, err := s.command(ctx, b.text).CombinedOutput()
	t.Logf("%s:%d\n%s%s", page, b.line, b.text, out)
	if err != nil {
		t.Errorf("%s:%d: %v", page, b.line, err)
	}
}

// answers says whether the API does.
func (s session) answers(ctx context.Context) error {
	if out, err := s.command(ctx, "ingot host list").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
