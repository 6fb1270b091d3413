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
	// Controllers are the machine's RAID controllers with their drives as its BMC last showed them, where hardware volumes were asked for. spec.raid names them by these names.
	// +kubebuilder:validation:MaxItems=16
	Controllers []RAIDController `json:"controllers,omitempty"`
	// Volumes are the hardware RAID volumes that were held against spec.raid.hardwareRAIDVolumes, in its order, once volumesFor is set; before, those that were made so far. An image goes to the first,
	// unless root device hints name another disk.
	// +kubebuilder:validation:MaxItems=64
	Volumes []RAIDVolume `json:"volumes,omitempty"`
	// VolumesFor tells what they were held against: a digest; empty while they are not known to be as asked for.
	// +kubebuilder:validation:MaxLength=64
	VolumesFor string `json:"volumesFor,omitempty"`
	// VolumesReadAt is when that was.
	VolumesReadAt *metav1.Time `json:"volumesReadAt,omitempty"`
	// VolumesChanged: some were made or deleted since the machine was inspected, so that it has other disks than its HardwareData says.
	VolumesChanged bool `json:"volumesChanged,omitempty"`
	// Change is the change of one volume under way, nil when none is.
	Change *RAIDChange `json:"change,omitempty"`
}

// RAIDController is a RAID controller.
type RAIDController struct {
	// Name is what spec.raid calls it: the Id of its Storage resource.
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name"`
	// Levels are the RAID levels that it supports; empty where it does not say.
	// +kubebuilder:validation:MaxItems=16
	Levels []string `json:"levels,omitempty"`
	// +kubebuilder:validation:MaxItems=128
	Drives []RAIDDrive `json:"drives,omitempty"`
}

// RAIDDrive is a physical disk at a RAID controller.
type RAIDDrive struct {
	// Name is what spec.raid calls it: the Id of its Drive resource.
	// +kubebuilder:validation:MaxLength=128
	Name       string `json:"name"`
	SizeBytes  int64  `json:"sizeBytes"`
	Rotational bool   `json:"rotational,omitempty"`
	// Unusable says why no volume is made of it: it failed, or is a hot spare; empty for a drive that may be used.
	// +kubebuilder:validation:MaxLength=128
	Unusable string `json:"unusable,omitempty"`
}

// RAIDVolume is a volume of a RAID controller.
type RAIDVolume struct {
	// ID is its own at its controller.
	// +kubebuilder:validation:MaxLength=128
	ID string `json:"id"`
	// Name is what the BMC calls it.
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name,omitempty"`
	// +kubebuilder:validation:MaxLength=128
	Controller string `json:"controller"`
	Level      string `json:"level"`
	SizeBytes  int64  `json:"sizeBytes"`
	// Drives are the names of its drives.
	// +kubebuilder:validation:MaxItems=128
	Drives []string `json:"drives,omitempty"`
	// WWN is the number by which the system knows the volume, as root device hints have it; empty where the BMC does not tell it.
	// +kubebuilder:validation:MaxLength=64
	WWN string `json:"wwn,omitempty"`
	// AskedName is the name that spec.raid gave it when it was made; a controller may have called it otherwise.
	// +kubebuilder:validation:MaxLength=64
	AskedName string `json:"askedName,omitempty"`
}

// RAIDChange is a volume that is being made or deleted.
type RAIDChange struct {
	// Delete: it is being deleted; else it is being made.
	Delete bool `json:"delete,omitempty"`
	// Volume is what is made, without an ID until it is there, or deleted.
	Volume RAIDVolume `json:"volume"`
	// Before are the IDs of its controller's volumes before it.
	// +kubebuilder:validation:MaxItems=64
	Before []string `json:"before,omitempty"`
	// AskedAt is when the BMC was about to be asked. AcceptedAt is when it took the order; nil while its answer is not known.
	AskedAt    metav1.Time  `json:"askedAt"`
	AcceptedAt *metav1.Time `json:"acceptedAt,omitempty"`
	// Ticket is by what the BMC is asked how far it is; empty where there is nothing to ask by.
	// +kubebuilder:validation:MaxLength=512
	Ticket string `json:"ticket,omitempty"`
	// HeardAt is when the BMC last told of it, in whole minutes. WaitsAt is when it was first seen not to have begun.
	HeardAt *metav1.Time `json:"heardAt,omitempty"`
	WaitsAt *metav1.Time `json:"waitsAt,omitempty"`
	// Staged: it is carried out by the machine's next start, which has to be another boot than StagedIn.
	Staged bool `json:"staged,omitempty"`
	// +kubebuilder:validation:MaxLength=64
	StagedIn string `json:"stagedIn,omitempty"`
	// EndedAt is when the BMC said that it is done, or told nothing of it any more; then the controller's volumes tell.
	EndedAt *metav1.Time `json:"endedAt,omitempty"`
	// ReadAt is when they were last read for it.
	ReadAt *metav1.Time `json:"readAt,omitempty"`
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
