package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MeshNode is a node of the mesh. The mesh role makes one for each node that joins, in the namespace of the MeshKey by which it did, with that key's owners. Deleting it expels the node: its open
// connections end, and it comes back by a new key only. Writers: the mesh role.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,categories=ingot
// +kubebuilder:printcolumn:name="Machine",type=string,JSONPath=`.spec.machine`
// +kubebuilder:printcolumn:name="Person",type=string,JSONPath=`.spec.person`
// +kubebuilder:printcolumn:name="Server",type=string,JSONPath=`.spec.server`
// +kubebuilder:printcolumn:name="Tags",type=string,JSONPath=`.spec.tags`
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.status.addresses[0]`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.clientVersion`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Online",type=boolean,JSONPath=`.status.online`
// +kubebuilder:printcolumn:name="Last seen",type=date,JSONPath=`.status.lastSeen`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type MeshNode struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   MeshNodeSpec   `json:"spec"`
	Status MeshNodeStatus `json:"status,omitempty"`
}

// MeshNodeList is a list of MeshNode.
//
// +kubebuilder:object:root=true
type MeshNodeList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []MeshNode `json:"items"`
}

// MeshNodeSpec is who the node is. It can't be changed: who is somebody else joins anew.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec can't be changed: delete the MeshNode to expel the node, and let it join by another MeshKey"
type MeshNodeSpec struct {
	MeshMember `json:",inline"`
	// MachineKey is the node's public key towards the coordinator ("mkey:" and 64 hexadecimal digits). It stays while the node keeps its state.
	// +kubebuilder:validation:Pattern=`^mkey:[0-9a-f]{64}$`
	MachineKey string `json:"machineKey"`
}

// MeshNodeStatus is how the node is.
type MeshNodeStatus struct {
	// NodeID is the node's number in the coordinator's store.
	// +optional
	NodeID int64 `json:"nodeID,omitempty"`
	// NodeKey is its public key towards other nodes ("nodekey:" and 64 hexadecimal digits), by which a peer can be named; it changes when the node renews it.
	// +optional
	NodeKey string `json:"nodeKey,omitempty"`
	// Hostname is what the node calls itself. Nothing is decided from it.
	// +optional
	Hostname string `json:"hostname,omitempty"`
	// Addresses are its own in the mesh.
	// +optional
	// +listType=atomic
	Addresses []string `json:"addresses,omitempty"`
	// ClientVersion is that of the node's program, as it says.
	// +optional
	ClientVersion string `json:"clientVersion,omitempty"`
	// Online says whether the node has a connection to the coordinator now.
	// +optional
	Online bool `json:"online"`
	// +optional
	LastSeen *metav1.Time `json:"lastSeen,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
