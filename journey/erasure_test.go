package journey

import (
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

func TestErasureOfAHost(t *testing.T) {
	for name, c := range map[string]struct {
		erase, disks string
		// want is the canonical line, wrong a part of the error.
		want, wrong string
	}{
		"nothing said":           {"", "", "", ""},
		"metadata":               {"metadata", "", "", ""},
		"blanks":                 {"  ", " ; ;", "", ""},
		"one method":             {"Discard", "", "discard", ""},
		"with a fallback":        {" secure-erase , overwrite", "", "secure-erase,overwrite", ""},
		"keep one":               {"", "serial:S1=keep", "metadata;serial:S1=keep", ""},
		"another method, by WWN": {"overwrite", "wwn:0x5000c5=discard,metadata", "overwrite;wwn:0x5000c5=discard,metadata", ""},
		"sorted":                 {"", "wwn:eui.01=KEEP; serial:B=keep;serial:A=discard", "metadata;serial:A=discard;serial:B=keep;wwn:eui.01=keep", ""},
		"a number with an =":     {"", "serial:A=B=keep", "metadata;serial:A=B=keep", ""},
		"a word nobody knows":    {"shred", "", "", `"shred" is none of`},
		"keep all is not meant":  {"keep", "", "", `"keep" is none of`},
		"twice":                  {"discard,discard", "", "", "named twice"},
		"an empty word":          {"discard,", "", "", `"" is none of`},
		"a rule without number":  {"", "serial:=keep", "", "names no disk"},
		"a rule without method":  {"", "serial:S1", "", "is not of the form"},
		"a rule with nothing":    {"", "serial:S1=", "", `"" is none of`},
		"by a device name":       {"", "name:/dev/sda=keep", "", "neither with serial"},
		"without a kind":         {"", "S1=keep", "", "is not of the form"},
		"two rules for one":      {"", "serial:s1=keep;serial:S1=discard", "", "two rules"},
		"keep and more":          {"", "serial:S1=keep,discard", "", `"keep" is none of`},
		"too long a number":      {"", "serial:" + strings.Repeat("x", 224) + "=keep", "", "names no disk"},
	} {
		h := &metal3.BareMetalHost{}
		h.Annotations = map[string]string{ingot.EraseAnnotation: c.erase, ingot.EraseDisksAnnotation: c.disks}
		e, err := Erasure(h)
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) || !strings.Contains(err.Error(), "ingot.dev/erase") {
				t.Errorf("%s: %v, want %q", name, err, c.wrong)
			}
			continue
		}
		if err != nil || e.String() != c.want {
			t.Errorf("%s: %q, %v; want %q", name, e.String(), err, c.want)
		}
	}
}
