// Package survey makes of Metal3's objects what package claim decides on.
//
// It owns the reading of BareMetalHosts, HostClaims, Machines, HostDeployPolicies, Quotas, SizeReservations and the labels of namespaces as hosts, requests, openings and rules. It refuses to fetch them: the
// controller reads its watches, the programs `ingot claim` and `ingot machine` the API, and all see the same. Whether a host's wipe is proved stands in its record and not here.
//
// A Machine is a request by the HostClaim of its name that it owns: the claim asks for what the Machine says, whatever stands in its own selector. A claim that means to have a host counts as its holder from that
// moment on, so that two choices in a row don't fall on one host or go over one quota.
//
// Invariant: a host that anything else has a use for is not offered.
package survey

import (
	"fmt"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/types"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// ClaimKind is what the consumerRefs of claimed hosts say.
const ClaimKind = "HostClaim"

// ClaimOf is the claim that a host names as its consumer.
func ClaimOf(h *metal3.BareMetalHost) (types.NamespacedName, bool) {
	ref := h.Spec.ConsumerRef
	if ref == nil || ref.Kind != ClaimKind || ref.GroupVersionKind().Group != metal3.GroupVersion.Group {
		return types.NamespacedName{}, false
	}
	return types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}, true
}

// FailureDomainLabel is Cluster API's; hosts are spread over its values as over racks.
const FailureDomainLabel = "infrastructure.cluster.x-k8s.io/failure-domain"

func locked(h *metal3.BareMetalHost) bool {
	_, locked := h.Annotations[ingot.LockAnnotation]
	return locked
}

// Unready says why a host that has no consumer cannot be had; empty: it can, once its wipe is found proved.
func Unready(h *metal3.BareMetalHost) string {
	_, paused := h.Annotations[metal3.PausedAnnotation]
	_, detached := h.Annotations[metal3.DetachedAnnotation]
	switch s := h.Status.Provisioning.State; {
	case h.Spec.ConsumerRef != nil:
		return "somebody has it"
	case !h.DeletionTimestamp.IsZero():
		return "it is being deleted"
	case locked(h):
		return "it is locked"
	case paused:
		return "it is paused"
	case detached:
		return "it is detached"
	case h.Spec.ExternallyProvisioned:
		return "its system came from elsewhere (spec.externallyProvisioned)"
	case h.Spec.Image != nil || h.Spec.CustomDeploy != nil:
		return "it has an image of its own"
	case h.Spec.AutomatedCleaningMode == metal3.CleaningModeDisabled:
		return "it is not cleaned (spec.automatedCleaningMode is disabled)"
	case s != metal3.StateAvailable:
		return fmt.Sprintf("it is %q and not available", s)
	case h.Status.ErrorType != "" || h.Status.ErrorMessage != "":
		return "it has an error"
	}
	return ""
}
