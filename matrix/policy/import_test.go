package policy_test

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/class"
	"github.com/ingotmetal/ingot/firewall/evaluate"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/matrixtest"
	"github.com/ingotmetal/ingot/matrix/policy"
)

func siteOf(t fatal, m matrix.Matrix) (*firewall.Site, policy.Compiled) {
	c, err := policy.Compile(m)
	if err != nil {
		t.Fatalf("%v", err)
	}
	s, err := c.Site()
	if err != nil {
		t.Fatalf("%v", err)
	}
	return s, c
}

// equalInPackets compares two sites on the hosts of one matrix, over the classes of both.
func equalInPackets(t fatal, m matrix.Matrix, a, b *firewall.Site) int {
	n := 0
	for _, h := range m.Hosts {
		ha, hb := a.Host(h.Name, nil), b.Host(h.Name, nil)
		for _, space := range []class.Space{class.Of(a, ha), class.Of(b, hb)} {
			space.Hooks, space.States = []firewall.Hook{firewall.Input, firewall.Output}, []firewall.State{firewall.New}
			for p := range space.Packets() {
				n++
				da, db := evaluate.Packet(a, ha, p), evaluate.Packet(b, hb, p)
				if da.Verdict != db.Verdict {
					t.Fatalf("host %s: %s: %s by %s, and %s by %s\n%s", h.Name, p, da.Verdict, da.By, db.Verdict, db.By, text(m))
				}
			}
		}
	}
	return n
}

func roundTrip(t fatal, m matrix.Matrix) int {
	a, c := siteOf(t, m)
	back, unsaid, err := policy.Import(c.Objects)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if len(unsaid) > 0 {
		t.Fatalf("what Compile writes is not read back: %+v\n%s", unsaid, text(m))
	}
	b, _ := siteOf(t, back)
	return equalInPackets(t, m, a, b)
}

func TestCompileAndImportAreEqualInPackets(t *testing.T) {
	n := 0
	rapid.Check(t, func(t *rapid.T) { n += roundTrip(t, policy.Populate(matrixtest.Matrices().Draw(t, "matrix"))) })
	t.Logf("%d packets", n)
	if roundTrip(t, policy.Populate(matrix.Own())) == 0 {
		t.Error("no packet was looked at")
	}
}

func artesca(t testing.TB, policies string) calico.Objects {
	t.Helper()
	var parts []calico.Objects
	for _, name := range []string{"endpoints.yaml", policies} {
		text, err := os.ReadFile(filepath.Join("..", "..", "examples", "artesca", name))
		if err != nil {
			t.Fatal(err)
		}
		o, err := calico.Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, o)
	}
	return calico.Merge(parts...)
}

// What ARTESCA's policies decide is decided the same by the rows read from them.
func TestImportOfARTESCA(t *testing.T) {
	for _, file := range []string{"policies-prose.yaml", "policies-table.yaml"} {
		o := artesca(t, file)
		m, unsaid, err := policy.Import(o)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range unsaid {
			if !strings.Contains(u.Why, "it says nothing") {
				t.Errorf("%s: %+v", file, u)
			}
		}
		original, err := firewall.NewSite(o, nil)
		if err != nil {
			t.Fatal(err)
		}
		compiled, _ := siteOf(t, m)
		if n := equalInPackets(t, m, original, compiled); n == 0 {
			t.Error("no packet was looked at")
		}
	}
}

func FuzzImport(f *testing.F) {
	var seeds []calico.Objects
	for _, file := range []string{"policies-prose.yaml", "policies-table.yaml"} {
		seeds = append(seeds, artesca(f, file))
	}
	c, err := policy.Compile(policy.Populate(matrix.Own()))
	if err != nil {
		f.Fatal(err)
	}
	for _, o := range append(seeds, c.Objects) {
		text, err := policy.YAML(o)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		for _, manifest := range bytes.Split(text, []byte("---\n")) { // alone they are small enough to be changed often
			f.Add(manifest)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := calico.Decode(text)
		if err != nil || calico.Check(o) != nil {
			return
		}
		written, err := policy.YAML(o)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := calico.Decode(written); err != nil {
			t.Fatalf("what was decoded is not read back: %v\n%s", err, written)
		} else if again, _ := policy.YAML(back); !bytes.Equal(written, again) {
			t.Fatalf("written twice it differs:\n%s\n%s", written, again)
		}
		m, _, err := policy.Import(o)
		if err != nil {
			return
		}
		if _, err := policy.Compile(m); err != nil {
			t.Fatalf("what was imported does not compile: %v\n%s", err, text)
		}
	})
}

// A failsafe on every host is read back also where no host is known.
func TestImportOfAFailsafeWithoutHosts(t *testing.T) {
	roundTrip(t, matrix.Matrix{
		Name: "bare", Zones: []matrix.ZoneDefinition{{Name: "a"}}, Roles: []matrix.RoleDefinition{{Name: "party", Outside: true, Networks: []netip.Prefix{netip.MustParsePrefix("198.18.0.0/30")}}},
		Rows: []matrix.Row{{ID: "0", Name: "in", From: matrix.Endpoint{Role: "party", Zone: matrix.AnyZone}, To: matrix.Anybody, Protocol: matrix.TCP, Failsafe: true}},
	})
}
