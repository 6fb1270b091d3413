package machine

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// addresses sees to it that the Machine has the IPs that it names, and one of each family of the networks of which it names none. It says whether all are there.
func (r *Reconciler) addresses(ctx context.Context, m *ingot.Machine) (bool, error) {
	var have []ingot.MachineAddress
	for i := range m.Spec.Networks {
		n := &m.Spec.Networks[i]
		found, reason, problem, err := r.addressesOf(ctx, m, n)
		if err != nil {
			return false, err
		}
		if problem != "" {
			set(m, ingot.MachineAddressesCondition, metav1.ConditionFalse, reason, problem)
			return false, nil
		}
		have = append(have, found...)
	}
	m.Status.Addresses = have
	set(m, ingot.MachineAddressesCondition, metav1.ConditionTrue, reasonAddressed, fmt.Sprintf("the machine has %d addresses", len(have)))
	return true, nil
}

// networkKey is a machine's network; its namespace is the machine's own where it names none.
func networkKey(m *ingot.Machine, n *ingot.MachineNetwork) types.NamespacedName {
	return types.NamespacedName{Namespace: cmp.Or(n.Namespace, m.Namespace), Name: n.Name}
}

func (r *Reconciler) addressesOf(ctx context.Context, m *ingot.Machine, n *ingot.MachineNetwork) (have []ingot.MachineAddress, reason, problem string, err error) {
	names, reason, problem, err := r.ipNames(ctx, m, n)
	if err != nil || problem != "" {
		return nil, reason, problem, err
	}
	for _, name := range names {
		ip := &ingot.IP{}
		err := r.cached.Get(ctx, client.ObjectKey{Namespace: m.Namespace, Name: name}, ip)
		if apierrors.IsNotFound(err) {
			return nil, ingot.ReasonNetworkNotReady, fmt.Sprintf("there is no IP %s in namespace %s: make it, or name another", name, m.Namespace), nil
		}
		if err != nil {
			return nil, "", "", fmt.Errorf("read IP %s/%s: %w", m.Namespace, name, err)
		}
		key := networkKey(m, n)
		if of := cmp.Or(ip.Spec.Network.Namespace, ip.Namespace); ip.Spec.Network.Name != key.Name || of != key.Namespace {
			return nil, reasonNameTaken, fmt.Sprintf("the IP %s is of network %s/%s and not of %s: name it under its own network", name, of, ip.Spec.Network.Name, key), nil
		}
		if other, err := r.otherUser(ctx, m, name); err != nil || other != "" {
			return nil, reasonNameTaken, fmt.Sprintf("the IP %s is the machine %s's: name another", name, other), err
		}
		x := meta.FindStatusCondition(ip.Status.Conditions, ingot.ReadyCondition)
		if x == nil || x.Status != metav1.ConditionTrue || ip.Status.Address == "" {
			reason, why := reasonWaiting, "it has no address yet"
			if x != nil && x.Status == metav1.ConditionFalse {
				reason, why = x.Reason, x.Message
			}
			return nil, reason, fmt.Sprintf("IP %s: %s", name, why), nil
		}
		have = append(have, ingot.MachineAddress{Network: key.String(), IP: name, Address: ip.Status.Address, PrefixLength: ip.Status.PrefixLength, Gateway: ip.Status.Gateway, DNSServers: ip.Status.DNSServers})
	}
	return have, "", "", nil
}

// otherUser is the older Machine that names an IP too. What a Machine's networks are never changes, and so this does not either until the older one is gone.
func (r *Reconciler) otherUser(ctx context.Context, m *ingot.Machine, ip string) (string, error) {
	var all ingot.MachineList
	if err := r.cached.List(ctx, &all, client.InNamespace(m.Namespace), client.MatchingFields{ipIndex: ip}, client.UnsafeDisableDeepCopy); err != nil {
		return "", fmt.Errorf("list the machines with IP %s: %w", ip, err)
	}
	for i := range all.Items {
		o := &all.Items[i]
		if o.UID != m.UID && cmp.Or(o.CreationTimestamp.Compare(m.CreationTimestamp.Time), cmp.Compare(o.Name, m.Name)) < 0 {
			return o.Name, nil
		}
	}
	return r.heldByFirewall(ctx, m, ip)
}

// heldByFirewall is the Firewall that has an IP which none of its machines names any more: the one that did was replaced.
func (r *Reconciler) heldByFirewall(ctx context.Context, m *ingot.Machine, ip string) (string, error) {
	var all ingot.FirewallList
	if err := r.cached.List(ctx, &all, client.InNamespace(m.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return "", fmt.Errorf("list the firewalls with IP %s: %w", ip, err)
	}
	for i := range all.Items {
		f := &all.Items[i]
		if f.Status.Term == 0 || metav1.IsControlledBy(m, f) {
			continue
		}
		if slices.ContainsFunc(f.Status.Networks, func(n ingot.FirewallNetworkStatus) bool { return slices.Contains(n.IPs, ip) }) {
			return cmp.Or(f.Status.Machine, f.Name), nil
		}
	}
	return "", nil
}

// ipNames are the names of the IPs of one network: those that the Machine names, or those that are made for it.
func (r *Reconciler) ipNames(ctx context.Context, m *ingot.Machine, n *ingot.MachineNetwork) (names []string, reason, problem string, err error) {
	if len(n.Addresses) > 0 {
		return n.Addresses, "", "", nil
	}
	key := networkKey(m, n)
	network := &ingot.Network{}
	err = r.cached.Get(ctx, key, network)
	if apierrors.IsNotFound(err) {
		return nil, ingot.ReasonNetworkNotReady, fmt.Sprintf("there is no Network %s: make it, or name another", key), nil
	}
	if err != nil {
		return nil, "", "", fmt.Errorf("read Network %s: %w", key, err)
	}
	families := familiesOf(network)
	if len(families) == 0 {
		return nil, ingot.ReasonNetworkNotReady, fmt.Sprintf("Network %s has no prefix yet", key), nil
	}
	for _, f := range families {
		name := ephemeralName(m, n, f)
		names = append(names, name)
		if problem, err := r.makeIP(ctx, m, key, name, f); problem != "" || err != nil {
			return nil, reasonNameTaken, problem, err
		}
	}
	return names, "", "", nil
}

// ephemeralName follows from the Machine's, so that an IP is found again after any crash. A second network of the same name has its namespace in it.
func ephemeralName(m *ingot.Machine, n *ingot.MachineNetwork, f ingot.IPFamily) string {
	name := m.Name + "-" + n.Name
	if i := slices.IndexFunc(m.Spec.Networks, func(x ingot.MachineNetwork) bool { return x.Name == n.Name }); i >= 0 && m.Spec.Networks[i].Namespace != n.Namespace {
		name = m.Name + "-" + n.Namespace + "-" + n.Name
	}
	if f == ingot.IPv6 {
		name += "-v6"
	}
	return name
}

// familiesOf are those that a network has prefixes of.
func familiesOf(n *ingot.Network) []ingot.IPFamily {
	var v4, v6 bool
	for _, text := range n.Status.Prefixes {
		if p, err := netip.ParsePrefix(text); err == nil {
			v4, v6 = v4 || p.Addr().Is4(), v6 || p.Addr().Is6()
		}
	}
	var all []ingot.IPFamily
	if v4 {
		all = append(all, ingot.IPv4)
	}
	if v6 {
		all = append(all, ingot.IPv6)
	}
	return all
}

func (r *Reconciler) makeIP(ctx context.Context, m *ingot.Machine, network types.NamespacedName, name string, f ingot.IPFamily) (problem string, err error) {
	have := &ingot.IP{}
	key := client.ObjectKey{Namespace: m.Namespace, Name: name}
	err = r.cached.Get(ctx, key, have)
	if apierrors.IsNotFound(err) {
		ip := &ingot.IP{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: name, OwnerReferences: []metav1.OwnerReference{owner(m)}},
			Spec: ingot.IPSpec{Network: ingot.NetworkReference{Name: network.Name, Namespace: network.Namespace}, Family: f, Type: ingot.EphemeralIP}}
		err := r.live.Create(ctx, ip)
		if apierrors.IsAlreadyExists(err) {
			err = r.live.Get(ctx, key, have)
		} else if err == nil {
			return "", nil
		}
		if err != nil {
			return "", fmt.Errorf("make IP %s: %w", key, err)
		}
	} else if err != nil {
		return "", fmt.Errorf("read IP %s: %w", key, err)
	}
	switch {
	case !metav1.IsControlledBy(have, m):
		return fmt.Sprintf("there is an IP %s already that is not this machine's: delete it, or name it among the network's addresses", name), nil
	case !have.DeletionTimestamp.IsZero():
		return fmt.Sprintf("the IP %s is being deleted", name), nil
	}
	return "", nil
}
