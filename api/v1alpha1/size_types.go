package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SizeLabel on a BareMetalHost names the Size that its hardware matches. The controller role writes it, and puts it right when somebody else does: hosts of no size, or of several, have none.
const SizeLabel = "ingot.dev/size"

// Size is a class of machines by what they are made of. A machine is of a size when every constraint holds and every processor, disk and GPU of it is covered by one; it is to be of one size at most.
// Writers: people (spec), the controller role (status).
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,categories=ingot
// +kubebuilder:printcolumn:name="Hosts",type=integer,JSONPath=`.status.hosts`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Overlaps",type=string,JSONPath=`.status.overlaps[*].size`
// +kubebuilder:printcolumn:name="Description",type=string,JSONPath=`.spec.description`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63 && !self.metadata.name.contains('.')",message="metadata.name: it becomes the value of a label of hosts: write at most 63 letters, digits and dashes"
type Size struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   SizeSpec   `json:"spec"`
	Status SizeStatus `json:"status,omitempty"`
}

// SizeList is a list of Size.
//
// +kubebuilder:object:root=true
type SizeList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Size `json:"items"`
}

// SizeSpec is what machines of the size are made of.
type SizeSpec struct {
	// Description is for people.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Description string `json:"description,omitempty"`
	// Constraints must all hold, and together cover the machine: exactly one of cores and one of memory; machines of a size without disks or gpus have none.
	// +kubebuilder:validation:MinItems=2
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:XValidation:rule="self.exists_one(c, c.type == 'cores')",message="spec.constraints: write exactly one of type cores: every machine has processors"
	// +kubebuilder:validation:XValidation:rule="self.exists_one(c, c.type == 'memory')",message="spec.constraints: write exactly one of type memory: every machine has memory"
	Constraints []SizeConstraint `json:"constraints"`
	// ImageConstraints bound the images of machines of this size: an image whose operating system is named here must be of one of its versions. Others are not bound.
	// +optional
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	ImageConstraints []LayoutImage `json:"imageConstraints,omitempty"`
}

// SizeConstraintType is what a constraint is about.
// +kubebuilder:validation:Enum=cores;memory;disks;gpus
type SizeConstraintType string

// The types.
const (
	// SizeCores are logical processors, as HardwareData counts them; an identifier is held against their model.
	SizeCores SizeConstraintType = "cores"
	// SizeMemory is the installed memory.
	SizeMemory SizeConstraintType = "memory"
	// SizeDisks are the disks whose model and medium fit; min and max bound the sum of their sizes.
	SizeDisks SizeConstraintType = "disks"
	// SizeGPUs are the GPUs and other accelerators whose model fits; min and max bound how many they are.
	SizeGPUs SizeConstraintType = "gpus"
)

// SizeConstraint is one class of parts, and how much of it a machine has.
//
// +kubebuilder:validation:XValidation:rule="!has(self.identifier) || self.type != 'memory'",message="identifier: memory has no model to hold it against: leave it out"
// +kubebuilder:validation:XValidation:rule="self.type == 'disks' || !(has(self.medium) || has(self.minCount) || has(self.maxCount))",message="medium, minCount, maxCount: they are of disks only: of gpus and cores, min and max are the count"
// +kubebuilder:validation:XValidation:rule="!has(self.minCount) || !has(self.maxCount) || self.minCount <= self.maxCount",message="maxCount: it is below minCount: no machine has that many disks"
// +kubebuilder:validation:XValidation:rule="has(self.min) || has(self.max) || has(self.minCount) || has(self.maxCount) || self.type == 'disks'",message="min, max: nothing is bound: write at least one of them"
type SizeConstraint struct {
	// Type is cores, memory, disks or gpus.
	Type SizeConstraintType `json:"type"`
	// Identifier is held against the model of a processor, disk or GPU: * is any characters, ? is one, letters of both cases are the same. Empty: all.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Identifier string `json:"identifier,omitempty"`
	// Medium of disks; empty: all.
	// +optional
	// +kubebuilder:validation:Enum=HDD;SSD;NVME
	Medium string `json:"medium,omitempty"`
	// Min and Max bound, both included, the number of cores, the memory ("64Gi"), the sum of the disks' sizes ("960G"), the number of GPUs. Without Max there is no upper bound.
	// +optional
	Min *resource.Quantity `json:"min,omitempty"`
	// +optional
	Max *resource.Quantity `json:"max,omitempty"`
	// MinCount and MaxCount bound how many disks there are. Without MaxCount there is no upper bound.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4096
	MinCount *int32 `json:"minCount,omitempty"`
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4096
	MaxCount *int32 `json:"maxCount,omitempty"`
}

// SizeStatus is what the controller found.
type SizeStatus struct {
	// ObservedGeneration is the metadata.generation that this speaks of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Hosts is how many hosts have this size and no other.
	// +optional
	Hosts int32 `json:"hosts"`
	// Ambiguous is how many hosts match this size and another one too, which therefore have none.
	Ambiguous int32 `json:"ambiguous,omitempty"`
	// Overlaps are the sizes that a machine can match beside this one, at most 16 of them.
	// +kubebuilder:validation:MaxItems=16
	Overlaps []SizeOverlap `json:"overlaps,omitempty"`
	// Conditions are Ready (the constraints have a meaning, and no other size overlaps).
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// SizeOverlap is another size, and a machine that both match.
type SizeOverlap struct {
	Size string `json:"size"`
	// Example is such a machine in words.
	// +kubebuilder:validation:MaxLength=1024
	Example string `json:"example,omitempty"`
}
