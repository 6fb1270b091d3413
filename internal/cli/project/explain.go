package project

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/explain"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

func explainCommand(s *session.Session) *cobra.Command {
	return explain.Kind[*corev1.Namespace]{
		Noun: "project", Short: "Say what a project has, and what its quotas still let it have", Cluster: true,
		New: func() *corev1.Namespace { return &corev1.Namespace{} }, List: &corev1.NamespaceList{}, Tell: tellProject,
	}.Command(s)
}

func explainQuota(s *session.Session) *cobra.Command {
	return explain.Kind[*ingot.Quota]{
		Noun: "quota", Short: "Say who holds what of a quota, and what is left",
		New: func() *ingot.Quota { return &ingot.Quota{} }, List: &ingot.QuotaList{}, Tell: tellQuota,
	}.Command(s)
}

// holdings are what the projects have.
type holdings struct {
	machines []ingot.Machine
	networks []ingot.Network
	ips      []ingot.IP
	quotas   []ingot.Quota
	// unseen is what who asks may not read.
	unseen string
}

func read(ctx context.Context, c client.Client, namespace string) (holdings, error) {
	var machines ingot.MachineList
	var networks ingot.NetworkList
	var ips ingot.IPList
	var quotas ingot.QuotaList
	unseen, err := explain.Lists(ctx, c, namespace, map[string]client.ObjectList{"machines": &machines, "networks": &networks, "IPs": &ips, "quotas": &quotas})
	return holdings{machines.Items, networks.Items, ips.Items, quotas.Items, unseen}, err
}

func tellProject(ctx context.Context, c client.Client, n *corev1.Namespace) (explain.Answer, error) {
	h, err := read(ctx, c, n.Name)
	if err != nil {
		return explain.Answer{}, err
	}
	return answerProject(n, h), nil
}

func tellQuota(ctx context.Context, c client.Client, q *ingot.Quota) (explain.Answer, error) {
	h, err := read(ctx, c, q.Namespace)
	if err != nil {
		return explain.Answer{}, err
	}
	return answerQuota(q, h), nil
}

// answerProject is a pure function of what was read.
func answerProject(n *corev1.Namespace, h holdings) explain.Answer {
	tenant := n.Labels[ingot.TenantLabel]
	a := explain.Answer{Subject: "project " + n.Name, State: string(n.Status.Phase)}
	if tenant == "" {
		a.State = "an ordinary namespace, no project of a tenant"
		a.Help("label it %s=TENANT, or make another one: `ingot project create`", ingot.TenantLabel)
	}
	a.Say("Tenant", tenant)
	a.Say("Project", n.Labels[ingot.ProjectLabel])
	for _, l := range h.of(n.Name) {
		a.Say(l.Name, l.Value)
	}
	for i := range h.quotas {
		q := &h.quotas[i]
		if q.Namespace == n.Name || slices.Contains(q.Status.Projects, n.Name) {
			whose := "Quota " + q.Namespace + "/" + q.Name
			for _, b := range bounded(q) {
				a.Judge(whose, !b.full(), b.words())
			}
		}
	}
	if len(a.Verdicts) == 0 {
		a.Say("Quota", "none that may be seen: nothing is bounded by it")
	}
	a.Say("Not seen", h.unseen)
	return a
}

// answerQuota is a pure function of what was read.
func answerQuota(q *ingot.Quota, h holdings) explain.Answer {
	a := explain.Answer{Subject: "quota " + q.Namespace + "/" + q.Name, State: explain.Stands(q.Status.Conditions, ingot.QuotaWithinCondition)}
	projects := q.Status.Projects
	if len(projects) == 0 {
		projects = []string{q.Namespace}
	}
	a.Say("Holds for", explain.Few(projects))
	for _, b := range bounded(q) {
		a.Judge(b.what, !b.full(), b.words())
		if b.full() {
			a.Help("give some %s back, or raise the bound: `ingot quota set -n %s %s --%s N`", b.what, q.Namespace, q.Name, b.flag)
		}
	}
	for _, p := range projects {
		var parts []string
		for _, l := range h.of(p) {
			parts = append(parts, strings.ToLower(l.Name)+" "+l.Value)
		}
		a.Say("In "+p, strings.Join(parts, "; "))
	}
	a.Say("Not seen", h.unseen)
	return a
}

// of says what a namespace has.
func (h holdings) of(namespace string) []explain.Fact {
	var out []explain.Fact
	var machines []string
	for i := range h.machines {
		if m := &h.machines[i]; m.Namespace == namespace {
			machines = append(machines, m.Name)
		}
	}
	var networks, addresses []string
	for i := range h.networks {
		if n := &h.networks[i]; n.Namespace == namespace {
			networks = append(networks, n.Name)
		}
	}
	for i := range h.ips {
		if o := &h.ips[i]; o.Namespace == namespace && o.Status.Address != "" {
			addresses = append(addresses, o.Status.Address)
		}
	}
	for _, x := range []struct {
		name  string
		names []string
	}{{"Machines", machines}, {"Networks", networks}, {"Addresses", addresses}} {
		if len(x.names) == 0 {
			out = append(out, explain.Fact{Name: x.name, Value: "none"})
			continue
		}
		slices.Sort(x.names)
		out = append(out, explain.Fact{Name: x.name, Value: fmt.Sprintf("%d: %s", len(x.names), explain.Few(x.names))})
	}
	return out
}

// holding is one bounded number of a quota.
type holding struct {
	what, flag string
	used, most int32
}

func (b holding) full() bool { return b.used >= b.most }

func (b holding) words() string {
	switch {
	case b.used > b.most:
		return fmt.Sprintf("%d %s held, %d more than the %d that are allowed: nobody loses them, and there are no new ones", b.used, b.what, b.used-b.most, b.most)
	case b.full():
		return fmt.Sprintf("all %d %s are held", b.most, b.what)
	}
	return fmt.Sprintf("%d of %d %s held, %d left", b.used, b.most, b.what, b.most-b.used)
}

// bounded are the numbers of a quota that have a bound.
func bounded(q *ingot.Quota) []holding {
	used, addresses := q.Status.Used, ingot.AddressQuota{}
	if q.Spec.Addresses != nil {
		addresses = *q.Spec.Addresses
	}
	var out []holding
	for _, b := range []struct {
		what, flag string
		used       int32
		most       *int32
	}{
		{"machines", "machines", used.Machines, q.Spec.Machines}, {"firewalls", "firewalls", used.Firewalls, q.Spec.Firewalls},
		{"addresses", "addresses", used.Addresses.Total, addresses.Total}, {"IPv4 addresses", "ipv4", used.Addresses.IPv4, addresses.IPv4}, {"IPv6 addresses", "ipv6", used.Addresses.IPv6, addresses.IPv6},
		{"networks", "networks", used.Networks, q.Spec.Networks},
	} {
		if b.most != nil {
			out = append(out, holding{b.what, b.flag, b.used, *b.most})
		}
	}
	return out
}
