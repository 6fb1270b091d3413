package reference

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/issue"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/diagram"
	"github.com/ingotmetal/ingot/matrix/report"
)

// Pages are all that this package makes, by file name below docs/reference.
func Pages(root string) (map[string]string, error) {
	pages, err := kinds()
	if err != nil {
		return nil, err
	}
	metrics, err := Metrics(root)
	if err != nil {
		return nil, err
	}
	m := matrix.Own()
	pages["metrics.md"] = metricsPage(metrics)
	pages["matrix.md"] = matrixPage(m)
	pages["exceptions.md"] = exceptionsPage(m)
	pages["issues.md"] = issuesPage()
	pages["states.md"] = statesPage()
	pages["exit-codes.md"] = exitCodesPage()
	pages["drawings/states.svg"] = statesDrawing()
	pages["drawings/matrix.svg"] = string(diagram.SVG(m, diagram.Options{}))
	for _, r := range report.Roles(m) {
		pages["drawings/role-"+r+".svg"] = string(diagram.SVG(m, diagram.Options{Role: matrix.Role(r)}))
	}
	return pages, nil
}

func matrixPage(m matrix.Matrix) string {
	var b strings.Builder
	b.WriteString("# Communication matrix\n\nEvery flow between two parts of Ingot, once. Nothing else is dialed and nothing else listens: a socket is opened by a row's name, and the test `make bound` finds any other. " +
		"Ports are the server's; a site may name others in a matrix of its own (`--matrix`).\n\n![All flows](drawings/matrix.svg)\n\n" +
		"| | flow | from | to | protocol | application | confidential | integrity | authenticated | least privilege | feature |\n|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range m.Rows {
		fmt.Fprintf(&b, "| %s | [%s](#%s) | %s | %s | %s %s | %s |", r.ID, r.Name, r.Name, r.From, r.To, r.Protocol, r.Ports, r.Application)
		for _, c := range r.Cells() {
			fmt.Fprintf(&b, " %s |", cell(string(c.State)))
		}
		fmt.Fprintf(&b, " %s |\n", r.Feature)
	}
	b.WriteString("\n")
	for _, r := range m.Rows {
		fmt.Fprintf(&b, "## %s\n\n%s %s dials %s.\n\n", r.Name, prose(sentence(r.Purpose)), r.From, r.To)
		for _, c := range r.Cells() {
			fmt.Fprintf(&b, "- %s: %s%s\n", c.Name, c.State, prose(how(c.Property)))
		}
		if r.Identity != "" {
			fmt.Fprintf(&b, "- who dials shows: `%s`\n", r.Identity)
		}
		if r.ServerIdentity != "" {
			fmt.Fprintf(&b, "- the server shows: `%s`\n", r.ServerIdentity)
		}
		for _, x := range r.Rights {
			fmt.Fprintf(&b, "- may %s %s%s\n", strings.Join(x.Verbs, ", "), strings.Join(slices.Concat(x.Resources, x.Paths), ", "), in(x.Namespace))
		}
		if r.Notes != "" {
			fmt.Fprintf(&b, "- %s\n", prose(r.Notes))
		}
		b.WriteString("\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func in(namespace string) string {
	if namespace == "" {
		return ""
	}
	return " in " + namespace
}

func how(p matrix.Property) string {
	s := ""
	if p.How != "" {
		s = ": " + p.How
	}
	if p.Bound != "" {
		s += " (bound: " + p.Bound + ")"
	}
	return s
}

func sentence(s string) string {
	if s == "" || strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}

// exceptionsPage is the threat model's list: where a flow lacks a property, why, and what bounds it.
func exceptionsPage(m matrix.Matrix) string {
	var b strings.Builder
	b.WriteString("# Exceptions\n\nWhere a flow of the [communication matrix](matrix.md) lacks one of the four properties: why, and what bounds the harm. What is not here has all four. " +
		"A row without an answer fails the tests, so that nothing is left out.\n\n| flow | what it lacks | why | what bounds it |\n|---|---|---|---|\n")
	for _, r := range m.Rows {
		for _, c := range r.Cells() {
			if c.State == matrix.Excepted {
				fmt.Fprintf(&b, "| [%s](matrix.md#%s) | %s | %s | %s |\n", r.Name, r.Name, c.Name, cell(prose(c.How)), cell(prose(c.Bound)))
			}
		}
	}
	return b.String()
}

func issuesPage() string {
	var b strings.Builder
	b.WriteString("# Issues\n\nWhat `ingot host issues`, `ingot machine issues` and `ingot partition issues` find, and the metric `ingot_issues` counts.\n")
	for _, severity := range issue.Severities() {
		fmt.Fprintf(&b, "\n## %s\n\n| issue | of | means | what to do | where it stands |\n|---|---|---|---|---|\n", severity)
		for _, k := range issue.Kinds() {
			if k.Severity == severity {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", k.ID, k.Subject, cell(k.Meaning), cell(k.Remedy), cell(k.Reference))
			}
		}
	}
	return b.String()
}

func exitCodesPage() string {
	var b strings.Builder
	b.WriteString("# Exit codes\n\nOf `ingot`. Commands that answer a yes-or-no question use 1 for no, as `diff` and `grep` do. The other programs end with 0 or 1.\n\n| code | |\n|---|---|\n")
	for code, means := range []string{
		0: "done, or yes", 1: "failed, or no; the reason is on standard error", session.NoAnswer: "a question could not be answered", session.NotThere: "what was named is not there",
		session.NotAllowed: "the API server does not know who asks, or refuses it", session.Conflict: "somebody else changed the object, or it is there already",
		session.Away: "the API server could not be reached, or was too busy to answer",
	} {
		fmt.Fprintf(&b, "| %d | %s |\n", code, means)
	}
	return b.String()
}

func statesPage() string {
	var b strings.Builder
	b.WriteString("# States of a host\n\nMetal3's provisioning states, and every move between them that there is. What a stage does inside of a state stands in `ingot host explain`.\n\n" +
		"![States and moves](drawings/states.svg)\n\n| from | to | when |\n|---|---|---|\n")
	for _, m := range journey.Moves() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", or(string(m.From), "(new)"), m.To, cell(m.When))
	}
	return b.String()
}
