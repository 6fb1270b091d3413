package ramdisk

import (
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
)

func TestChooseMethod(t *testing.T) {
	media := &ingot.BMCStatus{Capabilities: []string{canVirtualMedia}}
	bare := &ingot.BMCStatus{}
	direct := &ingot.BMCStatus{Capabilities: []string{canUEFIHTTP, canVirtualMedia}}
	all := journey.Site{VirtualMedia: true, PXE: true, UEFIHTTP: true}
	both, pxe, none := journey.Site{VirtualMedia: true, PXE: true}, journey.Site{PXE: true}, journey.Site{}
	for name, c := range map[string]struct {
		address, mac string
		bmc          *ingot.BMCStatus
		site         journey.Site
		want         ingot.BootMethod
		// found is the MAC address that an inspection found.
		found string
	}{
		"virtual media":                            {"redfish-virtualmedia://b", "", media, both, ingot.MethodVirtualMedia, ""},
		"with a transport":                         {"idrac-virtualmedia+https://b", "", media, both, ingot.MethodVirtualMedia, ""},
		"virtual media, not probed":                {"redfish-virtualmedia://b", "", nil, both, ingot.MethodVirtualMedia, ""},
		"virtual media is never PXE":               {"redfish-virtualmedia://b", "m", media, pxe, "", ""},
		"virtual media that the BMC lacks":         {"redfish-virtualmedia://b", "m", bare, both, "", ""},
		"UEFI HTTP":                                {"redfish-uefihttp://b", "", direct, all, ingot.MethodUEFIHTTP, ""},
		"UEFI HTTP that the BMC lacks":             {"redfish-uefihttp://b", "m", media, all, "", ""},
		"UEFI HTTP is never anything else":         {"redfish-uefihttp+https://b", "m", direct, both, "", ""},
		"network boot":                             {"redfish://b", "m", media, both, ingot.MethodPXE, ""},
		"network boot of IPMI":                     {"ipmi://b", "m", bare, both, ingot.MethodPXE, ""},
		"network boot without a MAC, with media":   {"redfish://b", "", media, both, ingot.MethodVirtualMedia, ""},
		"network boot without a MAC, without":      {"redfish://b", "", bare, both, "", ""},
		"network boot by a MAC that was found":     {"redfish://b", "", bare, both, ingot.MethodPXE, "m"},
		"media rather than a MAC that was found":   {"redfish://b", "", media, both, ingot.MethodVirtualMedia, "m"},
		"network boot without a MAC, not probed":   {"redfish://b", "", nil, both, "", ""},
		"network boot at a site without, media":    {"redfish://b", "m", media, journey.Site{VirtualMedia: true}, ingot.MethodVirtualMedia, ""},
		"network boot at a site that has nothing":  {"redfish://b", "m", media, none, "", ""},
		"virtual media at a site that has nothing": {"redfish-virtualmedia://b", "m", media, none, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := &metal3.BareMetalHost{}
			h.Spec.BMC.Address, h.Spec.BootMACAddress = c.address, c.mac
			d := journey.Begin(journey.Facts{Host: h, Record: ingot.HostLifecycleStatus{BMC: c.bmc}, Site: c.site, Hardware: &metal3.HardwareDetails{NIC: []metal3.NIC{{MAC: c.found}}}}, time.Unix(0, 0))
			got, failure := chooseMethod(d)
			if got != c.want || (failure == nil) != (c.want != "") || failure != nil && failure.Fix == "" {
				t.Fatalf("%q, %v; want %q", got, failure, c.want)
			}
		})
	}
}
