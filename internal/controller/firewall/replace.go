package firewall

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firewall/gateway/object"
	pure "github.com/ingotmetal/ingot/firewall/replace"
)

// doing is what is left to do once the status is written.
type doing func(ctx context.Context) error

// replace writes into the status how a replacement of the Firewall's machine goes on, and gives what has to be done once that is noted; nil: nothing.
//
// Nothing is done in the look that notes another state: a process that dies in between goes on from what it noted.
func (r *Reconciler) replace(ctx context.Context, f *ingot.Firewall) (doing, error) {
	x := f.Status.Replacement
	name, why := cmp.Or(f.Status.Machine, f.Name), ""
	next := ""
	if x != nil {
		next, name = x.Machine, x.Earlier
	} else {
		var err error
		if next, why, err = r.due(ctx, f); err != nil || next == "" {
			return nil, err
		}
	}
	facts := pure.Facts{State: stateOf(f, name, next), Due: why != "", Cancelled: f.Spec.CancelReplacement == next, Generation: f.Generation, Resolved: f.Status.ResolvedGeneration == f.Generation}
	old, err := r.fact(ctx, f, name, &facts.Old)
	if err != nil {
		return nil, err
	}
	facts.Old.Own = name != f.Name
	fresh, err := r.fact(ctx, f, next, &facts.New)
	if err != nil {
		return nil, err
	}
	d := pure.Decide(facts, r.now())
	r.note(f, d, name, next, why, fresh)
	if d.Next != facts.State {
		return nil, nil
	}
	switch d.Do {
	case pure.Claim:
		return func(ctx context.Context) error { return r.claim(ctx, f, next) }, nil
	case pure.PowerOffOld:
		return r.power(old, false), nil
	case pure.PowerOnOld:
		return r.power(old, true), nil
	case pure.PowerOffNew:
		return r.power(fresh, false), nil
	case pure.ReleaseOld:
		return func(ctx context.Context) error { return r.succeed(ctx, f, old, next) }, nil
	case pure.ReleaseNew:
		return func(ctx context.Context) error { return r.deleteMachine(ctx, fresh) }, nil
	case pure.Nothing:
	}
	return nil, nil
}

// stateOf is the noted state. Times of the API are of whole seconds, and so is what is decided on.
func stateOf(f *ingot.Firewall, earlier, next string) pure.State {
	s := pure.State{Term: f.Status.Term, Holder: pure.Nobody}
	switch holder := f.Status.Holder; {
	case f.Status.Term == 0 || holder == earlier:
		s.Holder = pure.Old
	case holder == next:
		s.Holder = pure.New
	}
	if x := f.Status.Replacement; x != nil {
		s.Phase, s.Since = pure.Phase(x.Phase), x.Since.Time
	}
	return s
}

// due is the name of the machine that is to replace the Firewall's, and why; empty: none is.
func (r *Reconciler) due(ctx context.Context, f *ingot.Firewall) (name, why string, err error) {
	m := &ingot.Machine{}
	err = r.cached.Get(ctx, client.ObjectKey{Namespace: f.Namespace, Name: object.Current(f)}, m)
	if apierrors.IsNotFound(err) || err == nil && !metav1.IsControlledBy(m, f) {
		return "", "", nil // there is nothing to replace yet
	}
	if err != nil {
		return "", "", fmt.Errorf("read the firewall's machine: %w", err)
	}
	switch differs := differing(f, m); {
	case f.Spec.ReplaceRequest != f.Status.ReplaceRequest && f.Spec.ReplaceRequest != "":
		why = "requested: " + f.Spec.ReplaceRequest
	case f.Spec.UpdateStrategy == ingot.UpdateByReplace && differs != "":
		why = "other than the spec: " + differs
	default:
		return "", "", nil
	}
	name = successor(f)
	if name == object.Current(f) || name == f.Spec.CancelReplacement || r.gaveUp(f, name) {
		return "", "", nil
	}
	return name, why, nil
}

// gaveUp says whether a replacement by this machine was tried and given up: it is not begun again by itself.
func (r *Reconciler) gaveUp(f *ingot.Firewall, name string) bool {
	x := meta.FindStatusCondition(f.Status.Conditions, ingot.FirewallReplacedCondition)
	return x != nil && x.Reason == string(pure.GivenUp) && strings.HasPrefix(x.Message, name+": ")
}

// differing says in what a Machine is other than the spec would have it made now.
func differing(f *ingot.Firewall, m *ingot.Machine) string {
	want := wanted(f, m.Name).Spec
	var all []string
	for _, one := range []struct {
		name      string
		want, has any
	}{
		{"size", want.Size, m.Spec.Size}, {"host", want.Host, m.Spec.Host}, {"partition", want.Partition, m.Spec.Partition}, {"placementTags", want.PlacementTags, m.Spec.PlacementTags},
		{"image", want.Image, m.Spec.Image}, {"sshPublicKeys", want.SSHPublicKeys, m.Spec.SSHPublicKeys}, {"userData", want.UserData, m.Spec.UserData},
		{"dnsServers", want.DNSServers, m.Spec.DNSServers}, {"ntpServers", want.NTPServers, m.Spec.NTPServers}, {"nic", nics(want.Networks), nics(m.Spec.Networks)},
	} {
		if !equality.Semantic.DeepEqual(one.want, one.has) {
			all = append(all, one.name)
		}
	}
	return strings.Join(all, ", ")
}

func nics(all []ingot.MachineNetwork) []*ingot.MachineNIC {
	var list []*ingot.MachineNIC
	for i := range all {
		list = append(list, all[i].NIC)
	}
	return list
}

// successor is the name of the machine that the spec asks for: the same while it asks for the same, so that it is made once whoever dies.
func successor(f *ingot.Firewall) string {
	text, err := json.Marshal([]any{f.UID, object.Current(f), f.Spec.ReplaceRequest, f.Spec.Machine, nics(wanted(f, "").Spec.Networks)})
	if err != nil {
		return "" // strings and numbers are always written
	}
	sum := sha256.Sum256(text)
	suffix := strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:5]
	return f.Name[:min(len(f.Name), 57)] + "-" + suffix
}

// fact says how one of the machines stands. It is asked of the API server: what is done rests on it.
func (r *Reconciler) fact(ctx context.Context, f *ingot.Firewall, name string, x *pure.Machine) (*ingot.Machine, error) {
	m := &ingot.Machine{}
	err := r.live.Get(ctx, client.ObjectKey{Namespace: f.Namespace, Name: name}, m)
	if apierrors.IsNotFound(err) || err == nil && !metav1.IsControlledBy(m, f) {
		return m, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the firewall's machine %s: %w", name, err)
	}
	x.Exists, x.Leaving = true, !m.DeletionTimestamp.IsZero()
	x.PowerOff = m.Spec.Online != nil && !*m.Spec.Online
	x.Off = x.PowerOff && m.Status.Phase == ingot.MachineOff && !m.Status.PoweredOn
	c := meta.FindStatusCondition(m.Status.Conditions, ingot.MachineReadyCondition)
	x.NotReady = "it was made just now"
	if c != nil {
		x.Ready, x.NotReady = c.Status == metav1.ConditionTrue, c.Message
	}
	if h := m.Status.Host; h != nil {
		x.Host = h.Namespace + "/" + h.Name
	}
	if said, ok := f.Status.Members[name]; ok {
		x.Report = pure.Report{Seen: said.LastSeen.Time, Term: said.Term, Holds: said.Holds, Generation: said.Generation, Problem: said.Problem}
	}
	return m, nil
}

// note writes a decision into the status.
func (r *Reconciler) note(f *ingot.Firewall, d pure.Decision, earlier, next, why string, fresh *ingot.Machine) {
	s := &f.Status
	before := ""
	if s.Replacement != nil {
		before = s.Replacement.Phase
	}
	if d.Next.Term != s.Term {
		s.Term = d.Next.Term
		s.Holder = map[pure.Holder]string{pure.Old: earlier, pure.New: next}[d.Next.Holder]
	}
	status := metav1.ConditionFalse
	switch d.Next.Phase {
	case pure.Idle:
		if d.Outcome == pure.Replaced {
			status = metav1.ConditionTrue
		}
		s.Replacement = nil
		for name := range s.Members {
			if name != object.Current(f) {
				delete(s.Members, name)
			}
		}
	default:
		if s.Replacement == nil {
			s.Replacement = &ingot.FirewallReplacement{Machine: next, Earlier: earlier, Why: why, Request: f.Spec.ReplaceRequest, Began: metav1.NewTime(d.Next.Since)}
		}
		s.Replacement.Phase, s.Replacement.Since = string(d.Next.Phase), metav1.NewTime(d.Next.Since)
		place(s.Replacement, f, fresh)
	}
	if d.Next.Phase == pure.Releasing && s.Machine != next {
		s.Machine = next
		s.ReplaceRequest = requestOf(s.Replacement, s.ReplaceRequest)
	}
	set(f, ingot.FirewallReplacedCondition, status, string(d.Outcome), next+": "+d.Message)
	if before != string(d.Next.Phase) {
		kind := corev1.EventTypeNormal
		if slices.Contains([]pure.Outcome{pure.Lost, pure.GoingBack, pure.GivingUp, pure.GivenUp}, d.Outcome) {
			kind = corev1.EventTypeWarning
		}
		r.events.Eventf(f, nil, kind, "Replacement"+string(d.Outcome), "replace", "%s by %s: %s %s", earlier, next, d.Message, why)
		r.log.Info("firewall's machine is replaced", "machine", client.ObjectKeyFromObject(f).String(), "step", string(d.Next.Phase), "stage", string(d.Outcome))
	}
}

// requestOf is the request that a replacement fulfilled.
func requestOf(x *ingot.FirewallReplacement, before string) string {
	if x == nil {
		return before
	}
	return x.Request
}

// place says where a machine has its networks.
func place(x *ingot.FirewallReplacement, f *ingot.Firewall, m *ingot.Machine) {
	x.Host, x.Networks = m.Status.Host, nil
	for i := range f.Status.Networks {
		p := ingot.FirewallPlace{Network: f.Status.Networks[i].Network}
		for _, a := range m.Status.Addresses {
			if a.Network == p.Network {
				p.Addresses = append(p.Addresses, a.Address)
			}
		}
		for j := range m.Status.NICs {
			if m.Status.NICs[j].Network == p.Network {
				p.NIC = m.Status.NICs[j].DeepCopy()
			}
		}
		x.Networks = append(x.Networks, p)
	}
}

// claim makes the new Machine.
func (r *Reconciler) claim(ctx context.Context, f *ingot.Firewall, name string) error {
	m := wanted(f, name)
	err := r.live.Create(ctx, m)
	switch {
	case apierrors.IsAlreadyExists(err):
		return nil // made before somebody died, or a stranger's: then its name is free one day
	case apierrors.IsInvalid(err) || apierrors.IsForbidden(err):
		r.events.Eventf(f, nil, corev1.EventTypeWarning, "ReplacementRefused", "replace", "the Machine %s cannot be made: %v", name, err)
		return fmt.Errorf("make the firewall's new machine, which is refused: %w", err)
	case err != nil:
		return fmt.Errorf("make the firewall's new machine: %w", err)
	}
	return nil
}

// power has a machine turned on or off by its BMC.
func (r *Reconciler) power(m *ingot.Machine, on bool) doing {
	return func(ctx context.Context) error {
		if m.Name == "" || m.Spec.Online != nil && *m.Spec.Online == on || m.Spec.Online == nil && on {
			return nil
		}
		before := m.DeepCopy()
		m.Spec.Online = ptr.To(on)
		if err := r.live.Patch(ctx, m, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
			return fmt.Errorf("have the firewall's machine %s turned on or off: %w", m.Name, err)
		}
		return nil
	}
}

// succeed gives the earlier machine back. The IPs that were made for it and are the Firewall's become the new machine's before, so that they don't go with it.
func (r *Reconciler) succeed(ctx context.Context, f *ingot.Firewall, old *ingot.Machine, next string) error {
	m := &ingot.Machine{}
	if err := r.live.Get(ctx, client.ObjectKey{Namespace: f.Namespace, Name: next}, m); err != nil {
		return fmt.Errorf("read the firewall's machine %s: %w", next, err)
	}
	for i := range f.Status.Networks {
		for _, name := range f.Status.Networks[i].IPs {
			if err := r.inherit(ctx, client.ObjectKey{Namespace: f.Namespace, Name: name}, old, m); err != nil {
				return err
			}
		}
	}
	return r.deleteMachine(ctx, old)
}

// inherit makes an IP of one machine the other's.
func (r *Reconciler) inherit(ctx context.Context, key client.ObjectKey, old, next *ingot.Machine) error {
	ip := &ingot.IP{}
	err := r.live.Get(ctx, key, ip)
	if apierrors.IsNotFound(err) || err == nil && !metav1.IsControlledBy(ip, old) {
		return nil // a tenant's own, or done
	}
	if err != nil {
		return fmt.Errorf("read IP %s: %w", key, err)
	}
	before := ip.DeepCopy()
	ip.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(next, ingot.GroupVersion.WithKind("Machine"))}
	if err := r.live.Patch(ctx, ip, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("make IP %s the new machine's: %w", key, err)
	}
	return nil
}
