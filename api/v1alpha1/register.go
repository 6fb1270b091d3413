package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of every kind in this package.
var GroupVersion = schema.GroupVersion{Group: "ingot.dev", Version: "v1alpha1"}

// AddToScheme registers every kind of this package.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&HostLifecycle{}, &HostLifecycleList{},
		&BootWindow{}, &BootWindowList{},
		&Partition{}, &PartitionList{},
		&CommunicationMatrix{}, &CommunicationMatrixList{},
		&FilesystemLayout{}, &FilesystemLayoutList{},
		&DiscoveredHost{}, &DiscoveredHostList{},
		&NetbootRecord{}, &NetbootRecordList{},
		&Machine{}, &MachineList{},
		&Quota{}, &QuotaList{},
		&SizeReservation{}, &SizeReservationList{},
		&Size{}, &SizeList{},
		&Image{}, &ImageList{},
		&ImageTrust{}, &ImageTrustList{},
		&Network{}, &NetworkList{},
		&IP{}, &IPList{},
		&AddressRecord{}, &AddressRecordList{},
		&MeshKey{}, &MeshKeyList{},
		&MeshNode{}, &MeshNodeList{},
		&Firewall{}, &FirewallList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
