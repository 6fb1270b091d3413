package run

import (
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
)

func TestDriveAtTheNextStart(t *testing.T) {
	live, raw := "live-iso", "raw"
	at := metav1.NewTime(time.Unix(1, 0))
	data, going := &journey.DataImageFacts{URL: "http://d"}, &journey.DataImageFacts{URL: "http://d", Deleting: true}
	in := &ingot.DriveStatus{URL: "http://d", InsertedAt: &at}
	can, cannot := &ingot.BMCStatus{Capabilities: []string{"virtual-media"}}, &ingot.BMCStatus{}
	for name, c := range map[string]struct {
		state  metal3.ProvisioningState
		format *string
		data   *journey.DataImageFacts
		record *ingot.DriveStatus
		bmc    *ingot.BMCStatus
		want   journey.Drive
	}{
		"nothing is left alone":              {metal3.StateProvisioned, &raw, nil, nil, can, journey.Drive{}},
		"a live ISO":                         {metal3.StateProvisioned, &live, nil, nil, can, journey.Drive{Managed: true, URL: "http://i", Boot: true, Mode: metal3.UEFI}},
		"a live ISO before a data image":     {metal3.StateProvisioned, &live, data, nil, can, journey.Drive{Managed: true, URL: "http://i", Boot: true, Mode: metal3.UEFI}},
		"a data image":                       {metal3.StateProvisioned, &raw, data, nil, can, journey.Drive{Managed: true, URL: "http://d"}},
		"a data image that is in":            {metal3.StateProvisioned, &raw, data, in, can, journey.Drive{Managed: true, URL: "http://d"}},
		"a data image, externally":           {metal3.StateExternallyProvisioned, &raw, data, nil, can, journey.Drive{Managed: true, URL: "http://d"}},
		"a data image that goes":             {metal3.StateProvisioned, &raw, going, in, can, journey.Drive{Managed: true}},
		"a data image that went":             {metal3.StateProvisioned, &raw, nil, in, can, journey.Drive{Managed: true}},
		"a data image that goes and was not": {metal3.StateProvisioned, &raw, going, nil, can, journey.Drive{}},
		"a data image without a drive":       {metal3.StateProvisioned, &raw, data, nil, cannot, journey.Drive{}},
	} {
		t.Run(name, func(t *testing.T) {
			h := &metal3.BareMetalHost{}
			h.Status.Provisioning.State, h.Status.Provisioning.Image = c.state, metal3.Image{URL: "http://i", DiskFormat: c.format}
			d := journey.Begin(journey.Facts{Host: h, DataImage: c.data, Record: ingot.HostLifecycleStatus{Drive: c.record, BMC: c.bmc}}, time.Unix(10, 0))
			if got := drive(d); got != c.want {
				t.Fatalf("%+v, want %+v", got, c.want)
			}
		})
	}
}
