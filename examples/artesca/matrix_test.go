package artesca_test

import (
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/class"
	"github.com/ingotmetal/ingot/firewall/evaluate"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
	"github.com/ingotmetal/ingot/matrix/lint"
	"github.com/ingotmetal/ingot/matrix/policy"
)

func readMatrix(t *testing.T) matrix.Matrix {
	t.Helper()
	text, err := os.ReadFile("matrix.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m, err := document.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The hosts of the matrix are those of endpoints.yaml, and each reading has the rows that its Calico file has.
func TestMatrixHasEveryRow(t *testing.T) {
	m := readMatrix(t)
	if got := m.Readings(); !slices.Equal(got, []string{"prose", "table"}) {
		t.Errorf("readings %v, want prose and table", got)
	}
	if len(m.Hosts) != len(nodes) {
		t.Errorf("%d hosts, want %d", len(m.Hosts), len(nodes))
	}
	// The prose lets NTP in, and NTP and artifacts out of every server; the tables have neither, and artifacts out of the registry's servers instead.
	for reading, want := range map[string]int{"prose": 45, "table": 43} {
		if got := len(m.As(reading).Rows); got != want {
			t.Errorf("%s has %d rows, want %d", reading, got, want)
		}
	}
}

// compiled is one reading of the matrix as a site.
func compiled(t *testing.T, m matrix.Matrix, reading string) *firewall.Site {
	t.Helper()
	c, err := policy.Compile(m.As(reading))
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Site()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What the matrix compiles to and the policies that were written by hand from the same document treat every packet alike: all classes that either can distinguish, on
// each server, IPv4 and IPv6, every hook and state.
func TestMatrixIsThePolicies(t *testing.T) {
	m := readMatrix(t)
	for reading, file := range map[string]string{"prose": prose, "table": table} {
		byHand, byMatrix := site(t, decode(t, "endpoints.yaml", file)), compiled(t, m, reading)
		packets := 0
		for _, node := range nodes {
			a, b := byHand.Host(node, nil), byMatrix.Host(node, nil)
			for _, space := range []class.Space{class.Of(byHand, a), class.Of(byMatrix, b)} {
				for p := range space.Packets() {
					packets++
					if want, got := evaluate.Packet(byHand, a, p), evaluate.Packet(byMatrix, b, p); want.Verdict != got.Verdict {
						t.Fatalf("%s: %s: %s: %s by %s of %s, %s by %s of the matrix (row %s)", reading, node, p, want.Verdict, want.By, file, got.Verdict, got.By, got.Flow)
					}
				}
			}
		}
		if packets < 10000 {
			t.Errorf("%s: %d packets compared: that can't be all", reading, packets)
		}
		t.Logf("%s: %d packets, no difference", reading, packets)
	}
}

// The same test has to fail where a reading is compared with the other's file, or it would show nothing.
func TestReadingsOfTheMatrixDiffer(t *testing.T) {
	m := readMatrix(t)
	got := difference(t, compiled(t, m, "prose"), compiled(t, m, "table"))
	want := []string{"input cp0 17/123", "input cp0 6/2380", "input cp0 6/4505", "input cp0 6/4506", "input cp0 6/4507", "input cp0 6/6443"}
	if !slices.Equal(got, want) {
		t.Errorf("the readings differ in %v, want %v", got, want)
	}
}

// Every egress row is dead but those for all TCP, all UDP and VRRP, in each reading; no ingress row is.
func TestLintNamesTheDeadRows(t *testing.T) {
	m := readMatrix(t)
	var want, got []string
	for _, r := range m.Rows {
		if r.Enforced == matrix.EnforcedEgress && !slices.Contains([]string{"6.16", "6.17", "7.5", "7.6", "7.7"}, r.ID) {
			want = append(want, r.ID)
		}
	}
	differ := map[string]bool{}
	for _, f := range lint.Findings(m, lint.Options{}) {
		switch f.Code {
		case lint.ShadowedFlow:
			got = append(got, f.Rows[0])
		case lint.ReadingsDiffer:
			for _, id := range f.Rows {
				differ[id] = true
			}
		default:
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("dead rows %v, want %v", got, want)
	}
	if rows := slices.Sorted(maps.Keys(differ)); !slices.Equal(rows, []string{"1.1t", "1.2t", "1.3t", "1.5", "2.1t", "3.2p"}) {
		t.Errorf("the readings differ by the rows %v", rows)
	}
}
