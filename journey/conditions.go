package journey

import (
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// condition is a condition's state before it is compared with what the host has.
type condition struct {
	name, reason string
	status       metav1.ConditionStatus
	// message is for people, empty where the reason says it all.
	message string
}

// setConditions derives Metal3's conditions (0.13) from the status and from what the BMC said of the machine's health. LastTransitionTime moves only with the condition's status.
func setConditions(h *metal3.BareMetalHost, health *ingot.HealthStatus, now time.Time) {
	for _, c := range deriveConditions(&h.Status, health) {
		setCondition(h, c, now)
	}
}

func deriveConditions(s *metal3.BareMetalHostStatus, health *ingot.HealthStatus) []condition {
	manageable := manageableCondition(s)
	return []condition{
		manageable,
		availableCondition(s, manageable),
		provisionedCondition(s),
		readyCondition(s),
		progressingCondition(s),
		healthyCondition(manageable, health),
	}
}

func manageableCondition(s *metal3.BareMetalHostStatus) condition {
	no := func(reason string) condition {
		return condition{name: metal3.ManageableCondition, reason: reason, status: metav1.ConditionFalse}
	}
	switch {
	case s.OperationalStatus == metal3.OperationalStatusDetached:
		return no(metal3.DetachedReason)
	case s.ErrorType == metal3.RegistrationError, s.ErrorType == metal3.ProvisionedRegistrationError:
		return no(metal3.RegistrationFailedReason)
	case s.ErrorType == metal3.PowerManagementError:
		return no(metal3.PowerFailureReason)
	}
	switch s.Provisioning.State {
	case metal3.StateNone, metal3.StateUnmanaged:
		return no(metal3.NotManagedReason)
	case metal3.StateRegistering:
		return no(metal3.RegisteringReason)
	default:
		return condition{name: metal3.ManageableCondition, reason: metal3.ManageableReason, status: metav1.ConditionTrue}
	}
}

func availableCondition(s *metal3.BareMetalHostStatus, manageable condition) condition {
	no := func(reason string) condition {
		return condition{name: metal3.AvailableForProvisioningCondition, reason: reason, status: metav1.ConditionFalse}
	}
	switch {
	case manageable.status != metav1.ConditionTrue:
		return no(metal3.NotManageableReason)
	case s.Provisioning.State == metal3.StateInspecting:
		return no(metal3.InspectingReason)
	case s.OperationalStatus == metal3.OperationalStatusError:
		return no(metal3.NotAvailableReason)
	case s.Provisioning.State == metal3.StateAvailable, s.Provisioning.State == metal3.StateReady:
		return condition{name: metal3.AvailableForProvisioningCondition, reason: metal3.AvailableReason, status: metav1.ConditionTrue}
	}
	return no(metal3.NotAvailableReason)
}

func provisionedCondition(s *metal3.BareMetalHostStatus) condition {
	switch s.Provisioning.State {
	case metal3.StateProvisioned, metal3.StateExternallyProvisioned:
		return condition{name: metal3.ProvisionedCondition, reason: metal3.ProvisionedReason, status: metav1.ConditionTrue}
	case metal3.StateProvisioning:
		return condition{name: metal3.ProvisionedCondition, reason: metal3.ProvisioningReason, status: metav1.ConditionFalse}
	default:
		return condition{name: metal3.ProvisionedCondition, reason: metal3.NotProvisionedReason, status: metav1.ConditionFalse}
	}
}

func readyCondition(s *metal3.BareMetalHostStatus) condition {
	p := provisionedCondition(s)
	c := condition{name: metal3.ReadyCondition, reason: p.reason, status: p.status}
	switch s.OperationalStatus {
	case metal3.OperationalStatusDetached:
		c.status, c.reason = metav1.ConditionFalse, metal3.DetachedReason
	case metal3.OperationalStatusServicing:
		c.status, c.reason = metav1.ConditionFalse, metal3.ServicingReason
	case metal3.OperationalStatusError:
		c.status, c.reason = metav1.ConditionFalse, metal3.ErrorReason
	default:
	}
	return c
}

func progressingCondition(s *metal3.BareMetalHostStatus) condition {
	reasons := map[metal3.ProvisioningState]string{
		metal3.StateRegistering:             metal3.RegisteringReason,
		metal3.StateInspecting:              metal3.InspectingReason,
		metal3.StatePreparing:               metal3.PreparingReason,
		metal3.StateMatchProfile:            metal3.PreparingReason,
		metal3.StateProvisioning:            metal3.ProvisioningReason,
		metal3.StateDeprovisioning:          metal3.DeprovisioningReason,
		metal3.StatePoweringOffBeforeDelete: metal3.PoweringOffBeforeDeleteReason,
		metal3.StateDeleting:                metal3.DeletingReason,
	}
	if r, ok := reasons[s.Provisioning.State]; ok {
		return condition{name: metal3.ProgressingCondition, reason: r, status: metav1.ConditionTrue}
	}
	return condition{name: metal3.ProgressingCondition, reason: metal3.NotProgressingReason, status: metav1.ConditionFalse}
}

func setCondition(h *metal3.BareMetalHost, c condition, now time.Time) {
	for i := range h.Status.Conditions {
		old := &h.Status.Conditions[i]
		if old.Type != c.name {
			continue
		}
		if old.Status != c.status {
			old.Status, old.LastTransitionTime = c.status, metav1.NewTime(now)
		}
		old.Reason, old.Message = c.reason, c.message
		old.ObservedGeneration = h.Generation
		return
	}
	h.Status.Conditions = append(h.Status.Conditions, metav1.Condition{
		Type: c.name, Status: c.status, Reason: c.reason, Message: c.message, LastTransitionTime: metav1.NewTime(now), ObservedGeneration: h.Generation,
	})
}
