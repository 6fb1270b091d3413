package ramdisk

import (
	"fmt"
	"slices"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// canVirtualMedia is the capability's name in BMCStatus.Capabilities.
const canVirtualMedia = "virtual-media"

// canUEFIHTTP likewise.
const canUEFIHTTP = "uefi-http"

// chooseMethod picks the way to boot the agent. A "…-virtualmedia" address means virtual media and nothing else, since a token on the network is the weaker way. Any
// other address means network boot, with virtual media in its place where the site or the host cannot do it and the BMC can.
func chooseMethod(d *journey.Draft) (ingot.BootMethod, *step.Failure) {
	site := d.Facts.Site
	if strings.Contains(scheme(d.Host.Spec.BMC.Address), "virtualmedia") {
		switch {
		case !site.VirtualMedia:
			return "", unsupported("the address of the BMC asks for virtual media, and this site serves none", "turn virtual media on for the Partition")
		case !bmcCan(d, canVirtualMedia):
			return "", unsupported("the address of the BMC asks for virtual media, and the BMC has none",
				"use a network boot address (redfish://), or the BMC's licence that has virtual media")
		}
		return ingot.MethodVirtualMedia, nil
	}
	if strings.Contains(scheme(d.Host.Spec.BMC.Address), "uefihttp") {
		return chooseHTTP(d)
	}
	mac := d.Host.Spec.BootMACAddress != ""
	switch {
	case site.PXE && mac:
		return ingot.MethodPXE, nil
	case site.VirtualMedia && d.Record.BMC != nil && bmcCan(d, canVirtualMedia):
		return ingot.MethodVirtualMedia, nil
	case site.PXE && knowsMAC(d.Facts.Hardware):
		return ingot.MethodPXE, nil
	case site.PXE:
		return "", unsupported("network boot needs the host's boot MAC address", "set spec.bootMACAddress, or spec.inspectionMode fast where the BMC lists the network cards")
	}
	return "", unsupported(fmt.Sprintf("this site (%s) serves neither network boot nor virtual media that the BMC can use", site.Name),
		"turn one of them on for the Partition, or use a redfish-virtualmedia:// address")
}

// chooseHTTP: a "…-uefihttp" address means UEFI HTTP boot and nothing else, since PXE in its place would put the token on the network.
func chooseHTTP(d *journey.Draft) (ingot.BootMethod, *step.Failure) {
	switch {
	case !d.Facts.Site.UEFIHTTP:
		return "", unsupported("the address of the BMC asks for UEFI HTTP boot, and this site serves none", "start the boot role with --https-bind and the partition role with --uefi-http-endpoint")
	case agentMode(d.Host) == metal3.Legacy:
		return "", unsupported("UEFI HTTP boot needs UEFI, and spec.bootMode is legacy", "set spec.bootMode to UEFI, or use a redfish:// address")
	case !bmcCan(d, canUEFIHTTP):
		return "", unsupported("the address of the BMC asks for UEFI HTTP boot, and the BMC does not offer it as a boot source", "use a redfish-virtualmedia:// or redfish:// address")
	}
	return ingot.MethodUEFIHTTP, nil
}

// knowsMAC: an inspection found network cards, so that the boot server can tell the machine by any of them. An out-of-band inspection does so before the first boot.
func knowsMAC(h *metal3.HardwareDetails) bool {
	return h != nil && slices.ContainsFunc(h.NIC, func(n metal3.NIC) bool { return n.MAC != "" })
}

// bmcCan says whether the probe found a capability. Without a probe (the record was lost) it is assumed, and the action will tell.
func bmcCan(d *journey.Draft, capability string) bool {
	return d.Record.BMC == nil || slices.Contains(d.Record.BMC.Capabilities, capability)
}

func scheme(address string) string {
	s, _, _ := strings.Cut(address, ":")
	return strings.ToLower(s)
}

func unsupported(message, fix string) *step.Failure {
	return &step.Failure{Kind: step.Unsupported, Message: message, Fix: fix}
}
