package network

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/explain"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

func explainCommand(s *session.Session) *cobra.Command {
	return explain.Kind[*ingot.Network]{
		Noun: "network", Short: "Say where a network's prefixes come from, who may have addresses of it and who has, and what keeps it",
		New: func() *ingot.Network { return &ingot.Network{} }, List: &ingot.NetworkList{}, Tell: tell,
	}.Command(s)
}

// around is what is to be known beside a network.
type around struct {
	// parent is nil where there is none, or it may not be read; then why says so.
	parent    *ingot.Network
	why       string
	networks  []ingot.Network
	ips       []ingot.IP
	machines  []ingot.Machine
	firewalls []ingot.Firewall
	// unseen is what who asks may not read.
	unseen string
}

func tell(ctx context.Context, c client.Client, n *ingot.Network) (explain.Answer, error) {
	var a around
	var err error
	if key, ok := key(n.Spec.Parent, n.Namespace); ok {
		p := &ingot.Network{}
		switch err := c.Get(ctx, key, p); {
		case err == nil:
			a.parent = p
		case apierrors.IsNotFound(err):
			a.why = "it is not there"
		case apierrors.IsForbidden(err):
			a.why = "it is your provider's, and not yours to see"
		default:
			return explain.Answer{}, fmt.Errorf("read the parent %s of network %s/%s: %w", key, n.Namespace, n.Name, err)
		}
	}
	var networks ingot.NetworkList
	var ips ingot.IPList
	var machines ingot.MachineList
	var firewalls ingot.FirewallList
	if a.unseen, err = explain.Lists(ctx, c, n.Namespace, map[string]client.ObjectList{"networks": &networks, "IPs": &ips, "machines": &machines, "firewalls": &firewalls}); err != nil {
		return explain.Answer{}, err
	}
	a.networks, a.ips, a.machines, a.firewalls = networks.Items, ips.Items, machines.Items, firewalls.Items
	return answer(n, a), nil
}

// key is the object that a reference in a namespace means.
func key(r *ingot.NetworkReference, namespace string) (client.ObjectKey, bool) {
	if r == nil {
		return client.ObjectKey{}, false
	}
	return client.ObjectKey{Namespace: cmp.Or(r.Namespace, namespace), Name: r.Name}, true
}

// answer is a pure function of what was read.
func answer(n *ingot.Network, by around) explain.Answer {
	a := explain.Answer{Subject: "network " + n.Namespace + "/" + n.Name, State: explain.Stands(n.Status.Conditions, ingot.ReadyCondition)}
	a.Say("Type", string(n.Spec.Type)+", "+meaning(n.Spec.Type))
	a.Say("Prefixes", origin(n, by))
	a.Say("VRF", n.Status.VRF)
	if n.Status.SizeIPv4 > 0 {
		a.Say("IPv4", fmt.Sprintf("%d of %d addresses can be given", n.Status.FreeIPv4, n.Status.SizeIPv4))
	}
	a.Say("Kept back", strings.Join(slices.Concat(n.Spec.Gateways, n.Spec.Excluded), ", "))
	a.Say("Way out", wayOut(n))
	children, holders, machines, firewalls := users(n, by)
	a.Say("Children", explain.Few(children))
	a.Say("Addresses", explain.Few(holders))
	a.Say("Machines", explain.Few(machines))
	a.Say("Firewalls", explain.Few(firewalls))
	a.Say("Not seen", by.unseen)
	switch keepers := len(children) + len(holders); {
	case n.DeletionTimestamp != nil:
		a.Say("Deletion", fmt.Sprintf("asked for at %s; it waits for %d networks and %d addresses", n.DeletionTimestamp.UTC().Format("2006-01-02T15:04:05Z"), len(children), len(holders)))
		a.Help("release the addresses (`ingot ip free`), and delete the children: the network goes by itself then")
	case keepers > 0:
		a.Say("Deletion", fmt.Sprintf("would wait for %d networks and %d addresses", len(children), len(holders)))
	}
	helps(&a, n, by)
	return a
}

// meaning is who may have addresses.
func meaning(t ingot.NetworkType) string {
	switch t {
	case ingot.ExternalNetwork:
		return "every project may have addresses of it"
	case ingot.SharedNetwork:
		return "other projects may have addresses of it, too"
	case ingot.ChildNetwork:
		return "its own project alone has addresses of it"
	case ingot.SuperNetwork:
		return "it gives no addresses, children are cut from it"
	case ingot.UnderlayNetwork:
		return "for the routes of switches and firewalls"
	default:
		return "which this program does not know"
	}
}

// origin is where the prefixes come from.
func origin(n *ingot.Network, by around) string {
	have := strings.Join(n.Status.Prefixes, ", ")
	from, cut := key(n.Spec.Parent, n.Namespace)
	switch {
	case !cut && have == "":
		return "none yet; it asks for " + cmp.Or(strings.Join(n.Spec.Prefixes, ", "), "none")
	case !cut:
		return have + ", its own"
	case by.parent == nil:
		return fmt.Sprintf("%s; the parent is %s: %s", cmp.Or(have, "none yet"), from, by.why)
	case have == "":
		return fmt.Sprintf("none yet; they are to be cut from %s (%s)", from, strings.Join(by.parent.Status.Prefixes, ", "))
	}
	return fmt.Sprintf("%s, cut from %s (%s)", have, from, strings.Join(by.parent.Status.Prefixes, ", "))
}

func wayOut(n *ingot.Network) string {
	var parts []string
	if len(n.Spec.DestinationPrefixes) > 0 {
		parts = append(parts, "to "+strings.Join(n.Spec.DestinationPrefixes, ", "))
	}
	if len(n.Spec.Gateways) > 0 {
		parts = append(parts, "by "+strings.Join(n.Spec.Gateways, ", "))
	}
	if n.Spec.NAT {
		parts = append(parts, "firewalls translate what goes out")
	}
	return strings.Join(parts, "; ")
}

// users are the names of those that have something of a network.
func users(n *ingot.Network, by around) (children, holders, machines, firewalls []string) {
	me := client.ObjectKeyFromObject(n)
	is := func(name, namespace, own string) bool {
		return client.ObjectKey{Namespace: cmp.Or(namespace, own), Name: name} == me
	}
	for i := range by.networks {
		o := &by.networks[i]
		if p, ok := key(o.Spec.Parent, o.Namespace); ok && p == me {
			children = append(children, strings.Join([]string{o.Namespace + "/" + o.Name, strings.Join(o.Status.Prefixes, " ")}, " "))
		}
	}
	for i := range by.ips {
		if o := &by.ips[i]; o.Status.Address != "" && is(o.Spec.Network.Name, o.Spec.Network.Namespace, o.Namespace) {
			holders = append(holders, o.Status.Address+" of "+o.Namespace+"/"+o.Name)
		}
	}
	for i := range by.machines {
		o := &by.machines[i]
		if slices.ContainsFunc(o.Spec.Networks, func(w ingot.MachineNetwork) bool { return is(w.Name, w.Namespace, o.Namespace) }) {
			machines = append(machines, o.Namespace+"/"+o.Name)
		}
	}
	for i := range by.firewalls {
		o := &by.firewalls[i]
		if slices.ContainsFunc(o.Spec.Networks, func(w ingot.FirewallNetwork) bool { return is(w.Name, w.Namespace, o.Namespace) }) {
			firewalls = append(firewalls, o.Namespace+"/"+o.Name)
		}
	}
	for _, all := range [][]string{children, holders, machines, firewalls} {
		slices.Sort(all)
	}
	return children, holders, machines, firewalls
}

// helps are the next steps.
func helps(a *explain.Answer, n *ingot.Network, by around) {
	c := meta.FindStatusCondition(n.Status.Conditions, ingot.ReadyCondition)
	if c != nil && c.Status != "True" {
		switch c.Reason {
		case ingot.ReasonNetworkNotReady:
			if by.parent == nil {
				k, _ := key(n.Spec.Parent, n.Namespace)
				a.Help("have %s made, or name another parent", k)
			} else {
				a.Help("`ingot network explain %s -n %s` says why the parent is not ready", by.parent.Name, by.parent.Namespace)
			}
		case ingot.ReasonQuotaExceeded:
			a.Help("`ingot quota explain` says what the project holds")
		case ingot.ReasonInUse:
		default:
			a.Help("change what the message names, with `ingot edit network %s -n %s`", n.Name, n.Namespace)
		}
	}
	if n.Status.SizeIPv4 > 0 && n.Status.FreeIPv4 == 0 {
		a.Help("every IPv4 address is held or rests: free one, or give the network another prefix")
	}
}
