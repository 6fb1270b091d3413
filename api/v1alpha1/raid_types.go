package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// RAIDStatus is what was done for spec.raid of the BareMetalHost.
type RAIDStatus struct {
	// Arrays are the software RAID arrays on the host's disks, in the order of the volumes; none since its disks were cleaned. An image goes to the first, unless root device hints name another disk.
	// +kubebuilder:validation:MaxItems=2
	Arrays []RAIDArray `json:"arrays,omitempty"`
	// ArraysFor tells the volumes that they were made for: a digest.
	// +kubebuilder:validation:MaxLength=64
	ArraysFor string `json:"arraysFor,omitempty"`
}

// RAIDArray is a software RAID array.
type RAIDArray struct {
	// UUID is as mdadm writes it.
	UUID string `json:"uuid"`
	// Level is 0, 1 or 1+0.
	Level     string `json:"level"`
	SizeBytes int64  `json:"sizeBytes"`
	// Disks are the serial numbers of its disks, or their names where they have none.
	// +kubebuilder:validation:MaxItems=256
	Disks  []string    `json:"disks,omitempty"`
	MadeAt metav1.Time `json:"madeAt"`
}
