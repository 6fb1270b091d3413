package journey

import (
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// TestTheAgentIsOnTheHostsMachine: an agent that came up on another machine, since the host's boot MAC address is that one's, is refused before anything is wiped.
func TestTheAgentIsOnTheHostsMachine(t *testing.T) {
	const mine, theirs = "4c4c4544-0034-4a10-8035-b4c04f465931", "4c4c4544-0034-4a10-8035-b4c04f465932"
	for name, c := range map[string]struct {
		address, agent, bmc, before string
		refused                     bool
	}{
		"the same":                            {"redfish://10.0.0.5/", mine, mine, mine, false},
		"in capitals":                         {"redfish://10.0.0.5/", "4C4C4544-0034-4A10-8035-B4C04F465931", mine, mine, false},
		"with the fields' bytes swapped":      {"redfish://10.0.0.5/", "44454c4c-3400-104a-8035-b4c04f465931", mine, mine, false},
		"another machine":                     {"redfish://10.0.0.5/", theirs, mine, "", true},
		"another, booted by its own BMC":      {"redfish-virtualmedia+https://10.0.0.5/", theirs, mine, "", false},
		"another than before, by its BMC":     {"redfish-virtualmedia+https://10.0.0.5/", theirs, mine, mine, true},
		"another than before, BMC knows none": {"ipmi://10.0.0.5/", theirs, "", mine, true},
		"nothing known before":                {"redfish://10.0.0.5/", mine, mine, "", false},
		"nothing told before":                 {"redfish://10.0.0.5/", mine, mine, "00000000-0000-0000-0000-000000000000", false},
		"the BMC knows none":                  {"redfish://10.0.0.5/", theirs, "", "", false},
		"the BMC was never given one":         {"redfish://10.0.0.5/", theirs, "00000000-0000-0000-0000-000000000000", "", false},
		"the machine was never given one":     {"redfish://10.0.0.5/", "ffffffff-ffff-ffff-ffff-ffffffffffff", mine, mine, false},
		"what is no UUID":                     {"redfish://10.0.0.5/", "Not Settable", mine, mine, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := &metal3.BareMetalHost{}
			h.Spec.BMC.Address = c.address
			r := &ingot.HostLifecycleStatus{BMC: &ingot.BMCStatus{SystemUUID: c.bmc}, MachineUUID: c.before}
			if failure := OtherMachine(h, r, c.agent); (failure != nil) != c.refused || failure != nil && failure.Fix == "" {
				t.Fatalf("%v", failure)
			}
		})
	}
}
