package v1alpha1

// BMCNamespace is where the Secrets of Ingot's own accounts at BMCs stand, one per host. No tenant, and no role but the partition's, reads Secrets there.
const BMCNamespace = "ingot-bmc"

// BMCAccountSecretType is the type of those Secrets. Their data are "username", "password" and, after a rotation, "previous".
const BMCAccountSecretType = "ingot.dev/bmc-account"

// BMCAccountAnnotation on a BareMetalHost says whose account logs in to its BMC: "own", one that Ingot makes there with a random password, or "given", the one of spec.bmc.credentialsName
// alone. Without it the Partition's spec.bmcAccount decides. The given account is never changed, whatever this says.
const BMCAccountAnnotation = "ingot.dev/bmc-account"

// RotateBMCAccountAnnotation on a BareMetalHost asks for a new password of Ingot's own account now. Any text that differs from the one before is one request: a date, for example.
const RotateBMCAccountAnnotation = "ingot.dev/rotate-bmc-account"

// BMCAccountUse is whose account logs in to a BMC.
// +kubebuilder:validation:Enum=own;given
type BMCAccountUse string

// BMCAccountPolicy says how a site's BMCs are logged in to.
type BMCAccountPolicy struct {
	// Use is "own" or "given"; empty means own.
	Use BMCAccountUse `json:"use,omitempty"`
	// RotateAfterDays is how old an own account's password gets; 0: as old as it likes. Unset means 90.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3650
	// +optional
	RotateAfterDays *int32 `json:"rotateAfterDays,omitempty"`
}
