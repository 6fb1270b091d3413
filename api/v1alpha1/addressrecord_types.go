package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AddressRecord says who holds what, for all kinds that ask for addresses. Its name is made of its content, so that there is one record of an address, and every change is made under its resource version.
// One has the addresses of one aligned block of a VRF, one the prefixes of the networks of a VRF, and one the numbers of VRFs and autonomous systems. Writer: the controller role.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=ingot
// +kubebuilder:printcolumn:name="VRF",type=string,JSONPath=`.spec.vrf`
// +kubebuilder:printcolumn:name="Block",type=string,JSONPath=`.spec.block`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type AddressRecord struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec AddressRecordSpec `json:"spec"`
}

// AddressRecordList is a list of AddressRecord.
//
// +kubebuilder:object:root=true
type AddressRecordList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []AddressRecord `json:"items"`
}

// AddressRecordSpec is a record's content.
type AddressRecordSpec struct {
	// VRF is the scope; empty in the record of numbers.
	// +optional
	VRF string `json:"vrf,omitempty"`
	// Block is the prefix whose addresses are recorded here; empty in the other records.
	// +optional
	Block string `json:"block,omitempty"`
	// Addresses are those that are held or rest, as objects. They are read, and written as held.
	// +optional
	// +listType=atomic
	Addresses []RecordedAddress `json:"addresses,omitempty"`
	// Held are the addresses that are held or rest, a line each: the address, and pool=, claim=, uid=, as=, turn=, until= and pending= with what has a value. In Go it is empty: the lines are read into Addresses.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:items:Pattern=`^[0-9a-f.:]+ pool=[^ ]+ claim=[^ ]+( (uid|as|turn|until|pending)=[^ ]+)*$`
	Held []string `json:"held,omitempty"`
	// Networks are those of the VRF, with their prefixes.
	// +optional
	// +listType=atomic
	Networks []RecordedNetwork `json:"networks,omitempty"`
	// Numbers are those of VRFs and autonomous systems.
	// +optional
	// +listType=atomic
	Numbers []RecordedNumber `json:"numbers,omitempty"`
}

// RecordedAddress is an address with its holder.
type RecordedAddress struct {
	Address string `json:"address"`
	// Pool is Network/NAMESPACE/NAME or IPPool/NAMESPACE/NAME.
	Pool string `json:"pool"`
	// Claim is KIND/NAMESPACE/NAME of the object that holds the address, UID its UID.
	Claim string `json:"claim"`
	UID   string `json:"uid,omitempty"`
	// As is the holder whose pre-allocation it has, where that is of another kind.
	// +optional
	As string `json:"as,omitempty"`
	// Turn counts what the pool gave in sequence.
	// +optional
	Turn int64 `json:"turn,omitempty"`
	// Until is the end of its rest after a release.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
	// Pending marks what is not counted against quotas yet, and told to nobody. No two entries have one mark.
	// +optional
	Pending string `json:"pending,omitempty"`
}

// RecordedNetwork is a network with its prefixes.
type RecordedNetwork struct {
	// Network is NAMESPACE/NAME; UID its UID.
	Network string      `json:"network"`
	UID     string      `json:"uid,omitempty"`
	Type    NetworkType `json:"type,omitempty"`
	// Parent is NAMESPACE/NAME.
	// +optional
	Parent   string   `json:"parent,omitempty"`
	Prefixes []string `json:"prefixes"`
	// Until is the end of its prefixes' rest after its end.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
	// Pending marks what is not counted against quotas yet, as with addresses.
	// +optional
	Pending string `json:"pending,omitempty"`
}

// RecordedNumber is a number with its holder.
type RecordedNumber struct {
	// +kubebuilder:validation:Enum=VRF;ASN
	Kind string `json:"kind"`
	// Network is NAMESPACE/NAME; UID its UID.
	Number  int64  `json:"number"`
	Network string `json:"network"`
	UID     string `json:"uid,omitempty"`
}
