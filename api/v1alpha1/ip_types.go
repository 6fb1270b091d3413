package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// IP is one address of a network, for as long as the object is there. Writers: people and the machine controller (spec), the controller role (status).
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=ingot
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.status.address`
// +kubebuilder:printcolumn:name="Network",type=string,JSONPath=`.spec.network.name`
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type IP struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   IPSpec   `json:"spec"`
	Status IPStatus `json:"status,omitempty"`
}

// IPList is a list of IP.
//
// +kubebuilder:object:root=true
type IPList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []IP `json:"items"`
}

// IPFamily is an address family.
// +kubebuilder:validation:Enum=IPv4;IPv6
type IPFamily string

// The families.
const (
	IPv4 IPFamily = "IPv4"
	IPv6 IPFamily = "IPv6"
)

// IPType says whether an IP goes with what it was made for.
// +kubebuilder:validation:Enum=Ephemeral;Static
type IPType string

// The types of IPs.
const (
	// EphemeralIP goes with the object that owns it.
	EphemeralIP IPType = "Ephemeral"
	// StaticIP stays until it is deleted itself: the controller takes owner references off it.
	StaticIP IPType = "Static"
)

// IPSpec asks for an address.
//
// +kubebuilder:validation:XValidation:rule="!has(self.address) || !has(self.family) || (ip(self.address).family() == 4) == (self.family == 'IPv4')",message="family: write the address's, or leave it out"
// +kubebuilder:validation:XValidation:rule="!has(self.address) == !has(oldSelf.address) && (!has(self.address) || self.address == oldSelf.address)",message="address: an IP keeps what it asks for; make another IP"
// +kubebuilder:validation:XValidation:rule="!has(self.family) == !has(oldSelf.family) && (!has(self.family) || self.family == oldSelf.family)",message="family: an IP keeps what it asks for; make another IP"
type IPSpec struct {
	// Network is of this namespace, or External or Shared.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="network: an IP stays in its network; make another IP"
	Network NetworkReference `json:"network"`
	// Family is empty for the network's, which is IPv4 where it has both.
	// +optional
	Family IPFamily `json:"family,omitempty"`
	// Address is the one and only, where there is one.
	// +optional
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=39
	// +kubebuilder:validation:XValidation:rule="isIP(self)",message="write an address like 10.0.0.5 or 2001:db8::5"
	Address string `json:"address,omitempty"`
	// Type is Ephemeral where it is empty.
	// +optional
	// +kubebuilder:default=Ephemeral
	Type IPType `json:"type,omitempty"`
	// Tags are for people and programs to find the IP by.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	Tags []string `json:"tags,omitempty"`
}

// IPStatus is the address.
type IPStatus struct {
	// Address is empty until there is one.
	Address string `json:"address,omitempty"`
	// PrefixLength is that of the network's prefix which the address is in.
	PrefixLength int32 `json:"prefixLength,omitempty"`
	// Gateway and DNSServers are the network's when the address was given.
	Gateway    string   `json:"gateway,omitempty"`
	DNSServers []string `json:"dnsServers,omitempty"`
	// Conditions has Ready: the address is this IP's.
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
