package hostclaim

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/claim/survey"
)

// release lets a deleted claim's host go: image off, wipe proved, copies of Secrets deleted, host free, and only then the claim.
func (r *Reconciler) release(ctx context.Context, c *metal3.HostClaim) (time.Duration, error) {
	if condition(c, metal3.AssociatedCondition).Status != metav1.ConditionTrue && c.Status.BareMetalHost != nil {
		// A binding that may be under way: after this write it fails, and what succeeded before it is seen below.
		if err := r.fenceUnbound(ctx, c); err != nil {
			return 0, err
		}
	}
	held, err := r.heldNow(ctx, c)
	if err != nil {
		return 0, err
	}
	for _, h := range held {
		why, err := r.free(ctx, c, h)
		if err != nil {
			return 0, err
		}
		if why != "" {
			message := fmt.Sprintf("host %s/%s: %s", h.Namespace, h.Name, why)
			return r.recheck, r.say(ctx, c, synchronized(metal3.HostClaimDeletingReason, message))
		}
	}
	if ref := c.Status.BareMetalHost; ref != nil {
		// Also where the host is gone, or was taken away.
		if err := r.dropSecrets(ctx, c, ref.Namespace, true); err != nil {
			return 0, err
		}
	}
	return 0, r.hold(ctx, c, false)
}

// fenceUnbound fences a host that does not name the claim.
func (r *Reconciler) fenceUnbound(ctx context.Context, c *metal3.HostClaim) error {
	h, err := r.hostNow(ctx, c.Status.BareMetalHost)
	if err != nil || h == nil || has(c, h) {
		return err
	}
	return r.fence(ctx, c)
}

// heldNow are the hosts that name the claim, as the API server has them: the one of its status, and any other that the watches know.
func (r *Reconciler) heldNow(ctx context.Context, c *metal3.HostClaim) ([]*metal3.BareMetalHost, error) {
	var named metal3.BareMetalHostList
	if err := r.cached.List(ctx, &named, client.MatchingFields{consumerIndex: client.ObjectKeyFromObject(c).String()}); err != nil {
		return nil, fmt.Errorf("list hosts of the claim: %w", err)
	}
	refs := map[metal3.ObjectReference]bool{}
	for i := range named.Items {
		refs[metal3.ObjectReference{Namespace: named.Items[i].Namespace, Name: named.Items[i].Name}] = true
	}
	if c.Status.BareMetalHost != nil {
		refs[*c.Status.BareMetalHost] = true
	}
	var held []*metal3.BareMetalHost
	for ref := range refs {
		h, err := r.hostNow(ctx, &ref)
		if err != nil {
			return nil, err
		}
		if h != nil && has(c, h) {
			held = append(held, h)
		}
	}
	return held, nil
}

// free does the next thing to let a host go. why says what is waited for; empty: it is free.
func (r *Reconciler) free(ctx context.Context, c *metal3.HostClaim, h *metal3.BareMetalHost) (why string, err error) {
	if why, err := r.unload(ctx, h); why != "" || err != nil {
		return why, err
	}
	if err := r.dropSecrets(ctx, c, h.Namespace, true); err != nil {
		return "", err
	}
	// The copies are gone, and with them the mark.
	before := h.DeepCopy()
	survey.Unmark(h, client.ObjectKeyFromObject(c))
	return "", r.letGo(ctx, before, h, client.ObjectKeyFromObject(c).String())
}

func (r *Reconciler) letGo(ctx context.Context, before, h *metal3.BareMetalHost, claim string) error {
	h.Spec.ConsumerRef = nil
	r.log.Info("host released by a claim", "machine", h.Namespace+"/"+h.Name, "claim", claim)
	return r.patch(ctx, before, h)
}

// DropCopies deletes what is left of a claim's Secrets beside a host: for who found that the claim has no host there. The mark goes after them.
func DropCopies(ctx context.Context, live client.Client, h *metal3.BareMetalHost, claim types.NamespacedName) error {
	r := &Reconciler{cached: live, live: live}
	if err := r.dropSecrets(ctx, &metal3.HostClaim{ObjectMeta: metav1.ObjectMeta{Namespace: claim.Namespace, Name: claim.Name}}, h.Namespace, true); err != nil {
		return err
	}
	before := h.DeepCopy()
	survey.Unmark(h, claim)
	return r.patch(ctx, before, h)
}

// unload takes the image off a host and has it wiped. why says what is waited for; empty: the wipe is proved.
func (r *Reconciler) unload(ctx context.Context, h *metal3.BareMetalHost) (why string, err error) {
	if _, paused := h.Annotations[metal3.PausedAnnotation]; paused {
		return "it is paused by its operator and cannot be wiped", nil
	}
	if _, detached := h.Annotations[metal3.DetachedAnnotation]; detached {
		return "it is detached by its operator and cannot be wiped", nil
	}
	if _, locked := h.Annotations[ingot.LockAnnotation]; locked {
		return "it is locked by its operator, and is wiped once that is over", nil
	}
	if !h.DeletionTimestamp.IsZero() {
		return "it is being deleted by its operator", nil
	}
	before := h.DeepCopy()
	if strip(h); !equality.Semantic.DeepEqual(before, h) {
		return "the image is being taken off", r.patch(ctx, before, h)
	}
	switch s := h.Status.Provisioning; {
	case s.State != metal3.StateAvailable && s.State != metal3.StateReady:
		return fmt.Sprintf("it is %q; it is free once it is wiped and available", s.State), nil
	case s.Image.URL != "":
		return "its image is being taken off", nil
	}
	proved, err := r.clean(ctx, h.Namespace, h.Name)
	if err == nil && !proved {
		why = "the wipe of its disks is not proved: its operator can have it prepared again by the annotation " + metal3.InspectAnnotationPrefix
	}
	return why, err
}

// Reclaim takes a host back that names a claim which is gone, or which has another host: as a release does, through the wipe and its proof. The copies of the claim's Secrets go only with a claim that is gone: one that
// has another host may need them beside that. why says what is waited for; empty: the host is free.
func Reclaim(ctx context.Context, live client.Client, log *slog.Logger, h *metal3.BareMetalHost, claim types.NamespacedName, gone bool) (why string, err error) {
	r := &Reconciler{cached: live, live: live, log: log, now: time.Now, recheck: recheck}
	if gone {
		return r.free(ctx, &metal3.HostClaim{ObjectMeta: metav1.ObjectMeta{Namespace: claim.Namespace, Name: claim.Name}}, h)
	}
	if why, err := r.unload(ctx, h); why != "" || err != nil {
		return why, err
	}
	// The mark stays where the copies do: the search for those looks whether they are the claim's by its other host.
	return "", r.letGo(ctx, h.DeepCopy(), h, claim.String())
}

// strip takes all that a claim carried off its host. The machine is wiped also where its operator turned cleaning off meanwhile: a tenant was promised that, and the next one too.
func strip(h *metal3.BareMetalHost) {
	h.Spec.Image, h.Spec.CustomDeploy, h.Spec.UserData, h.Spec.NetworkData, h.Spec.MetaData = nil, nil, nil, nil, nil
	// A machine that must never be off (spec.disablePowerOff) stays on.
	h.Spec.Online = h.Spec.DisablePowerOff
	if h.Spec.AutomatedCleaningMode == metal3.CleaningModeDisabled {
		h.Spec.AutomatedCleaningMode = metal3.CleaningModeMetadata
	}
	carryLayout(&metal3.HostClaim{}, h)
	for k := range h.Annotations {
		if strings.HasPrefix(k, rebootOurs) {
			delete(h.Annotations, k)
		}
	}
}
