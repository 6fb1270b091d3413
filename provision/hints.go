package provision

import (
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/rootdevice"
)

// Hints puts a host's root device hints into the words of package rootdevice; nil stays nil, which means the default device.
func Hints(h *metal3.RootDeviceHints) *rootdevice.Hints {
	if h == nil {
		return nil
	}
	return &rootdevice.Hints{
		DeviceName: h.DeviceName, HCTL: h.HCTL, Model: h.Model, Vendor: h.Vendor, SerialNumber: h.SerialNumber, MinSizeGigabytes: h.MinSizeGigabytes,
		WWN: h.WWN, WWNWithExtension: h.WWNWithExtension, WWNVendorExtension: h.WWNVendorExtension, Rotational: h.Rotational,
	}
}
