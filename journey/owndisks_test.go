package journey

import (
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

func TestOwnDisks(t *testing.T) {
	for text, c := range map[string]struct {
		want string
		ok   bool
	}{
		"": {"", true}, "  ": {"", true}, "fc": {"fc", true}, "iscsi,fc": {"fc,iscsi", true}, " FC , fc,Removable": {"fc,removable", true},
		"nvme-of,srp": {"nvme-of,srp", true}, "sata": {"", false}, "fc,": {"", false}, "true": {"", false}, "fc;iscsi": {"", false},
	} {
		h := &metal3.BareMetalHost{}
		h.Annotations = map[string]string{ingot.OwnDisksAnnotation: text}
		owns, err := OwnDisks(h)
		if got := OwnDisksText(owns); got != c.want || (err == nil) != c.ok {
			t.Errorf("%q: %q, %v; want %q", text, got, err, c.want)
		}
	}
	if owns, err := OwnDisks(&metal3.BareMetalHost{}); owns != nil || err != nil {
		t.Errorf("without the annotation: %v, %v", owns, err)
	}
}
