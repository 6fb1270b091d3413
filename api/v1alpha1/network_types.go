package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Network is prefixes, and where addresses come from. Writers: people (spec), the controller role (status). What a provider makes stands in a namespace of its own; a project's child networks stand in the
// project's.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=nw,categories=ingot
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Prefixes",type=string,JSONPath=`.status.prefixes`
// +kubebuilder:printcolumn:name="VRF",type=string,JSONPath=`.status.vrf`
// +kubebuilder:printcolumn:name="VRF ID",type=integer,JSONPath=`.status.vrfID`
// +kubebuilder:printcolumn:name="Held",type=integer,JSONPath=`.status.held`
// +kubebuilder:printcolumn:name="Free IPv4",type=integer,JSONPath=`.status.freeIPv4`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63",message="metadata.name: write a name of at most 63 characters"
type Network struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   NetworkSpec   `json:"spec"`
	Status NetworkStatus `json:"status,omitempty"`
}

// NetworkList is a list of Network.
//
// +kubebuilder:object:root=true
type NetworkList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Network `json:"items"`
}

// NetworkType is what a network is for.
// +kubebuilder:validation:Enum=External;Underlay;Super;Child;Shared
type NetworkType string

// The types of networks.
const (
	// ExternalNetwork reaches outside, for example the internet. Every project may have addresses of it.
	ExternalNetwork NetworkType = "External"
	// UnderlayNetwork carries the routes of switches and firewalls.
	UnderlayNetwork NetworkType = "Underlay"
	// SuperNetwork is what children are cut from; it gives no addresses itself.
	SuperNetwork NetworkType = "Super"
	// ChildNetwork is a project's, cut from a super network.
	ChildNetwork NetworkType = "Child"
	// SharedNetwork is as a child, and other projects may have addresses of it.
	SharedNetwork NetworkType = "Shared"
)

// NetworkReference names a network.
type NetworkReference struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// Namespace is empty for the referrer's own.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
}

// PrefixLengths are lengths of prefixes by family. 0: the default; -1: none of this family.
type PrefixLengths struct {
	// +optional
	// +kubebuilder:validation:Minimum=-1
	// +kubebuilder:validation:Maximum=32
	IPv4 int32 `json:"ipv4,omitempty"`
	// +optional
	// +kubebuilder:validation:Minimum=-1
	// +kubebuilder:validation:Maximum=128
	IPv6 int32 `json:"ipv6,omitempty"`
}

// NumberChoice asks for a number that no other network has.
//
// +kubebuilder:validation:XValidation:rule="has(self.number) != (has(self.assign) && self.assign)",message="write either number, or assign: true"
type NumberChoice struct {
	// Assign has the lowest free one given.
	// +optional
	Assign bool `json:"assign,omitempty"`
	// Number is the one and only.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4294967294
	Number *int64 `json:"number,omitempty"`
}

// AddressStrategy is how an address is chosen where none is asked for.
// +kubebuilder:validation:Enum=Sequential;Random
type AddressStrategy string

// The strategies.
const (
	// SequentialAddresses gives the first free one after the last one given, around.
	SequentialAddresses AddressStrategy = "Sequential"
	// RandomAddresses gives any free one.
	RandomAddresses AddressStrategy = "Random"
)

// NetworkSpec says what a network is.
//
// +kubebuilder:validation:XValidation:rule="(self.type in ['Child', 'Shared']) == has(self.parent)",message="parent: write it for Child and Shared, and for no other type"
// +kubebuilder:validation:XValidation:rule="self.type in ['Child', 'Shared'] || (has(self.prefixes) && self.prefixes.size() > 0)",message="prefixes: write at least one; only Child and Shared networks are cut from a parent"
// +kubebuilder:validation:XValidation:rule="!has(self.childPrefixLength) || self.type == 'Super'",message="childPrefixLength: only a Super network has children"
// +kubebuilder:validation:XValidation:rule="!has(self.prefixLength) || (self.type in ['Child', 'Shared'] && !has(self.prefixes))",message="prefixLength: it is for Child and Shared networks that name no prefixes"
// +kubebuilder:validation:XValidation:rule="!has(self.vrf) || !(self.type in ['Child', 'Shared'])",message="vrf: a Child or Shared network is in the VRF of its parent"
// +kubebuilder:validation:XValidation:rule="!has(self.addressStrategy) || self.type != 'Super'",message="addressStrategy: a Super network gives no addresses"
// +kubebuilder:validation:XValidation:rule="!has(self.nat) || !self.nat || self.type == 'External'",message="nat: only an External network is reached through address translation"
// +kubebuilder:validation:XValidation:rule="!has(self.vrfID) || !has(self.vrfID.number) || self.vrfID.number <= 16777215",message="vrfID: write at most 16777215, the largest VXLAN network identifier"
// +kubebuilder:validation:XValidation:rule="!has(self.vrf) == !has(oldSelf.vrf) && (!has(self.vrf) || self.vrf == oldSelf.vrf)",message="vrf: a network stays in its VRF; make another network"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.parent) || self.parent == oldSelf.parent",message="parent: a network stays with its parent; make another network"
type NetworkSpec struct {
	// Type is what the network is for.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="type: a network keeps its type; make another network"
	Type NetworkType `json:"type"`
	// Description is for people.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Description string `json:"description,omitempty"`
	// Prefixes are of either family or both, without bits after their lengths. Child and Shared networks without any get the first free ones of their parent.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=43
	// +kubebuilder:validation:items:XValidation:rule="isCIDR(self) && cidr(self) == cidr(self).masked()",message="write a prefix like 10.0.0.0/16 or 2001:db8::/48, with no bits after its length"
	Prefixes []string `json:"prefixes,omitempty"`
	// Parent is the Super network that this one is cut from.
	// +optional
	Parent *NetworkReference `json:"parent,omitempty"`
	// ChildPrefixLength is how long the prefixes of children are that say nothing else.
	// +optional
	ChildPrefixLength *PrefixLengths `json:"childPrefixLength,omitempty"`
	// PrefixLength is how long this network's prefixes are to be; without it the parent's childPrefixLength is.
	// +optional
	PrefixLength *PrefixLengths `json:"prefixLength,omitempty"`
	// VRF is the scope in which addresses are unique and prefixes don't overlap; empty: "default".
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	VRF string `json:"vrf,omitempty"`
	// VRFID is the VRF's number on switches, which is a VXLAN network identifier (RFC 7348 section 5: 24 bits). Numbers are given from 1 to 131072.
	// +optional
	VRFID *NumberChoice `json:"vrfID,omitempty"`
	// ASN is the number of the network's autonomous system. Numbers are given from 4210000001, in the range for private use (RFC 6996).
	// +optional
	ASN *NumberChoice `json:"asn,omitempty"`
	// Excluded is given to nobody and cut for nobody: addresses, prefixes, or ranges like 10.0.0.1-10.0.0.9.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=96
	// +kubebuilder:validation:items:XValidation:rule="isIP(self) || (isCIDR(self) && cidr(self) == cidr(self).masked()) || (self.split('-').size() == 2 && self.split('-').all(a, isIP(a)))",message="write an address, a prefix with no bits after its length, or a range like 10.0.0.1-10.0.0.9"
	Excluded []string `json:"excluded,omitempty"`
	// Gateways are the routers' addresses, at most one of each family; they are given to nobody.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:items:MaxLength=39
	// +kubebuilder:validation:items:XValidation:rule="isIP(self)",message="write an address"
	// +kubebuilder:validation:XValidation:rule="self.size() < 2 || ip(self[0]).family() != ip(self[1]).family()",message="write one gateway of each family at most"
	Gateways []string `json:"gateways,omitempty"`
	// DNSServers are told to who gets an address.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=39
	// +kubebuilder:validation:items:XValidation:rule="isIP(self)",message="write an address"
	DNSServers []string `json:"dnsServers,omitempty"`
	// NAT says that firewalls translate what goes out by this network.
	// +optional
	NAT bool `json:"nat,omitempty"`
	// DestinationPrefixes are what is reached through this network.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=43
	// +kubebuilder:validation:items:XValidation:rule="isCIDR(self) && cidr(self) == cidr(self).masked()",message="write a prefix like 0.0.0.0/0, with no bits after its length"
	DestinationPrefixes []string `json:"destinationPrefixes,omitempty"`
	// AddressStrategy is how addresses are chosen; empty: Sequential.
	// +optional
	AddressStrategy AddressStrategy `json:"addressStrategy,omitempty"`
	// QuarantineSeconds is how long an address, or of a Super network a child's prefix, is given to nobody after its release.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=31536000
	QuarantineSeconds int32 `json:"quarantineSeconds,omitempty"`
}

// NetworkStatus is what a network has.
type NetworkStatus struct {
	// Prefixes are those that it has, which of a Child or Shared network are cut from its parent's.
	Prefixes []string `json:"prefixes,omitempty"`
	// VRF is the scope of its addresses.
	VRF string `json:"vrf,omitempty"`
	// VRFID and ASN are numbers that no other network has.
	VRFID int64 `json:"vrfID,omitempty"`
	ASN   int64 `json:"asn,omitempty"`
	// Children is how many networks are cut from it.
	Children int32 `json:"children,omitempty"`
	// Held is how many addresses have a holder.
	Held int64 `json:"held,omitempty"`
	// SizeIPv4 is how many IPv4 addresses it can give when none is taken, FreeIPv4 how many it can give now. They lag behind by some seconds.
	SizeIPv4 int64 `json:"sizeIPv4,omitempty"`
	FreeIPv4 int64 `json:"freeIPv4,omitempty"`
	// Conditions has Ready: prefixes and numbers are the network's own.
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ReadyCondition of a Network says that its prefixes and numbers are its own; of an IP, that its address is.
const ReadyCondition = "Ready"

// Reasons of the Ready condition of Networks and IPs, beside those that an allocation is refused for (package ipam).
const (
	// ReasonAllocated goes with True.
	ReasonAllocated = "Allocated"
	// ReasonNetworkNotReady: the network, or the parent, is not there or not ready.
	ReasonNetworkNotReady = "NetworkNotReady"
	// ReasonNotAllowed: the network is of another project, and neither external nor shared.
	ReasonNotAllowed = "NotAllowed"
	// ReasonQuotaExceeded: the project or its tenant has as many as its Quota allows.
	ReasonQuotaExceeded = "QuotaExceeded"
	// ReasonInUse goes with a deletion that waits.
	ReasonInUse = "InUse"
)

// NetworkFinalizer keeps a network until nobody has an address or a prefix of it.
const NetworkFinalizer = "ingot.dev/network"
