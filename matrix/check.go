package matrix

import (
	"errors"
	"fmt"
	"slices"
)

// Check says what is wrong with a matrix, all of it; nil when nothing is.
func Check(rows []Row) error {
	var problems []error
	report := func(r Row, format string, args ...any) {
		problems = append(problems, fmt.Errorf("row %s (%s): %s", r.ID, r.Name, fmt.Sprintf(format, args...)))
	}
	ids, names := map[string]bool{}, map[FlowName]bool{}
	type wire struct {
		from, to Endpoint
		protocol Protocol
		port     int
	}
	wires := map[wire]FlowName{}
	for _, r := range rows {
		if r.ID == "" || ids[r.ID] {
			report(r, "its ID is empty or used twice: give it one of its own")
		}
		if r.Name == "" || names[r.Name] {
			report(r, "its name is empty or used twice: give it one of its own")
		}
		ids[r.ID], names[r.Name] = true, true
		w := wire{r.From, r.To, r.Protocol, r.Port}
		if other, ok := wires[w]; ok && r.Port != 0 {
			report(r, "is the same flow as %s: keep one of them", other)
		}
		wires[w] = r.Name
		checkEnds(r, report)
		checkProperties(r, report)
		checkRights(r, report)
	}
	return errors.Join(problems...)
}

type reporter func(r Row, format string, args ...any)

var (
	roles     = []Role{APIServer, Controller, Partition, Boot, Agent, Machine, BMC, Operator, ImageStore, NameServer, Switch}
	zones     = []Zone{ZoneControlPlane, ZonePartitionManagement, ZoneProvisioning, ZoneBMC, ZoneOperator, ZoneOutside}
	protocols = []Protocol{TCP, UDP, ICMPv6, LLDP}
)

func checkEnds(r Row, report reporter) {
	for _, end := range []Endpoint{r.From, r.To} {
		if !slices.Contains(roles, end.Role) {
			report(r, "role %q is unknown", end.Role)
		}
		if !slices.Contains(zones, end.Zone) {
			report(r, "zone %q is unknown", end.Zone)
		}
	}
	if !slices.Contains(protocols, r.Protocol) {
		report(r, "protocol %q is unknown", r.Protocol)
	}
	portless := r.Protocol == ICMPv6 || r.Protocol == LLDP
	theirs := r.To.Zone == ZoneOutside || r.To.Zone == ZoneBMC
	switch {
	case r.Port < 0 || r.Port > 65535:
		report(r, "port %d is none: 1 to 65535", r.Port)
	case portless && r.Port != 0:
		report(r, "%s has no ports", r.Protocol)
	case !portless && r.Port == 0 && !theirs:
		report(r, "has no port: only an outside party or a BMC chooses its own")
	}
	if slices.Contains(r.Stages, "") {
		report(r, "has an empty stage: name it, or leave the list empty for any")
	}
	if r.Purpose == "" {
		report(r, "has no purpose: say what it is for")
	}
}

func checkProperties(r Row, report reporter) {
	cells := []struct {
		name string
		Property
	}{{"confidential", r.Confidential}, {"integrity", r.Integrity}, {"authenticated", r.Authenticated}, {"trusted", r.Trusted}}
	for _, c := range cells {
		switch {
		case c.How == "" && c.Holds:
			report(r, "%s has no how: say what gives it", c.name)
		case c.How == "":
			report(r, "%s is blank: say yes and how, or no and why", c.name)
		case !c.Holds && c.Bound == "":
			report(r, "%s does not hold and has no bound: say what limits the exception", c.name)
		case c.Holds && c.Bound != "":
			report(r, "%s holds and has a bound: bounds are for exceptions", c.name)
		}
	}
}

func checkRights(r Row, report reporter) {
	if len(r.Rights) > 0 && (r.To.Role != APIServer || r.Identity == "") {
		report(r, "has rights but does not go to the API server with an identity")
	}
	if r.To.Role == APIServer && len(r.Rights) == 0 {
		report(r, "goes to the API server without any right: remove the row, or say what it may do")
	}
	for _, right := range r.Rights {
		switch {
		case len(right.Verbs) == 0:
			report(r, "has a right without verbs")
		case (len(right.Resources) == 0) == (len(right.Paths) == 0):
			report(r, "has a right with neither or both of resources and paths")
		case len(right.Paths) > 0 && right.Namespace != "":
			report(r, "has a right to paths in a namespace: paths have none")
		case right.Group == "*" && r.From.Role != Operator:
			report(r, "has a right to every group: name the groups")
		}
	}
}
