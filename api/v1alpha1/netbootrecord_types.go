package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NetbootRecord is what the boot servers of one partition heard from machines that asked to boot and have no window. They were not answered. It exists where Partition.spec.discovery is set, in BootNamespace,
// under the partition's name. Writers: the boot role, which may write nothing else; reader: the partition role, which makes DiscoveredHosts of what repeats itself.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=ingot
type NetbootRecord struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Machines are those that were heard, by MAC address.
	// +optional
	// +kubebuilder:validation:MaxItems=256
	// +listType=map
	// +listMapKey=macAddress
	Machines []NetbootMachine `json:"machines,omitempty"`
}

// NetbootMachine is one machine that asked to boot.
type NetbootMachine struct {
	// MACAddress is lower case, colon-separated.
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{2}(:[0-9a-f]{2}){5}$`
	MACAddress string `json:"macAddress"`

	NetbootRequests `json:",inline"`
}

// NetbootRequests are what a machine asked, without being answered.
type NetbootRequests struct {
	// FirstSeen and LastSeen are the times of its first and last request.
	FirstSeen metav1.Time `json:"firstSeen"`
	LastSeen  metav1.Time `json:"lastSeen"`
	// Requests counts them.
	// +kubebuilder:validation:Minimum=1
	Requests int64 `json:"requests"`
	// VendorClass is DHCP option 60, printable ASCII, for example "PXEClient:Arch:00007:UNDI:003016".
	// +optional
	// +kubebuilder:validation:MaxLength=64
	VendorClass string `json:"vendorClass,omitempty"`
	// Architecture is the first of DHCP option 93 (RFC 4578 §2.1), nil where the machine did not say.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	Architecture *int32 `json:"architecture,omitempty"`
	// MachineID is DHCP option 97 (RFC 4578 §2.3) with its bytes as sent, in the form of a UUID. Firmware differs in the order of the first eight.
	// +optional
	// +kubebuilder:validation:MaxLength=36
	MachineID string `json:"machineID,omitempty"`
	// BMC says that the vendor class is one of BMCs: the MAC address is the BMC's own.
	// +optional
	BMC bool `json:"bmc,omitempty"`
	// Address is what a BMC said to have or asked for last (DHCP field ciaddr or option 50), empty where it did not say. Anybody can claim one.
	// +optional
	// +kubebuilder:validation:MaxLength=45
	Address string `json:"address,omitempty"`
}

// NetbootRecordList is a list of NetbootRecord.
//
// +kubebuilder:object:root=true
type NetbootRecordList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []NetbootRecord `json:"items"`
}
