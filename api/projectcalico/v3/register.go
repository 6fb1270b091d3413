package v3

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of every kind in this package.
var GroupVersion = schema.GroupVersion{Group: "projectcalico.org", Version: "v3"}

// AddToScheme registers every kind of this package.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&HostEndpoint{}, &HostEndpointList{},
		&GlobalNetworkPolicy{}, &GlobalNetworkPolicyList{},
		&NetworkPolicy{}, &NetworkPolicyList{},
		&StagedGlobalNetworkPolicy{}, &StagedGlobalNetworkPolicyList{},
		&StagedNetworkPolicy{}, &StagedNetworkPolicyList{},
		&GlobalNetworkSet{}, &GlobalNetworkSetList{},
		&NetworkSet{}, &NetworkSetList{},
		&Tier{}, &TierList{},
		&Profile{}, &ProfileList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
