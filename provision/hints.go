package provision

import (
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/rootdevice"
)

// Hints puts a host's root device hints into the words of package rootdevice; nil stays nil, which means the default device.
func Hints(h *metal3.RootDeviceHints) *rootdevice.Hints {
	return journey.DiskHints(h)
}
