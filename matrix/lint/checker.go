package lint

import (
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/matrix"
)

// checker collects findings about one matrix.
type checker struct {
	m     matrix.Matrix
	zones map[matrix.Zone]matrix.ZoneDefinition
	roles map[matrix.Role]matrix.RoleDefinition
	// place is a row's place in the matrix.
	place    map[string]int
	severity map[Code]Severity
	found    []Finding
}

func newChecker(m matrix.Matrix) *checker {
	c := &checker{
		m: m, zones: map[matrix.Zone]matrix.ZoneDefinition{}, roles: map[matrix.Role]matrix.RoleDefinition{}, place: map[string]int{}, severity: map[Code]Severity{},
	}
	for _, z := range m.Zones {
		c.zones[z.Name] = z
	}
	for _, r := range m.Roles {
		c.roles[r.Name] = r
	}
	for n, r := range m.Rows {
		c.place[r.ID] = n
	}
	for _, k := range Codes() {
		c.severity[k.Code] = k.Severity
	}
	return c
}

// add notes a finding with the severity of its code.
func (c *checker) add(f Finding) {
	f.Severity = c.severity[f.Code]
	c.found = append(c.found, f)
}

// ours says whether rows are enforced at an end.
func (c *checker) ours(e matrix.Endpoint) bool {
	if e.Zone == matrix.AnyZone {
		return e.Role != matrix.AnyRole && !c.roles[e.Role].Outside
	}
	z, ok := c.zones[e.Zone]
	return ok && !z.Outside && !z.Unlisted && !c.roles[e.Role].Outside
}

// sortRows puts IDs in the order of the matrix, each once.
func (c *checker) sortRows(ids []string) []string {
	sorted := slices.Clone(ids)
	slices.SortFunc(sorted, func(a, b string) int { return c.place[a] - c.place[b] })
	return slices.Compact(sorted)
}

// list is "a, b and c".
func list(words []string) string {
	switch len(words) {
	case 0:
		return ""
	case 1:
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// some shortens a long list: the first five, and how many more there are.
func some(words []string, more string) string {
	const most = 5
	if len(words) <= most+1 {
		return list(words)
	}
	return strings.Join(words[:most], ", ") + " and " + count(len(words)-most, more)
}

func wire(r matrix.Row) string {
	if len(r.Ports) == 0 {
		return string(r.Protocol)
	}
	return string(r.Protocol) + " " + r.Ports.String()
}
