package firewall

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firewall/gateway/object"
	pure "github.com/ingotmetal/ingot/firewall/replace"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/matrix"
)

// Finalizer keeps a Firewall until its Machine is gone.
const Finalizer = "ingot.dev/firewall"

// The reasons of conditions.
const (
	reasonReady     = "Ready"
	reasonWaiting   = "Waiting"
	reasonInvalid   = "Invalid"
	reasonNameTaken = "NameTaken"
	reasonResolved  = "Resolved"
	reasonApplied   = "Applied"
	reasonRefused   = "Refused"
	reasonSilent    = "Silent"
	reasonShared    = "SharedInterface"
	reasonOwnCards  = "OwnInterfaces"
	reasonReleasing = "Releasing"
)

const (
	// afterConflict: somebody wrote meanwhile; the cache has it soon.
	afterConflict = 100 * time.Millisecond
	// recheck is how often a Firewall is looked at whose machine might have fallen silent.
	recheck = 30 * time.Second
	// replacing is how often it is while its machine is replaced.
	replacing = 2 * time.Second
	// silentAfter is how long a machine may be silent; it reports every 30 s (package node/gateway).
	silentAfter = 2 * time.Minute
)

// Reconciler looks after Firewalls.
type Reconciler struct {
	// cached reads from watches; live asks the API server.
	cached, live client.Client
	events       events.EventRecorder
	log          *slog.Logger
	now          func() time.Time
	recheck      time.Duration
}

// Reconcile looks at one Firewall.
func (r *Reconciler) Reconcile(ctx context.Context, q reconcile.Request) (reconcile.Result, error) {
	f := &ingot.Firewall{}
	if err := r.cached.Get(ctx, q.NamespacedName, f); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	again, err := r.look(ctx, f)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) || apierrors.IsAlreadyExists(err) {
		return reconcile.Result{RequeueAfter: afterConflict}, nil
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("firewall %s: %w", q.NamespacedName, err)
	}
	return reconcile.Result{RequeueAfter: again}, nil
}

func (r *Reconciler) look(ctx context.Context, f *ingot.Firewall) (time.Duration, error) {
	if !f.DeletionTimestamp.IsZero() {
		return r.recheck, r.release(ctx, f)
	}
	if err := r.hold(ctx, f, true); err != nil {
		return 0, err
	}
	if err := r.admit(ctx, f); err != nil {
		return 0, err
	}
	f.Status.Rules = int32(len(f.Spec.Egress) + len(f.Spec.Ingress))
	do, err := r.replace(ctx, f)
	if err != nil {
		return 0, err
	}
	m, err := r.machine(ctx, f)
	if err != nil {
		return 0, err
	}
	if m != nil {
		if err := r.follow(ctx, f, m); err != nil {
			return 0, err
		}
	}
	r.applied(f)
	sum(f)
	wrote, err := r.say(ctx, f)
	if err != nil || wrote || do == nil {
		// What was noted wakes this again, and then the rest is done.
		return r.patience(f), err
	}
	return r.patience(f), do(ctx)
}

// patience is when to look again though nothing woke: BMCs are not watched, nor is time.
func (r *Reconciler) patience(f *ingot.Firewall) time.Duration {
	if f.Status.Replacement == nil {
		return r.recheck
	}
	return min(r.recheck, replacing)
}

// follow takes over what the Machine says, and resolves.
func (r *Reconciler) follow(ctx context.Context, f *ingot.Firewall, m *ingot.Machine) error {
	f.Status.Host = m.Status.Host
	x := meta.FindStatusCondition(m.Status.Conditions, ingot.MachineReadyCondition)
	if x == nil {
		x = &metav1.Condition{Status: metav1.ConditionFalse, Reason: reasonWaiting, Message: "the machine was made just now"}
	}
	set(f, ingot.FirewallMachineCondition, x.Status, x.Reason, x.Message)
	p, err := r.resolve(ctx, f, m)
	switch {
	case err != nil:
		return err
	case p != nil:
		set(f, ingot.FirewallResolvedCondition, metav1.ConditionFalse, p.reason, p.message)
	default:
		set(f, ingot.FirewallResolvedCondition, metav1.ConditionTrue, reasonResolved, fmt.Sprintf("%d networks and %d rules", len(f.Status.Networks), f.Status.Rules))
	}
	return nil
}

// machine is the Firewall's Machine, made where it isn't there; nil: there is none to work with, and the condition says why.
func (r *Reconciler) machine(ctx context.Context, f *ingot.Firewall) (*ingot.Machine, error) {
	m := &ingot.Machine{}
	name := object.Current(f)
	err := r.cached.Get(ctx, client.ObjectKey{Namespace: f.Namespace, Name: name}, m)
	if apierrors.IsNotFound(err) && f.Status.Replacement != nil && f.Status.Replacement.Phase != string(pure.Releasing) {
		set(f, ingot.FirewallMachineCondition, metav1.ConditionFalse, reasonReleasing, "the machine is gone, and another one is about to replace it")
		return nil, nil
	}
	if apierrors.IsNotFound(err) {
		m = wanted(f, name)
		if f.Status.ReplaceRequest == "" {
			f.Status.ReplaceRequest = f.Spec.ReplaceRequest // the first machine is as it was asked for
		}
		if err := r.live.Create(ctx, m); err != nil {
			if apierrors.IsInvalid(err) || apierrors.IsForbidden(err) {
				set(f, ingot.FirewallMachineCondition, metav1.ConditionFalse, reasonInvalid, "the Machine cannot be made: "+err.Error())
				return nil, nil
			}
			return nil, fmt.Errorf("make the firewall's machine: %w", err)
		}
		return m, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the firewall's machine: %w", err)
	}
	if !metav1.IsControlledBy(m, f) {
		set(f, ingot.FirewallMachineCondition, metav1.ConditionFalse, reasonNameTaken, "there is a Machine of the firewall's name that is not the firewall's own: delete it, or give the firewall another name")
		return nil, nil
	}
	return m, nil
}

// wanted is the Machine of a Firewall. The one of its name is installed with the Firewall's addresses, any other one with some of its own.
func wanted(f *ingot.Firewall, name string) *ingot.Machine {
	s := &f.Spec.Machine
	m := &ingot.Machine{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.Namespace, Name: name, OwnerReferences: []metav1.OwnerReference{owner(f)}},
		Spec: ingot.MachineSpec{
			Role: ingot.RoleFirewall, Size: s.Size, Host: s.Host, Partition: s.Partition, PlacementTags: s.PlacementTags, Image: s.Image, SSHPublicKeys: s.SSHPublicKeys, UserData: s.UserData,
			DNSServers: s.DNSServers, NTPServers: s.NTPServers,
		},
	}
	for _, n := range f.Spec.Networks {
		one := ingot.MachineNetwork{Name: n.Name, Namespace: n.Namespace, NIC: n.NIC}
		if name == f.Name {
			one.Addresses = n.Addresses
		}
		m.Spec.Networks = append(m.Spec.Networks, one)
	}
	return m
}

func owner(f *ingot.Firewall) metav1.OwnerReference {
	return *metav1.NewControllerRef(f, ingot.GroupVersion.WithKind("Firewall"))
}

// RoleName is the name of the Role and the RoleBinding by which a Firewall's node reads it.
func RoleName(firewall string) string { return "ingot:firewall:" + firewall }

// BindingName is that of the RoleBinding of one of its machines.
func BindingName(firewall, machine string) string {
	if machine == firewall {
		return RoleName(firewall)
	}
	return RoleName(firewall) + ":" + machine
}

// NodeName is the name by which a Firewall's machine is enrolled.
func NodeName(namespace, machine string) string { return namespace + "." + machine }

// admit lets the Firewall's nodes read the Firewall and report on it: that one, by its name.
func (r *Reconciler) admit(ctx context.Context, f *ingot.Firewall) error {
	machines := []string{object.Current(f)}
	if x := f.Status.Replacement; x != nil {
		machines = append(machines, x.Machine)
	}
	for _, m := range machines {
		if err := r.bind(ctx, f, m); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reconciler) bind(ctx context.Context, f *ingot.Firewall, machine string) error {
	name := metav1.ObjectMeta{Namespace: f.Namespace, Name: RoleName(f.Name), Labels: map[string]string{"app.kubernetes.io/managed-by": "ingot"}, OwnerReferences: []metav1.OwnerReference{owner(f)}}
	role := &rbacv1.Role{ObjectMeta: name, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{ingot.GroupVersion.Group}, Resources: []string{"firewalls"}, ResourceNames: []string{f.Name}, Verbs: []string{"get", "list", "watch"}},
		{APIGroups: []string{ingot.GroupVersion.Group}, Resources: []string{"firewalls/status"}, ResourceNames: []string{f.Name}, Verbs: []string{"patch"}},
	}}
	bound := *name.DeepCopy()
	bound.Name = BindingName(f.Name, machine)
	binding := &rbacv1.RoleBinding{ObjectMeta: bound,
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: pki.RoleName(string(matrix.Firewall), NodeName(f.Namespace, machine))}}}
	for _, o := range []client.Object{role, binding} {
		have, _ := o.DeepCopyObject().(client.Object)
		err := r.live.Get(ctx, client.ObjectKeyFromObject(o), have)
		if apierrors.IsNotFound(err) {
			err = r.live.Create(ctx, o)
		}
		if err != nil {
			return fmt.Errorf("let the firewall's node read it by %T %s: %w", o, o.GetName(), err)
		}
	}
	return nil
}

// applied judges what the machine says that it enforces.
func (r *Reconciler) applied(f *ingot.Firewall) {
	a, s := f.Status.Applied, &f.Status
	switch {
	case a == nil || s.LastSeen == nil:
		set(f, ingot.FirewallAppliedCondition, metav1.ConditionUnknown, reasonWaiting, fmt.Sprintf("the machine has not reported yet: enroll it by `ingot node enroll --firewall %[1]s/%[2]s`, and run ingot-node there with --firewall %[1]s/%[2]s", f.Namespace, f.Name))
	case r.now().Sub(s.LastSeen.Time) > silentAfter:
		set(f, ingot.FirewallAppliedCondition, metav1.ConditionUnknown, reasonSilent, fmt.Sprintf("the machine reported last at %s; it keeps the rules of generation %d", s.LastSeen.UTC().Format(time.RFC3339), a.Generation))
	case a.Problem != "":
		set(f, ingot.FirewallAppliedCondition, metav1.ConditionFalse, reasonRefused, fmt.Sprintf("the rules of generation %d stay: %s", a.Generation, a.Problem))
	case a.Generation != f.Generation:
		set(f, ingot.FirewallAppliedCondition, metav1.ConditionFalse, reasonWaiting, fmt.Sprintf("the machine has the rules of generation %d, and this is %d", a.Generation, f.Generation))
	default:
		set(f, ingot.FirewallAppliedCondition, metav1.ConditionTrue, reasonApplied, fmt.Sprintf("generation %d, digest %.12s", a.Generation, a.Digest))
	}
	switch {
	case a == nil:
		set(f, ingot.FirewallSpoofingCondition, metav1.ConditionUnknown, reasonWaiting, "the machine has not reported yet")
	case len(a.SharedInterfaces) > 0:
		set(f, ingot.FirewallSpoofingCondition, metav1.ConditionFalse, reasonShared, fmt.Sprintf("%s share a network card: their hosts could take each other's addresses; give them cards or VLAN interfaces of their own", strings.Join(a.SharedInterfaces, ", ")))
	default:
		set(f, ingot.FirewallSpoofingCondition, metav1.ConditionTrue, reasonOwnCards, "each network has an interface of its own")
	}
}

// sum makes Ready of the other conditions.
func sum(f *ingot.Firewall) {
	for _, kind := range []string{ingot.FirewallMachineCondition, ingot.FirewallResolvedCondition, ingot.FirewallAppliedCondition} {
		x := meta.FindStatusCondition(f.Status.Conditions, kind)
		if x == nil || x.Status != metav1.ConditionTrue {
			reason, message := reasonWaiting, "nothing is known yet"
			if x != nil {
				reason, message = x.Reason, x.Message
			}
			set(f, ingot.ReadyCondition, metav1.ConditionFalse, reason, message)
			return
		}
	}
	set(f, ingot.ReadyCondition, metav1.ConditionTrue, reasonReady, "")
}

func set(f *ingot.Firewall, kind string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&f.Status.Conditions, metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: f.Generation})
}

// release deletes the Firewall's Machines, and lets it go when they are gone.
func (r *Reconciler) release(ctx context.Context, f *ingot.Firewall) error {
	var all ingot.MachineList
	if err := r.live.List(ctx, &all, client.InNamespace(f.Namespace)); err != nil {
		return fmt.Errorf("list the firewall's machines: %w", err)
	}
	left := 0
	for i := range all.Items {
		m := &all.Items[i]
		if !metav1.IsControlledBy(m, f) {
			continue
		}
		left++
		if err := r.deleteMachine(ctx, m); err != nil {
			return err
		}
	}
	if left == 0 {
		return r.hold(ctx, f, false)
	}
	set(f, ingot.ReadyCondition, metav1.ConditionFalse, reasonReleasing, "the machine is being wiped")
	_, err := r.say(ctx, f)
	return err
}

func (r *Reconciler) deleteMachine(ctx context.Context, m *ingot.Machine) error {
	if !m.DeletionTimestamp.IsZero() {
		return nil
	}
	if err := r.live.Delete(ctx, m, client.Preconditions{UID: &m.UID}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete the firewall's machine %s: %w", m.Name, err)
	}
	return nil
}

// hold puts the finalizer on or takes it off.
func (r *Reconciler) hold(ctx context.Context, f *ingot.Firewall, want bool) error {
	if controllerutil.ContainsFinalizer(f, Finalizer) == want {
		return nil
	}
	before := f.DeepCopy()
	if want {
		controllerutil.AddFinalizer(f, Finalizer)
	} else {
		controllerutil.RemoveFinalizer(f, Finalizer)
	}
	if err := r.cached.Patch(ctx, f, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("write the finalizer: %w", err)
	}
	return nil
}

// say writes the status under the resource version that was read, so that what the machine said meanwhile is not lost. Nothing is written where nothing changed.
func (r *Reconciler) say(ctx context.Context, f *ingot.Firewall) (wrote bool, err error) {
	was := &ingot.Firewall{}
	if err := r.cached.Get(ctx, client.ObjectKeyFromObject(f), was); err != nil {
		return false, fmt.Errorf("read the firewall: %w", err)
	}
	if was.ResourceVersion == f.ResourceVersion && equality.Semantic.DeepEqual(was.Status, f.Status) {
		return false, nil
	}
	if err := r.cached.Status().Update(ctx, f); err != nil {
		return false, fmt.Errorf("write the firewall's status: %w", err)
	}
	return true, nil
}
