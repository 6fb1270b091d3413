package fleet

import (
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// Kinds are an empty list of each kind that Read lists: who reads from watches begins all of them at once.
func Kinds() []client.ObjectList {
	return []client.ObjectList{
		&metal3.BareMetalHostList{}, &metal3.HostClaimList{}, &metal3.HostDeployPolicyList{}, &corev1.NamespaceList{},
		&ingot.MachineList{}, &ingot.QuotaList{}, &ingot.SizeReservationList{},
		&ingot.HostLifecycleList{}, &ingot.PartitionList{}, &ingot.NetworkList{}, &ingot.IPList{}, &ingot.ImageList{}, &ingot.SizeList{}, &ingot.BootWindowList{},
	}
}
