package v3

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// PolicyType is a direction, seen from the endpoint.
//
// +kubebuilder:validation:Enum=Ingress;Egress
type PolicyType string

// StagedAction is what a staged policy previews.
//
// +kubebuilder:validation:Enum=Set;Delete;Learn;Ignore
type StagedAction string

// PerformanceHint is for Calico's own data plane; it changes no verdict.
//
// +kubebuilder:validation:Enum=AssumeNeededOnEveryNode
type PerformanceHint string

// PolicySpec is what all kinds of policy have.
type PolicySpec struct {
	// Tier groups policies.
	// +kubebuilder:default=default
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Tier string `json:"tier,omitempty"`
	// Order sorts policies within a tier, smallest first; none is behind all others.
	Order *float64 `json:"order,omitempty"`
	// Selector chooses the endpoints that the policy applies to; empty is all.
	Selector Selector `json:"selector,omitempty"`
	// ServiceAccountSelector restricts the policy to pods, which host endpoints are not.
	ServiceAccountSelector Selector `json:"serviceAccountSelector,omitempty"`
	// Types are the directions that the policy decides. Without: Egress alone where there are egress rules only, Ingress alone where there are none, else both.
	// +kubebuilder:validation:MaxItems=2
	// +listType=set
	Types []PolicyType `json:"types,omitempty"`
	// +kubebuilder:validation:MaxItems=1024
	Ingress []Rule `json:"ingress,omitempty"`
	// +kubebuilder:validation:MaxItems=1024
	Egress []Rule `json:"egress,omitempty"`
	// +kubebuilder:validation:MaxItems=1
	PerformanceHints []PerformanceHint `json:"performanceHints,omitempty"`
}

// GlobalPolicySpec is what policies for host endpoints have beside that.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.doNotTrack) && self.doNotTrack && has(self.preDNAT) && self.preDNAT)",fieldPath=".preDNAT",message="can't be set together with doNotTrack: a packet that isn't tracked has no DNAT"
// +kubebuilder:validation:XValidation:rule="(has(self.applyOnForward) && self.applyOnForward) || !((has(self.doNotTrack) && self.doNotTrack) || (has(self.preDNAT) && self.preDNAT))",fieldPath=".applyOnForward",message="must be true where doNotTrack or preDNAT is: both act before it is known whether a packet is forwarded"
// +kubebuilder:validation:XValidation:rule="!(has(self.preDNAT) && self.preDNAT) || !((has(self.egress) && size(self.egress) > 0) || (has(self.types) && 'Egress' in self.types))",fieldPath=".egress",message="a preDNAT policy has only ingress: DNAT happens to packets that come in"
type GlobalPolicySpec struct {
	PolicySpec `json:",inline"`
	// NamespaceSelector restricts the policy to pods, which host endpoints are not.
	NamespaceSelector Selector `json:"namespaceSelector,omitempty"`
	// DoNotTrack decides before connection tracking.
	DoNotTrack bool `json:"doNotTrack,omitempty"`
	// PreDNAT decides before destination addresses are translated.
	PreDNAT bool `json:"preDNAT,omitempty"`
	// ApplyOnForward decides forwarded packets too.
	ApplyOnForward bool `json:"applyOnForward,omitempty"`
}

// GlobalNetworkPolicy applies to host endpoints. Writers: the controller role, from a matrix; an operator, by hand.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=gnp,categories=ingot
// +kubebuilder:printcolumn:name="Tier",type=string,JSONPath=`.spec.tier`
// +kubebuilder:printcolumn:name="Order",type=number,JSONPath=`.spec.order`
// +kubebuilder:printcolumn:name="Selector",type=string,JSONPath=`.spec.selector`
// +kubebuilder:printcolumn:name="Matrix",type=string,JSONPath=`.metadata.labels.ingot\.dev/matrix`
type GlobalNetworkPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec GlobalPolicySpec `json:"spec"`
}

// GlobalNetworkPolicyList is a list of GlobalNetworkPolicy.
//
// +kubebuilder:object:root=true
type GlobalNetworkPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []GlobalNetworkPolicy `json:"items"`
}

// NetworkPolicy applies to pods of a namespace, never to host endpoints: it is accepted so that a site's files can be given as they are.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Namespaced
// +kubebuilder:printcolumn:name="Tier",type=string,JSONPath=`.spec.tier`
// +kubebuilder:printcolumn:name="Order",type=number,JSONPath=`.spec.order`
// +kubebuilder:printcolumn:name="Selector",type=string,JSONPath=`.spec.selector`
type NetworkPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec PolicySpec `json:"spec"`
}

// NetworkPolicyList is a list of NetworkPolicy.
//
// +kubebuilder:object:root=true
type NetworkPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []NetworkPolicy `json:"items"`
}

// StagedGlobalPolicySpec is a preview of a GlobalPolicySpec.
type StagedGlobalPolicySpec struct {
	GlobalPolicySpec `json:",inline"`
	StagedAction     StagedAction `json:"stagedAction,omitempty"`
}

// StagedGlobalNetworkPolicy is a preview: it is never enforced.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster
// +kubebuilder:printcolumn:name="Tier",type=string,JSONPath=`.spec.tier`
// +kubebuilder:printcolumn:name="Order",type=number,JSONPath=`.spec.order`
// +kubebuilder:printcolumn:name="Action",type=string,JSONPath=`.spec.stagedAction`
type StagedGlobalNetworkPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec StagedGlobalPolicySpec `json:"spec"`
}

// StagedGlobalNetworkPolicyList is a list of StagedGlobalNetworkPolicy.
//
// +kubebuilder:object:root=true
type StagedGlobalNetworkPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []StagedGlobalNetworkPolicy `json:"items"`
}

// StagedPolicySpec is a preview of a PolicySpec.
type StagedPolicySpec struct {
	PolicySpec   `json:",inline"`
	StagedAction StagedAction `json:"stagedAction,omitempty"`
}

// StagedNetworkPolicy is a preview: it is never enforced.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Namespaced
// +kubebuilder:printcolumn:name="Tier",type=string,JSONPath=`.spec.tier`
// +kubebuilder:printcolumn:name="Order",type=number,JSONPath=`.spec.order`
// +kubebuilder:printcolumn:name="Action",type=string,JSONPath=`.spec.stagedAction`
type StagedNetworkPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec StagedPolicySpec `json:"spec"`
}

// StagedNetworkPolicyList is a list of StagedNetworkPolicy.
//
// +kubebuilder:object:root=true
type StagedNetworkPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []StagedNetworkPolicy `json:"items"`
}
