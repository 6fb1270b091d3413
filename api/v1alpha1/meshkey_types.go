package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MeshKey asks for a key by which one machine, person or server joins the mesh, once. The key itself is never part of it: the mesh role makes it when it is asked for it over TLS, hands it out
// in that one answer, and keeps a hash. Writers: providers and the controller role (spec), the mesh role (status). Deleting it voids a key that was not used yet; it leaves a node that has joined.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,categories=ingot
// +kubebuilder:printcolumn:name="Machine",type=string,JSONPath=`.spec.machine`
// +kubebuilder:printcolumn:name="Person",type=string,JSONPath=`.spec.person`
// +kubebuilder:printcolumn:name="Server",type=string,JSONPath=`.spec.server`
// +kubebuilder:printcolumn:name="Tags",type=string,JSONPath=`.spec.tags`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Expires",type=string,format=date-time,JSONPath=`.status.expiresAt`
// +kubebuilder:printcolumn:name="Node",type=string,JSONPath=`.status.node`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type MeshKey struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   MeshKeySpec   `json:"spec"`
	Status MeshKeyStatus `json:"status,omitempty"`
}

// MeshKeyList is a list of MeshKey.
//
// +kubebuilder:object:root=true
type MeshKeyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []MeshKey `json:"items"`
}

// MeshKeySpec is who may join by the key, and as what. It can't be changed: a key that was handed out stays what it is.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec can't be changed: make another MeshKey"
// +kubebuilder:validation:XValidation:rule="(has(self.machine) ? 1 : 0) + (has(self.person) ? 1 : 0) + (has(self.server) ? 1 : 0) == 1",message="say who joins: write exactly one of machine, person and server"
// +kubebuilder:validation:XValidation:rule="!has(self.machine) || self.tags.all(t, t == 'firewall' || t == 'machine')",message="a machine joins as firewall or machine: remove the other tags"
// +kubebuilder:validation:XValidation:rule="!has(self.person) || self.tags.all(t, t == 'operator')",message="a person joins as operator: write tags: [operator]"
// +kubebuilder:validation:XValidation:rule="!has(self.server) || !self.tags.exists(t, t == 'operator' || t == 'machine')",message="a server of the site joins by the roles that it has: operator is for people, machine for machines"
type MeshKeySpec struct {
	MeshMember `json:",inline"`
	// LifetimeSeconds is how long the key may be used after it was made, up to an hour; by default an hour. Who joins by it stays.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=3600
	// +kubebuilder:default=3600
	LifetimeSeconds int32 `json:"lifetimeSeconds,omitempty"`
	// Ephemeral nodes leave the mesh when they have been away for some minutes: for a person's program.
	// +optional
	Ephemeral bool `json:"ephemeral,omitempty"`
}

// MeshMember is who is in the mesh, and as what.
type MeshMember struct {
	// Machine is the name of a Machine of the same namespace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Machine string `json:"machine,omitempty"`
	// Person is an operator's name, as their certificate or token says it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Person string `json:"person,omitempty"`
	// Server is the name of one of the site's own hosts, like a management server.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Server string `json:"server,omitempty"`
	// Tags are the roles that it has in the mesh, as the communication matrix names them ("firewall"): its rows say which of them reach which.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=50
	// +kubebuilder:validation:items:Pattern=`^[a-z]([-a-z0-9]*[a-z0-9])?$`
	Tags []string `json:"tags"`
}

// MeshKeyState is how far a key is.
type MeshKeyState string

// The states. Pending: nobody has asked for the key yet. Refused: it can't be made, and the condition Ready says why.
const (
	MeshKeyPending MeshKeyState = "Pending"
	MeshKeyMinted  MeshKeyState = "Minted"
	MeshKeyUsed    MeshKeyState = "Used"
	MeshKeyExpired MeshKeyState = "Expired"
	MeshKeyRefused MeshKeyState = "Refused"
)

// MeshReadyCondition says of a MeshKey that its key can be made, or was; of a MeshNode that it is admitted by its version.
const MeshReadyCondition = "Ready"

// MeshFinalizer holds a MeshNode until the node is expelled.
const MeshFinalizer = "ingot.dev/mesh"

// MeshKeyStatus is what became of it.
type MeshKeyStatus struct {
	// +optional
	State MeshKeyState `json:"state,omitempty"`
	// KeyID is the number of the key in the coordinator's store, which has its hash.
	// +optional
	KeyID int64 `json:"keyID,omitempty"`
	// MintedAt is when the key was handed out, once.
	// +optional
	MintedAt *metav1.Time `json:"mintedAt,omitempty"`
	// +optional
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`
	// +optional
	UsedAt *metav1.Time `json:"usedAt,omitempty"`
	// Node is the name of the MeshNode that joined by it.
	// +optional
	Node string `json:"node,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
