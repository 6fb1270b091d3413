// Package survey makes of Metal3's objects what package claim decides on.
//
// It owns the reading of BareMetalHosts, HostClaims and HostDeployPolicies as hosts, requests and openings. It refuses to fetch them: the controller reads its watches, the program `ingot claim` the
// API, and both see the same. Whether a host's wipe is proved stands in its record and not here.
//
// Invariant: a host that anything else has a use for is not offered.
package survey

import (
	"fmt"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/claim"
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

// Request is what a claim of a tenant's namespace asks for, and which hosts' namespaces the policies open to it.
func Request(k *metal3.HostClaim, tenant *corev1.Namespace, policies []metal3.HostDeployPolicy) claim.Request {
	q := claim.Request{ID: k.Namespace + "/" + k.Name, Project: k.Namespace, Role: claim.Machine, Labels: k.Spec.HostSelector.MatchLabels, Within: k.Spec.HostSelector.InNamespace}
	for _, e := range k.Spec.HostSelector.MatchExpressions {
		q.Where = append(q.Where, claim.Requirement{Key: e.Key, Operator: string(e.Operator), Values: e.Values})
	}
	if k.Spec.FailureDomain != "" {
		q.Prefer = map[string]string{failureDomainLabel: k.Spec.FailureDomain}
	}
	openings := make([]claim.Opening, 0, len(policies))
	for i := range policies {
		p := &policies[i]
		o := claim.Opening{Host: p.Namespace, Name: p.Name}
		if to := p.Spec.HostClaimNamespaces; to != nil && p.DeletionTimestamp.IsZero() {
			o.Names, o.Pattern = to.Names, to.NameMatches
			for _, l := range to.HasLabels {
				o.Labels = append(o.Labels, claim.Label{Name: l.Name, Value: l.Value})
			}
		}
		openings = append(openings, o)
	}
	q.Open = claim.Open(openings, claim.Tenant{Namespace: tenant.Name, Labels: tenant.Labels})
	return q
}

// failureDomainLabel is Cluster API's.
const failureDomainLabel = "infrastructure.cluster.x-k8s.io/failure-domain"

// Hosts are the hosts as the choice sees them.
func Hosts(all []metal3.BareMetalHost) []claim.Host {
	hosts := make([]claim.Host, 0, len(all))
	for i := range all {
		hosts = append(hosts, Host(&all[i]))
	}
	return hosts
}

// Host is one of them.
func Host(h *metal3.BareMetalHost) claim.Host {
	x := claim.Host{Name: h.Namespace + "/" + h.Name, Namespace: h.Namespace, Partition: h.Labels[ingot.PartitionLabel], Rack: h.Labels[failureDomainLabel], Labels: h.Labels, State: claim.Offered}
	if ref := h.Spec.ConsumerRef; ref != nil {
		x.State = claim.Held
		x.Holder = claim.Holder{Request: ref.Namespace + "/" + ref.Name, Project: ref.Namespace, Role: claim.Machine}
		if _, ours := ClaimOf(h); !ours {
			x.Holder.Request = ref.Kind + " " + x.Holder.Request
		}
		return x
	}
	if x.Why = Unready(h); x.Why != "" {
		x.State = claim.NotReady
	}
	return x
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
