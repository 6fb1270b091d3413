package access

import (
	"slices"

	"github.com/ingotmetal/ingot/matrix"
)

// Level is how far a component's rights go, in three words.
type Level string

// The levels. Events, leases and reviews of others' rights are not counted: every component needs them to say what it does.
const (
	// LevelNone has nothing to ask of the API server.
	LevelNone Level = "none"
	// LevelView reads.
	LevelView Level = "View"
	// LevelEdit changes some kinds.
	LevelEdit Level = "Edit"
	// LevelAdmin may do everything, or give rights without bounds.
	LevelAdmin Level = "Admin"
)

// Component is one of the roles of the matrix, with the level that it is meant to have.
type Component struct {
	Role  matrix.Role
	Level Level
	// Why says what it needs that for.
	Why string
}

// Components are Ingot's own, and the operator. A test holds each level to the rights of the matrix's rows.
func Components() []Component {
	return []Component{
		{matrix.Agent, LevelNone, "talks to the partition role only, one step at a time"},
		{matrix.APIServer, LevelNone, "is the API server"},
		{matrix.Auditor, LevelNone, "reads the files of the audit trail, and dials the archive only"},
		{matrix.Boot, LevelEdit, "reads boot windows and their tokens; all that it writes is the record of unknown machines"},
		{matrix.Console, LevelEdit, "sees who has which machine; asks the partition role for consoles' bytes, and keeps the key of the site's SSH authority"},
		{matrix.Controller, LevelEdit, "binds claims to hosts, compiles matrices, approves nodes' own certificates"},
		{matrix.Firewall, LevelEdit, "asks for its next certificate; by a Role for it alone, reads its own Firewall and writes what it enforces"},
		{matrix.Mesh, LevelEdit, "reads which keys are asked for, says what became of them, and makes one object for each node of the mesh"},
		{matrix.Node, LevelEdit, "reads policies; writes the status of its own endpoints, and asks for its next certificate"},
		{matrix.Operator, LevelAdmin, "a person's certificate, which everything else is set up with; daily work has the roles below"},
		{matrix.Partition, LevelEdit, "decides and acts for one site's hosts, and writes what it did"},
		{matrix.Relay, LevelNone, "carries packets that it cannot read, and asks the mesh role whose"},
	}
}

// LevelOf judges rights.
func LevelOf(rights []matrix.Right) Level {
	level := LevelNone
	for _, r := range rights {
		if counted := slices.ContainsFunc(r.Resources, func(s string) bool { return !said(s) }) || len(r.Paths) > 0; !counted {
			continue
		}
		switch {
		case slices.Contains(r.Verbs, "*"), slices.Contains(r.Verbs, "escalate"), slices.Contains(r.Verbs, "impersonate"):
			return LevelAdmin
		case slices.ContainsFunc(r.Verbs, func(v string) bool { return !Read.Has(v) }):
			level = LevelEdit
		case level == LevelNone:
			level = LevelView
		}
	}
	return level
}

// said are the kinds by which a component says what it does, or asks what others may.
func said(resource string) bool {
	return slices.Contains([]string{"events", "leases", "tokenreviews", "subjectaccessreviews"}, resource)
}

// RightsOf are a component's rights in the matrix.
func RightsOf(m matrix.Matrix, role matrix.Role) []matrix.Right {
	var all []matrix.Right
	for _, p := range matrix.Permissions(m.Rows) {
		if p.Role == role {
			all = append(all, p.Rights...)
		}
	}
	return all
}
