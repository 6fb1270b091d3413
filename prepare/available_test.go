package prepare

import (
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
)

// TestNoImageBeforeAProof: an available host whose disks nothing proves clean is wiped before it gets its first image, unless its owner turned cleaning off.
func TestNoImageBeforeAProof(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	at := metav1.NewTime(now)
	for name, c := range map[string]struct {
		cleaned *metav1.Time
		mode    metal3.AutomatedCleaningMode
		want    metal3.ProvisioningState
		// own is the own-disks annotation, proved what it said when the disks were wiped.
		own, proved string
	}{
		"proved":                    {&at, metal3.CleaningModeMetadata, metal3.StateProvisioning, "", ""},
		"not proved":                {nil, metal3.CleaningModeMetadata, metal3.StatePreparing, "", ""},
		"not proved, mode not said": {nil, "", metal3.StatePreparing, "", ""},
		"cleaning is disabled":      {nil, metal3.CleaningModeDisabled, metal3.StateProvisioning, "", ""},
		"with disks outside":        {&at, metal3.CleaningModeMetadata, metal3.StateProvisioning, "iscsi, fc", "fc,iscsi"},
		"not those disks":           {&at, metal3.CleaningModeMetadata, metal3.StatePreparing, "fc", ""},
		"other disks than now":      {&at, metal3.CleaningModeMetadata, metal3.StatePreparing, "", "fc"},
		"nobody knows which":        {&at, metal3.CleaningModeMetadata, metal3.StatePreparing, "fibre", ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := &metal3.BareMetalHost{}
			h.Spec.Online, h.Spec.AutomatedCleaningMode = true, c.mode
			h.Spec.Image = &metal3.Image{URL: "https://images.test/x.raw", Checksum: "00"}
			h.Status.Provisioning.State = metal3.StateAvailable
			f := journey.Facts{Host: h}
			f.Record.CleanedAt, f.Record.CleanedOwnDisks = c.cleaned, c.proved
			if c.own != "" {
				h.Annotations = map[string]string{ingot.OwnDisksAnnotation: c.own}
			}
			if got := Offer(f, now).Host.Status.Provisioning.State; got != c.want {
				t.Fatalf("the host is %q, want %q", got, c.want)
			}
		})
	}
}
