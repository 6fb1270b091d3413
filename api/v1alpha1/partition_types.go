package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Partition is one site: a provisioning network and the roles that serve it. Writers: an operator (spec), the partition role (status).
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,categories=ingot
// +kubebuilder:printcolumn:name="Network",type=string,JSONPath=`.spec.provisioningNetwork.cidr`
// +kubebuilder:printcolumn:name="DHCP",type=string,JSONPath=`.spec.provisioningNetwork.dhcpMode`
// +kubebuilder:printcolumn:name="Agent endpoint",type=string,JSONPath=`.status.agentEndpoint`
type Partition struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   PartitionSpec   `json:"spec"`
	Status PartitionStatus `json:"status,omitempty"`
}

// PartitionList is a list of Partition.
//
// +kubebuilder:object:root=true
type PartitionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Partition `json:"items"`
}

// PartitionSpec describes a site.
type PartitionSpec struct {
	// ProvisioningNetwork is where machines boot the agent.
	ProvisioningNetwork ProvisioningNetwork `json:"provisioningNetwork"`
	// TPM is what is asked of machines' TPMs before their agents are let in; nil: prefer, on every way of booting.
	// +optional
	TPM *TPMPolicy `json:"tpm,omitempty"`
	// Discovery records machines that ask to boot and are no hosts; nil: they are counted and forgotten.
	// +optional
	Discovery *DiscoveryPolicy `json:"discovery,omitempty"`
}

// DiscoveryPolicy says what becomes of unknown machines. They are never answered.
type DiscoveryPolicy struct {
	// Namespace is where their DiscoveredHosts are made, and hosts of those that are accepted.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace string `json:"namespace"`
}

// DHCPMode is what the boot role answers.
// +kubebuilder:validation:Enum=server;proxy;off
type DHCPMode string

// The DHCP modes.
const (
	// DHCPServer gives addresses (reservations from open windows) and boot files.
	DHCPServer DHCPMode = "server"
	// DHCPProxy gives boot files only, beside a foreign DHCP server.
	DHCPProxy DHCPMode = "proxy"
	// DHCPOff answers nothing: virtual media only.
	DHCPOff DHCPMode = "off"
)

// ProvisioningNetwork is the network that machines boot from.
type ProvisioningNetwork struct {
	// CIDR is the subnet; empty when DHCPMode is not server.
	CIDR string `json:"cidr,omitempty"`
	// RangeStart and RangeEnd bound the addresses given to machines, both included.
	RangeStart string `json:"rangeStart,omitempty"`
	RangeEnd   string `json:"rangeEnd,omitempty"`
	// Gateway and DNSServers go into leases.
	Gateway    string   `json:"gateway,omitempty"`
	DNSServers []string `json:"dnsServers,omitempty"`
	// DHCPMode is server, proxy or off.
	// +kubebuilder:default=off
	DHCPMode DHCPMode `json:"dhcpMode,omitempty"`
	// BootServer is the address of the boot role on this network (next-server, TFTP).
	BootServer string `json:"bootServer,omitempty"`
}

// PartitionStatus is what the partition role found.
type PartitionStatus struct {
	// AgentEndpoint is the URL that agents dial; MediaEndpoint the one that BMCs fetch virtual media from.
	AgentEndpoint string `json:"agentEndpoint,omitempty"`
	MediaEndpoint string `json:"mediaEndpoint,omitempty"`
	// HTTPBootEndpoint is the URL that firmware fetches media from by UEFI HTTP boot; empty: there is none.
	HTTPBootEndpoint string `json:"httpBootEndpoint,omitempty"`
	// OperatorEndpoint is the URL where the CLI reads logs that are no API objects.
	OperatorEndpoint string `json:"operatorEndpoint,omitempty"`
	// CABundle is the PEM of the CA that these endpoints show.
	CABundle   []byte             `json:"caBundle,omitempty"`
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
