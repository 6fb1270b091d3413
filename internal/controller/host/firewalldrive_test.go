package host

import (
	"bytes"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/internal/configdrive"
)

// Only the machine of a Firewall is told how it gets its identity.
func TestOnlyAFirewallIsToldOfIdentities(t *testing.T) {
	for meta, want := range map[string]bool{"": false, "a: b": false, `{"ingot-firewall":"web/edge"}`: true} {
		vendor := configdrive.VendorData{CloudInit: "#cloud-config\n{}\n", FirstBoot: &configdrive.FirstBoot{URL: "https://10.0.0.1:8443/v1/first-boot/ns/host/", Token: "one-time", CA: "a CA"}}
		drive, err := buildDrive(&metal3.BareMetalHost{}, nil, nil, []byte(meta), vendor, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Contains(drive, []byte(`"ingot":{"url":"https://10.0.0.1:8443/v1/first-boot/ns/host/","token":"one-time","ca":"a CA"}`)); got != want {
			t.Errorf("metadata %q: it is told: %v, want %v", meta, got, want)
		}
	}
}
