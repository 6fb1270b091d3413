package rootdevice

import (
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/step"
)

// A disk whose content its host keeps is chosen by a number of its own and by nothing else.
func TestKeptDisks(t *testing.T) {
	kept := step.Disk{Name: "/dev/sda", SerialNumber: "K", WWN: "0x5", WWNWithExtension: "0x56", Model: "data", SizeBytes: 8 << 30, Kept: true}
	other := step.Disk{Name: "/dev/sdb", SerialNumber: "S", SizeBytes: 16 << 30}
	for name, c := range map[string]struct {
		hints *Hints
		want  string
	}{
		"without hints, though it is /dev/sda": {nil, "/dev/sdb"},
		"empty hints":                          {&Hints{}, "/dev/sdb"},
		"by name":                              {&Hints{DeviceName: "/dev/sda"}, ""},
		"by model":                             {&Hints{Model: "data"}, ""},
		"by size":                              {&Hints{MinSizeGigabytes: 1}, "/dev/sdb"},
		"by serial number":                     {&Hints{SerialNumber: "k"}, "/dev/sda"},
		"by WWN":                               {&Hints{WWN: "0x5"}, "/dev/sda"},
		"by WWN with extension":                {&Hints{WWNWithExtension: "0x56"}, "/dev/sda"},
	} {
		d, refused := Choose([]step.Disk{kept, other}, c.hints, 0)
		if d.Name != c.want || (refused == nil) != (c.want != "") || refused != nil && !strings.Contains(refused.Message, "its host keeps what is on it") {
			t.Errorf("%s: %q, %v; want %q", name, d.Name, refused, c.want)
		}
	}
}
