package survey

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/claim"
)

// ErrMachineUnseen: a claim says that it is a Machine's, and there is no such Machine. It may be that the reader has not heard of it yet.
var ErrMachineUnseen = errors.New("the Machine that the claim is of is not there")

// Facts are the objects that a choice rests on: all of each kind.
type Facts struct {
	Hosts        []metal3.BareMetalHost
	Claims       []metal3.HostClaim
	Machines     []ingot.Machine
	Namespaces   []corev1.Namespace
	Policies     []metal3.HostDeployPolicy
	Quotas       []ingot.Quota
	Reservations []ingot.SizeReservation
	// Intents are hosts ("namespace/name") that claims are about to have, beside those that the claims' own statuses say.
	Intents map[string]types.NamespacedName
}

// Survey is facts, indexed.
type Survey struct {
	facts      Facts
	namespaces map[string]*corev1.Namespace
	machines   map[types.NamespacedName]*ingot.Machine
	claims     map[types.NamespacedName]*metal3.HostClaim
	intents    map[string]types.NamespacedName
}

// New indexes facts, which must not change afterwards.
func New(f Facts) *Survey {
	s := &Survey{facts: f, namespaces: map[string]*corev1.Namespace{}, machines: map[types.NamespacedName]*ingot.Machine{}, claims: map[types.NamespacedName]*metal3.HostClaim{},
		intents: map[string]types.NamespacedName{}}
	for i := range f.Namespaces {
		s.namespaces[f.Namespaces[i].Name] = &f.Namespaces[i]
	}
	for i := range f.Machines {
		s.machines[keyOf(&f.Machines[i])] = &f.Machines[i]
	}
	for i := range f.Claims {
		k := &f.Claims[i]
		s.claims[keyOf(k)] = k
		if h := k.Status.BareMetalHost; h != nil && Holds(k) {
			s.intents[h.Namespace+"/"+h.Name] = keyOf(k)
		}
	}
	for host, k := range f.Intents {
		s.intents[host] = k
	}
	return s
}

func keyOf(o metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}
}

// Inventory is all hosts as the choice sees them.
func (s *Survey) Inventory() *claim.Inventory {
	hosts := make([]claim.Host, 0, len(s.facts.Hosts))
	for i := range s.facts.Hosts {
		h := &s.facts.Hosts[i]
		x := s.Host(h)
		if k, intended := s.intents[x.Name]; intended && h.Spec.ConsumerRef == nil {
			x.State, x.Why, x.Holder = claim.Held, "", s.holder(k)
		}
		hosts = append(hosts, x)
	}
	return claim.NewInventory(hosts)
}

// Host is one host by itself, without regard to who means to have it.
func (s *Survey) Host(h *metal3.BareMetalHost) claim.Host {
	x := claim.Host{Name: h.Namespace + "/" + h.Name, Namespace: h.Namespace, Partition: h.Labels[ingot.PartitionLabel], Size: h.Labels[ingot.SizeLabel], Rack: h.Labels[FailureDomainLabel],
		Labels: h.Labels, Taints: taints(h), State: claim.Offered}
	if why, cordoned := h.Annotations[ingot.CordonAnnotation]; cordoned {
		x.Cordoned = why
		if why == "" {
			x.Cordoned = "without a reason given"
		}
	}
	if ref := h.Spec.ConsumerRef; ref != nil {
		x.State = claim.Held
		x.Holder = s.holder(types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name})
		if _, ours := ClaimOf(h); !ours {
			x.Holder = claim.Holder{Request: ref.Kind + " " + x.Holder.Request, Project: x.Holder.Project, Tenant: x.Holder.Tenant, Role: claim.Machine}
		}
		return x
	}
	if x.Why = Unready(h); x.Why != "" {
		x.State = claim.NotReady
	}
	return x
}

func taints(h *metal3.BareMetalHost) []claim.Taint {
	var all []claim.Taint
	for k, v := range h.Labels {
		if key, is := strings.CutPrefix(k, ingot.TaintLabelPrefix); is {
			all = append(all, claim.Taint{Key: key, Value: v})
		}
	}
	slices.SortFunc(all, func(a, b claim.Taint) int { return strings.Compare(a.Key, b.Key) })
	return all
}

// Holds says whether a claim has a host, or means to have one. One that lost its host does not, though its status still says which that was.
func Holds(k *metal3.HostClaim) bool {
	x := meta.FindStatusCondition(k.Status.Conditions, metal3.AssociatedCondition)
	return k.Status.BareMetalHost != nil && (x == nil || x.Reason != metal3.MissingBareMetalHostReason)
}

// Role is what a claim's host is for; known is false where that is its Machine's word, and the facts don't have the Machine.
func (s *Survey) Role(k *metal3.HostClaim) (r claim.Role, known bool) {
	ref := MachineOf(k)
	if ref == nil {
		return claim.Machine, true
	}
	if m := s.machines[keyOf(k)]; m != nil && m.UID == ref.UID {
		return RoleOf(m), true
	}
	return claim.Machine, false
}

// holder is a claim as the one that has a host.
func (s *Survey) holder(k types.NamespacedName) claim.Holder {
	project, tenant := s.Owner(k.Namespace)
	h := claim.Holder{Request: k.String(), Project: project, Tenant: tenant, Role: claim.Machine}
	if c := s.claims[k]; c != nil && MachineOf(c) != nil {
		if m := s.machines[k]; m != nil && m.UID == MachineOf(c).UID {
			h.Role, h.Placement = RoleOf(m), m.Spec.PlacementTags
		}
	}
	return h
}

// RoleOf is a Machine's role.
func RoleOf(m *ingot.Machine) claim.Role {
	if m.Spec.Role == ingot.RoleFirewall {
		return claim.Firewall
	}
	return claim.Machine
}

// MachineOf is the reference of a claim to the Machine that it is of; nil: of none. Only a claim of the Machine's own name is.
func MachineOf(k *metal3.HostClaim) *metav1.OwnerReference {
	ref := metav1.GetControllerOf(k)
	if ref == nil || ref.Kind != "Machine" || ref.APIVersion != ingot.GroupVersion.String() || ref.Name != k.Name {
		return nil
	}
	return ref
}

// Request is what a claim asks for, and which hosts' namespaces the policies open to it.
func (s *Survey) Request(k *metal3.HostClaim) (claim.Request, error) {
	if ref := MachineOf(k); ref != nil {
		m := s.machines[keyOf(k)]
		if m == nil || m.UID != ref.UID {
			return claim.Request{}, fmt.Errorf("claim %s/%s: %w", k.Namespace, k.Name, ErrMachineUnseen)
		}
		return s.MachineRequest(m), nil
	}
	q := s.request(k)
	q.Role, q.Labels, q.Within = claim.Machine, k.Spec.HostSelector.MatchLabels, k.Spec.HostSelector.InNamespace
	for _, e := range k.Spec.HostSelector.MatchExpressions {
		q.Where = append(q.Where, claim.Requirement{Key: e.Key, Operator: string(e.Operator), Values: e.Values})
	}
	if k.Spec.FailureDomain != "" {
		q.Prefer = map[string]string{FailureDomainLabel: k.Spec.FailureDomain}
	}
	return q, nil
}

// MachineRequest is what a Machine asks for.
func (s *Survey) MachineRequest(m *ingot.Machine) claim.Request {
	q := s.request(m)
	q.Role, q.Size, q.Partition, q.Placement = RoleOf(m), m.Spec.Size, m.Spec.Partition, m.Spec.PlacementTags
	if m.Spec.Host != nil {
		q.Host = m.Spec.Host.Namespace + "/" + m.Spec.Host.Name
	}
	if m.Spec.FailureDomain != "" {
		q.Labels = map[string]string{FailureDomainLabel: m.Spec.FailureDomain}
	}
	for _, t := range m.Spec.Tolerations {
		q.Tolerations = append(q.Tolerations, claim.Toleration{Key: t.Key, Value: t.Value})
	}
	return q
}

// request is what every request has: who asks, and what is open to them.
func (s *Survey) request(o metav1.Object) claim.Request {
	q := claim.Request{ID: keyOf(o).String()}
	q.Project, q.Tenant = s.Owner(o.GetNamespace())
	openings := make([]claim.Opening, 0, len(s.facts.Policies))
	for i := range s.facts.Policies {
		p := &s.facts.Policies[i]
		x := claim.Opening{Host: p.Namespace, Name: p.Name}
		if to := p.Spec.HostClaimNamespaces; to != nil && p.DeletionTimestamp.IsZero() {
			x.Names, x.Pattern = to.Names, to.NameMatches
			for _, l := range to.HasLabels {
				x.Labels = append(x.Labels, claim.Label{Name: l.Name, Value: l.Value})
			}
		}
		openings = append(openings, x)
	}
	tenant := claim.Tenant{Namespace: o.GetNamespace()}
	if ns := s.namespaces[o.GetNamespace()]; ns != nil {
		tenant.Labels = ns.Labels
	}
	q.Open = claim.Open(openings, tenant)
	return q
}
