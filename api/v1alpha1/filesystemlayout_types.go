package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FilesystemLayout is what a machine's disk is to look like when the archive of an operating system is unpacked on it. Package filesystem of Ingot says what each field means
// and checks what a schema cannot; the host that names a wrong one says what is wrong with it. Writers: people (spec), the controller role (status).
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=fsl,categories=ingot
// +kubebuilder:printcolumn:name="Description",type=string,JSONPath=`.spec.description`
// +kubebuilder:printcolumn:name="Partitions",type=string,JSONPath=`.spec.partitions[*].name`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type FilesystemLayout struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   FilesystemLayoutSpec   `json:"spec"`
	Status FilesystemLayoutStatus `json:"status,omitempty"`
}

// FilesystemLayoutList is a list of FilesystemLayout.
//
// +kubebuilder:object:root=true
type FilesystemLayoutList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []FilesystemLayout `json:"items"`
}

// FilesystemLayoutSpec is one disk's layout. The disk is the one that the host's root device hints mean.
type FilesystemLayoutSpec struct {
	// Description is for people.
	// +kubebuilder:validation:MaxLength=256
	Description string `json:"description,omitempty"`
	// Partitions are in the order on the disk.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=name
	Partitions []LayoutPartition `json:"partitions"`
	// Filesystems are what is made in the partitions, and what else is mounted.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Filesystems []LayoutFilesystem `json:"filesystems"`
	// Constraints say which hosts and images get this layout where the host names none; nil: a host gets it by its name only. Of all layouts with constraints exactly one must be for a host and its image.
	// +optional
	Constraints *LayoutConstraints `json:"constraints,omitempty"`
}

// LayoutConstraints are the hosts and images that a layout is for. All that is given must hold.
//
// +kubebuilder:validation:XValidation:rule="!has(self.minDiskGigabytes) || !has(self.maxDiskGigabytes) || self.maxDiskGigabytes == 0 || self.minDiskGigabytes <= self.maxDiskGigabytes",message="maxDiskGigabytes: it is below minDiskGigabytes: no disk has that size"
type LayoutConstraints struct {
	// Images are those that it is for: one of them must fit.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Images []LayoutImage `json:"images"`
	// HostLabels must be on the host.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	HostLabels map[string]string `json:"hostLabels,omitempty"`
	// Sizes are the names of the sizes that it is for, with * for any characters: one of them must be the host's. Empty: all, and hosts of no size.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9*?-]+$`
	Sizes []string `json:"sizes,omitempty"`
	// MinDiskGigabytes and MaxDiskGigabytes bound the disk that the host's root device hints mean, in 2^30 bytes as the hints do; 0: no bound. A host whose disks are not known, or that gets an array, does not fit.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=8388608
	MinDiskGigabytes int64 `json:"minDiskGigabytes,omitempty"`
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=8388608
	MaxDiskGigabytes int64 `json:"maxDiskGigabytes,omitempty"`
}

// LayoutImage is images of one name.
type LayoutImage struct {
	// Name is the image's, as it stands in its URL before the version: of "https://images.example.net/debian-12.4.tar.zst" and of "oci://registry.example.net/os/debian:12.4" it is "debian".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name"`
	// Versions are at most eight comparisons with commas between them, like ">=12, <14"; "=12" is 12 and each 12.x. Empty: all, and images without a version.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^ *((>=|<=|>|<|=)? ?v?[0-9]{1,9}(\.[0-9]{1,9}){0,3} *(, *(>=|<=|>|<|=)? ?v?[0-9]{1,9}(\.[0-9]{1,9}){0,3} *){0,7})?$`
	Versions string `json:"versions,omitempty"`
}

// FilesystemLayoutStatus is what the controller found.
type FilesystemLayoutStatus struct {
	// ObservedGeneration is the metadata.generation that this speaks of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions are Ready: the layout has a meaning, and its constraints can choose it.
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// LayoutPartition is a part of the disk.
type LayoutPartition struct {
	// Name is the partition's name in the GPT, and what filesystems speak of it by.
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_-]{1,36}$`
	Name string `json:"name"`
	// Type is its type in the GPT: efi-system (sgdisk's ef00), bios-boot (ef02), linux (8300), swap (8200).
	// +kubebuilder:validation:Enum=efi-system;bios-boot;linux;swap
	Type string `json:"type"`
	// SizeMiB is its size; 0, allowed in the last one only: all that is left.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=8589934592
	SizeMiB int64 `json:"sizeMiB,omitempty"`
}

// LayoutFilesystem is one file system.
type LayoutFilesystem struct {
	// Partition is the name of its partition; empty for tmpfs.
	// +kubebuilder:validation:MaxLength=36
	Partition string `json:"partition,omitempty"`
	// +kubebuilder:validation:Enum=vfat;ext4;xfs;swap;tmpfs
	Format string `json:"format"`
	// Path is where it is mounted; empty for swap.
	// +kubebuilder:validation:MaxLength=255
	Path string `json:"path,omitempty"`
	// Label is the file system's own.
	// +kubebuilder:validation:MaxLength=16
	Label string `json:"label,omitempty"`
	// MountOptions are for fstab, one each.
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=128
	MountOptions []string `json:"mountOptions,omitempty"`
	// CreateOptions are pairs of an option of mkfs, a letter, and its value: ["-m", "1"].
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=128
	CreateOptions []string `json:"createOptions,omitempty"`
}

// LayoutAnnotation on a BareMetalHost whose spec.customDeploy.method is DeployTarball names the FilesystemLayout; a host without it gets the one whose
// constraints fit.
const LayoutAnnotation = "ingot.dev/filesystem-layout"

// DeployTarball in spec.customDeploy.method of a BareMetalHost means that spec.image is the tar archive of a root file system, which is unpacked by a FilesystemLayout.
const DeployTarball = "install-tarball"

// DeployPartitionImage means that spec.image is one file system, ext4 or xfs, raw or qcow2, without a partition table. It becomes the root of the FilesystemLayout that LayoutAnnotation names, or of
// the standard one: the boot loader's partitions for both firmwares, and the root on all the rest. Constraints of layouts do not count for it.
const DeployPartitionImage = "install-partition-image"
