// Package alerts holds the alert rules and dashboards of deploy/ to what they speak of: the metrics that roles make, and the pages that say what to do.
package alerts

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

const root = "../.."

// foreign are metrics that Prometheus and the roles' libraries make, with their labels. The test of docs/observability.md finds those of libraries in a running role.
func foreign() map[string][]string {
	return map[string][]string{"up": nil, "process_resident_memory_bytes": nil, "controller_runtime_reconcile_errors_total": {"controller"}}
}

// always are labels that every series has after it was scraped, and that of histograms' buckets.
func always() []string { return []string{"job", "instance", "le", model.MetricNameLabel} }

var row = regexp.MustCompile("^\\| `([a-z0-9_]+)` \\| (\\w+) \\| ([^|]*) \\|")

// metrics are those of the generated reference, with their labels.
func metrics(t *testing.T) map[string][]string {
	t.Helper()
	f, err := os.Open(filepath.Join(root, "docs", "reference", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := foreign()
	for s := bufio.NewScanner(f); s.Scan(); {
		m := row.FindStringSubmatch(s.Text())
		if m == nil {
			continue
		}
		var labels []string
		for _, l := range strings.Split(m[3], ",") {
			if l = strings.Trim(strings.TrimSpace(l), "`"); l != "" {
				labels = append(labels, l)
			}
		}
		names := []string{m[1]}
		if m[2] == "histogram" {
			names = []string{m[1] + "_bucket", m[1] + "_count", m[1] + "_sum"}
		}
		for _, n := range names {
			all[n] = labels
		}
	}
	if len(all) < 50 {
		t.Fatalf("only %d metrics in the reference: its table was not read", len(all))
	}
	return all
}

// check parses an expression, and holds each metric and label in it to those that there are.
func check(t *testing.T, where, expr string, known map[string][]string) {
	t.Helper()
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		t.Errorf("%s: %s: %v", where, expr, err)
		return
	}
	labels := always()
	var used []string
	parser.Inspect(tree, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.VectorSelector:
			own, ok := known[n.Name]
			if !ok {
				t.Errorf("%s: no role makes the metric %s", where, n.Name)
			}
			labels = append(labels, own...)
			for _, m := range n.LabelMatchers {
				if !slices.Contains(own, m.Name) && !slices.Contains(always(), m.Name) {
					t.Errorf("%s: %s has no label %s", where, n.Name, m.Name)
				}
			}
		case *parser.AggregateExpr:
			used = append(used, n.Grouping...)
		}
		return nil
	})
	for _, l := range used {
		if !slices.Contains(labels, l) {
			t.Errorf("%s: no metric in %s has the label %s", where, expr, l)
		}
	}
}

func rules(t *testing.T) *rulefmt.RuleGroups {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deploy", "prometheus", "ingot.rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	groups, problems := rulefmt.Parse(text, false, model.UTF8Validation, parser.NewParser(parser.Options{}))
	for _, p := range problems {
		t.Error(p)
	}
	return groups
}

// TestRules: Prometheus takes them, each speaks of metrics that there are, and each has a section in operations that has its name, and no section is without a rule.
func TestRules(t *testing.T) {
	known := metrics(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^## (\w+)$`).FindAllStringSubmatch(string(text), -1) {
		sections[m[1]] = true
	}
	for _, g := range rules(t).Groups {
		for _, r := range g.Rules {
			check(t, r.Alert, r.Expr, known)
			if !sections[r.Alert] {
				t.Errorf("%s has no section in docs/operations.md", r.Alert)
			}
			delete(sections, r.Alert)
			if url := r.Annotations["runbook_url"]; !strings.HasSuffix(url, "/operations.html#"+strings.ToLower(r.Alert)) {
				t.Errorf("%s: its runbook is %q", r.Alert, url)
			}
			if r.Annotations["summary"] == "" || !slices.Contains([]string{"critical", "warning"}, r.Labels["severity"]) {
				t.Errorf("%s lacks a summary, or its severity is neither critical nor warning", r.Alert)
			}
		}
	}
	for name := range sections {
		t.Errorf("docs/operations.md has a section %s, and no rule is called so", name)
	}
}

// dashboard is what a test needs of Grafana's model.
type dashboard struct {
	UID, Title string
	Panels     []struct {
		ID      int
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct{ Expr string }
	}
}

// TestDashboards: each is JSON with panels that have queries of metrics that there are, and no two panels lie on each other.
func TestDashboards(t *testing.T) {
	known := metrics(t)
	files, err := filepath.Glob(filepath.Join(root, "deploy", "grafana", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(text, &d); err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if d.UID+".json" != filepath.Base(file) || d.Title == "" || len(d.Panels) == 0 {
			t.Errorf("%s: uid %q, title %q, %d panels", file, d.UID, d.Title, len(d.Panels))
		}
		taken := map[[2]int]string{}
		ids := map[int]bool{}
		for _, p := range d.Panels {
			where := d.Title + ": " + p.Title
			if ids[p.ID] || len(p.Targets) == 0 {
				t.Errorf("%s: its id %d is another panel's too, or it asks nothing", where, p.ID)
			}
			ids[p.ID] = true
			for _, target := range p.Targets {
				check(t, where, target.Expr, known)
			}
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other := taken[[2]int{x, y}]; other != "" && other != p.Title || x >= 24 {
						t.Fatalf("%s lies on %s, or out of the grid", where, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
		}
	}
}

// TestScrapeJobs: the rules and dashboards ask for jobs by the names in the example.
func TestScrapeJobs(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "deploy", "prometheus", "scrape.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, job := range []string{"apiserver", "controller", "partition", "boot", "console", "node"} {
		if !strings.Contains(string(text), "job_name: ingot-"+job+"\n") {
			t.Errorf("no job ingot-%s", job)
		}
	}
}
