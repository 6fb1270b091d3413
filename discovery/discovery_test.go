package discovery

import (
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

func found(change func(*ingot.DiscoveredHost)) *ingot.DiscoveredHost {
	o := &ingot.DiscoveredHost{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "a", UID: "uid-a", Generation: 3}}
	o.Spec = ingot.DiscoveredHostSpec{Partition: "site1", Source: ingot.SourceList, BMCAddress: "redfish://10.0.0.5", BootMACAddress: "52:54:00:00:00:01", SerialNumber: "S1", CredentialsName: "bmc"}
	if change != nil {
		change(o)
	}
	return o
}

func accepted(a ingot.DiscoveryAcceptance) func(*ingot.DiscoveredHost) {
	return func(o *ingot.DiscoveredHost) { o.Spec.Accept = &a }
}

func host(name, address string, change func(*metal3.BareMetalHost)) *metal3.BareMetalHost {
	h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: "host-uid"}}
	h.Spec.BMC.Address = address
	if change != nil {
		change(h)
	}
	return h
}

func from(uid string) func(*metal3.BareMetalHost) {
	return func(h *metal3.BareMetalHost) {
		h.Annotations = map[string]string{ingot.DiscoveredFromAnnotation: uid}
	}
}

func TestDecide(t *testing.T) {
	twin := []*metal3.BareMetalHost{host("b", "ipmi://10.0.0.5", nil)}
	yes := accepted(ingot.DiscoveryAcceptance{})
	for _, c := range []struct {
		name  string
		facts Facts
		phase ingot.DiscoveryPhase
		makes bool
		says  string
	}{
		{"found", Facts{Object: found(nil)}, ingot.DiscoveryFound, false, "ingot discover accept a"},
		{"a host already", Facts{Object: found(nil), Same: twin}, ingot.DiscoveryDuplicate, false, "ns/b is this machine: both have the BMC 10.0.0.5"},
		{"ignored", Facts{Object: found(func(o *ingot.DiscoveredHost) { o.Spec.Ignore = true })}, ingot.DiscoveryIgnored, false, "spec.ignore"},
		{"ignored, and a host", Facts{Object: found(func(o *ingot.DiscoveredHost) { o.Spec.Ignore = true }), Same: twin}, ingot.DiscoveryIgnored, false, ""},
		{"accepted", Facts{Object: found(yes)}, ingot.DiscoveryAccepted, true, "ns/a was made"},
		{"accepted, and a host already", Facts{Object: found(yes), Same: twin}, ingot.DiscoveryRefused, false, "host ns/b is this machine"},
		{"accepted, and the name is taken", Facts{Object: found(yes), Named: host("a", "redfish://10.0.0.9", nil)}, ingot.DiscoveryRefused, false, "choose another spec.accept.name"},
		{"accepted, and the name is of another find's host", Facts{Object: found(yes), Named: host("a", "redfish://10.0.0.9", from("uid-x"))}, ingot.DiscoveryRefused, false, "choose another"},
		{"accepted, with a certificate that nobody shows", Facts{Object: found(accepted(ingot.DiscoveryAcceptance{BMCAddress: "ipmi://10.0.0.5", BMCCertificate: "sha256:00"}))}, ingot.DiscoveryRefused, false, "shows no certificate"},
		{"made before a crash", Facts{Object: found(yes), Named: host("a", "redfish://10.0.0.5", from("uid-a"))}, ingot.DiscoveryAccepted, false, "ns/a was made"},
		{"made before a crash, found by its BMC", Facts{Object: found(yes), Same: []*metal3.BareMetalHost{host("a", "redfish://10.0.0.5", from("uid-a"))}}, ingot.DiscoveryAccepted, false, ""},
		{"the same UID in another namespace is no proof", Facts{Object: found(yes), Same: []*metal3.BareMetalHost{host("a", "redfish://10.0.0.5", func(h *metal3.BareMetalHost) {
			from("uid-a")(h)
			h.Namespace = "other"
		})}}, ingot.DiscoveryRefused, false, "host other/a"},
		{"made, and the host is deleted", Facts{Object: found(func(o *ingot.DiscoveredHost) {
			yes(o)
			o.Status.Host = &ingot.HostReference{Namespace: "ns", Name: "a", UID: "x"}
		})}, ingot.DiscoveryAccepted, false, ""},
		{"accepted without a BMC", Facts{Object: found(func(o *ingot.DiscoveredHost) { yes(o); o.Spec.BMCAddress = "" })}, ingot.DiscoveryRefused, false, "spec.accept.bmcAddress"},
		{"accepted without credentials", Facts{Object: found(func(o *ingot.DiscoveredHost) { yes(o); o.Spec.CredentialsName = "" })}, ingot.DiscoveryRefused, false, "spec.accept.credentialsName"},
	} {
		d := Decide(c.facts)
		if d.Status.Phase != c.phase || (d.Make != nil) != c.makes || !strings.Contains(d.Status.Message, c.says) || d.Status.ObservedGeneration != 3 {
			t.Errorf("%s: %+v, makes %v; want %s, %v, …%s…", c.name, d.Status, d.Make != nil, c.phase, c.makes, c.says)
		}
		if (d.Status.Host != nil) != (c.phase == ingot.DiscoveryAccepted) {
			t.Errorf("%s: host %v", c.name, d.Status.Host)
		}
	}
}

func TestTheHostIsAsAccepted(t *testing.T) {
	o := found(accepted(ingot.DiscoveryAcceptance{Name: "web1", CredentialsName: "mine", BMCAddress: "redfish-virtualmedia://10.0.0.5", BootMACAddress: "52:54:00:00:00:02", Online: true, BMCCertificate: "sha256:00"}))
	o.Spec.BootMode = "legacy"
	h := Decide(Facts{Object: o}).Make
	if h == nil || h.Namespace != "ns" || h.Name != "web1" || h.Spec.BMC != (metal3.BMCDetails{Address: "redfish-virtualmedia://10.0.0.5", CredentialsName: "mine"}) ||
		h.Spec.BootMACAddress != "52:54:00:00:00:02" || !h.Spec.Online || h.Spec.BootMode != metal3.Legacy || h.Labels[ingot.PartitionLabel] != "site1" || h.Spec.Image != nil {
		t.Errorf("the host is %+v", h)
	}
	if h != nil && (h.Annotations[ingot.BMCCertificateAnnotation] != "sha256:00" || len(h.Annotations) != 2) {
		t.Errorf("its annotations are %v", h.Annotations)
	}
	o.Spec.Accept.BMCCertificate, o.Spec.Accept.DisableCertificateVerification = "", true
	if h := Decide(Facts{Object: o}).Make; h == nil || !h.Spec.BMC.DisableCertificateVerification || len(h.Annotations) != 1 {
		t.Errorf("without a certificate the host is %+v", h)
	}
}

func TestWhatTellsMachinesApart(t *testing.T) {
	inspected := func(mac, serial string) func(*metal3.BareMetalHost) {
		return func(h *metal3.BareMetalHost) {
			h.Status.HardwareDetails = &metal3.HardwareDetails{NIC: []metal3.NIC{{MAC: mac}}, SystemVendor: metal3.HardwareSystemVendor{SerialNumber: serial}}
		}
	}
	at := func(address string) *ingot.DiscoveredHost {
		return found(func(o *ingot.DiscoveredHost) { o.Spec.BMCAddress = address })
	}
	for _, c := range []struct {
		name string
		o    *ingot.DiscoveredHost
		h    *metal3.BareMetalHost
		by   string
	}{
		{"the same address", at("redfish://10.0.0.5"), host("b", "redfish-virtualmedia+https://10.0.0.5:443/redfish/v1/Systems/1", nil), "the BMC 10.0.0.5"},
		{"Redfish and IPMI", at("redfish://10.0.0.5"), host("b", "10.0.0.5", nil), "the BMC 10.0.0.5"},
		{"a name in capitals", at("redfish://BMC1.example.org."), host("b", "ipmi://bmc1.example.org:623", nil), "the BMC bmc1.example.org"},
		{"IPv6", at("redfish://[2001:db8::5]"), host("b", "ipmi://[2001:DB8::5]", nil), "the BMC 2001:db8::5"},
		{"another port", at("redfish://10.0.0.5:8000"), host("b", "redfish://10.0.0.5:8001", nil), ""},
		{"another system of one BMC", at("redfish://10.0.0.5/redfish/v1/Systems/1"), host("b", "redfish://10.0.0.5/redfish/v1/Systems/2", nil), ""},
		{"the boot card", at(""), host("b", "redfish://10.0.0.9", func(h *metal3.BareMetalHost) { h.Spec.BootMACAddress = "52:54:00:00:00:01" }), "the MAC address 52:54:00:00:00:01"},
		{"a card that was inspected", at(""), host("b", "", inspected("52:54:00:00:00:01", "")), "the MAC address"},
		{"another system, the same card", at("redfish://10.0.0.5/redfish/v1/Systems/1"), host("b", "redfish://10.0.0.5/redfish/v1/Systems/2", inspected("52:54:00:00:00:01", "")), "the MAC address"},
		{"the serial number", at(""), host("b", "", inspected("", " s1")), "the serial number S1"},
		{"another", at(""), host("b", "redfish://10.0.0.9", inspected("52:54:00:00:00:09", "S9")), ""},
	} {
		h, by := twinOf(c.o, []*metal3.BareMetalHost{c.h})
		if (h != nil) != (c.by != "") || !strings.HasPrefix(by, c.by) {
			t.Errorf("%s: %v by %q, want %q", c.name, h != nil, by, c.by)
		}
	}
	for _, serial := range []string{"", "None", "0123456789", "Default string", "To Be Filled By O.E.M.", "0000000", "xxxxx", "..."} {
		if tells(serial) {
			t.Errorf("the serial number %q tells nothing", serial)
		}
	}
}

func FuzzKeys(f *testing.F) {
	for _, s := range []string{"redfish://10.0.0.5", "10.0.0.5", "ipmi://[::1]:623", "redfish+http://x:80/redfish/v1/", "redfish://%zz", "://", "redfish://[fe80::1%25eth0]"} {
		f.Add(s, "52:54:00:00:00:01", "S1")
	}
	f.Fuzz(func(t *testing.T, address, mac, serial string) {
		h := host("b", address, nil)
		h.Spec.BootMACAddress = mac
		o := found(func(o *ingot.DiscoveredHost) {
			o.Spec.BMCAddress, o.Spec.BootMACAddress, o.Spec.SerialNumber = address, mac, serial
		})
		// The same word for the same machine: whatever key a host has, a find with the same address and card has too.
		mine := map[Key]bool{}
		for _, k := range Keys(o) {
			mine[k] = true
		}
		for _, k := range HostKeys(h) {
			if !mine[k] {
				t.Errorf("the host has %q, the find has %v", k, mine)
			}
		}
	})
}
