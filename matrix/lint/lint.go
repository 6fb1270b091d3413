// Package lint owns what somebody should look at in a matrix that has a meaning (matrix.Check): gaps, contradictions, rows without effect, rows that are missing, and
// protections that do not fit what is spoken.
//
// It refuses to decide: a finding names the rows, what is seen, why it matters and what to do; a matrix with findings compiles all the same. What a matrix says in packets is
// taken from package reach and package difference, never from the words of its rows.
//
// Codes are stable: scripts and exceptions name them. Findings that hold in one reading of a contradictory document only say in which.
//
// Invariants: Findings is a pure function; its result is sorted by severity, code and place of the first row, and does not change with the order of zones, roles and hosts.
package lint

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/matrix"
)

// Severity is how much a finding matters.
type Severity string

// The severities. An error is a row that breaks the rules of the matrix itself; a warning is likely a mistake or a gap; a note is worth knowing.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Note    Severity = "note"
)

func (s Severity) rank() int { return slices.Index([]Severity{Error, Warning, Note}, s) }

// Code names a kind of finding.
type Code string

// The codes.
const (
	ExceptionWithoutReason Code = "exception-without-reason"
	ExceptionWithoutBound  Code = "exception-without-bound"

	BlankCell              Code = "blank-cell"
	UnknownCell            Code = "unknown-cell"
	HoldsWithoutHow        Code = "holds-without-how"
	UnprotectedApplication Code = "unprotected-application"
	ProtectedPlain         Code = "protected-plain-application"
	PlainOverUntrusted     Code = "plain-over-untrusted"
	ApplicationOnPort      Code = "application-on-foreign-port"
	ApplicationTransport   Code = "application-transport"
	UnusualPort            Code = "unusual-port"
	MissingIdentity        Code = "missing-identity"

	DuplicateFlow    Code = "duplicate-flow"
	ShadowedFlow     Code = "shadowed-flow"
	UnenforcedFlow   Code = "unenforced-flow"
	LeftOut          Code = "left-out"
	MissingEgress    Code = "missing-egress"
	MissingIngress   Code = "missing-ingress"
	MissingAnswer    Code = "missing-answer"
	AllPorts         Code = "all-ports"
	ReadingsDiffer   Code = "readings-differ"
	PortsDiffer      Code = "ports-differ"
	ZonesDiffer      Code = "zones-differ"
	ProtectionDiffer Code = "protection-differs"

	UnlistedZone    Code = "unlisted-zone"
	EndWithoutHosts Code = "end-without-hosts"
	UnusedRole      Code = "unused-role"
	NamesAlike      Code = "names-alike"
	NoManagement    Code = "no-management-row"
	MissingVPN      Code = "missing-vpn-row"
	FailsafeRow     Code = "failsafe-row"
	CalicoFailsafes Code = "calico-failsafes"
	NoPurpose       Code = "no-purpose"
)

// Finding is one thing to look at.
type Finding struct {
	Code     Code
	Severity Severity
	// Rows are IDs, in the order of the matrix; none where something is missing altogether.
	Rows []string
	// What is seen, Why it matters and Fix, what to do: a sentence each.
	What, Why, Fix string
}

func (f Finding) String() string {
	rows := ""
	if len(f.Rows) > 0 {
		rows = " " + strings.Join(f.Rows, ", ")
	}
	return string(f.Severity) + " " + string(f.Code) + rows + ": " + f.What
}

// Options choose what is looked for.
type Options struct {
	// Only are the codes to report, all if empty; Ignore are codes not to report.
	Only, Ignore []Code
	// CalicoFailsafes asks for the effect of the ports that Calico leaves open on every endpoint unless it is told otherwise.
	CalicoFailsafes bool
}

func (o Options) wants(c Code) bool {
	return (len(o.Only) == 0 || slices.Contains(o.Only, c)) && !slices.Contains(o.Ignore, c)
}

// Kind is what is known of a code.
type Kind struct {
	Code     Code
	Severity Severity
	// Title says in a few words what is found.
	Title string
}

// Codes are all codes, in the order in which they are reported.
func Codes() []Kind {
	return []Kind{
		{ExceptionWithoutReason, Error, "a property does not hold, and nobody says why"},
		{ExceptionWithoutBound, Error, "a property does not hold, and nothing limits the exception"},
		{BlankCell, Warning, "a security cell is blank"},
		{UnknownCell, Warning, "a security cell has a question mark"},
		{UnprotectedApplication, Warning, "an application that encrypts is said not to"},
		{ProtectedPlain, Warning, "an application that does not encrypt is said to"},
		{PlainOverUntrusted, Warning, "neither encrypted nor in a trusted network"},
		{ApplicationOnPort, Warning, "an application on the port of another"},
		{ApplicationTransport, Warning, "an application over a protocol that it does not use"},
		{MissingIdentity, Warning, "a certificate is checked, and its name is not said"},
		{DuplicateFlow, Warning, "two rows are the same flow"},
		{ShadowedFlow, Warning, "other rows let through all that a row does"},
		{MissingEgress, Warning, "the server lets in what our client does not let out"},
		{MissingIngress, Warning, "the client lets out what our server does not let in"},
		{MissingAnswer, Warning, "answers are flows of their own, and have no row"},
		{ReadingsDiffer, Warning, "two readings of a document differ in packets"},
		{PortsDiffer, Warning, "one server has different ports for one purpose"},
		{ZonesDiffer, Warning, "one server stands in different zones"},
		{ProtectionDiffer, Warning, "one server's port is protected in one row and not in another"},
		{UnlistedZone, Warning, "a zone that nobody listed"},
		{EndWithoutHosts, Warning, "an end that nobody is"},
		{NoManagement, Warning, "hosts that nobody could reach to mend them"},
		{MissingVPN, Warning, "a mesh without the rows that it needs"},
		{HoldsWithoutHow, Note, "a property holds, and nobody says how"},
		{AllPorts, Note, "all ports are open"},
		{UnusualPort, Note, "an application on an unusual port"},
		{UnenforcedFlow, Note, "neither end is ours"},
		{LeftOut, Note, "a firewall cannot say a row"},
		{UnusedRole, Note, "a role without rows"},
		{NamesAlike, Warning, "two roles whose names differ in case only"},
		{FailsafeRow, Note, "a row that holds before all policies"},
		{CalicoFailsafes, Note, "what Calico's implied ports would open"},
		{NoPurpose, Note, "rows without a purpose"},
	}
}

// Findings looks at a matrix that Check lets pass.
func Findings(m matrix.Matrix, o Options) []Finding {
	c := newChecker(m)
	for _, look := range []struct {
		codes []Code
		at    func()
	}{
		{[]Code{ExceptionWithoutReason, ExceptionWithoutBound, BlankCell, UnknownCell, HoldsWithoutHow}, c.cells},
		{[]Code{UnprotectedApplication, ProtectedPlain, PlainOverUntrusted, MissingIdentity}, c.protection},
		{[]Code{ApplicationOnPort, ApplicationTransport, UnusualPort, AllPorts}, c.applications},
		{[]Code{DuplicateFlow, ShadowedFlow, MissingEgress, MissingIngress, MissingAnswer, PortsDiffer, ZonesDiffer, ProtectionDiffer}, c.readings},
		{[]Code{ReadingsDiffer}, c.readingsDiffer},
		{[]Code{UnenforcedFlow, LeftOut}, c.effect},
		{[]Code{UnlistedZone, EndWithoutHosts, UnusedRole, NamesAlike, NoPurpose}, c.places},
		{[]Code{NoManagement}, c.management},
		{[]Code{MissingVPN}, c.mesh},
		{[]Code{FailsafeRow}, c.failsafes},
	} {
		if slices.ContainsFunc(look.codes, o.wants) {
			look.at()
		}
	}
	if o.CalicoFailsafes && o.wants(CalicoFailsafes) {
		c.calico()
	}
	found := slices.DeleteFunc(c.found, func(f Finding) bool { return !o.wants(f.Code) })
	order := map[Code]int{}
	for n, k := range Codes() {
		order[k.Code] = n
	}
	slices.SortStableFunc(found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity.rank(), b.Severity.rank()), cmp.Compare(order[a.Code], order[b.Code]),
			slices.CompareFunc(a.Rows, b.Rows, func(x, y string) int { return cmp.Compare(c.place[x], c.place[y]) }), cmp.Compare(a.What, b.What))
	})
	return found
}

// Worst is the gravest severity among findings; false for none.
func Worst(findings []Finding) (Severity, bool) {
	if len(findings) == 0 {
		return "", false
	}
	return slices.MinFunc(findings, func(a, b Finding) int { return a.Severity.rank() - b.Severity.rank() }).Severity, true
}
