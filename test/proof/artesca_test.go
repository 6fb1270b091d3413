package proof_test

import (
	"os"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/internal/prove"
)

func artesca(t *testing.T, policies string) origin {
	t.Helper()
	var parts []calico.Objects
	for _, name := range []string{"endpoints.yaml", policies} {
		text, err := os.ReadFile("../../examples/artesca/" + name)
		if err != nil {
			t.Fatal(err)
		}
		o, err := calico.Decode(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		parts = append(parts, o)
	}
	o, failsafes := calico.Merge(parts...), firewall.NeighbourDiscovery()
	return origin{o, failsafes, site(t, "ARTESCA, "+policies, o, failsafes...)}
}

// site makes hosts of the objects' endpoints: an interface for each, with its addresses.
func site(t *testing.T, name string, o calico.Objects, failsafes ...firewall.Failsafe) prove.Site {
	t.Helper()
	s, err := prove.SiteOf(name, o, failsafes)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func proved(t *testing.T, s prove.Site, o prove.Options) {
	t.Helper()
	report, err := prove.Run(t.Context(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	report.Text(&text)
	if !report.Proved() {
		t.Errorf("%.20000s", text.String())
	} else {
		t.Log(text.String())
	}
}

func TestARTESCAProse(t *testing.T) {
	proved(t, artesca(t, "policies-prose.yaml").site, prove.Options{})
}

func TestARTESCATable(t *testing.T) {
	proved(t, artesca(t, "policies-table.yaml").site, prove.Options{Seed: 2})
}
