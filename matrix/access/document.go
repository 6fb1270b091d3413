package access

import (
	"fmt"
	"strings"

	"github.com/ingotmetal/ingot/matrix"
)

// Document is the whole table as Markdown: components with their level and the rights behind it, then people.
func Document(m matrix.Matrix) string {
	var b strings.Builder
	b.WriteString("# Who may do what\n\n")
	b.WriteString("Generated from packages `matrix` and `matrix/access` (`ingot auth table`); a test asks the API server about every role, kind and verb, and compares. " +
		"What stands nowhere here is nobody's but the operator's.\n\n")
	b.WriteString("## Components\n\n")
	b.WriteString("Each has a certificate of its own (`ingot:<component>:…`) and the rights of its rows in the communication matrix. View reads, Edit changes some kinds, Admin does everything.\n\n")
	b.WriteString("| component | role | what it needs that for |\n|---|---|---|\n")
	for _, c := range Components() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", c.Role, c.Level, c.Why)
	}
	for _, c := range Components() {
		writeRights(&b, m, c)
	}
	b.WriteString("\n## People and services\n\n| role | ClusterRole | who |\n|---|---|---|\n")
	for _, r := range Roles() {
		fmt.Fprintf(&b, "| %s | `%s` | %s |\n", r, r.Object(), r.Text)
	}
	fmt.Fprintf(&b, "\nProvider roles hold for the whole site. Tenant roles hold in the namespace whose RoleBinding gives them. `%s` is bound to the group `%s`, in which the API server puts who "+
		"shows a token of the site's issuer, and to services.\n", Catalog, PeopleGroup)
	b.WriteString("\n| word | verbs |\n|---|---|\n")
	for _, a := range Words() {
		word := strings.Join(a.Verbs(), ", ")
		if a == All {
			word += "; get, update, patch of the status, where there is one"
		}
		fmt.Fprintf(&b, "| %s | %s |\n", a, word)
	}
	writeLines(&b)
	return b.String()
}

func writeRights(b *strings.Builder, m matrix.Matrix, c Component) {
	rights := RightsOf(m, c.Role)
	if len(rights) == 0 {
		return
	}
	fmt.Fprintf(b, "\n### %s\n\n| kind | verbs | namespace |\n|---|---|---|\n", c.Role)
	for _, r := range rights {
		what := make([]string, 0, len(r.Resources))
		for _, resource := range r.Resources {
			name := kind(r.Group, resource)
			if len(r.Names) > 0 {
				name += " (" + strings.Join(r.Names, ", ") + ")"
			}
			what = append(what, name)
		}
		what = append(what, r.Paths...)
		where := r.Namespace
		switch {
		case r.Scope == matrix.HostNamespaces:
			where = "every with hosts"
		case where == "":
			where = "every"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", strings.Join(what, ", "), strings.Join(r.Verbs, ", "), where)
	}
}

func kind(group, resource string) string {
	switch group {
	case "":
		return resource
	case "*":
		return "everything"
	}
	return resource + "." + group
}

func writeLines(b *strings.Builder) {
	b.WriteString("\n| kind |")
	for _, r := range Roles() {
		b.WriteString(" " + strings.ReplaceAll(r.String(), ":", " ") + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(Roles())) + "\n")
	var notes []string
	for _, l := range Lines() {
		name := kind(l.Group, l.Resource)
		switch {
		case l.ByKubernetes:
			name += " (by Kubernetes)"
		case len(l.Names) > 0:
			name += " (" + strings.Join(l.Names, ", ") + ")"
		}
		fmt.Fprintf(b, "| %s |", name)
		for _, r := range Roles() {
			fmt.Fprintf(b, " %s |", l.Of(r))
		}
		b.WriteString("\n")
		if l.Why != "" {
			notes = append(notes, fmt.Sprintf("- %s: %s\n", name, l.Why))
		}
	}
	b.WriteString("\n" + strings.Join(notes, ""))
}
