package journey

import (
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/attest"
)

// TestTPMDemand: the host's word before the site's, the operator's key before the pinned one, and nothing from words that are not known.
func TestTPMDemand(t *testing.T) {
	one, two := strings.Repeat("1", 64), strings.Repeat("2", 64)
	site := ingot.TPMPolicy{NetworkBoot: "require", VirtualMedia: "never"}
	for name, c := range map[string]struct {
		policy, key, pinned string
		site                ingot.TPMPolicy
		how                 ingot.BootMethod
		want                attest.Demand
		err                 string
	}{
		"nobody says anything":        {"", "", "", ingot.TPMPolicy{}, ingot.MethodPXE, attest.Demand{Policy: attest.Prefer}, ""},
		"the site, by PXE":            {"", "", "", site, ingot.MethodPXE, attest.Demand{Policy: attest.Require}, ""},
		"the site, by HTTPS":          {"", "", "", site, ingot.MethodUEFIHTTP, attest.Demand{Policy: attest.Never}, ""},
		"the site, by virtual media":  {"", "", "", site, ingot.MethodVirtualMedia, attest.Demand{Policy: attest.Never}, ""},
		"the host, against the site":  {"never", "", "", site, ingot.MethodPXE, attest.Demand{Policy: attest.Never}, ""},
		"the host, on every way":      {"Require", "", "", site, ingot.MethodVirtualMedia, attest.Demand{Policy: attest.Require}, ""},
		"pinned":                      {"", "", one, ingot.TPMPolicy{}, ingot.MethodPXE, attest.Demand{Policy: attest.Prefer, EndorsementKey: one}, ""},
		"the operator's before it":    {"", "SHA256:" + two, one, ingot.TPMPolicy{}, ingot.MethodPXE, attest.Demand{Policy: attest.Prefer, EndorsementKey: two}, ""},
		"the operator's, none pinned": {"", two, "", site, ingot.MethodPXE, attest.Demand{Policy: attest.Require, EndorsementKey: two}, ""},
		"gone":                        {"", "None", one, ingot.TPMPolicy{}, ingot.MethodPXE, attest.Demand{Policy: attest.Prefer}, ""},
		"gone, and required":          {"", "none", one, site, ingot.MethodPXE, attest.Demand{}, "requires one"},
		"an unknown policy":           {"yes", "", "", site, ingot.MethodPXE, attest.Demand{}, ingot.TPMAnnotation},
		"an unknown key":              {"", "yes", "", site, ingot.MethodPXE, attest.Demand{}, ingot.EndorsementKeyAnnotation},
	} {
		h := &metal3.BareMetalHost{}
		h.Annotations = map[string]string{ingot.TPMAnnotation: c.policy, ingot.EndorsementKeyAnnotation: c.key}
		r := &ingot.HostLifecycleStatus{}
		if c.pinned != "" {
			r.TPM = &ingot.TPMStatus{TPMEvidence: ingot.TPMEvidence{EndorsementKey: c.pinned}}
		}
		got, err := TPMDemand(h, r, c.site, c.how)
		if got != c.want || (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestAnotherTPMsAgent is held at no step, whatever let it in.
func TestAnotherTPMsAgent(t *testing.T) {
	f, dec := written()
	f.Record.TPM = &ingot.TPMStatus{TPMEvidence: ingot.TPMEvidence{EndorsementKey: strings.Repeat("1", 64)}}
	f.Window = window("b", nil)
	f.Window.Status.TPM = &ingot.TPMEvidence{EndorsementKey: strings.Repeat("1", 64)}
	if v := Check(f, dec); len(v) != 0 {
		t.Fatalf("its own TPM: %v", v)
	}
	f.Window.Status.TPM.EndorsementKey = strings.Repeat("2", 64)
	if v := Check(f, dec); len(v) != 1 || v[0].Invariant != "a step is for the host's own machine" {
		t.Errorf("another TPM: %v", v)
	}
	failure := OtherTPM(f.Host, &f.Record, f.Window)
	if failure == nil || !strings.Contains(failure.Fix, ingot.EndorsementKeyAnnotation) {
		t.Fatalf("%+v", failure)
	}
	f.Host.Annotations = map[string]string{ingot.TPMAnnotation: "never"}
	if OtherTPM(f.Host, &f.Record, f.Window) != nil {
		t.Error("it is looked at although the host says never")
	}
}
