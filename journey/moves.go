package journey

import (
	"slices"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
)

// States lists Metal3's provisioning states in the order of a host's life. StateReady and StateMatchProfile are old names that a restored host may carry.
func States() []metal3.ProvisioningState {
	return []metal3.ProvisioningState{
		metal3.StateNone, metal3.StateUnmanaged, metal3.StateRegistering, metal3.StateMatchProfile, metal3.StateInspecting, metal3.StatePreparing,
		metal3.StateReady, metal3.StateAvailable, metal3.StateProvisioning, metal3.StateProvisioned, metal3.StateExternallyProvisioned,
		metal3.StateDeprovisioning, metal3.StatePoweringOffBeforeDelete, metal3.StateDeleting,
	}
}

// KnownState says whether s is one of Metal3's.
func KnownState(s metal3.ProvisioningState) bool { return slices.Contains(States(), s) }

// Move is one legal change of the provisioning state and when it may happen.
type Move struct {
	From, To metal3.ProvisioningState
	When     string
}

// Moves is the table of legal moves. Deletion's rows are the last ones.
func Moves() []Move {
	return []Move{
		{metal3.StateNone, metal3.StateUnmanaged, "the host names no BMC"},
		{metal3.StateNone, metal3.StateRegistering, "the host names a BMC"},
		{metal3.StateUnmanaged, metal3.StateRegistering, "a BMC was named"},
		{metal3.StateRegistering, metal3.StateExternallyProvisioned, "credentials work and something else owns the disk"},
		{metal3.StateRegistering, metal3.StateInspecting, "credentials work"},
		{metal3.StateRegistering, metal3.StatePreparing, "credentials work and inspection is disabled or its result is known"},
		{metal3.StateMatchProfile, metal3.StatePreparing, "always: the state means nothing any more"},
		{metal3.StateInspecting, metal3.StatePreparing, "the hardware is known, or inspection was disabled"},
		{metal3.StatePreparing, metal3.StateInspecting, "the volumes of RAID controllers were changed, so that the machine has other disks now; or the preparation failed and a new inspection is asked for"},
		{metal3.StatePreparing, metal3.StateAvailable, "nothing differs, and every disk is clean or cleaning is disabled"},
		{metal3.StateReady, metal3.StateAvailable, "always: an old name"},
		{metal3.StateAvailable, metal3.StateExternallyProvisioned, "the host was declared externally provisioned"},
		{metal3.StateAvailable, metal3.StateInspecting, "a new inspection was asked for by annotation"},
		{metal3.StateAvailable, metal3.StatePreparing, "root device hints or RAID differ from what was prepared, or an image is asked for while cleaning is enabled and not proved"},
		{metal3.StateAvailable, metal3.StateProvisioning, "online and an image is asked for"},
		{metal3.StateProvisioning, metal3.StateProvisioned, "the image is on the disk and the machine was started from it"},
		{metal3.StateProvisioning, metal3.StateDeprovisioning, "a step failed, the image was changed or cleared, or the host is deleted"},
		{metal3.StateProvisioned, metal3.StateDeprovisioning, "the image was changed or cleared, or the host is deleted"},
		{metal3.StateExternallyProvisioned, metal3.StateProvisioned, "the flag was cleared"},
		{metal3.StateDeprovisioning, metal3.StateAvailable, "every disk is clean, or cleaning is disabled"},

		{metal3.StateNone, metal3.StateDeleting, "deleted"},
		{metal3.StateUnmanaged, metal3.StateDeleting, "deleted"},
		{metal3.StateRegistering, metal3.StateDeleting, "deleted"},
		{metal3.StateMatchProfile, metal3.StatePoweringOffBeforeDelete, "deleted"},
		{metal3.StateInspecting, metal3.StatePoweringOffBeforeDelete, "deleted"},
		{metal3.StatePreparing, metal3.StatePoweringOffBeforeDelete, "deleted"},
		{metal3.StateReady, metal3.StatePoweringOffBeforeDelete, "deleted"},
		{metal3.StateAvailable, metal3.StatePoweringOffBeforeDelete, "deleted"},
		{metal3.StateExternallyProvisioned, metal3.StatePoweringOffBeforeDelete, "deleted"},
		{metal3.StateDeprovisioning, metal3.StatePoweringOffBeforeDelete, "deleted, and the disks are clean, cleaning is disabled, or it failed more than 3 times"},
		{metal3.StatePoweringOffBeforeDelete, metal3.StateDeleting, "the machine is off, power off is disabled, or it failed more than 3 times"},

		{metal3.StateMatchProfile, metal3.StateDeleting, "deleted while detached"},
		{metal3.StateInspecting, metal3.StateDeleting, "deleted while detached"},
		{metal3.StatePreparing, metal3.StateDeleting, "deleted while detached"},
		{metal3.StateReady, metal3.StateDeleting, "deleted while detached"},
		{metal3.StateAvailable, metal3.StateDeleting, "deleted while detached"},
		{metal3.StateProvisioning, metal3.StateDeleting, "deleted while detached"},
		{metal3.StateProvisioned, metal3.StateDeleting, "deleted while detached"},
		{metal3.StateExternallyProvisioned, metal3.StateDeleting, "deleted while detached"},
		{metal3.StateDeprovisioning, metal3.StateDeleting, "deleted while detached"},
	}
}

// CheckMove says whether a host may go from one state to the other in one decision. Staying is always legal.
func CheckMove(from, to metal3.ProvisioningState) bool {
	return from == to || slices.ContainsFunc(Moves(), func(m Move) bool { return m.From == from && m.To == to })
}
