package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Image is an operating system that machines can be given. It is named by its operating system and version; people also ask for it by a shorthand, fewer numbers of the version: of debian-12.20261101,
// "debian-12" and "debian" mean the newest supported one. Package catalog of Ingot says which. What a name means never changes: another content is another version.
// Writers: people (spec), the controller role (status). An image that expires is not deleted.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,categories=ingot
// +kubebuilder:printcolumn:name="OS",type=string,JSONPath=`.spec.os`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.spec.version`
// +kubebuilder:printcolumn:name="Class",type=string,JSONPath=`.spec.classification`
// +kubebuilder:printcolumn:name="Expires",type=string,format=date-time,JSONPath=`.spec.expiresAt`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Machines",type=integer,JSONPath=`.status.machines`
// +kubebuilder:printcolumn:name="Shorthands",type=string,priority=1,JSONPath=`.status.shorthands`
// +kubebuilder:validation:XValidation:rule="self.metadata.name == self.spec.os + '-' + self.spec.version",message="metadata.name: an image is named by its spec.os, a dash and its spec.version, like debian-12.20261101"
type Image struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ImageSpec   `json:"spec"`
	Status ImageStatus `json:"status,omitempty"`
}

// ImageList is a list of Image.
//
// +kubebuilder:object:root=true
type ImageList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Image `json:"items"`
}

// ImageClassification says how far an image can be relied on.
// +kubebuilder:validation:Enum=preview;supported;deprecated
type ImageClassification string

// The classifications.
const (
	// ImagePreview is chosen by its full name only.
	ImagePreview ImageClassification = "preview"
	// ImageSupported is chosen by shorthands too.
	ImageSupported ImageClassification = "supported"
	// ImageDeprecated is chosen by its full name only, with a warning.
	ImageDeprecated ImageClassification = "deprecated"
)

// ImageFeature is what kind of machine an image makes.
// +kubebuilder:validation:Enum=machine;firewall
type ImageFeature string

// The features.
const (
	ImageForMachine  ImageFeature = "machine"
	ImageForFirewall ImageFeature = "firewall"
)

// ImageFormat is how an image is packed, beside a compression (gzip, xz, zstd), which is found by itself.
// +kubebuilder:validation:Enum=raw;qcow2;tar
type ImageFormat string

// The formats.
const (
	// ImageRaw and ImageQCOW2 are a whole disk's content.
	ImageRaw   ImageFormat = "raw"
	ImageQCOW2 ImageFormat = "qcow2"
	// ImageTar is the archive of a root file system, which is unpacked by a FilesystemLayout.
	ImageTar ImageFormat = "tar"
)

// ImageSpec describes an image.
type ImageSpec struct {
	// Description is for people.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Description string `json:"description,omitempty"`
	// OS is the operating system's name: words that begin with a letter, with dashes between them, so that the version can be told from it.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec.os: what an image's name means never changes: make another image"
	OS string `json:"os"`
	// Version is one to four numbers with dots between them. Numbers are compared, not texts: 12.9 is older than 12.10.
	// +kubebuilder:validation:MaxLength=39
	// +kubebuilder:validation:Pattern=`^[0-9]{1,9}(\.[0-9]{1,9}){0,3}$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec.version: what an image's name means never changes: make another image"
	Version string `json:"version"`
	// URL is where the image is: https://, http:// (its digest is verified anyway), or oci:// for one layer of an artifact in a registry. It may move.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^(https?|oci)://[^/?#@ ]+/[^ #]*$`
	URL string `json:"url"`
	// Digest is that of the file at the URL as it is packed: sha256:… or sha512:…, in lower-case hex.
	// +kubebuilder:validation:MaxLength=135
	// +kubebuilder:validation:Pattern=`^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec.digest: what an image's name means never changes: make another version"
	Digest string `json:"digest"`
	// Format is raw, qcow2 or tar.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec.format: what an image's name means never changes: make another version"
	Format ImageFormat `json:"format"`
	// Classification is preview, supported or deprecated.
	// +optional
	// +kubebuilder:default=supported
	Classification ImageClassification `json:"classification,omitempty"`
	// ExpiresAt is when the image is no longer chosen by a shorthand; nil: never. Machines that have it keep it.
	// +optional
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`
	// GraceDays is for how many days after that machines can still be made of it by its full name.
	// +optional
	// +kubebuilder:default=14
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3650
	GraceDays *int32 `json:"graceDays,omitempty"`
	// Features say what it makes of a machine.
	// +optional
	// +listType=set
	// +kubebuilder:default={machine}
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=2
	Features []ImageFeature `json:"features,omitempty"`
	// SizeConstraints are the names of the sizes that it is for, with * for any characters; empty: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9*?-]+$`
	SizeConstraints []string `json:"sizeConstraints,omitempty"`
	// Signature proves who published the image, in base64. By an ECDSA key it is of the file at the URL, hashed as the digest is: `cosign sign-blob --key KEY FILE`, or
	// `openssl dgst -sha256 -sign KEY FILE | base64 -w0`, for a sha256 digest. By an Ed25519 key it is of the text of spec.digest. An ImageTrust says which keys count.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9+/]+={0,2}$`
	Signature string `json:"signature,omitempty"`
}

// The conditions of an Image.
const (
	// ImageReady: machines can be made of it; the reason says by which names, or why not.
	ImageReady = "Ready"
	// ImageSigned: its signature is by a key that is trusted for it.
	ImageSigned = "Signed"
	// ImageExpired: its time is over.
	ImageExpired = "Expired"
	// ImageInUse: machines have it.
	ImageInUse = "InUse"
)

// ImageStatus is what the controller found.
type ImageStatus struct {
	// ObservedGeneration is the metadata.generation that this speaks of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Machines is how many machines have it.
	// +optional
	Machines int32 `json:"machines"`
	// Shorthands are the shorter names that mean this image now, for machines.
	// +kubebuilder:validation:MaxItems=8
	Shorthands []string `json:"shorthands,omitempty"`
	// SignedBy is the ImageTrust and the key that the signature is by; empty: by none.
	SignedBy string `json:"signedBy,omitempty"`
	// Conditions are Ready, Signed, Expired and InUse.
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ImageTrust says whose signature images need. It is a kind of its own, and not a part of an Image or a Partition, so that who publishes images can be somebody else than who says which publishers are
// trusted, and since an image is one thing at all sites. An image that no ImageTrust is for needs no signature. Writers: people (spec), the controller role (status).
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,categories=ingot
// +kubebuilder:printcolumn:name="Images",type=string,JSONPath=`.spec.images`
// +kubebuilder:printcolumn:name="Keys",type=string,JSONPath=`.spec.keys[*].name`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Unsigned",type=integer,JSONPath=`.status.unsigned`
type ImageTrust struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ImageTrustSpec   `json:"spec"`
	Status ImageTrustStatus `json:"status,omitempty"`
}

// ImageTrustList is a list of ImageTrust.
//
// +kubebuilder:object:root=true
type ImageTrustList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []ImageTrust `json:"items"`
}

// ImageTrustSpec is images and keys.
type ImageTrustSpec struct {
	// Images are the names of the images that need a signature, with * for any characters. An image that several ImageTrusts are for needs a signature by a key of one of them.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9.*?-]+$`
	Images []string `json:"images"`
	// Keys are trusted, each by itself.
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Keys []TrustedKey `json:"keys"`
}

// TrustedKey is a publisher's public key.
type TrustedKey struct {
	// Name is for people; it is told with each image that the key signed.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name"`
	// PublicKey is PEM (BEGIN PUBLIC KEY), of ECDSA on P-256 or of Ed25519.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.startsWith('-----BEGIN PUBLIC KEY-----\\n')",message="publicKey: write PEM that begins with -----BEGIN PUBLIC KEY-----, as cosign.pub does; never a private key"
	PublicKey string `json:"publicKey"`
}

// ImageTrustStatus is what the controller found.
type ImageTrustStatus struct {
	// ObservedGeneration is the metadata.generation that this speaks of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Images is how many images it is for, Unsigned how many of them have no signature that is trusted.
	// +optional
	Images int32 `json:"images"`
	// +optional
	Unsigned int32 `json:"unsigned"`
	// Conditions are Ready: every key can be used.
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}
