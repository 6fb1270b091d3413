package machine

import (
	"context"
	"fmt"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// The reasons of a Machine's conditions, beside those that package catalog and IPs bring.
const (
	reasonResolved  = "Resolved"
	reasonAddressed = "Addressed"
	// reasonWaiting: what comes before is not there yet.
	reasonWaiting = "Waiting"
	reasonBound   = "Bound"
	reasonBinding = "Binding"
	reasonNoHost  = "NoHost"
	// reasonNameTaken: there is a HostClaim or IP of that name that is somebody else's.
	reasonNameTaken = "NameTaken"
	reasonLost      = "Lost"
	reasonBadData   = "CannotBeTold"
	reasonNotServed = "NotCarried"
	// reasonWiping and reasonInstalling are steps of an installation, and decide what is done next.
	reasonWiping     = "Wiping"
	reasonInstalling = "Installing"
	reasonInstalled  = "Installed"
	reasonReleasing  = "Releasing"
	reasonReady      = "Ready"
)

// set writes a condition into the status in hand.
func set(m *ingot.Machine, kind string, status metav1.ConditionStatus, reason, message string) {
	const limit = 32 << 10
	if len(message) > limit {
		message = message[:limit]
	}
	meta.SetStatusCondition(&m.Status.Conditions, metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: m.Generation})
}

func reasonOf(m *ingot.Machine, kind string) string {
	if x := meta.FindStatusCondition(m.Status.Conditions, kind); x != nil {
		return x.Reason
	}
	return ""
}

// reflect brings back what the claim says.
func reflect(m *ingot.Machine, k *metal3.HostClaim) {
	m.Status.PoweredOn = k.Status.PoweredOn
	if x := meta.FindStatusCondition(k.Status.Conditions, metal3.HealthyCondition); x != nil {
		set(m, metal3.HealthyCondition, x.Status, x.Reason, x.Message)
	} else {
		meta.RemoveStatusCondition(&m.Status.Conditions, metal3.HealthyCondition)
	}
	x := meta.FindStatusCondition(k.Status.Conditions, metal3.AssociatedCondition)
	switch ref := k.Status.BareMetalHost; {
	case x == nil:
		set(m, ingot.MachineHostCondition, metav1.ConditionFalse, reasonBinding, "a host is being chosen")
	case x.Status == metav1.ConditionTrue && ref != nil:
		if h := m.Status.Host; h != nil && (h.Namespace != ref.Namespace || h.Name != ref.Name) {
			set(m, ingot.MachineHostCondition, metav1.ConditionFalse, reasonLost, fmt.Sprintf("the machine had host %s/%s, and its claim has another: delete the machine and make another", h.Namespace, h.Name))
			return
		}
		m.Status.Host = &ingot.MachineHost{Namespace: ref.Namespace, Name: ref.Name}
		set(m, ingot.MachineHostCondition, metav1.ConditionTrue, reasonBound, fmt.Sprintf("the machine has host %s/%s", ref.Namespace, ref.Name))
	case x.Reason == metal3.MissingBareMetalHostReason:
		set(m, ingot.MachineHostCondition, metav1.ConditionFalse, reasonLost, x.Message)
	case x.Reason == metal3.NoBareMetalHostReason:
		set(m, ingot.MachineHostCondition, metav1.ConditionFalse, reasonNoHost, x.Message)
	default:
		// Which host it may become is not said: that would be a write of each Machine's for a step that is over in a moment.
		set(m, ingot.MachineHostCondition, metav1.ConditionFalse, reasonBinding, "a host is being chosen")
	}
}

// sum makes phase and readiness of the other conditions.
func sum(m *ingot.Machine) {
	online := online(m)
	installed := reasonOf(m, ingot.MachineInstalledCondition)
	switch host := reasonOf(m, ingot.MachineHostCondition); {
	case host == reasonLost:
		m.Status.Phase = ingot.MachineLost
	case host == reasonBound && installed == reasonWiping:
		m.Status.Phase = ingot.MachineReinstalling
	case host == reasonBound && installed == reasonInstalled && !online && !m.Status.PoweredOn:
		m.Status.Phase = ingot.MachineOff
	case host == reasonBound && installed == reasonInstalled && online && m.Status.PoweredOn:
		m.Status.Phase = ingot.MachineReady
	case host == reasonBound:
		m.Status.Phase = ingot.MachineInstalling
	case host == reasonNoHost:
		m.Status.Phase = ingot.MachineWaiting
	default:
		m.Status.Phase = ingot.MachinePending
	}
	if m.Status.Phase == ingot.MachineReady || m.Status.Phase == ingot.MachineOff {
		set(m, ingot.MachineReadyCondition, metav1.ConditionTrue, reasonReady, "")
		return
	}
	for _, kind := range []string{ingot.MachineImageCondition, ingot.MachineAddressesCondition, ingot.MachineHostCondition, ingot.MachineInstalledCondition} {
		if x := meta.FindStatusCondition(m.Status.Conditions, kind); x != nil && x.Status != metav1.ConditionTrue {
			set(m, ingot.MachineReadyCondition, metav1.ConditionFalse, x.Reason, x.Message)
			return
		}
	}
	power := "on"
	if !online {
		power = "off"
	}
	set(m, ingot.MachineReadyCondition, metav1.ConditionFalse, reasonWaiting, "the machine is being turned "+power)
}

// say writes the status under the resource version that was read. Nothing is written where nothing changed.
func (r *Reconciler) say(ctx context.Context, m *ingot.Machine) error {
	was := &ingot.Machine{}
	if err := r.cached.Get(ctx, client.ObjectKeyFromObject(m), was); err != nil {
		return fmt.Errorf("read the machine: %w", err)
	}
	if was.ResourceVersion == m.ResourceVersion && equality.Semantic.DeepEqual(was.Status, m.Status) {
		return nil
	}
	if err := r.cached.Status().Update(ctx, m); err != nil {
		return fmt.Errorf("write the machine's status: %w", err)
	}
	return nil
}
