package discovery

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

const (
	uuidA = "4c4c4544-0050-3010-8051-b9c04f4d3533"
	uuidB = "4c4c4544-0050-3010-8051-b9c04f4d3599"
	zeros = "00000000-0000-0000-0000-000000000000"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func answers(ip, uuid string) Finding {
	return Finding{Address: netip.MustParseAddr(ip), Redfish: &RedfishRoot{Port: 443, UUID: uuid, Vendor: "Dell", Version: "1.15.1"}}
}

// scanned is an object that a scan made at an address.
func scanned(ip, uuid string, change func(*ingot.DiscoveredHost)) *ingot.DiscoveredHost {
	o := ScanFacts{Namespace: "ns", Partition: "site1", Finding: answers(ip, uuid), Now: noon.Add(-2 * time.Hour)}.object(false, false)
	if change != nil {
		change(o)
	}
	return o
}

func TestBMCAddress(t *testing.T) {
	for _, c := range []struct {
		f    Finding
		want string
	}{
		{answers("10.0.0.5", ""), "redfish-virtualmedia://10.0.0.5"},
		{answers("2001:db8::5", ""), "redfish-virtualmedia://[2001:db8::5]"},
		{Finding{Address: netip.MustParseAddr("10.0.0.5"), Redfish: &RedfishRoot{Port: 8443}}, "redfish-virtualmedia://10.0.0.5:8443"},
		{Finding{Address: netip.MustParseAddr("10.0.0.5"), IPMI: &IPMIAnswer{Port: 623}}, "ipmi://10.0.0.5"},
		{Finding{Address: netip.MustParseAddr("10.0.0.5")}, ""},
	} {
		if got := c.f.BMCAddress(); got != c.want || c.f.Found() != (c.want != "") {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestFold(t *testing.T) {
	at := func(ip string) []*metal3.BareMetalHost {
		return []*metal3.BareMetalHost{host("h", "redfish://"+ip, nil)}
	}
	both := func(netip.Addr) string { return uuidA }
	for _, c := range []struct {
		name                   string
		f                      ScanFacts
		makes                  string
		notes                  int
		later, dropped, shared bool
	}{
		{name: "new", f: ScanFacts{Finding: answers("10.0.0.5", uuidA)}, makes: "bmc-10-0-0-5"},
		{name: "new, without a UUID", f: ScanFacts{Finding: answers("10.0.0.5", "")}, makes: "bmc-10-0-0-5"},
		{name: "too many wait", f: ScanFacts{Finding: answers("10.0.0.5", uuidA), Waiting: MostScanned}, dropped: true},
		{name: "seen before", f: ScanFacts{Finding: answers("10.0.0.5", uuidA), Objects: []*ingot.DiscoveredHost{scanned("10.0.0.5", uuidA, nil)}}, notes: 1},
		{name: "seen a moment ago", f: ScanFacts{Finding: answers("10.0.0.5", uuidA), Objects: []*ingot.DiscoveredHost{scanned("10.0.0.5", uuidA, func(o *ingot.DiscoveredHost) { o.Status.BMC.LastSeen = metav1.NewTime(noon) })}}},
		{name: "a host by its address", f: ScanFacts{Finding: answers("10.0.0.5", uuidA), Hosts: at("10.0.0.5")}},
		{name: "a host by its address, and by its UUID", f: ScanFacts{Finding: answers("10.0.0.5", uuidA), Hosts: at("10.0.0.5"), SameUUID: at("10.0.0.5")}},
		{name: "a host by its UUID, before the end", f: ScanFacts{Finding: answers("10.0.0.9", uuidA), SameUUID: at("10.0.0.5")}, later: true},
		{name: "a host by its UUID, at the end", f: ScanFacts{Finding: answers("10.0.0.9", uuidA), SameUUID: at("10.0.0.5"), Over: true}},
		{name: "a host's UUID, and the host answers too", f: ScanFacts{Finding: answers("10.0.0.9", uuidA), SameUUID: at("10.0.0.5"), Over: true, Answered: both}, makes: "bmc-10-0-0-9", shared: true},
		{name: "of a lease", f: ScanFacts{Finding: answers("10.0.0.5", uuidA), Objects: []*ingot.DiscoveredHost{found(func(o *ingot.DiscoveredHost) {
			o.Spec.Source, o.Spec.BMCAddress, o.Spec.BMCIPAddress = ingot.SourceLease, "", "10.0.0.5"
		})}}, notes: 1},
		{name: "moved, before the end", f: ScanFacts{Finding: answers("10.0.0.9", uuidA), Objects: []*ingot.DiscoveredHost{scanned("10.0.0.5", uuidA, nil)}}, later: true},
		{name: "moved, at the end", f: ScanFacts{Finding: answers("10.0.0.9", uuidA), Objects: []*ingot.DiscoveredHost{scanned("10.0.0.5", uuidA, nil)}, Over: true}, notes: 1},
		{name: "two of one UUID", f: ScanFacts{Finding: answers("10.0.0.9", uuidA), Objects: []*ingot.DiscoveredHost{scanned("10.0.0.5", uuidA, nil)}, Over: true, Answered: both}, makes: "bmc-10-0-0-9", notes: 1, shared: true},
		{name: "another machine at a known address", f: ScanFacts{Finding: answers("10.0.0.5", uuidB), Objects: []*ingot.DiscoveredHost{scanned("10.0.0.5", uuidA, nil)}}, makes: "bmc-10-0-0-5-4c4c4544", notes: 1},
		{name: "a claim by DHCP to another's address", f: ScanFacts{Finding: answers("10.0.0.5", uuidB), Objects: []*ingot.DiscoveredHost{scanned("10.0.0.9", uuidA, nil)}}, makes: "bmc-10-0-0-5"},
		{name: "IPMI only, where Redfish was", f: ScanFacts{Finding: Finding{Address: netip.MustParseAddr("10.0.0.5"), IPMI: &IPMIAnswer{Port: 623}}, Objects: []*ingot.DiscoveredHost{scanned("10.0.0.5", uuidA, nil)}}, notes: 1},
	} {
		c.f.Namespace, c.f.Partition, c.f.Now = "ns", "site1", noon
		d := Fold(c.f)
		name := ""
		if d.Create != nil {
			name = d.Create.Name
			if d.Create.Spec.Source != ingot.SourceScan || d.Create.Spec.Accept != nil || d.Create.Spec.Partition != "site1" || d.Create.Status.BMC.UUIDShared != c.shared {
				t.Errorf("%s: makes %+v", c.name, d.Create)
			}
		}
		if name != c.makes || len(d.Notes) != c.notes || d.Later != c.later || d.Dropped != c.dropped {
			t.Errorf("%s: makes %q, %d notes, later %v, dropped %v", c.name, name, len(d.Notes), d.Later, d.Dropped)
		}
		for _, n := range d.Notes {
			b := n.BMC
			switch c.name {
			case "another machine at a known address":
				if !b.Gone || b.UUID != uuidA {
					t.Errorf("%s: %+v", c.name, b)
				}
			case "IPMI only, where Redfish was":
				if b.UUID != uuidA || b.Address != "redfish-virtualmedia://10.0.0.5" || !b.LastSeen.Time.Equal(noon) {
					t.Errorf("%s: %+v", c.name, b)
				}
			case "two of one UUID":
				if !b.UUIDShared || b.IPAddress != "10.0.0.5" {
					t.Errorf("%s: %+v", c.name, b)
				}
			case "moved, at the end":
				if b.IPAddress != "10.0.0.9" || !b.FirstSeen.Time.Equal(noon.Add(-2*time.Hour)) {
					t.Errorf("%s: %+v", c.name, b)
				}
			}
		}
	}
}

// What a find's BMC said counts for what it is and for the host that it becomes.
func TestWhatABMCSaidCounts(t *testing.T) {
	accept := func(o *ingot.DiscoveredHost) { o.Spec.Accept = &ingot.DiscoveryAcceptance{CredentialsName: "bmc"} }
	lease := func(o *ingot.DiscoveredHost) {
		accept(o)
		o.Spec = ingot.DiscoveredHostSpec{Partition: "site1", Source: ingot.SourceLease, BMCMACAddress: "52:54:00:00:00:0a", BMCIPAddress: "10.0.0.5", Accept: o.Spec.Accept}
		o.Status.BMC = nil
	}
	for _, c := range []struct {
		name, address string
		f             Facts
		says          string
	}{
		{"as it answered", "redfish-virtualmedia://10.0.0.5", Facts{Object: scanned("10.0.0.5", uuidA, accept)}, ""},
		{"where it went", "redfish-virtualmedia://10.0.0.9", Facts{Object: scanned("10.0.0.5", uuidA, func(o *ingot.DiscoveredHost) {
			accept(o)
			o.Status.BMC = answers("10.0.0.9", uuidA).status(o.Status.BMC, noon)
		})}, ""},
		{"another is at its address", "", Facts{Object: scanned("10.0.0.5", uuidA, func(o *ingot.DiscoveredHost) { accept(o); o.Status.BMC.Gone = true })}, "another BMC answers at 10.0.0.5"},
		{"a lease that nobody asked", "", Facts{Object: scanned("10.0.0.5", "", lease)}, "did not say yet what it speaks"},
		{"a lease whose BMC answered", "ipmi://10.0.0.5", Facts{Object: scanned("10.0.0.5", "", func(o *ingot.DiscoveredHost) {
			lease(o)
			o.Status.BMC = Finding{Address: netip.MustParseAddr("10.0.0.5"), IPMI: &IPMIAnswer{Port: 623}}.status(nil, noon)
		})}, ""},
		{"a host by its UUID", "", Facts{Object: scanned("10.0.0.5", uuidA, accept), SameUUID: []*metal3.BareMetalHost{host("h", "redfish://10.9.9.9", nil)}}, "both have the UUID " + uuidA},
		{"a list's word stands", "redfish://10.0.0.7", Facts{Object: found(func(o *ingot.DiscoveredHost) {
			accept(o)
			o.Spec.BMCAddress = "redfish://10.0.0.7"
			o.Status.BMC = answers("10.0.0.7", uuidA).status(nil, noon)
		})}, ""},
	} {
		d := Decide(c.f)
		got := ""
		if d.Make != nil {
			got = d.Make.Spec.BMC.Address
		}
		if got != c.address || !strings.Contains(d.Status.Message, c.says) || d.Status.BMC != c.f.Object.Status.BMC {
			t.Errorf("%s: %q, %+v", c.name, got, d.Status)
		}
	}
}

func TestUUIDsThatTellNothing(t *testing.T) {
	for u, want := range map[string]bool{uuidA: true, "4C4C4544-0050-3010-8051-B9C04F4D3533": true, zeros: false, "ffffffff-ffff-ffff-ffff-ffffffffffff": false, "03000200-0400-0500-0006-000700080009": false, "": false, "x": false} {
		if tellsUUID(u) != want {
			t.Errorf("%q: %v", u, !want)
		}
	}
	l := &ingot.HostLifecycle{}
	l.Status.MachineUUID, l.Status.BMC = uuidB, &ingot.BMCStatus{SystemUUID: zeros, ServiceUUID: uuidA}
	if k := RecordKeys(l); len(k) != 2 {
		t.Errorf("%v", k)
	}
}

func TestVendorClasses(t *testing.T) {
	for class, want := range map[string]bool{"iDRAC": true, "CPQRIB3 (HP Proliant DL360 G6 iLO)": true, "NVIDIA/BF/BMC": true, "Rack-X": true, "udhcp 1.30.1": false, "PXEClient:Arch:00007": false, "": false} {
		if IsBMC(class, []string{"Rack-", ""}) != want {
			t.Errorf("%q: %v", class, !want)
		}
	}
}
