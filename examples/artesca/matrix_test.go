package artesca_test

import (
	"os"
	"slices"
	"testing"

	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
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
