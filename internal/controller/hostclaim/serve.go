package hostclaim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/claim/survey"
)

// serve carries what the claim asks for to its host, and brings back how the host is.
func (r *Reconciler) serve(ctx context.Context, c *metal3.HostClaim) (time.Duration, error) {
	ref := c.Status.BareMetalHost
	h := &metal3.BareMetalHost{}
	err := r.cached.Get(ctx, types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}, h)
	if client.IgnoreNotFound(err) != nil {
		return 0, fmt.Errorf("read host %s/%s: %w", ref.Namespace, ref.Name, err)
	}
	if err != nil || !has(c, h) {
		// The watch may be behind.
		if h, err = r.hostNow(ctx, ref); err != nil {
			return 0, err
		}
		if why := lost(c, h); why != "" {
			return whileWaiting, r.say(ctx, c, associated(metal3.MissingBareMetalHostReason, why+"; a claim gets no second host: delete it and make another"))
		}
	}
	carried, err := r.carry(ctx, c, h)
	if err != nil {
		return 0, err
	}
	if err := r.reflect(ctx, c, h); err != nil {
		return 0, err
	}
	if err := r.say(ctx, c, bound(h), carried); err != nil {
		return 0, err
	}
	if carried.Reason != metal3.ConfigurationSyncedReason || h.Status.Provisioning.State != metal3.StateProvisioned {
		return r.recheck, nil
	}
	return 0, nil
}

// lost says why the claim has its host no more.
func lost(c *metal3.HostClaim, h *metal3.BareMetalHost) string {
	switch ref := c.Status.BareMetalHost; {
	case h == nil:
		return fmt.Sprintf("host %s/%s is gone", ref.Namespace, ref.Name)
	case !has(c, h):
		return fmt.Sprintf("somebody took host %s/%s from the claim (spec.consumerRef)", ref.Namespace, ref.Name)
	}
	return ""
}

// carry brings the claim's Secrets and spec to the host, and its reboots.
func (r *Reconciler) carry(ctx context.Context, c *metal3.HostClaim, h *metal3.BareMetalHost) (metav1.Condition, error) {
	if _, paused := h.Annotations[metal3.PausedAnnotation]; paused {
		return synchronized(metal3.HostPausedReason, "the host is paused by its operator"), nil
	}
	if !h.DeletionTimestamp.IsZero() {
		return synchronized(metal3.BareMetalHostNotSynchronizedReason, "the host is being deleted by its operator"), nil
	}
	if err := r.mark(ctx, c, h); err != nil {
		return metav1.Condition{}, err
	}
	lately := r.copied.lately(c, h, r.now(), r.recheck)
	if !lately {
		reason, problem, err := r.copySecrets(ctx, c, h)
		if err != nil {
			return metav1.Condition{}, err
		}
		if problem != "" {
			return synchronized(reason, problem), nil
		}
	}
	before := h.DeepCopy()
	carrySpec(c, h)
	carryLayout(c, h)
	rebooted := carryReboots(c, h)
	if !equality.Semantic.DeepEqual(before, h) {
		err := r.patch(ctx, before, h)
		if apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err) {
			*h = *before
			return synchronized(metal3.BareMetalHostNotSynchronizedReason, "the host cannot be as the claim asks: "+refusal(err)), nil
		}
		if err != nil {
			return metav1.Condition{}, err
		}
	}
	// Only now: a Secret that the claim does not name any more is named by its host until here.
	if !lately {
		if err := r.dropSecrets(ctx, c, h.Namespace, false); err != nil {
			return metav1.Condition{}, err
		}
		r.copied.note(c, h, r.now())
	}
	if err := r.done(ctx, c, rebooted); err != nil {
		return metav1.Condition{}, err
	}
	return synchronized(metal3.ConfigurationSyncedReason, ""), nil
}

// mark says on a host whose Secrets are copied beside it, before they are. One that a claim was given has the mark already; one that was bound by hand, or by an older Ingot, has not.
func (r *Reconciler) mark(ctx context.Context, c *metal3.HostClaim, h *metal3.BareMetalHost) error {
	key := client.ObjectKeyFromObject(c)
	if slices.Contains(survey.Copies(h), key) {
		return nil
	}
	before := h.DeepCopy()
	survey.Mark(h, key)
	return r.patch(ctx, before, h)
}

// refusal is what the API server says of a host that it does not accept. The messages of our policies speak of fields that the claim has too.
func refusal(err error) string {
	text := err.Error()
	if _, after, found := strings.Cut(text, "denied request: "); found {
		return after
	}
	return text
}

// carrySpec writes the claim's spec into the host's. All else of the host's is its operator's.
func carrySpec(c *metal3.HostClaim, h *metal3.BareMetalHost) {
	named := map[string]*corev1.SecretReference{}
	for _, p := range parts(c) {
		if p.source != "" {
			named[p.name] = &corev1.SecretReference{Namespace: h.Namespace, Name: copyName(c, p.name)}
		}
	}
	h.Spec.Online = c.Spec.PoweredOn
	h.Spec.Image, h.Spec.CustomDeploy = c.Spec.Image.DeepCopy(), c.Spec.CustomDeploy.DeepCopy()
	h.Spec.UserData, h.Spec.NetworkData, h.Spec.MetaData = named["user-data"], named["network-data"], named["meta-data"]
	if h.Spec.Image != nil {
		h.Spec.Image.OCIAuthSecretName = nil
		if copied := named[imagePull]; copied != nil {
			h.Spec.Image.OCIAuthSecretName = ptr.To(copied.Name)
		}
	}
}

// layoutOurs on a host says that its annotation of a filesystem layout is a claim's; its value is what the operator's said before.
const layoutOurs = "ingot.dev/filesystem-layout-before-claim"

// carryLayout brings a claim's filesystem layout to the host, and gives the host's own back where the claim has none.
func carryLayout(c *metal3.HostClaim, h *metal3.BareMetalHost) {
	want := c.Annotations[ingot.LayoutAnnotation]
	before, ours := h.Annotations[layoutOurs]
	switch {
	case want == "" && !ours:
		return
	case want == "" && before == "":
		delete(h.Annotations, layoutOurs)
		delete(h.Annotations, ingot.LayoutAnnotation)
		return
	case want == "":
		delete(h.Annotations, layoutOurs)
		h.Annotations[ingot.LayoutAnnotation] = before
		return
	case !ours:
		before = h.Annotations[ingot.LayoutAnnotation]
	}
	metav1.SetMetaDataAnnotation(&h.ObjectMeta, layoutOurs, before)
	metav1.SetMetaDataAnnotation(&h.ObjectMeta, ingot.LayoutAnnotation, want)
}

// The host's reboot annotations that are ours have this behind Metal3's prefix, so that no claim takes away what an operator or a remediation set.
const rebootOurs = metal3.RebootAnnotationPrefix + "/hostclaim-"

// carryReboots puts the claim's wishes for a reboot on the host. One without a name is asked for once: it goes from the claim to the host, and done takes it off the claim. One with a name holds
// the machine off for as long as the claim has it.
func carryReboots(c *metal3.HostClaim, h *metal3.BareMetalHost) (once bool) {
	for k := range h.Annotations {
		name, ours := strings.CutPrefix(k, rebootOurs)
		if !ours {
			continue
		}
		if _, wanted := c.Annotations[metal3.RebootAnnotationPrefix+"/"+name]; !wanted {
			delete(h.Annotations, k)
		}
	}
	for k, v := range c.Annotations {
		name, named := strings.CutPrefix(k, metal3.RebootAnnotationPrefix+"/")
		to := rebootOurs + name
		if k == metal3.RebootAnnotationPrefix {
			to, named, once = k, true, true
		}
		if !named {
			continue
		}
		if h.Annotations == nil {
			h.Annotations = map[string]string{}
		}
		h.Annotations[to] = v
	}
	return once
}

// done takes the wish for one reboot off the claim, now that the host has it. A crash before this asks for it once more, which is the better of the two mistakes.
func (r *Reconciler) done(ctx context.Context, c *metal3.HostClaim, rebooted bool) error {
	if !rebooted {
		return nil
	}
	status := c.Status.DeepCopy()
	before := c.DeepCopy()
	delete(c.Annotations, metal3.RebootAnnotationPrefix)
	if err := r.cached.Patch(ctx, c, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("take the reboot off the claim: %w", err)
	}
	c.Status = *status
	return nil
}
