package hostclaim

import (
	"context"
	"fmt"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/claim"
)

// find adopts the host that names the claim already, or chooses one and writes the intent.
func (r *Reconciler) find(ctx context.Context, c *metal3.HostClaim) (time.Duration, error) {
	var named metal3.BareMetalHostList
	if err := r.cached.List(ctx, &named, client.MatchingFields{consumerIndex: client.ObjectKeyFromObject(c).String()}); err != nil {
		return 0, fmt.Errorf("list hosts of the claim: %w", err)
	}
	if len(named.Items) > 0 {
		// The status was lost, as it is when objects are moved between clusters, or somebody gave the host by hand.
		h := &named.Items[0]
		return afterConflict, r.intend(ctx, c, h.Namespace, h.Name)
	}
	v, q, err := Survey(ctx, r.cached, c)
	if err != nil {
		return 0, err
	}
	for {
		d := claim.Choose(v, claim.Rules{}, q)
		if d.Refusal != nil {
			e := claim.Explain(v, claim.Rules{}, q)
			return whileWaiting, r.say(ctx, c, associated(metal3.NoBareMetalHostReason, tell(e, q)))
		}
		h, _ := v.Host(d.Host)
		proved, err := r.clean(ctx, h.Namespace, strings.TrimPrefix(h.Name, h.Namespace+"/"))
		if err != nil {
			return 0, err
		}
		if proved {
			r.log.Info("host chosen for a claim", "machine", d.Host, "claim", client.ObjectKeyFromObject(c).String())
			return afterConflict, r.intend(ctx, c, h.Namespace, strings.TrimPrefix(h.Name, h.Namespace+"/"))
		}
		h.State, h.Why = claim.NotReady, "its disks are not proved to be clean"
		v.Set(h)
	}
}

// intend writes which host the claim means to have. It is the claim's resource version that decides between two processes.
func (r *Reconciler) intend(ctx context.Context, c *metal3.HostClaim, namespace, name string) error {
	c.Status.BareMetalHost = &metal3.ObjectReference{Namespace: namespace, Name: name}
	return r.say(ctx, c, associated(reasonBinding, fmt.Sprintf("host %s/%s is chosen", namespace, name)))
}

// clean says whether a host's wipe is proved. A host that was never cleaned has the disks of whoever had the machine before.
func (r *Reconciler) clean(ctx context.Context, namespace, name string) (bool, error) {
	l := &ingot.HostLifecycle{}
	err := r.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, l)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the record of host %s/%s: %w", namespace, name, err)
	}
	return l.Status.CleanedAt != nil, nil
}

// Survey makes of the objects what package claim decides on: all hosts, and what a claim asks for under the policies. The program `ingot claim` reads the same.
func Survey(ctx context.Context, c client.Reader, k *metal3.HostClaim) (*claim.Inventory, claim.Request, error) {
	var hosts metal3.BareMetalHostList
	if err := c.List(ctx, &hosts, client.UnsafeDisableDeepCopy); err != nil {
		return nil, claim.Request{}, fmt.Errorf("list hosts: %w", err)
	}
	q, err := request(ctx, c, k)
	if err != nil {
		return nil, claim.Request{}, err
	}
	all := make([]claim.Host, 0, len(hosts.Items))
	for i := range hosts.Items {
		all = append(all, hostOf(&hosts.Items[i]))
	}
	return claim.NewInventory(all), q, nil
}

// request is what a claim asks for.
func request(ctx context.Context, c client.Reader, k *metal3.HostClaim) (claim.Request, error) {
	q := claim.Request{ID: k.Namespace + "/" + k.Name, Project: k.Namespace, Role: claim.Machine, Labels: k.Spec.HostSelector.MatchLabels, Within: k.Spec.HostSelector.InNamespace}
	for _, e := range k.Spec.HostSelector.MatchExpressions {
		q.Where = append(q.Where, claim.Requirement{Key: e.Key, Operator: string(e.Operator), Values: e.Values})
	}
	if k.Spec.FailureDomain != "" {
		q.Prefer = map[string]string{failureDomainLabel: k.Spec.FailureDomain}
	}
	ns := &corev1.Namespace{}
	if err := c.Get(ctx, client.ObjectKey{Name: k.Namespace}, ns); err != nil {
		return q, fmt.Errorf("read the claim's namespace: %w", err)
	}
	var policies metal3.HostDeployPolicyList
	if err := c.List(ctx, &policies, client.UnsafeDisableDeepCopy); err != nil {
		return q, fmt.Errorf("list HostDeployPolicies: %w", err)
	}
	openings := make([]claim.Opening, 0, len(policies.Items))
	for i := range policies.Items {
		p := &policies.Items[i]
		o := claim.Opening{Host: p.Namespace, Name: p.Name}
		if to := p.Spec.HostClaimNamespaces; to != nil && p.DeletionTimestamp.IsZero() {
			o.Names, o.Pattern = to.Names, to.NameMatches
			for _, l := range to.HasLabels {
				o.Labels = append(o.Labels, claim.Label{Name: l.Name, Value: l.Value})
			}
		}
		openings = append(openings, o)
	}
	q.Open = claim.Open(openings, claim.Tenant{Namespace: ns.Name, Labels: ns.Labels})
	return q, nil
}

// failureDomainLabel is Cluster API's.
const failureDomainLabel = "infrastructure.cluster.x-k8s.io/failure-domain"

func hostOf(h *metal3.BareMetalHost) claim.Host {
	x := claim.Host{Name: h.Namespace + "/" + h.Name, Namespace: h.Namespace, Partition: h.Labels[ingot.PartitionLabel], Rack: h.Labels[failureDomainLabel], Labels: h.Labels, State: claim.Offered}
	if ref := h.Spec.ConsumerRef; ref != nil {
		x.State = claim.Held
		x.Holder = claim.Holder{Request: ref.Namespace + "/" + ref.Name, Project: ref.Namespace, Role: claim.Machine}
		if _, ours := claimOf(h); !ours {
			x.Holder.Request = ref.Kind + " " + x.Holder.Request
		}
		return x
	}
	if x.Why = unready(h); x.Why != "" {
		x.State = claim.NotReady
	}
	return x
}

// unready says why a host that has no consumer cannot be had; empty: it can, once its wipe is found proved.
func unready(h *metal3.BareMetalHost) string {
	_, paused := h.Annotations[metal3.PausedAnnotation]
	_, detached := h.Annotations[metal3.DetachedAnnotation]
	switch s := h.Status.Provisioning.State; {
	case h.Spec.ConsumerRef != nil:
		return "somebody has it"
	case !h.DeletionTimestamp.IsZero():
		return "it is being deleted"
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

// toldHosts is how many hosts a condition's message speaks of: it may have 32 KiB, and nobody reads more.
const toldHosts = 20

// tell says to a tenant why there is no host, host by host: of hosts in namespaces that are open to it, and without who has them.
func tell(e claim.Explanation, q claim.Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; %s.", e.Decision.Refusal.Message, e.Decision.Refusal.Fix)
	told, open, closed := 0, 0, 0
	for _, v := range e.Verdicts {
		namespace, _, _ := strings.Cut(v.Host, "/")
		if why, known := q.Open[namespace]; !known || why != "" {
			closed++
			continue
		}
		open++
		if told == toldHosts {
			continue
		}
		told++
		why := v.Why
		if strings.HasPrefix(why, "it is held by ") {
			why = "somebody has it"
		}
		fmt.Fprintf(&b, " %s: %s.", v.Host, why)
	}
	if open > told {
		fmt.Fprintf(&b, " And %d more hosts like these.", open-told)
	}
	if closed > 0 {
		fmt.Fprintf(&b, " %d hosts are in namespaces that no HostDeployPolicy opens to this one.", closed)
	}
	return b.String()
}
