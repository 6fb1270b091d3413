package v3

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// NetworkSetSpec is a list of networks.
type NetworkSetSpec struct {
	// Nets are what selectors choose by the set's labels.
	// +kubebuilder:validation:MaxItems=65536
	Nets []Net `json:"nets,omitempty"`
}

// GlobalNetworkSet gives selectors a name for what is no endpoint. Writers: the controller role, from a matrix; an operator, by hand.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=ingot
// +kubebuilder:printcolumn:name="Nets",type=string,JSONPath=`.spec.nets`
// +kubebuilder:printcolumn:name="Matrix",type=string,JSONPath=`.metadata.labels.ingot\.dev/matrix`
type GlobalNetworkSet struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec NetworkSetSpec `json:"spec"`
}

// GlobalNetworkSetList is a list of GlobalNetworkSet.
//
// +kubebuilder:object:root=true
type GlobalNetworkSetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []GlobalNetworkSet `json:"items"`
}

// NetworkSet is one of a namespace.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Namespaced,shortName=netsets
// +kubebuilder:printcolumn:name="Nets",type=string,JSONPath=`.spec.nets`
type NetworkSet struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec NetworkSetSpec `json:"spec"`
}

// NetworkSetList is a list of NetworkSet.
//
// +kubebuilder:object:root=true
type NetworkSetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []NetworkSet `json:"items"`
}

// TierAction is what happens to a packet that no policy of a tier decides.
//
// +kubebuilder:validation:Enum=Deny;Pass
type TierAction string

// TierSpec says where a tier stands.
type TierSpec struct {
	// Order sorts tiers, smallest first; none is behind all others.
	Order *float64 `json:"order,omitempty"`
	// +kubebuilder:default=Deny
	DefaultAction TierAction `json:"defaultAction,omitempty"`
}

// Tier groups policies. Three exist without being declared: kube-admin, default and kube-baseline.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=ingot
// +kubebuilder:printcolumn:name="Order",type=number,JSONPath=`.spec.order`
// +kubebuilder:printcolumn:name="Default",type=string,JSONPath=`.spec.defaultAction`
// +kubebuilder:validation:XValidation:rule="self.metadata.name != 'default' || (has(self.spec.order) && self.spec.order == 1000000.0)",fieldPath=".spec.order",message="tier default has order 1e+06 and no other"
// +kubebuilder:validation:XValidation:rule="self.metadata.name != 'default' || self.spec.defaultAction == 'Deny'",fieldPath=".spec.defaultAction",message="tier default has the default action Deny and no other"
// +kubebuilder:validation:XValidation:rule="self.metadata.name != 'kube-admin' || (has(self.spec.order) && self.spec.order == 1000.0 && self.spec.defaultAction == 'Pass')",fieldPath=".spec",message="tier kube-admin has order 1000 and the default action Pass and no other"
// +kubebuilder:validation:XValidation:rule="self.metadata.name != 'kube-baseline' || (has(self.spec.order) && self.spec.order == 10000000.0 && self.spec.defaultAction == 'Pass')",fieldPath=".spec",message="tier kube-baseline has order 1e+07 and the default action Pass and no other"
type Tier struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec TierSpec `json:"spec"`
}

// TierList is a list of Tier.
//
// +kubebuilder:object:root=true
type TierList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Tier `json:"items"`
}

// ProfileSpec is what an endpoint falls back to when no tier decides, and labels that it lends to the endpoint.
type ProfileSpec struct {
	// +kubebuilder:validation:MaxItems=1024
	Ingress []Rule `json:"ingress,omitempty"`
	// +kubebuilder:validation:MaxItems=1024
	Egress        []Rule            `json:"egress,omitempty"`
	LabelsToApply map[string]string `json:"labelsToApply,omitempty"`
}

// Profile is a list of rules by name.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=ingot
// +kubebuilder:validation:XValidation:rule="self.metadata.name != 'projectcalico-default-allow'",message="metadata.name: profile projectcalico-default-allow exists by itself and can't be declared"
type Profile struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ProfileSpec `json:"spec"`
}

// ProfileList is a list of Profile.
//
// +kubebuilder:object:root=true
type ProfileList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Profile `json:"items"`
}
