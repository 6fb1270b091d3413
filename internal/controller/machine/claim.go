package machine

import (
	"context"
	"errors"
	"fmt"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/claim/survey"
)

// errBehind: what was read from the watches is not so any more.
var errBehind = errors.New("the machine changed meanwhile")

// claimOf is the Machine's claim, made where it may be and is not there; nil: there is none to work with, and the conditions say why.
func (r *Reconciler) claimOf(ctx context.Context, m *ingot.Machine, may bool) (*metal3.HostClaim, error) {
	k := &metal3.HostClaim{}
	err := r.cached.Get(ctx, client.ObjectKeyFromObject(m), k)
	if apierrors.IsNotFound(err) {
		return r.makeClaim(ctx, m, may)
	}
	if err != nil {
		return nil, fmt.Errorf("read the machine's claim: %w", err)
	}
	if ref := survey.MachineOf(k); ref == nil || ref.UID != m.UID {
		set(m, ingot.MachineHostCondition, metav1.ConditionFalse, reasonNameTaken, "there is a HostClaim of the machine's name that is not the machine's own: delete it, or give the machine another name")
		return nil, nil
	}
	if !k.DeletionTimestamp.IsZero() {
		set(m, ingot.MachineHostCondition, metav1.ConditionFalse, reasonLost, "somebody deleted the machine's HostClaim, and its host is being wiped: delete the machine, and make another")
		return nil, nil
	}
	return k, nil
}

func (r *Reconciler) makeClaim(ctx context.Context, m *ingot.Machine, may bool) (*metal3.HostClaim, error) {
	switch {
	case m.Status.Host != nil:
		set(m, ingot.MachineHostCondition, metav1.ConditionFalse, reasonLost, "somebody deleted the machine's HostClaim: delete the machine, and make another")
		return nil, nil
	case !may:
		set(m, ingot.MachineHostCondition, metav1.ConditionFalse, reasonWaiting, "a host is looked for once image and addresses are there")
		return nil, nil
	}
	// The watches may be behind: a Machine that is being deleted gets no claim, nor one that had a host.
	now := &ingot.Machine{}
	if err := r.live.Get(ctx, client.ObjectKeyFromObject(m), now); err != nil {
		return nil, fmt.Errorf("read the machine again: %w", err)
	}
	if now.UID != m.UID || !now.DeletionTimestamp.IsZero() || now.Status.Host != nil {
		return nil, apierrors.NewConflict(ingot.GroupVersion.WithResource("machines").GroupResource(), m.Name, errBehind)
	}
	// The finalizer is package hostclaim's, which would put it on first thing: given at once it is a write less.
	k := &metal3.HostClaim{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name, OwnerReferences: []metav1.OwnerReference{owner(m)}, Finalizers: []string{metal3.HostClaimFinalizer}}}
	if err := r.live.Create(ctx, k); err != nil {
		return nil, fmt.Errorf("make the machine's claim: %w", err)
	}
	set(m, ingot.MachineHostCondition, metav1.ConditionFalse, reasonBinding, "a host is being chosen")
	return nil, nil
}

// release takes back what a deleted Machine has: the claim with its host, then the Secrets, then the addresses, and only then the Machine.
func (r *Reconciler) release(ctx context.Context, m *ingot.Machine) (again time.Duration, err error) {
	k := &metal3.HostClaim{}
	err = r.live.Get(ctx, client.ObjectKeyFromObject(m), k)
	if client.IgnoreNotFound(err) != nil {
		return 0, fmt.Errorf("read the machine's claim: %w", err)
	}
	if ref := survey.MachineOf(k); err == nil && ref != nil && ref.UID == m.UID {
		if k.DeletionTimestamp.IsZero() {
			if err := r.live.Delete(ctx, k, client.Preconditions{UID: &k.UID}); client.IgnoreNotFound(err) != nil {
				return 0, fmt.Errorf("delete the machine's claim: %w", err)
			}
		}
		message := "the host is being wiped"
		if x := meta.FindStatusCondition(k.Status.Conditions, metal3.SynchronizedCondition); x != nil && x.Reason == metal3.HostClaimDeletingReason {
			message = x.Message
		}
		return r.recheck, r.leaving(ctx, m, k.Status.PoweredOn, message)
	}
	if err := r.dropSecrets(ctx, m); err != nil {
		return 0, err
	}
	left, err := r.dropAddresses(ctx, m)
	if err != nil {
		return 0, err
	}
	if left > 0 {
		return r.recheck, r.leaving(ctx, m, false, fmt.Sprintf("%d addresses are being given back", left))
	}
	return 0, r.hold(ctx, m, false)
}

func (r *Reconciler) leaving(ctx context.Context, m *ingot.Machine, on bool, message string) error {
	m.Status.Phase, m.Status.PoweredOn = ingot.MachineReleasing, on
	set(m, ingot.MachineReadyCondition, metav1.ConditionFalse, reasonReleasing, message)
	return r.say(ctx, m)
}

// dropAddresses deletes the IPs that were made for a Machine, and says how many are there still. Those that it named are the tenant's.
func (r *Reconciler) dropAddresses(ctx context.Context, m *ingot.Machine) (left int, err error) {
	var all ingot.IPList
	if err := r.live.List(ctx, &all, client.InNamespace(m.Namespace)); err != nil {
		return 0, fmt.Errorf("list the machine's IPs: %w", err)
	}
	for i := range all.Items {
		ip := &all.Items[i]
		if !metav1.IsControlledBy(ip, m) {
			continue
		}
		left++
		if ip.DeletionTimestamp.IsZero() {
			if err := r.live.Delete(ctx, ip, client.Preconditions{UID: &ip.UID}); client.IgnoreNotFound(err) != nil {
				return 0, fmt.Errorf("delete IP %s/%s: %w", ip.Namespace, ip.Name, err)
			}
		}
	}
	return left, nil
}
