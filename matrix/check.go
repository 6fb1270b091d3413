package matrix

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
)

type reporter func(r Row, format string, args ...any)

func reportInto(problems *[]error) reporter {
	return func(r Row, format string, args ...any) {
		*problems = append(*problems, fmt.Errorf("row %s (%s): %s", r.ID, r.Name, fmt.Sprintf(format, args...)))
	}
}

// label is RFC 1123's, since names become labels, chains and object names.
var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// Check says what in a matrix has no meaning, all of it; nil when nothing has none. What it lets pass may still have gaps: see Complete.
func Check(m Matrix) error {
	problems := checkDefinitions(m)
	report := reportInto(&problems)
	ids, names := map[string]bool{}, map[FlowName]bool{}
	known := definitions(m)
	for _, r := range m.Rows {
		if r.ID == "" || ids[r.ID] {
			report(r, "its ID is empty or used twice: give it one of its own")
		}
		if !label.MatchString(string(r.Name)) || names[r.Name] {
			report(r, "its name is no label (a-z, 0-9, -) or used twice: give it one of its own")
		}
		ids[r.ID], names[r.Name] = true, true
		checkEnds(known, r, report)
		checkWire(r, report)
		checkCells(r, report)
		checkRights(r, report)
	}
	return errors.Join(problems...)
}

// defined is what rows may speak of. A matrix from outside may have as many roles as rows: each is looked up, not searched for.
type defined struct {
	roles map[Role]RoleDefinition
	zones map[Zone]ZoneDefinition
}

func definitions(m Matrix) defined {
	d := defined{make(map[Role]RoleDefinition, len(m.Roles)), make(map[Zone]ZoneDefinition, len(m.Zones))}
	for _, r := range m.Roles {
		d.roles[r.Name] = r
	}
	for _, z := range m.Zones {
		d.zones[z.Name] = z
	}
	return d
}

func checkEnds(known defined, r Row, report reporter) {
	for _, end := range []Endpoint{r.From, r.To} {
		if _, ok := known.roles[end.Role]; !ok && end.Role != AnyRole {
			report(r, "role %q is unknown: list it among the roles", end.Role)
		}
		if _, ok := known.zones[end.Zone]; !ok && end.Zone != AnyZone {
			report(r, "zone %q is unknown: list it among the zones", end.Zone)
		}
	}
	if !slices.Contains([]Enforcement{EnforcedBoth, EnforcedIngress, EnforcedEgress}, r.Enforced) {
		report(r, "enforced %q is none of Ingress, Egress and empty for both", r.Enforced)
	}
	if slices.Contains(r.Stages, "") {
		report(r, "has an empty stage: name it, or leave the list empty for any")
	}
}

func checkWire(r Row, report reporter) {
	if !r.Protocol.Valid() {
		report(r, "protocol %q is unknown: a name (tcp, udp, sctp, udplite, icmp, icmpv6, lldp), or the number of a protocol without one of these", r.Protocol)
		return
	}
	if len(r.Ports) > 0 && !r.Protocol.HasPorts() {
		report(r, "%s has no ports", r.Protocol)
	}
	for _, p := range r.Ports {
		if p.First == 0 || p.Last < p.First {
			report(r, "ports %s are none: 1 to 65535, smaller first", p)
		}
	}
	if len(r.ICMPTypes) > 0 && r.Protocol != ICMP && r.Protocol != ICMPv6 {
		report(r, "has ICMP types, and its protocol is %s", r.Protocol)
	}
	if _, ok := NatureOf(r.Application); !ok && r.Application != "" {
		report(r, "application %q is not in the list of applications", r.Application)
	}
}

func checkCells(r Row, report reporter) {
	for _, c := range r.Cells() {
		switch {
		case !slices.Contains([]State{Blank, Unknown, Holds, Excepted}, c.State):
			report(r, "%s is %q: one of Holds, Excepted, Unknown", c.Name, c.State)
		case c.Gap() && (c.How != "" || c.Bound != ""):
			report(r, "%s has words and no state: say Holds or Excepted", c.Name)
		case c.Holds() && c.Bound != "":
			report(r, "%s holds and has a bound: bounds are for exceptions", c.Name)
		}
	}
}

func checkRights(r Row, report reporter) {
	if len(r.Rights) > 0 && (r.To.Role != APIServer || r.Identity == "") {
		report(r, "has rights but does not go to the API server with an identity")
	}
	for _, right := range r.Rights {
		switch {
		case len(right.Verbs) == 0:
			report(r, "has a right without verbs")
		case (len(right.Resources) == 0) == (len(right.Paths) == 0):
			report(r, "has a right with neither or both of resources and paths")
		case len(right.Paths) > 0 && right.Namespace != "":
			report(r, "has a right to paths in a namespace: paths have none")
		case right.Scope != Everywhere && right.Scope != HostNamespaces:
			report(r, "has a right with the scope %q: HostNamespaces, or none", right.Scope)
		case right.Scope != Everywhere && (right.Namespace != "" || len(right.Paths) > 0):
			report(r, "has a right with a scope, and with a namespace or paths: a scope stands alone")
		case len(right.Names) > 0 && slices.Contains(right.Verbs, "create"):
			report(r, "has a right to create objects of given names: an object has no name before it is made, so make it a right of its own")
		case right.Group == "*" && r.From.Role != Operator:
			report(r, "has a right to every group: name the groups")
		}
	}
}

// Complete says which questions a matrix leaves open, on top of Check; nil when none. Ingot's own has to be complete.
func Complete(m Matrix) error {
	problems := []error{}
	if err := Check(m); err != nil {
		problems = append(problems, err)
	}
	report := reportInto(&problems)
	type wire struct {
		from, to           Endpoint
		protocol           Protocol
		ports, stage, icmp string
	}
	wires := map[wire]FlowName{}
	for _, r := range m.Rows {
		w := wire{r.From, r.To, r.Protocol, r.Ports.String(), fmt.Sprint(r.Stages), string(r.ICMPTypes)}
		if other, ok := wires[w]; ok && len(r.Ports) > 0 {
			report(r, "is the same flow as %s: keep one of them", other)
		}
		wires[w] = r.Name
		completeRow(m, r, report)
	}
	return errors.Join(problems...)
}

func completeRow(m Matrix, r Row, report reporter) {
	if r.Protocol.HasPorts() && len(r.Ports) == 0 && m.Ours(r.To) {
		report(r, "has no port: only an outside party chooses its own")
	}
	if r.Purpose == "" {
		report(r, "has no purpose: say what it is for")
	}
	if r.To.Role == APIServer && len(r.Rights) == 0 {
		report(r, "goes to the API server without any right: remove the row, or say what it may do")
	}
	for _, c := range r.Cells() {
		switch {
		case c.Gap():
			report(r, "%s is blank: say that it holds and how, or that it does not and why", c.Name)
		case c.How == "":
			report(r, "%s has no how: say what gives it, or why it does not hold", c.Name)
		case c.State == Excepted && c.Bound == "":
			report(r, "%s does not hold and has no bound: say what limits the exception", c.Name)
		}
	}
}
