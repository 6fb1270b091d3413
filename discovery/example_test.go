package discovery

import (
	"os"
	"testing"
)

// The examples that are shown to people are read without a problem.
func TestExamples(t *testing.T) {
	for name, c := range map[string]struct {
		read     func([]byte, CheckAddress) List
		machines int
	}{"rack7.csv": {ReadCSV, 3}, "rack8.yaml": {ReadYAML, 2}} {
		text, err := os.ReadFile("../examples/discovery/" + name)
		if err != nil {
			t.Fatal(err)
		}
		l := c.read(text, noGopher)
		if len(l.Problems) != 0 || len(l.Entries) != c.machines {
			t.Errorf("%s: %+v", name, l)
		}
		for _, e := range l.Entries {
			if p := e.Acceptable(); len(p) != 0 {
				t.Errorf("%s: %v", name, p)
			}
		}
	}
}
