package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BootNamespace is where every BootWindow and its token Secret stands. It is apart from the hosts' namespaces, so that the boot role,
// which parses packets of the provisioning network, can be given the Secrets here and no BMC's.
const BootNamespace = "ingot-boot"

// BootTokenKey is the key of the one-time boot token in the Secret that a BootWindow names.
const BootTokenKey = "token"

// BootWindow is the time during which one host's machine may boot from the provisioning network or from its virtual media. Outside a window nothing
// is answered. Name: the boot's ID. Writers: the partition role (spec, status); readers: the boot role.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=bw,categories=ingot
// +kubebuilder:printcolumn:name="Host",type=string,JSONPath=`.spec.host.name`
// +kubebuilder:printcolumn:name="Purpose",type=string,JSONPath=`.spec.purpose`
// +kubebuilder:printcolumn:name="Method",type=string,JSONPath=`.spec.method`
// +kubebuilder:printcolumn:name="Closes",type=string,format=date-time,JSONPath=`.spec.closesAt`
// +kubebuilder:printcolumn:name="Redeemed",type=date,JSONPath=`.status.redeemedAt`
type BootWindow struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   BootWindowSpec   `json:"spec"`
	Status BootWindowStatus `json:"status,omitempty"`
}

// BootWindowList is a list of BootWindow.
//
// +kubebuilder:object:root=true
type BootWindowList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []BootWindow `json:"items"`
}

// BootPurpose says what the machine may boot.
// +kubebuilder:validation:Enum=agent;first-boot
type BootPurpose string

// BootMethod says how the agent reaches the machine.
// +kubebuilder:validation:Enum=virtual-media;pxe;uefi-http
type BootMethod string

// The purposes and methods.
const (
	// PurposeAgent: the agent, over the network or from virtual media.
	PurposeAgent BootPurpose = "agent"
	// PurposeFirstBoot: an address for the system on disk, and no boot file.
	PurposeFirstBoot BootPurpose = "first-boot"

	MethodVirtualMedia BootMethod = "virtual-media"
	MethodPXE          BootMethod = "pxe"
	// MethodUEFIHTTP: the firmware fetches the medium itself, by UEFI HTTP boot.
	MethodUEFIHTTP BootMethod = "uefi-http"
)

// BootWindowSpec is fixed when the window is made.
type BootWindowSpec struct {
	// Partition is the site whose boot servers answer.
	Partition string `json:"partition"`
	// Host is the BareMetalHost.
	Host HostReference `json:"host"`
	// Purpose is what may be booted.
	Purpose BootPurpose `json:"purpose"`
	// Method is how; ignored for first-boot.
	// +optional
	Method BootMethod `json:"method,omitempty"`
	// MACAddresses are answered, nothing else is. Lower case, colon-separated. With virtual media all of the host's known ones,
	// which may be none before its first inspection.
	// +kubebuilder:validation:MaxItems=64
	MACAddresses []string `json:"macAddresses,omitempty"`
	// Leases are the addresses that DHCP gives in server mode; empty in proxy mode.
	// +kubebuilder:validation:MaxItems=64
	Leases []Lease `json:"leases,omitempty"`
	// OpensAt and ClosesAt bound it.
	OpensAt  metav1.Time `json:"opensAt"`
	ClosesAt metav1.Time `json:"closesAt"`
	// TokenSecretName is the Secret in this namespace with the one-time token; empty for first-boot.
	TokenSecretName string `json:"tokenSecretName,omitempty"`
	// TokenHash is the SHA-256 of the token, hex, against which the partition role checks it.
	TokenHash string `json:"tokenHash,omitempty"`
	// MediaName is the unguessable last part of the medium's URL; empty with method pxe.
	MediaName string `json:"mediaName,omitempty"`
	// BootURI is where the firmware fetches the medium from with method uefi-http; empty for other methods.
	// +kubebuilder:validation:MaxLength=255
	BootURI string `json:"bootURI,omitempty"`
	// AgentEndpoint is the URL that the agent dials; CABundle the PEM of the CA it pins.
	AgentEndpoint string `json:"agentEndpoint,omitempty"`
	CABundle      []byte `json:"caBundle,omitempty"`
	// NetworkData is the OpenStack network_data.json for the agent, from preprovisioningNetworkDataName; empty for DHCP.
	NetworkData []byte `json:"networkData,omitempty"`
	// FirmwareMode is UEFI, UEFISecureBoot or legacy.
	FirmwareMode string `json:"firmwareMode,omitempty"`
	// Architecture is x86_64 or aarch64.
	Architecture string `json:"architecture,omitempty"`
	// TPM is what is asked of the machine's TPM before its agent is let in, nil for nothing.
	TPM *TPMDemand `json:"tpm,omitempty"`
	// TraceParent is the stage of work that the boot belongs to, as the header traceparent has it (W3C Trace Context §3.2): what the boot role tells of this boot hangs below it.
	// Empty where the partition role sends no traces.
	// +optional
	// +kubebuilder:validation:Pattern=`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`
	TraceParent string `json:"traceParent,omitempty"`
}

// HostReference names a BareMetalHost in any namespace.
type HostReference struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// UID tells a host from a later one of the same name.
	UID string `json:"uid,omitempty"`
}

// Lease is one address for one MAC.
type Lease struct {
	MACAddress string `json:"macAddress"`
	// Address is in prefix form, for example "10.0.0.12/24".
	Address string `json:"address"`
}

// BootWindowStatus is how far the boot is.
type BootWindowStatus struct {
	// RedeemedAt is when the token was traded. From then on nothing but DHCP renewals is answered, and the token is void.
	RedeemedAt *metav1.Time `json:"redeemedAt,omitempty"`
	// AgentKeyHash is the SHA-256 of the public key that the token was traded for, hex.
	AgentKeyHash string `json:"agentKeyHash,omitempty"`
	// SystemUUID is what the agent told of its machine then; empty where the machine has none.
	// +kubebuilder:validation:MaxLength=64
	SystemUUID string `json:"systemUUID,omitempty"`
	// TPM is what the machine's TPM proved then, nil for nothing.
	TPM *TPMEvidence `json:"tpm,omitempty"`
	// Refusal is the last agent that had the token and was not let in for what its TPM showed, nil for none.
	Refusal *AgentRefusal `json:"refusal,omitempty"`
}
