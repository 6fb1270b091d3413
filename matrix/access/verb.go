package access

import "slices"

// Access is a word for a set of RBAC verbs.
type Access string

// The words, from nothing to everything.
const (
	None Access = ""
	// Get reads one object by its name.
	Get Access = "get"
	// Read reads and lists.
	Read Access = "read"
	// Make makes new ones, and nothing else.
	Make Access = "make"
	// Put makes, replaces and deletes, and reads nothing. A patch would: its answer is the whole object.
	Put Access = "put"
	// Keep is Put, and reads and patches by name. It lists nothing.
	Keep Access = "keep"
	// Change reads, and changes what is there.
	Change Access = "change"
	// Grow is Change, and makes new ones; it deletes none.
	Grow Access = "grow"
	// Issue reads, makes and deletes; nothing is changed.
	Issue Access = "issue"
	// Edit reads, makes, changes and deletes.
	Edit Access = "edit"
	// All is Edit, and deletes many at once. Of kinds with a status, that may be written too.
	All Access = "all"
	// Attach looks at a console, and types there.
	Attach Access = "attach"
	// Bind gives the role to others without having it.
	Bind Access = "bind"
)

// Verbs are those of RBAC.
func (a Access) Verbs() []string {
	switch a {
	case Get:
		return []string{"get"}
	case Read:
		return []string{"get", "list", "watch"}
	case Make:
		return []string{"create"}
	case Put:
		return []string{"create", "update", "delete"}
	case Keep:
		return []string{"get", "create", "update", "patch", "delete"}
	case Change:
		return []string{"get", "list", "watch", "update", "patch"}
	case Grow:
		return []string{"get", "list", "watch", "create", "update", "patch"}
	case Issue:
		return []string{"get", "list", "watch", "create", "delete"}
	case Edit:
		return []string{"get", "list", "watch", "create", "update", "patch", "delete"}
	case All:
		return []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}
	case Attach:
		return []string{"get", "create"}
	case Bind:
		return []string{"bind"}
	default:
		return nil
	}
}

// Words are all accesses but None, each with its verbs in the document.
func Words() []Access {
	return []Access{Get, Read, Make, Put, Keep, Change, Grow, Issue, Edit, All, Attach, Bind}
}

// statusVerbs are what All may do with a status.
func statusVerbs() []string { return []string{"get", "update", "patch"} }

// Has says whether a verb is in it.
func (a Access) Has(verb string) bool { return slices.Contains(a.Verbs(), verb) }
