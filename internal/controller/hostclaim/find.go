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
	"github.com/ingotmetal/ingot/claim/survey"
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
	v, q, err := r.survey(ctx, c)
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

// survey reads what package claim decides on: all hosts, and what a claim asks for under the policies.
func (r *Reconciler) survey(ctx context.Context, c *metal3.HostClaim) (*claim.Inventory, claim.Request, error) {
	var hosts metal3.BareMetalHostList
	if err := r.cached.List(ctx, &hosts, client.UnsafeDisableDeepCopy); err != nil {
		return nil, claim.Request{}, fmt.Errorf("list hosts: %w", err)
	}
	q, err := r.request(ctx, c)
	if err != nil {
		return nil, claim.Request{}, err
	}
	return claim.NewInventory(survey.Hosts(hosts.Items)), q, nil
}

// request is what a claim asks for, and where it may.
func (r *Reconciler) request(ctx context.Context, c *metal3.HostClaim) (claim.Request, error) {
	ns := &corev1.Namespace{}
	if err := r.cached.Get(ctx, client.ObjectKey{Name: c.Namespace}, ns); err != nil {
		return claim.Request{}, fmt.Errorf("read the claim's namespace: %w", err)
	}
	var policies metal3.HostDeployPolicyList
	if err := r.cached.List(ctx, &policies, client.UnsafeDisableDeepCopy); err != nil {
		return claim.Request{}, fmt.Errorf("list HostDeployPolicies: %w", err)
	}
	return survey.Request(c, ns, policies.Items), nil
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
