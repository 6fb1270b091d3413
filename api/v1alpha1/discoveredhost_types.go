package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DiscoveredFromAnnotation on a BareMetalHost is the UID of the DiscoveredHost that it was made of.
const DiscoveredFromAnnotation = "ingot.dev/discovered-from"

// DiscoveredHost is a machine that was found and is nobody's host yet. Nothing logs into it or changes its power: that begins with the BareMetalHost that is made of it, in the same namespace, once
// somebody sets spec.accept. Writers: who found it (spec), an operator (spec.accept, spec.ignore), the partition role (status).
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=dh,categories=ingot
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Source",type=string,JSONPath=`.spec.source`
// +kubebuilder:printcolumn:name="BMC",type=string,JSONPath=`.spec.bmcAddress`
// +kubebuilder:printcolumn:name="Host",type=string,JSONPath=`.status.host.name`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.host) || self.spec == oldSelf.spec",message="spec: a host was made of it, and is what is changed from now on"
type DiscoveredHost struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   DiscoveredHostSpec   `json:"spec"`
	Status DiscoveredHostStatus `json:"status,omitempty"`
}

// DiscoveredHostList is a list of DiscoveredHost.
//
// +kubebuilder:object:root=true
type DiscoveredHostList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []DiscoveredHost `json:"items"`
}

// DiscoverySource is how a machine was found.
// +kubebuilder:validation:Enum=list;netboot;scan;dhcp;lease
type DiscoverySource string

// The sources.
const (
	// SourceList: it stands in an operator's list.
	SourceList DiscoverySource = "list"
	// SourceNetboot: it asked to boot from the provisioning network, without being a host that is to boot. It was not answered.
	SourceNetboot DiscoverySource = "netboot"
	// SourceScan: its BMC answered in a range that the Partition declares.
	SourceScan DiscoverySource = "scan"
	// SourceDHCP: its BMC asked for an address on a network that a boot server hears. It was not answered.
	SourceDHCP DiscoverySource = "dhcp"
	// SourceLease: its BMC has a lease in a DHCP server's file, which an operator imported.
	SourceLease DiscoverySource = "lease"
)

// DiscoveredHostSpec is what was found, and what an operator says to it.
//
// +kubebuilder:validation:XValidation:rule="has(self.bmcAddress) || has(self.bmcMACAddress) || has(self.bmcIPAddress) || has(self.bootMACAddress) || has(self.macAddresses) || has(self.serialNumber)",message="spec: nothing tells this machine from others: give bmcAddress, bmcMACAddress, bmcIPAddress, bootMACAddress, macAddresses or serialNumber"
// +kubebuilder:validation:XValidation:rule="!(has(self.accept) && has(self.ignore) && self.ignore)",message="spec: accept and ignore are both set: keep one of them"
type DiscoveredHostSpec struct {
	// Partition is the site that it was found at, whose partition role makes the host.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec.partition: it is where the machine was found and cannot be changed"
	Partition string `json:"partition"`
	// Source is how it was found.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec.source: it is how the machine was found and cannot be changed"
	Source DiscoverySource `json:"source"`
	// BMCAddress is its BMC's, as in a BareMetalHost.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	BMCAddress string `json:"bmcAddress,omitempty"`
	// BMCMACAddress is that of the BMC itself, where a DHCP request or a lease told it. Lower case, colon-separated.
	// +optional
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{2}(:[0-9a-f]{2}){5}$`
	BMCMACAddress string `json:"bmcMACAddress,omitempty"`
	// BMCIPAddress is where the BMC was by a DHCP request or a lease: what it speaks there is not known before it was asked (status.bmc).
	// +optional
	// +kubebuilder:validation:MaxLength=45
	// +kubebuilder:validation:XValidation:rule="isIP(self)",message="spec.bmcIPAddress: write an IPv4 or IPv6 address"
	BMCIPAddress string `json:"bmcIPAddress,omitempty"`
	// CredentialsName is the Secret in this namespace with the BMC's username and password, where the source names one. It is not read before the host is made.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`
	CredentialsName string `json:"credentialsName,omitempty"`
	// BootMACAddress is the network card's that boots. Lower case, colon-separated.
	// +optional
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{2}(:[0-9a-f]{2}){5}$`
	BootMACAddress string `json:"bootMACAddress,omitempty"`
	// MACAddresses are its network cards' others, as far as known.
	// +optional
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:Pattern=`^[0-9a-f]{2}(:[0-9a-f]{2}){5}$`
	MACAddresses []string `json:"macAddresses,omitempty"`
	// SerialNumber is the chassis's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	SerialNumber string `json:"serialNumber,omitempty"`
	// BootMode is what the host's will be; empty: UEFI.
	// +optional
	// +kubebuilder:validation:Enum=UEFI;UEFISecureBoot;legacy
	BootMode string `json:"bootMode,omitempty"`
	// Accept makes a BareMetalHost of it, once.
	// +optional
	Accept *DiscoveryAcceptance `json:"accept,omitempty"`
	// Ignore keeps it as known and nobody's: no host is made of it.
	// +optional
	Ignore bool `json:"ignore,omitempty"`
}

// DiscoveryAcceptance is an operator's yes. What it leaves out is as it was found.
// +kubebuilder:validation:XValidation:rule="!(has(self.bmcCertificate) && has(self.disableCertificateVerification) && self.disableCertificateVerification)",message="bmcCertificate says which certificate is taken, disableCertificateVerification that any is: give one of them"
type DiscoveryAcceptance struct {
	// Name is the host's; empty: this object's.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
	// CredentialsName is the Secret in this namespace with the BMC's username and password.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`
	CredentialsName string `json:"credentialsName,omitempty"`
	// BMCAddress is in the place of the one that was found.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	BMCAddress string `json:"bmcAddress,omitempty"`
	// BootMACAddress is in the place of the one that was found.
	// +optional
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{2}(:[0-9a-f]{2}){5}$`
	BootMACAddress string `json:"bootMACAddress,omitempty"`
	// BMCCertificate pins the certificate that the BMC must show, as the operator has seen it: "sha256:" and 64 lower-case hexadecimal digits, as status.bmc.certificateSHA256 has them of the one that was found. It becomes
	// the host's annotation ingot.dev/bmc-certificate. Empty: a CA vouches for it.
	// +optional
	// +kubebuilder:validation:MaxLength=143
	// +kubebuilder:validation:Pattern=`^sha256:[0-9a-f]{64}(,sha256:[0-9a-f]{64})?$`
	BMCCertificate string `json:"bmcCertificate,omitempty"`
	// DisableCertificateVerification is the host's spec.bmc.disableCertificateVerification: whoever answers at the BMC's address gets its password.
	// +optional
	DisableCertificateVerification bool `json:"disableCertificateVerification,omitempty"`
	// Online is the host's spec.online.
	// +optional
	Online bool `json:"online,omitempty"`
}

// DiscoveryPhase is how far a DiscoveredHost is.
// +kubebuilder:validation:Enum=Found;Duplicate;Ignored;Refused;Accepted
type DiscoveryPhase string

// The phases.
const (
	// DiscoveryFound: it waits for an operator.
	DiscoveryFound DiscoveryPhase = "Found"
	// DiscoveryDuplicate: a host is this machine already.
	DiscoveryDuplicate DiscoveryPhase = "Duplicate"
	// DiscoveryIgnored: an operator does not want it.
	DiscoveryIgnored DiscoveryPhase = "Ignored"
	// DiscoveryRefused: it was accepted, and no host can be made of it as it stands; the message says why.
	DiscoveryRefused DiscoveryPhase = "Refused"
	// DiscoveryAccepted: the host is made.
	DiscoveryAccepted DiscoveryPhase = "Accepted"
)

// DiscoveredHostStatus is what became of it.
type DiscoveredHostStatus struct {
	// Phase is how far it is.
	Phase DiscoveryPhase `json:"phase,omitempty"`
	// Message says it in words, and what to do.
	Message string `json:"message,omitempty"`
	// ObservedGeneration is the metadata.generation that this speaks of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// DuplicateOf is the host that is this machine already, nil for none.
	DuplicateOf *HostReference `json:"duplicateOf,omitempty"`
	// Host was made of it. It stays when the host is deleted: no second one is made.
	Host *HostReference `json:"host,omitempty"`
	// Netboot is what it asked the boot servers, nil where it was found otherwise. The times and the count may be some minutes old.
	Netboot *NetbootRequests `json:"netboot,omitempty"`
	// BMC is what its BMC says to anybody who asks, nil where it was not asked or did not answer.
	BMC *DiscoveredBMC `json:"bmc,omitempty"`
}

// DiscoveredBMC is what a BMC said without a login. Nothing of it is proved.
type DiscoveredBMC struct {
	// Address is the BMC's, as in a BareMetalHost, where it last answered; of a machine that no list named, it is the host's unless the operator gives another.
	Address string `json:"address"`
	// IPAddress is the same without the protocol.
	IPAddress string `json:"ipAddress"`
	// Protocols are redfish and ipmi, as far as it answered to them.
	Protocols []string `json:"protocols"`
	// UUID is the Redfish service's (DSP0268, ServiceRoot.UUID), in lower case; empty where it has none. A host or a find with the same UUID is the same machine.
	UUID string `json:"uuid,omitempty"`
	// UUIDShared says that several BMCs answered with that UUID at once, so that it tells nothing.
	UUIDShared bool `json:"uuidShared,omitempty"`
	// Vendor, Product and RedfishVersion are of the Redfish service root, printable ASCII.
	Vendor         string `json:"vendor,omitempty"`
	Product        string `json:"product,omitempty"`
	RedfishVersion string `json:"redfishVersion,omitempty"`
	// CertificateSHA256 is the digest of the certificate that it showed, lower-case hex. It was not verified.
	CertificateSHA256 string `json:"certificateSHA256,omitempty"`
	// IPMIVersion is 1.5 or 2.0 (IPMI 2.0 §22.13).
	IPMIVersion string `json:"ipmiVersion,omitempty"`
	// FirstSeen and LastSeen are the times of its first and last answer; the last may be an hour old.
	FirstSeen metav1.Time `json:"firstSeen"`
	LastSeen  metav1.Time `json:"lastSeen"`
	// Gone says that another BMC answers at its address since, and that it was seen nowhere else.
	Gone bool `json:"gone,omitempty"`
}
