package document_test

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
)

// anyWord are texts that YAML could take for something else, and any text at all.
var anyWord = rapid.OneOf(
	rapid.SampledFrom([]string{"", "yes", "No", "1.1", "0x1f", "~", "null", "*a", "&a", "# no", "a: b", "- a", "a #b", " a ", "'", `"`, "two\nlines\n", "two\n\nmore lines", "a\n b", "- a\n# b\n", "tab\t", "1:30", "2026-01-01", "{}", "|"}),
	rapid.StringN(0, 30, -1),
)

var anyCell = rapid.Custom(func(t *rapid.T) matrix.Property {
	switch rapid.IntRange(0, 3).Draw(t, "state") {
	case 0:
		return matrix.Property{State: matrix.Unknown}
	case 1:
		return matrix.Property{State: matrix.Holds, How: anyWord.Draw(t, "how")}
	case 2:
		return matrix.Property{State: matrix.Excepted, How: anyWord.Draw(t, "how"), Bound: anyWord.Draw(t, "bound")}
	}
	return matrix.Property{}
})

func anyRow(t *rapid.T, n int) matrix.Row {
	ends := rapid.SampledFrom([]matrix.Endpoint{matrix.Anybody, {Role: "r", Zone: "z"}, {Role: "r", Zone: "*"}, {Role: "*", Zone: "z"}, {Role: "no", Zone: "1"}})
	r := matrix.Row{
		ID: "id." + strconv.Itoa(n), Name: matrix.FlowName("f" + strconv.Itoa(n)), From: ends.Draw(t, "from"), To: ends.Draw(t, "to"),
		Protocol:     rapid.SampledFrom([]matrix.Protocol{matrix.TCP, matrix.UDP, matrix.ICMP, matrix.ICMPv6, matrix.LLDP, matrix.ARP, "112", "255"}).Draw(t, "protocol"),
		Application:  rapid.SampledFrom([]matrix.Application{"", "HTTPS", "gRPC", "etcd"}).Draw(t, "application"),
		Confidential: anyCell.Draw(t, "c"), Integrity: anyCell.Draw(t, "i"), Authenticated: anyCell.Draw(t, "auth"), Trusted: anyCell.Draw(t, "trust"),
		Identity: anyWord.Draw(t, "identity"), Purpose: anyWord.Draw(t, "purpose"), Notes: anyWord.Draw(t, "notes"), Feature: anyWord.Draw(t, "feature"),
		Section: anyWord.Draw(t, "section"), Reading: rapid.SampledFrom([]string{"", "prose", "no"}).Draw(t, "reading"),
		Enforced: rapid.SampledFrom([]matrix.Enforcement{"", matrix.EnforcedIngress, matrix.EnforcedEgress}).Draw(t, "enforced"),
		Failsafe: rapid.Bool().Draw(t, "failsafe"), Management: rapid.Bool().Draw(t, "management"),
		Stages: rapid.SliceOfN(rapid.SampledFrom([]string{"inspecting", "yes"}), 0, 2).Draw(t, "stages"),
	}
	if r.Protocol.HasPorts() {
		for range rapid.IntRange(0, 3).Draw(t, "ports") {
			first := rapid.Uint16Range(1, 65535).Draw(t, "first")
			r.Ports = append(r.Ports, matrix.PortRange{First: first, Last: rapid.Uint16Range(first, 65535).Draw(t, "last")})
		}
	}
	if r.Protocol == matrix.ICMP {
		r.ICMPTypes = rapid.SliceOfN(rapid.Uint8(), 0, 3).Draw(t, "types")
	}
	return r
}

var anyMatrix = rapid.Custom(func(t *rapid.T) matrix.Matrix {
	m := matrix.Matrix{
		Name: "m", Title: anyWord.Draw(t, "title"), Text: anyWord.Draw(t, "text"),
		Zones: []matrix.ZoneDefinition{
			{Name: "z", Title: anyWord.Draw(t, "zone"), Plane: "on", Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}},
			{Name: "1", Outside: true, Unlisted: rapid.Bool().Draw(t, "unlisted")},
		},
		Roles: []matrix.RoleDefinition{{Name: "r", Title: anyWord.Draw(t, "role"), Purpose: anyWord.Draw(t, "purpose")}, {Name: "no", Outside: true}},
		Hosts: []matrix.Host{{Name: "h", Interfaces: []matrix.Interface{{
			Name: rapid.SampledFrom([]string{"eth0", "1", "no", "*", "a b"}).Draw(t, "interface"), Zone: "z", Roles: []matrix.Role{"r"},
			Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}, Virtual: []netip.Addr{netip.MustParseAddr("10.0.0.9")},
		}}}},
	}
	for n := range rapid.IntRange(0, 5).Draw(t, "rows") {
		m.Rows = append(m.Rows, anyRow(t, n))
	}
	return m
})

func TestEveryMatrixComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyMatrix.Draw(t, "matrix")
		text, err := document.Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := document.Decode(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(want, got, equal); diff != "" {
			t.Fatalf("%s\n%s", diff, text)
		}
	})
}

// large has 20,000 flows with all their words between 1,000 roles: more than one object holds.
func large() matrix.Matrix {
	m := matrix.Matrix{Name: strings.Repeat("m", 63), Title: "Large", Zones: []matrix.ZoneDefinition{{Name: "z"}}}
	for i := range 1000 {
		m.Roles = append(m.Roles, matrix.RoleDefinition{Name: matrix.Role("role-" + strconv.Itoa(i)), Title: "Role " + strconv.Itoa(i)})
	}
	holds := matrix.Property{State: matrix.Holds, How: "mutual TLS"}
	for i := range 20000 {
		m.Rows = append(m.Rows, matrix.Row{
			ID: strconv.Itoa(i/100) + "." + strconv.Itoa(i%100), Name: matrix.FlowName("flow-" + strconv.Itoa(i)),
			From: matrix.Endpoint{Role: m.Roles[i%1000].Name, Zone: "z"}, To: matrix.Endpoint{Role: m.Roles[(i/7)%1000].Name, Zone: "z"},
			Protocol: matrix.TCP, Ports: matrix.Port(uint16(1 + i)), Application: "HTTPS",
			Confidential: holds, Integrity: holds, Authenticated: holds, Trusted: holds, Purpose: "API requests", Section: "Components",
		})
	}
	return m
}

func TestALargeMatrixStandsInParts(t *testing.T) {
	want := large()
	objects := document.Objects(want)
	if len(objects) < 4 {
		t.Errorf("%d objects hold 20,000 flows, %d each: not possible", len(objects), v1alpha1.MatrixMaxFlows)
	}
	names := map[string]bool{}
	for i, o := range objects {
		if size := jsonSize(t, o); size > 3<<19 {
			t.Errorf("part %d has %d bytes of JSON: etcd takes 1.5 MiB", i, size)
		}
		if len(o.Name) > 63 || names[o.Name] {
			t.Errorf("part %d is called %q, which is too long or used twice", i, o.Name)
		}
		names[o.Name] = true
	}
	text, err := document.Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := document.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, equal); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsTooLargeIsNotEncoded(t *testing.T) {
	m := matrix.Own()
	m.Rows[0].Purpose = strings.Repeat("x", 1025)
	if _, err := document.Encode(m); err == nil || !strings.Contains(err.Error(), "at most 1024") {
		t.Errorf("a purpose of 1025 characters: %v", err)
	}
}
