package diagram_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/diagram"
)

var update = flag.Bool("update", false, "write the golden files anew")

// shop is a small site with everything that a picture can have: planes, outside parties, an unlisted zone, a circle, a flow of a role to its own kind, anybody,
// exceptions and gaps.
func shop() matrix.Matrix {
	yes := matrix.Property{State: matrix.Holds, How: "TLS"}
	no := matrix.Property{State: matrix.Excepted, How: "old", Bound: "until May"}
	at := func(r matrix.Role, z matrix.Zone) matrix.Endpoint { return matrix.Endpoint{Role: r, Zone: z} }
	row := func(id string, from, to matrix.Endpoint, port uint16, a matrix.Application, c matrix.Property) matrix.Row {
		return matrix.Row{ID: id, Name: matrix.FlowName("flow-" + strings.ReplaceAll(id, ".", "-")), From: from, To: to, Protocol: matrix.TCP, Ports: matrix.Port(port), Application: a,
			Confidential: c, Integrity: yes, Authenticated: yes, Trusted: yes, Purpose: "purpose of " + id}
	}
	web, api, db, cache := at("web", "front"), at("api", "back"), at("db", "back"), at("cache", "back")
	return matrix.Matrix{
		Name: "shop", Title: "A shop",
		Zones: []matrix.ZoneDefinition{{Name: "internet", Outside: true}, {Name: "front", Plane: "data"}, {Name: "back", Plane: "data"}, {Name: "office"}, {Name: "unknown", Unlisted: true}},
		Roles: []matrix.RoleDefinition{{Name: "customer", Outside: true}, {Name: "web"}, {Name: "api"}, {Name: "db"}, {Name: "cache"}, {Name: "admin"}, {Name: "bank"}},
		Rows: []matrix.Row{
			row("1.1", at("customer", "internet"), web, 443, "HTTPS", yes), row("1.2", matrix.Anybody, web, 80, "HTTP", no),
			row("2.1", web, api, 8443, "HTTPS", yes), row("2.2", web, api, 8080, "HTTP", no), row("2.3", api, web, 9000, "", yes),
			row("2.4", api, db, 5432, "Postgres", matrix.Property{}), row("2.5", db, db, 5433, "", yes), row("2.6", web, cache, 6379, "Redis", yes),
			row("3.1", at("admin", "office"), db, 22, "SSH", yes), row("3.2", at("admin", "office"), web, 22, "SSH", yes),
			row("4.1", api, at("bank", "unknown"), 443, "HTTPS", matrix.Property{State: matrix.Unknown}),
		},
	}
}

func TestPictures(t *testing.T) {
	for name, o := range map[string]diagram.Options{"all": {}, "role-web": {Role: "web"}, "plane-data": {Plane: "data"}, "none": {Role: "nobody"}} {
		got := diagram.SVG(shop(), o)
		file := filepath.Join("testdata", name+".svg")
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("%v: run the test with -update, and look at the picture", err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs: run the test with -update, and look at the picture", file)
		}
	}
}

// rect is where something stands in a picture.
type rect struct {
	what                     string
	left, top, right, bottom float64
}

func (r rect) overlaps(o rect) bool {
	const touch = 0.11 // coordinates are rounded
	return r.left < o.right-touch && o.left < r.right-touch && r.top < o.bottom-touch && o.top < r.bottom-touch
}

// picture reads the boxes of roles and zones and the labels back from a picture, and all tooltips.
func picture(t interface{ Fatalf(string, ...any) }, svg []byte) (roles, zones, labels []rect, titles string, size rect) {
	d := xml.NewDecoder(bytes.NewReader(svg))
	var groups []string
	var all strings.Builder
	inTitle := false
	var label *rect
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return roles, zones, labels, all.String(), size
		}
		if err != nil {
			t.Fatalf("the picture is no XML: %v", err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			at := map[string]string{}
			for _, a := range e.Attr {
				at[a.Name.Local] = a.Value
			}
			n := func(name string) float64 { v, _ := strconv.ParseFloat(at[name], 64); return v }
			switch e.Name.Local {
			case "svg":
				size = rect{right: n("width"), bottom: n("height")}
			case "g":
				groups = append(groups, at["class"])
			case "title":
				inTitle = true
			case "rect":
				r := rect{"", n("x"), n("y"), n("x") + n("width"), n("y") + n("height")}
				switch {
				case len(groups) > 0 && strings.HasPrefix(groups[len(groups)-1], "role"):
					roles = append(roles, r)
				case len(groups) > 0 && strings.HasPrefix(groups[len(groups)-1], "zone"):
					zones = append(zones, r)
				}
			case "text":
				if strings.HasPrefix(at["class"], "label") {
					label = &rect{"", n("x"), n("y") - 9, 0, n("y") + 2}
				}
			}
		case xml.CharData:
			if inTitle {
				all.Write(e)
				all.WriteByte('\n')
			}
			if label != nil {
				label.what, label.right = string(e), label.left+6.7*float64(utf8.RuneCount(e))
				labels = append(labels, *label)
				label = nil
			}
		case xml.EndElement:
			switch e.Name.Local {
			case "g":
				groups = groups[:len(groups)-1]
			case "title":
				inTitle = false
			}
		}
	}
}

// site draws any matrix: some zones on some planes, roles, and flows in all directions.
func site(t *rapid.T) matrix.Matrix {
	m := matrix.Matrix{Name: "site", Title: rapid.StringN(0, 20, -1).Draw(t, "title")}
	zones, roles := rapid.IntRange(1, 8).Draw(t, "zones"), rapid.IntRange(1, 14).Draw(t, "roles")
	for i := range zones {
		m.Zones = append(m.Zones, matrix.ZoneDefinition{Name: matrix.Zone(fmt.Sprintf("zone-with-a-name-%d", i)), Outside: i%3 == 2, Plane: matrix.Plane(fmt.Sprintf("plane-%d", i%3))})
	}
	for i := range roles {
		m.Roles = append(m.Roles, matrix.RoleDefinition{Name: matrix.Role(fmt.Sprintf("role-%d", i)), Outside: i%5 == 4})
	}
	end := func(what string) matrix.Endpoint {
		e := matrix.Endpoint{Role: m.Roles[rapid.IntRange(0, roles-1).Draw(t, what)].Name, Zone: m.Zones[rapid.IntRange(0, zones-1).Draw(t, what)].Name}
		switch rapid.IntRange(0, 9).Draw(t, what) {
		case 0:
			e.Role = matrix.AnyRole
		case 1:
			e = matrix.Anybody
		}
		return e
	}
	states := []matrix.State{matrix.Blank, matrix.Unknown, matrix.Holds, matrix.Excepted}
	for i := range rapid.IntRange(0, 60).Draw(t, "rows") {
		r := matrix.Row{ID: fmt.Sprintf("%d.%d", i/5+1, i%5+1), Name: matrix.FlowName(fmt.Sprintf("flow-%d", i)), From: end("from"), To: end("to"), Protocol: matrix.TCP,
			Ports: matrix.Port(rapid.Uint16Range(1, 65535).Draw(t, "port")), Purpose: rapid.StringN(0, 20, -1).Draw(t, "purpose")}
		r.Confidential.State = rapid.SampledFrom(states).Draw(t, "c")
		r.Trusted.State = rapid.SampledFrom(states).Draw(t, "trust")
		m.Rows = append(m.Rows, r)
	}
	return m
}

func TestNothingOverlaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := site(t)
		svg := diagram.SVG(m, diagram.Options{})
		if !bytes.Equal(svg, diagram.SVG(m, diagram.Options{})) {
			t.Fatalf("two pictures of one matrix differ")
		}
		roles, zones, labels, titles, size := picture(t, svg)
		ends := map[matrix.Endpoint]bool{}
		inZones := map[matrix.Zone]bool{}
		for _, r := range m.Rows {
			ends[r.From], ends[r.To] = true, true
			inZones[r.From.Zone], inZones[r.To.Zone] = true, true
			if !strings.Contains(titles, r.ID+" "+string(r.Name)) {
				t.Fatalf("row %s is not in the picture", r.ID)
			}
		}
		if len(roles) != len(ends) || len(zones) != len(inZones) {
			t.Fatalf("%d roles and %d zones are drawn, want %d and %d", len(roles), len(zones), len(ends), len(inZones))
		}
		apart(t, "roles", roles, roles)
		apart(t, "zones", zones, zones)
		apart(t, "labels", labels, labels)
		apart(t, "labels and roles", labels, roles)
		for _, r := range append(append(roles, zones...), labels...) {
			if r.left < 0 || r.top < 0 || r.right > size.right || r.bottom > size.bottom {
				t.Fatalf("%+v is not in the picture of %+v", r, size)
			}
		}
	})
}

func apart(t *rapid.T, what string, some, others []rect) {
	for i, a := range some {
		for j, b := range others {
			if (&some[0] != &others[0] || i < j) && a.overlaps(b) {
				t.Fatalf("%s overlap: %+v and %+v", what, a, b)
			}
		}
	}
}

func TestOptionsKeepTheFlowsAskedFor(t *testing.T) {
	for _, plane := range []matrix.Plane{"bmc", "provisioning", "control-plane"} {
		_, _, _, titles, _ := picture(t, diagram.SVG(matrix.Own(), diagram.Options{Plane: plane}))
		for _, r := range matrix.Own().Rows {
			want := string(r.From.Zone) == string(plane) || string(r.To.Zone) == string(plane)
			if got := strings.Contains(titles, r.ID+" "+string(r.Name)); got != want {
				t.Errorf("plane %s: row %s is drawn: %v, want %v", plane, r.ID, got, want)
			}
		}
	}
	for _, role := range []matrix.Role{matrix.Boot, matrix.Operator} {
		_, _, _, titles, _ := picture(t, diagram.SVG(matrix.Own(), diagram.Options{Role: role}))
		for _, r := range matrix.Own().Rows {
			want := r.From.Role == role || r.To.Role == role
			if got := strings.Contains(titles, r.ID+" "+string(r.Name)); got != want {
				t.Errorf("role %s: row %s is drawn: %v, want %v", role, r.ID, got, want)
			}
		}
	}
}

func TestForeignTextIsNoMarkup(t *testing.T) {
	m := matrix.Own()
	m.Title, m.Rows[0].Purpose = "<script>alert(1)</script>\x00", "</title><script>\x1b"
	svg := diagram.SVG(m, diagram.Options{})
	if bytes.Contains(svg, []byte("<script")) {
		t.Error("a script is in the picture")
	}
	picture(t, svg)
}
