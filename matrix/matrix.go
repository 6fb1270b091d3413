package matrix

import (
	"net/netip"
	"slices"
)

// Matrix is all flows of a system, with the parties and places that they speak of. It is a value: whoever changes one clones it first.
type Matrix struct {
	// Name is a DNS label: it names what is compiled from the matrix.
	Name  string
	Title string
	// Text is for people: where the matrix comes from and what it leaves out.
	Text  string
	Zones []ZoneDefinition
	Roles []RoleDefinition
	// Hosts are the machines that have the roles, where they are known. Without them policies can be compiled, and proved on hosts that are made up for it.
	Hosts []Host
	Rows  []Row
}

// Plane is a network that zones are joined by, like "management".
type Plane string

// ZoneDefinition is a place.
type ZoneDefinition struct {
	Name  Zone
	Title string
	// Plane is the network that the zone is on; empty: one of its own, with the zone's name.
	Plane Plane
	// Networks are the zone's addresses, where they are known.
	Networks []netip.Prefix
	// Outside zones hold no hosts of ours: nothing is enforced there.
	Outside bool
	// Unlisted zones stand for a gap: the matrix says "unknown" or "various" there.
	Unlisted bool
}

// OnPlane is the network that the zone is on.
func (z ZoneDefinition) OnPlane() Plane {
	if z.Plane == "" {
		return Plane(z.Name)
	}
	return z.Plane
}

// RoleDefinition is a process, or a party with an identity of its own.
type RoleDefinition struct {
	Name    Role
	Title   string
	Purpose string
	// Networks are the addresses of an outside party, where they are known.
	Networks []netip.Prefix
	// Outside parties are not ours: nothing is enforced there, and no certificate is issued to them.
	Outside bool
}

// Host is a machine of ours.
type Host struct {
	Name       string
	Interfaces []Interface
}

// Interface is a host's place in a zone.
type Interface struct {
	// Name is the kernel's, at most 15 bytes.
	Name  string
	Zone  Zone
	Roles []Role
	// Addresses are the interface's own, Virtual those that may move to it (VRRP).
	Addresses, Virtual []netip.Addr
}

// Zone finds a zone's definition.
func (m Matrix) Zone(name Zone) (ZoneDefinition, bool) {
	i := slices.IndexFunc(m.Zones, func(z ZoneDefinition) bool { return z.Name == name })
	if i < 0 {
		return ZoneDefinition{}, false
	}
	return m.Zones[i], true
}

// Role finds a role's definition.
func (m Matrix) Role(name Role) (RoleDefinition, bool) {
	i := slices.IndexFunc(m.Roles, func(r RoleDefinition) bool { return r.Name == name })
	if i < 0 {
		return RoleDefinition{}, false
	}
	return m.Roles[i], true
}

// Row finds a row by its ID.
func (m Matrix) Row(id string) (Row, bool) {
	i := slices.IndexFunc(m.Rows, func(r Row) bool { return r.ID == id })
	if i < 0 {
		return Row{}, false
	}
	return m.Rows[i], true
}

// Ours says whether an end is enforced by us: neither its role nor its zone is outside. A role of ours is in whatever zone; anybody is not.
func (m Matrix) Ours(e Endpoint) bool {
	if e.Zone == AnyZone {
		role, ok := m.Role(e.Role)
		return ok && !role.Outside
	}
	zone, ok := m.Zone(e.Zone)
	if !ok || zone.Outside || zone.Unlisted {
		return false
	}
	role, _ := m.Role(e.Role)
	return !role.Outside
}

// Readings are the names of the readings of a contradictory document, sorted; none where it has one only.
func (m Matrix) Readings() []string {
	var all []string
	for _, r := range m.Rows {
		if r.Reading != "" && !slices.Contains(all, r.Reading) {
			all = append(all, r.Reading)
		}
	}
	slices.Sort(all)
	return all
}

// As is the matrix in one reading: the rows of the others are left out.
func (m Matrix) As(reading string) Matrix {
	m.Rows = slices.DeleteFunc(slices.Clone(m.Rows), func(r Row) bool { return r.Reading != "" && r.Reading != reading })
	return m
}
