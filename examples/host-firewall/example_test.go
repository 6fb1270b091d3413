package hostfirewall_test

import (
	"net/netip"
	"os"
	"testing"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/evaluate"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
	"github.com/ingotmetal/ingot/matrix/lint"
	"github.com/ingotmetal/ingot/matrix/policy"
)

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestExample holds the files to what their README says.
func TestExample(t *testing.T) {
	m, err := document.Decode(read(t, "matrix.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := matrix.Complete(m); err != nil {
		t.Error(err)
	}
	for _, f := range lint.Findings(m, lint.Options{}) {
		if f.Severity != lint.Note {
			t.Error(f)
		}
	}
	compiled, err := policy.Compile(m)
	if err != nil {
		t.Fatal(err)
	}
	byHand, err := calico.Decode(read(t, "policy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	compiled.Objects = calico.Merge(compiled.Objects, byHand)
	site, err := compiled.Site()
	if err != nil {
		t.Fatal(err)
	}
	web := site.Host("web1", []firewall.Interface{{Name: "eth0", Addresses: []netip.Addr{netip.MustParseAddr("198.51.100.10")}}})
	for from, ports := range map[string]map[uint16]bool{
		"203.0.113.7": {443: false, 22: false}, // the network that attacks
		"100.64.0.1":  {443: true, 22: false, 5432: false},
		"192.0.2.1":   {443: true, 22: true},
		"192.0.2.2":   {22: true, 5432: false},
	} {
		for port, want := range ports {
			got := evaluate.Packet(site, web, firewall.Packet{
				Hook: firewall.Input, In: "eth0", Source: netip.MustParseAddr(from), Destination: netip.MustParseAddr("198.51.100.10"), Protocol: 6, SourcePort: 40000, DestinationPort: port,
			})
			if (got.Verdict == firewall.Accept) != want {
				t.Errorf("%s to web1:%d: %+v, want allowed %v", from, port, got, want)
			}
		}
	}
}
