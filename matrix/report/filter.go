package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/matrix"
)

// Filter keeps the rows that match all of its fields; an empty field matches every row.
type Filter struct {
	// Role and Zone match either end of a row, Plane the plane of either end's zone.
	Role  matrix.Role
	Zone  matrix.Zone
	Plane matrix.Plane
	// Feature and Section match exactly. Reading keeps the rows of one reading, and those of all.
	Feature, Section, Reading string
	// Text matches the row's ID, name, purpose, notes and ports as a part, in any case.
	Text string
}

// Apply gives the matrix with the rows that match, and all of its definitions. A name that the matrix does not have is an error that lists those it has:
// an empty answer to a typing mistake would look like a closed door.
func (f Filter) Apply(m matrix.Matrix) (matrix.Matrix, error) {
	if err := f.check(m); err != nil {
		return matrix.Matrix{}, err
	}
	if f.Reading != "" {
		m = m.As(f.Reading)
	}
	rows := make([]matrix.Row, 0, len(m.Rows))
	for _, r := range m.Rows {
		if f.matches(m, r) {
			rows = append(rows, r)
		}
	}
	m.Rows = rows
	return m, nil
}

func (f Filter) matches(m matrix.Matrix, r matrix.Row) bool {
	switch {
	case f.Role != "" && r.From.Role != f.Role && r.To.Role != f.Role,
		f.Zone != "" && r.From.Zone != f.Zone && r.To.Zone != f.Zone,
		f.Plane != "" && !onPlane(m, r.From.Zone, f.Plane) && !onPlane(m, r.To.Zone, f.Plane),
		f.Feature != "" && r.Feature != f.Feature,
		f.Section != "" && r.Section != f.Section:
		return false
	}
	if f.Text == "" {
		return true
	}
	text := strings.ToLower(strings.Join([]string{r.ID, string(r.Name), r.Purpose, r.Notes, r.Ports.String(), string(r.Application), string(r.Protocol)}, "\n"))
	return strings.Contains(text, strings.ToLower(f.Text))
}

func onPlane(m matrix.Matrix, z matrix.Zone, p matrix.Plane) bool {
	d, ok := m.Zone(z)
	return ok && d.OnPlane() == p
}

func (f Filter) check(m matrix.Matrix) error {
	for _, c := range []struct {
		kind, name string
		known      []string
	}{
		{"role", string(f.Role), Roles(m)}, {"zone", string(f.Zone), Zones(m)}, {"plane", string(f.Plane), Planes(m)},
		{"feature", f.Feature, Features(m)}, {"section", f.Section, Sections(m)}, {"reading", f.Reading, m.Readings()},
	} {
		if c.name == "" || slices.Contains(c.known, c.name) {
			continue
		}
		if len(c.known) == 0 {
			return fmt.Errorf("the matrix %s has no %ss, and %q was asked for: leave --%s out", m.Name, c.kind, c.name, c.kind)
		}
		return fmt.Errorf("the matrix %s has no %s %q; it has: %s", m.Name, c.kind, c.name, strings.Join(c.known, ", "))
	}
	return nil
}

// Roles are the names of the roles, as they are listed.
func Roles(m matrix.Matrix) []string {
	return distinct(m.Roles, func(r matrix.RoleDefinition) string { return string(r.Name) })
}

// Zones are the names of the zones, as they are listed.
func Zones(m matrix.Matrix) []string {
	return distinct(m.Zones, func(z matrix.ZoneDefinition) string { return string(z.Name) })
}

// Planes are the names of the planes, in the order of their zones.
func Planes(m matrix.Matrix) []string {
	return distinct(m.Zones, func(z matrix.ZoneDefinition) string { return string(z.OnPlane()) })
}

// Features are what switches rows on, in the order of the rows.
func Features(m matrix.Matrix) []string {
	return distinct(m.Rows, func(r matrix.Row) string { return r.Feature })
}

// Sections are the titles of the tables, in the order of the rows.
func Sections(m matrix.Matrix) []string {
	return distinct(m.Rows, func(r matrix.Row) string { return r.Section })
}

func distinct[T any](all []T, name func(T) string) []string {
	var out []string
	for _, v := range all {
		if n := name(v); n != "" && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}
