package hostclaim

import (
	"context"
	"fmt"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/claim"
	"github.com/ingotmetal/ingot/claim/survey"
)

// withdrawnAnnotation on a host is what a claim leaves that meant to have it and gave it up; only the write matters.
const withdrawnAnnotation = "ingot.dev/claim-withdrawn"

// take makes the chosen host the claim's. The order is what keeps two processes from two hosts: the host is read, then the claim, which must have the intent still, then the host is written as it
// was read. Whoever gives the intent up writes the claim first and the host after it.
func (r *Reconciler) take(ctx context.Context, c *metal3.HostClaim) (time.Duration, error) {
	h, err := r.hostNow(ctx, c.Status.BareMetalHost)
	if err != nil {
		return 0, err
	}
	if h != nil && has(c, h) {
		return afterConflict, r.say(ctx, c, bound(h))
	}
	s, err := r.survey(ctx)
	if err != nil {
		return 0, err
	}
	q, err := s.Request(c)
	if err != nil {
		return 0, fmt.Errorf("read what the claim asks for: %w", err)
	}
	why, err := r.unfit(ctx, s, q, h)
	if err == nil && why == "" {
		why, err = r.overQuota(ctx, s, q)
	}
	if err != nil {
		return 0, err
	}
	if why != "" {
		return afterConflict, r.say(ctx, c, associated(reasonWithdrawing, "another host is looked for: "+why))
	}
	now := &metal3.HostClaim{}
	if err := r.live.Get(ctx, client.ObjectKeyFromObject(c), now); err != nil {
		return 0, fmt.Errorf("read the claim again: %w", err)
	}
	if !intends(now, c) {
		return afterConflict, nil
	}
	before := h.DeepCopy()
	h.Spec.ConsumerRef = consumer(c)
	survey.Mark(h, client.ObjectKeyFromObject(c))
	if err := r.patch(ctx, before, h); err != nil {
		return 0, err
	}
	r.log.Info("host bound to a claim", "machine", h.Namespace+"/"+h.Name, "claim", client.ObjectKeyFromObject(c).String())
	return afterConflict, r.say(ctx, now, bound(h))
}

// intends says whether a claim, read again, is the same one and means to have the same host.
func intends(now, c *metal3.HostClaim) bool {
	a, b := now.Status.BareMetalHost, c.Status.BareMetalHost
	return now.UID == c.UID && now.DeletionTimestamp.IsZero() && a != nil && *a == *b && condition(now, metal3.AssociatedCondition).Reason == reasonBinding
}

// unfit says why the chosen host is not to be had any more: a minute may have gone by, and a policy with it.
func (r *Reconciler) unfit(ctx context.Context, s *survey.Survey, q claim.Request, h *metal3.BareMetalHost) (string, error) {
	if h == nil {
		return "the host that was chosen is gone", nil
	}
	x := s.Host(h)
	q.Host = x.Name
	if d := claim.Choose(claim.NewInventory([]claim.Host{x}), claim.Rules{}, q); d.Refusal != nil {
		if x.State == claim.Held {
			return fmt.Sprintf("host %s was taken by somebody else", x.Name), nil
		}
		return d.Refusal.Message, nil
	}
	proved, err := r.clean(ctx, h.Namespace, h.Name)
	if err == nil && !proved {
		return fmt.Sprintf("the disks of host %s are not proved to be clean", x.Name), nil
	}
	return "", err
}

// overQuota says why the project's or the tenant's quota does not let the claim have its host. It counts intents and not hosts, by the one watch of all claims, which had the claim's own intent: c was read of it. What
// was written before that intent it had too, since it brings writes in their order. So of those that go over a bound together, the one whose intent was written last sees all the others, whatever process they are of. It
// may be that each sees the others, and all give up: they are then chosen for anew, one at a time.
func (r *Reconciler) overQuota(ctx context.Context, s *survey.Survey, q claim.Request) (string, error) {
	for _, b := range s.Bounds(q.Project, q.Tenant, q.Role) {
		n := 0
		for _, namespace := range b.Namespaces {
			var claims metal3.HostClaimList
			if err := r.cached.List(ctx, &claims, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
				return "", fmt.Errorf("count the claims of namespace %s: %w", namespace, err)
			}
			for i := range claims.Items {
				k := &claims.Items[i]
				if !survey.Holds(k) {
					continue
				}
				role, err := r.roleOf(ctx, s, k)
				if err != nil {
					return "", err
				}
				if role == q.Role {
					n++
				}
			}
		}
		if n > b.Most {
			return fmt.Sprintf("%s would hold %d of %d %ss", b.Owner, n, b.Most, q.Role), nil
		}
	}
	return "", nil
}

// roleOf asks the API server for the Machine of a claim where the watches don't have it.
func (r *Reconciler) roleOf(ctx context.Context, s *survey.Survey, k *metal3.HostClaim) (claim.Role, error) {
	role, known := s.Role(k)
	if known {
		return role, nil
	}
	m := &ingot.Machine{}
	err := r.live.Get(ctx, client.ObjectKeyFromObject(k), m)
	if apierrors.IsNotFound(err) || err == nil && m.UID != survey.MachineOf(k).UID {
		return claim.Machine, nil
	}
	if err != nil {
		return "", fmt.Errorf("read Machine %s/%s: %w", k.Namespace, k.Name, err)
	}
	return survey.RoleOf(m), nil
}

// withdraw gives an intent up, so that another host can be chosen.
func (r *Reconciler) withdraw(ctx context.Context, c *metal3.HostClaim) (time.Duration, error) {
	if err := r.fence(ctx, c); err != nil {
		return 0, err
	}
	why := strings.TrimPrefix(condition(c, metal3.AssociatedCondition).Message, "another host is looked for: ")
	c.Status.BareMetalHost = nil
	if err := r.say(ctx, c, associated(metal3.NoBareMetalHostReason, "another host is looked for: "+why)); err != nil {
		return 0, err
	}
	r.book.strike(c)
	return afterConflict, nil
}

// fence takes from every process that read the host before it the power to bind it by the claim's old intent: by writing the host. A host of somebody else was written since.
func (r *Reconciler) fence(ctx context.Context, c *metal3.HostClaim) error {
	h, err := r.hostNow(ctx, c.Status.BareMetalHost)
	if h == nil || err != nil {
		return err
	}
	before := h.DeepCopy()
	switch {
	case has(c, h):
		// Bound after all, by a process that then died. Nothing was carried to it, since that begins with the claim's status saying so.
		h.Spec.ConsumerRef = nil
		survey.Unmark(h, client.ObjectKeyFromObject(c))
	case h.Spec.ConsumerRef != nil:
		return nil
	}
	if h.Annotations == nil {
		h.Annotations = map[string]string{}
	}
	h.Annotations[withdrawnAnnotation] = fmt.Sprintf("%s %s", client.ObjectKeyFromObject(c), c.ResourceVersion)
	if h.Annotations[withdrawnAnnotation] == before.Annotations[withdrawnAnnotation] && !has(c, before) {
		return nil
	}
	return r.patch(ctx, before, h)
}
