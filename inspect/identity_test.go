package inspect

import (
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
)

// TestTheAgentIsOnTheBMCsMachine: an agent that came up on another machine, since the host's boot MAC address is that one's, is refused before anything is wiped.
func TestTheAgentIsOnTheBMCsMachine(t *testing.T) {
	const mine, theirs = "4c4c4544-0034-4a10-8035-b4c04f465931", "4c4c4544-0034-4a10-8035-b4c04f465932"
	for name, c := range map[string]struct {
		address, agent, bmc string
		refused             bool
	}{
		"the same":                        {"redfish://10.0.0.5/", mine, mine, false},
		"in capitals":                     {"redfish://10.0.0.5/", "4C4C4544-0034-4A10-8035-B4C04F465931", mine, false},
		"with the fields' bytes swapped":  {"redfish://10.0.0.5/", "44454c4c-3400-104a-8035-b4c04f465931", mine, false},
		"another machine":                 {"redfish://10.0.0.5/", theirs, mine, true},
		"another, booted by its own BMC":  {"redfish-virtualmedia+https://10.0.0.5/", theirs, mine, false},
		"the BMC knows none":              {"redfish://10.0.0.5/", theirs, "", false},
		"the BMC was never given one":     {"redfish://10.0.0.5/", theirs, "00000000-0000-0000-0000-000000000000", false},
		"the machine was never given one": {"redfish://10.0.0.5/", "ffffffff-ffff-ffff-ffff-ffffffffffff", mine, false},
		"what is no UUID":                 {"redfish://10.0.0.5/", "Not Settable", mine, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := &metal3.BareMetalHost{}
			h.Spec.BMC.Address = c.address
			f := journey.Facts{Host: h, Record: ingot.HostLifecycleStatus{BMC: &ingot.BMCStatus{SystemUUID: c.bmc}}}
			if failure := otherMachine(journey.Begin(f, time.Time{}), c.agent); (failure != nil) != c.refused {
				t.Fatalf("%v", failure)
			}
		})
	}
}
