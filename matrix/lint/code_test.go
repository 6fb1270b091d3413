package lint_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/lint"
)

var (
	web      = matrix.Endpoint{Role: "web", Zone: "inside"}
	db       = matrix.Endpoint{Role: "db", Zone: "inside"}
	operator = matrix.Endpoint{Role: "operator", Zone: "office"}
	inside   = matrix.Endpoint{Role: matrix.AnyRole, Zone: "inside"}
)

// clean has nothing to find.
func clean() matrix.Matrix {
	yes := func(how string) matrix.Property { return matrix.Property{State: matrix.Holds, How: how} }
	row := func(id string, from, to matrix.Endpoint, port uint16, a matrix.Application) matrix.Row {
		return matrix.Row{
			ID: id, Name: matrix.FlowName("flow-" + id), From: from, To: to, Protocol: matrix.TCP, Ports: matrix.Port(port), Application: a, Purpose: "purpose " + id,
			Confidential: yes("TLS"), Integrity: yes("TLS"), Authenticated: yes("mutual TLS"), Trusted: yes("its own network"), Identity: "client", ServerIdentity: "server",
		}
	}
	sql, page, ssh := row("1", web, db, 5432, "Postgres"), row("2", operator, web, 443, "HTTPS"), row("3", operator, inside, 22, "SSH")
	ssh.Management = true
	host := func(name, address string, role matrix.Role) matrix.Host {
		return matrix.Host{Name: name, Interfaces: []matrix.Interface{{Name: "eth0", Zone: "inside", Roles: []matrix.Role{role}, Addresses: []netip.Addr{netip.MustParseAddr(address)}}}}
	}
	return matrix.Matrix{
		Name:  "clean",
		Zones: []matrix.ZoneDefinition{{Name: "inside"}, {Name: "office", Outside: true}, {Name: "somewhere", Unlisted: true}},
		Roles: []matrix.RoleDefinition{{Name: "web"}, {Name: "db"}, {Name: "operator", Outside: true, Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}},
		Hosts: []matrix.Host{host("web1", "10.0.0.1", "web"), host("db1", "10.0.0.2", "db")},
		Rows:  []matrix.Row{sql, page, ssh},
	}
}

// more adds a copy of a row, changed.
func more(of int, change func(*matrix.Row)) func(*matrix.Matrix) {
	return func(m *matrix.Matrix) {
		r := m.Rows[of]
		r.ID, r.Name, r.Purpose = "9", "flow-9", "purpose 9"
		change(&r)
		m.Rows = append(m.Rows, r)
	}
}

func first(change func(*matrix.Row)) func(*matrix.Matrix) {
	return func(m *matrix.Matrix) { change(&m.Rows[0]) }
}

func TestEachCodeIsFoundWhereItsDefectIs(t *testing.T) {
	if found := lint.Findings(clean(), lint.Options{}); len(found) > 0 {
		t.Fatalf("the clean matrix has findings: %v", found)
	}
	none := matrix.Property{State: matrix.Excepted, How: "why", Bound: "bound"}
	cases := map[lint.Code][]func(*matrix.Matrix){
		lint.ExceptionWithoutReason: {first(func(r *matrix.Row) { r.Trusted = matrix.Property{State: matrix.Excepted, Bound: "b"} })},
		lint.ExceptionWithoutBound:  {first(func(r *matrix.Row) { r.Trusted = matrix.Property{State: matrix.Excepted, How: "h"} })},
		lint.BlankCell:              {first(func(r *matrix.Row) { r.Trusted = matrix.Property{} })},
		lint.UnknownCell:            {first(func(r *matrix.Row) { r.Trusted = matrix.Property{State: matrix.Unknown} })},
		lint.HoldsWithoutHow:        {first(func(r *matrix.Row) { r.Trusted.How = "" })},
		lint.UnprotectedApplication: {func(m *matrix.Matrix) { m.Rows[1].Confidential = matrix.Property{} }},
		lint.ProtectedPlain:         {func(m *matrix.Matrix) { m.Rows[1].Application = "HTTP" }},
		lint.PlainOverUntrusted: {first(func(r *matrix.Row) {
			r.Confidential, r.Trusted = none, matrix.Property{}
		})},
		lint.ApplicationOnPort:    {first(func(r *matrix.Row) { r.Application = "HTTP" })},
		lint.ApplicationTransport: {first(func(r *matrix.Row) { r.Protocol = matrix.UDP })},
		lint.UnusualPort:          {first(func(r *matrix.Row) { r.Ports = matrix.Port(9999) })},
		lint.MissingIdentity:      {first(func(r *matrix.Row) { r.Identity = "" }), first(func(r *matrix.Row) { r.ServerIdentity = "" })},
		lint.DuplicateFlow:        {more(0, func(*matrix.Row) {})},
		lint.ShadowedFlow: {
			more(0, func(r *matrix.Row) { r.From, r.To = inside, inside }),
			more(0, func(r *matrix.Row) { r.Ports = matrix.Ports{{First: 5000, Last: 6000}} }),
		},
		lint.UnenforcedFlow:   {first(func(r *matrix.Row) { r.From, r.To = operator, operator })},
		lint.LeftOut:          {first(func(r *matrix.Row) { r.Protocol, r.Ports, r.Application = matrix.LLDP, nil, "LLDP" })},
		lint.MissingEgress:    {first(func(r *matrix.Row) { r.Enforced = matrix.EnforcedIngress })},
		lint.MissingIngress:   {first(func(r *matrix.Row) { r.Enforced = matrix.EnforcedEgress })},
		lint.AllPorts:         {first(func(r *matrix.Row) { r.Ports = nil })},
		lint.MissingAnswer:    {first(func(r *matrix.Row) { r.Protocol, r.Ports, r.Application = "112", nil, "VRRP" }), first(func(r *matrix.Row) { r.Protocol, r.Ports, r.Application = matrix.UDP, matrix.Port(69), "TFTP" })},
		lint.ReadingsDiffer:   {func(m *matrix.Matrix) { m.Rows[0].Reading, m.Rows[1].Reading = "a", "b" }},
		lint.PortsDiffer:      {more(0, func(r *matrix.Row) { r.Ports, r.Purpose = matrix.Port(5433), "purpose 1" })},
		lint.ZonesDiffer:      {more(0, func(r *matrix.Row) { r.To.Zone = "office" })},
		lint.ProtectionDiffer: {more(0, func(r *matrix.Row) { r.From, r.Confidential = operator, none })},
		lint.UnlistedZone:     {first(func(r *matrix.Row) { r.From.Zone = "somewhere" })},
		lint.EndWithoutHosts:  {func(m *matrix.Matrix) { m.Hosts = m.Hosts[:1] }, func(m *matrix.Matrix) { m.Roles[2].Networks = nil }},
		lint.UnusedRole:       {func(m *matrix.Matrix) { m.Roles = append(m.Roles, matrix.RoleDefinition{Name: "ghost"}) }},
		lint.NamesAlike: {func(m *matrix.Matrix) {
			m.Roles = append(m.Roles, matrix.RoleDefinition{Name: "web-2", Title: "Web"})
			m.Hosts[0].Interfaces[0].Roles = append(m.Hosts[0].Interfaces[0].Roles, "web-2")
		}},
		lint.NoManagement:    {func(m *matrix.Matrix) { m.Rows[2].Management = false }},
		lint.MissingVPN:      {func(m *matrix.Matrix) { m.Roles[0].Title = "Headscale" }},
		lint.FailsafeRow:     {first(func(r *matrix.Row) { r.Failsafe = true })},
		lint.NoPurpose:       {first(func(r *matrix.Row) { r.Purpose = "" })},
		lint.CalicoFailsafes: {func(*matrix.Matrix) {}},
	}
	for _, k := range lint.Codes() {
		if len(cases[k.Code]) == 0 {
			t.Errorf("no case for %s", k.Code)
		}
		for n, spoil := range cases[k.Code] {
			m := clean()
			spoil(&m)
			if err := matrix.Check(m); err != nil {
				t.Fatalf("%s, case %d: %v", k.Code, n, err)
			}
			found := lint.Findings(m, lint.Options{CalicoFailsafes: k.Code == lint.CalicoFailsafes})
			i := slices.IndexFunc(found, func(f lint.Finding) bool { return f.Code == k.Code })
			if i < 0 {
				t.Errorf("%s, case %d: not found among %v", k.Code, n, found)
				continue
			}
			if f := found[i]; f.Severity != k.Severity || f.What == "" || f.Why == "" || f.Fix == "" {
				t.Errorf("%s: severity %s, want %s, and all sentences filled: %+v", k.Code, f.Severity, k.Severity, f)
			}
		}
	}
}

func TestOptionsChooseCodes(t *testing.T) {
	m := clean()
	m.Rows[0].Purpose, m.Rows[0].Trusted = "", matrix.Property{}
	count := func(o lint.Options) int { return len(lint.Findings(m, o)) }
	if count(lint.Options{}) != 2 || count(lint.Options{Only: []lint.Code{lint.NoPurpose}}) != 1 || count(lint.Options{Ignore: []lint.Code{lint.NoPurpose, lint.BlankCell}}) != 0 {
		t.Errorf("all: %v", lint.Findings(m, lint.Options{}))
	}
	if worst, ok := lint.Worst(lint.Findings(m, lint.Options{})); worst != lint.Warning || !ok {
		t.Errorf("worst is %q", worst)
	}
	if _, ok := lint.Worst(nil); ok {
		t.Error("nothing has a worst")
	}
}

func TestFindingsDoNotDependOnTheOrderOfPlaces(t *testing.T) {
	m, other := decoded(t, "metal-stack"), decoded(t, "metal-stack")
	slices.Reverse(other.Zones)
	a, b := lint.Findings(m, lint.Options{Ignore: []lint.Code{lint.NoManagement}}), lint.Findings(other, lint.Options{Ignore: []lint.Code{lint.NoManagement}})
	slices.SortFunc(a, func(x, y lint.Finding) int { return slices.Compare([]string{x.String()}, []string{y.String()}) })
	slices.SortFunc(b, func(x, y lint.Finding) int { return slices.Compare([]string{x.String()}, []string{y.String()}) })
	if len(a) != len(b) {
		t.Fatalf("%d findings, and %d with the zones in another order", len(a), len(b))
	}
	for n := range a {
		if a[n].String() != b[n].String() {
			t.Errorf("%s\n%s", a[n], b[n])
		}
	}
}
