package hostclaim

import (
	"context"
	"fmt"
	"slices"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The reasons that Metal3 has no word for. The first two are steps of a binding, and decide what is done next.
const (
	// reasonBinding: a host is chosen and not the claim's yet.
	reasonBinding = "Binding"
	// reasonWithdrawing: the chosen host is given up.
	reasonWithdrawing = "Withdrawing"
	// reasonBadImagePull is for the fourth Secret, which Metal3 does not copy.
	reasonBadImagePull = "ImagePullSecretSyncFailure"
)

// condition is one of the claim's, empty where it has none of the type.
func condition(c *metal3.HostClaim, kind string) metav1.Condition {
	if x := meta.FindStatusCondition(c.Status.Conditions, kind); x != nil {
		return *x
	}
	return metav1.Condition{Type: kind}
}

// associated is the condition of a claim that has no host.
func associated(reason, message string) metav1.Condition {
	return metav1.Condition{Type: metal3.AssociatedCondition, Status: metav1.ConditionFalse, Reason: reason, Message: message}
}

func bound(h *metal3.BareMetalHost) metav1.Condition {
	return metav1.Condition{Type: metal3.AssociatedCondition, Status: metav1.ConditionTrue, Reason: metal3.BareMetalHostAssociatedReason, Message: fmt.Sprintf("the claim has host %s/%s", h.Namespace, h.Name)}
}

// synchronized is the condition about what is carried to the host.
func synchronized(reason, message string) metav1.Condition {
	x := metav1.Condition{Type: metal3.SynchronizedCondition, Status: metav1.ConditionFalse, Reason: reason, Message: message}
	if reason == metal3.ConfigurationSyncedReason {
		x.Status = metav1.ConditionTrue
	}
	return x
}

// mirrored are the host's conditions that a claim shows too, by type, status and reason: their messages may have a BMC's address in them.
func mirrored() []string {
	return []string{metal3.AvailableForProvisioningCondition, metal3.ProvisionedCondition, metal3.ReadyCondition, metal3.ProgressingCondition, metal3.HealthyCondition}
}

// reflect brings back how the host is.
func (r *Reconciler) reflect(ctx context.Context, c *metal3.HostClaim, h *metal3.BareMetalHost) error {
	c.Status.PoweredOn = h.Status.PoweredOn
	c.Status.HardwareData = nil
	err := r.cached.Get(ctx, client.ObjectKeyFromObject(h), &metal3.HardwareData{})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read the HardwareData of host %s/%s: %w", h.Namespace, h.Name, err)
	}
	if err == nil {
		c.Status.HardwareData = &metal3.ObjectReference{Namespace: h.Namespace, Name: h.Name}
	}
	for _, kind := range mirrored() {
		x := meta.FindStatusCondition(h.Status.Conditions, kind)
		if x == nil {
			meta.RemoveStatusCondition(&c.Status.Conditions, kind)
			continue
		}
		meta.SetStatusCondition(&c.Status.Conditions, metav1.Condition{Type: kind, Status: x.Status, Reason: x.Reason, ObservedGeneration: c.Generation, LastTransitionTime: x.LastTransitionTime})
	}
	return nil
}

// forget takes away what was brought back of a host that the claim does not have.
func forget(c *metal3.HostClaim) {
	c.Status.PoweredOn, c.Status.HardwareData = false, nil
	c.Status.Conditions = slices.DeleteFunc(c.Status.Conditions, func(x metav1.Condition) bool { return x.Type != metal3.AssociatedCondition })
}

// messageLimit is the API's for a condition.
const messageLimit = 32 << 10

// say writes the claim's status with conditions, under the resource version of the claim that was read. Nothing is written where nothing changed.
func (r *Reconciler) say(ctx context.Context, c *metal3.HostClaim, conditions ...metav1.Condition) error {
	for _, x := range conditions {
		x.ObservedGeneration, x.LastTransitionTime = c.Generation, metav1.NewTime(r.now())
		if len(x.Message) > messageLimit {
			x.Message = x.Message[:messageLimit]
		}
		if x.Type == metal3.AssociatedCondition && x.Status != metav1.ConditionTrue && x.Reason != metal3.HostClaimDeletingReason {
			forget(c)
		}
		meta.SetStatusCondition(&c.Status.Conditions, x)
	}
	was := &metal3.HostClaim{}
	if err := r.cached.Get(ctx, client.ObjectKeyFromObject(c), was); err != nil {
		return fmt.Errorf("read the claim: %w", err)
	}
	was.Status.LastUpdated = c.Status.LastUpdated
	if was.ResourceVersion == c.ResourceVersion && equality.Semantic.DeepEqual(was.Status, c.Status) {
		return nil
	}
	at := metav1.NewTime(r.now())
	c.Status.LastUpdated = &at
	if err := r.cached.Status().Update(ctx, c); err != nil {
		return fmt.Errorf("write the claim's status: %w", err)
	}
	return nil
}
