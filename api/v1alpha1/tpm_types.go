package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TPMAnnotation on a BareMetalHost says what is asked of its machine's TPM 2.0 before its agent is let in, on every way of booting: "require", "prefer" or "never". Without it the
// Partition's spec.tpm decides.
const TPMAnnotation = "ingot.dev/tpm"

// EndorsementKeyAnnotation on a BareMetalHost is an operator's word about the endorsement key of its machine's TPM: the SHA-256 fingerprint that status.tpm of its HostLifecycle and
// "ingot host explain" show. It goes before the key that was pinned: set it before the first boot to pin a key that the maker delivered, or to the new fingerprint after the mainboard
// or the TPM was replaced. "none" says that the machine has no TPM any more, and takes the pin away.
const EndorsementKeyAnnotation = "ingot.dev/tpm-endorsement-key"

// TPMUse is what is asked of a machine's TPM. "require": no agent is let in without a proof. "prefer": a TPM that is there is proved and pinned, and from then on
// required of that host; a machine that never showed one is let in. "never": nothing is asked for.
// +kubebuilder:validation:Enum=require;prefer;never
type TPMUse string

// TPMPolicy is what a site asks for, by the way that the agent is booted.
type TPMPolicy struct {
	// NetworkBoot is for PXE, where a neighbour on the provisioning network can read a boot's token. Empty means prefer.
	NetworkBoot TPMUse `json:"networkBoot,omitempty"`
	// VirtualMedia is for agents that the BMC, or with UEFI HTTP boot the firmware, fetches over TLS. Empty means prefer.
	VirtualMedia TPMUse `json:"virtualMedia,omitempty"`
}

// TPMDemand is what one boot asks of the machine's TPM.
type TPMDemand struct {
	Use TPMUse `json:"use"`
	// EndorsementKey is the fingerprint of the pinned key, empty for none.
	// +kubebuilder:validation:MaxLength=64
	EndorsementKey string `json:"endorsementKey,omitempty"`
}

// TPMEvidence is what was proved of a machine's TPM when its agent was let in.
type TPMEvidence struct {
	// EndorsementKey is the fingerprint of the TPM's endorsement key: SHA-256 of its SubjectPublicKeyInfo, hex.
	// +kubebuilder:validation:MaxLength=64
	EndorsementKey string `json:"endorsementKey"`
	// Algorithm of the key: ecc-p256 or rsa-2048.
	Algorithm string `json:"algorithm,omitempty"`
	// Certificate is what the TPM's maker says of the key, nil where the TPM has none. Its chain is not verified.
	Certificate *TPMCertificate `json:"certificate,omitempty"`
	// PCRs are the boot measurements as the TPM signed them, in the SHA-256 bank. They are recorded, and nothing is concluded from them.
	// +kubebuilder:validation:MaxItems=24
	PCRs []PCRValue `json:"pcrs,omitempty"`
	// ProvedAt is when.
	ProvedAt metav1.Time `json:"provedAt"`
}

// TPMCertificate is the certificate of an endorsement key.
type TPMCertificate struct {
	// +kubebuilder:validation:MaxLength=512
	Issuer string `json:"issuer,omitempty"`
	// +kubebuilder:validation:MaxLength=128
	SerialNumber string `json:"serialNumber,omitempty"`
	// SHA256 is the certificate's fingerprint, hex.
	// +kubebuilder:validation:MaxLength=64
	SHA256 string `json:"sha256"`
}

// PCRValue is one platform configuration register.
type PCRValue struct {
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=23
	Index int32 `json:"index"`
	// +kubebuilder:validation:MaxLength=64
	SHA256 string `json:"sha256"`
}

// TPMStatus is what is known of a host's TPM.
type TPMStatus struct {
	TPMEvidence `json:",inline"`
	// PinnedAt is when this endorsement key became the host's; BootID the boot that proved it last.
	PinnedAt metav1.Time `json:"pinnedAt"`
	BootID   string      `json:"bootID,omitempty"`
}

// AgentRefusal is an agent that had a boot's token and was not let in.
type AgentRefusal struct {
	At metav1.Time `json:"at"`
	// Message says why.
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message"`
	// EndorsementKey is the fingerprint that it showed, empty for none.
	// +kubebuilder:validation:MaxLength=64
	EndorsementKey string `json:"endorsementKey,omitempty"`
}
