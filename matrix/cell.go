package matrix

// State is what a security cell says.
type State string

// The states. Blank is a cell that nobody filled, Unknown one with a question mark: both are gaps that only foreign matrices have.
const (
	Blank    State = ""
	Unknown  State = "Unknown"
	Holds    State = "Holds"
	Excepted State = "Excepted"
)

// Property is one security cell: it holds, and how; or it is an exception, and why and within which bound.
type Property struct {
	State State
	// How it holds ("mutual TLS"), or why it does not.
	How string
	// Bound limits an exception; required where State is Excepted.
	Bound string
}

// Holds says whether the property is there.
func (p Property) Holds() bool { return p.State == Holds }

// Gap says whether nobody answered.
func (p Property) Gap() bool { return p.State == Blank || p.State == Unknown }

// Cell is a property of a row with its name, for tables.
type Cell struct {
	// Name is "confidential", "integrity", "authenticated" or "trusted"; Letter its column in a published matrix.
	Name, Letter string
	Property
}

// Cells are the four security cells of a row, in the order of the columns.
func (r Row) Cells() [4]Cell {
	return [4]Cell{
		{"confidential", "C", r.Confidential},
		{"integrity", "I", r.Integrity},
		{"authenticated", "Auth", r.Authenticated},
		{"trusted", "Trust", r.Trusted},
	}
}
