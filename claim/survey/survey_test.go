package survey_test

import (
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ingotmetal/ingot/claim"
	"github.com/ingotmetal/ingot/claim/survey"
)

// A host is offered only where nothing else has a use for it.
func TestHosts(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*metal3.BareMetalHost)
		state  claim.State
		says   string
	}{
		"free": {func(*metal3.BareMetalHost) {}, claim.Offered, ""},
		"another's": {func(h *metal3.BareMetalHost) {
			h.Spec.ConsumerRef = &corev1.ObjectReference{Kind: "Metal3Machine", Name: "m"}
		}, claim.Held, "somebody"},
		"leaving":                {func(h *metal3.BareMetalHost) { now := metav1.Now(); h.DeletionTimestamp = &now }, claim.NotReady, "deleted"},
		"paused":                 {func(h *metal3.BareMetalHost) { h.Annotations = map[string]string{metal3.PausedAnnotation: ""} }, claim.NotReady, "paused"},
		"detached":               {func(h *metal3.BareMetalHost) { h.Annotations = map[string]string{metal3.DetachedAnnotation: ""} }, claim.NotReady, "detached"},
		"externally provisioned": {func(h *metal3.BareMetalHost) { h.Spec.ExternallyProvisioned = true }, claim.NotReady, "elsewhere"},
		"with an image":          {func(h *metal3.BareMetalHost) { h.Spec.Image = &metal3.Image{URL: "x"} }, claim.NotReady, "image"},
		"with a deploy step":     {func(h *metal3.BareMetalHost) { h.Spec.CustomDeploy = &metal3.CustomDeploy{Method: "x"} }, claim.NotReady, "image"},
		"never cleaned":          {func(h *metal3.BareMetalHost) { h.Spec.AutomatedCleaningMode = metal3.CleaningModeDisabled }, claim.NotReady, "cleaned"},
		"inspecting":             {func(h *metal3.BareMetalHost) { h.Status.Provisioning.State = metal3.StateInspecting }, claim.NotReady, "inspecting"},
		"deprovisioning":         {func(h *metal3.BareMetalHost) { h.Status.Provisioning.State = metal3.StateDeprovisioning }, claim.NotReady, "deprovisioning"},
		"new":                    {func(h *metal3.BareMetalHost) { h.Status.Provisioning.State = "" }, claim.NotReady, "not available"},
		"broken":                 {func(h *metal3.BareMetalHost) { h.Status.ErrorMessage = "the BMC is gone" }, claim.NotReady, "error"},
	} {
		t.Run(name, func(t *testing.T) {
			h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: "racks", Name: "a"}}
			h.Status.Provisioning.State = metal3.StateAvailable
			c.change(h)
			x := survey.New(survey.Facts{}).Host(h)
			if x.State != c.state || !strings.Contains(survey.Unready(h), c.says) || (c.says == "") != (survey.Unready(h) == "") || x.Namespace != "racks" || x.Name != "racks/a" {
				t.Errorf("%+v, %q; want %s, %q", x, survey.Unready(h), c.state, c.says)
			}
		})
	}
}

// Only a HostClaim of Metal3's group is one.
func TestClaimOf(t *testing.T) {
	for ref, want := range map[corev1.ObjectReference]bool{
		{APIVersion: "metal3.io/v1alpha1", Kind: "HostClaim", Namespace: "a", Name: "b"}:      true,
		{APIVersion: "evil.metal3.io/v1alpha1", Kind: "HostClaim", Namespace: "a", Name: "b"}: false,
		{APIVersion: "metal3.io/v1alpha1", Kind: "Metal3Machine", Namespace: "a", Name: "b"}:  false,
	} {
		h := &metal3.BareMetalHost{}
		h.Spec.ConsumerRef = &ref
		if key, got := survey.ClaimOf(h); got != want || got && key.String() != "a/b" {
			t.Errorf("%+v: %v %v", ref, key, got)
		}
	}
}
