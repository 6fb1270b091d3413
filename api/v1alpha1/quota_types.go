package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Quota bounds what a project holds, or, in a tenant's own namespace, what all its projects hold together. Several of one namespace all hold. What is held already when a bound shrinks is taken from nobody.
// Writers: providers (spec), the controller role (status).
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=ingot
// +kubebuilder:printcolumn:name="Machines",type=integer,JSONPath=`.spec.machines`
// +kubebuilder:printcolumn:name="Used",type=integer,JSONPath=`.status.used.machines`
// +kubebuilder:printcolumn:name="Firewalls",type=integer,JSONPath=`.spec.firewalls`
// +kubebuilder:printcolumn:name="Used firewalls",type=integer,JSONPath=`.status.used.firewalls`
// +kubebuilder:printcolumn:name="Addresses",type=integer,JSONPath=`.spec.addresses.total`
// +kubebuilder:printcolumn:name="Used addresses",type=integer,JSONPath=`.status.used.addresses.total`
// +kubebuilder:printcolumn:name="Networks",type=integer,JSONPath=`.spec.networks`
// +kubebuilder:printcolumn:name="Used networks",type=integer,JSONPath=`.status.used.networks`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Quota struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   QuotaSpec   `json:"spec"`
	Status QuotaStatus `json:"status,omitempty"`
}

// QuotaList is a list of Quota.
//
// +kubebuilder:object:root=true
type QuotaList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Quota `json:"items"`
}

// QuotaSpec is the bounds. What is not given is not bounded; 0 allows none.
//
// +kubebuilder:validation:XValidation:rule="has(self.machines) || has(self.firewalls) || has(self.addresses) || has(self.networks)",message="it bounds nothing: give machines, firewalls, addresses or networks"
type QuotaSpec struct {
	// Machines counts hosts, whether a Machine or a HostClaim has them, from the moment that one is chosen until its wipe is proved.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Machines *int32 `json:"machines,omitempty"`
	// Firewalls counts the hosts of Machines with the role Firewall, which are not among machines.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Firewalls *int32 `json:"firewalls,omitempty"`
	// Addresses counts IPs.
	// +optional
	Addresses *AddressQuota `json:"addresses,omitempty"`
	// Networks counts the project's own Networks.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Networks *int32 `json:"networks,omitempty"`
}

// AddressQuota bounds addresses. All that is given holds.
//
// +kubebuilder:validation:XValidation:rule="has(self.total) || has(self.ipv4) || has(self.ipv6)",message="it bounds nothing: give total, ipv4 or ipv6"
type AddressQuota struct {
	// Total is of both families together.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Total *int32 `json:"total,omitempty"`
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	IPv4 *int32 `json:"ipv4,omitempty"`
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	IPv6 *int32 `json:"ipv6,omitempty"`
}

// QuotaUse is what is held.
type QuotaUse struct {
	Machines  int32 `json:"machines"`
	Firewalls int32 `json:"firewalls"`
	// Addresses counts IPs that hold one, Networks those that have their prefixes.
	// +optional
	Addresses AddressUse `json:"addresses"`
	// +optional
	Networks int32 `json:"networks"`
}

// AddressUse is how many addresses are held, by family.
type AddressUse struct {
	Total int32 `json:"total"`
	IPv4  int32 `json:"ipv4"`
	IPv6  int32 `json:"ipv6"`
}

// QuotaWithinCondition says whether what is held is within the bounds. It is not where a bound shrank below what was held already.
const QuotaWithinCondition = "Within"

// QuotaStatus is what is held of what.
type QuotaStatus struct {
	// Used is what the project, or all projects of the tenant, hold.
	Used QuotaUse `json:"used"`
	// Projects are the namespaces that the Quota holds for, where it is a tenant's.
	// +optional
	// +listType=set
	Projects []string `json:"projects,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
