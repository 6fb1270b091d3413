package web

import (
	"context"
	"fmt"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/claim"
	machinecli "github.com/ingotmetal/ingot/internal/cli/machine"
)

// MachineRow is a machine in a list.
type MachineRow struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Phase     string `json:"phase"`
	Role      string `json:"role"`
	Size      string `json:"size,omitempty"`
	Partition string `json:"partition,omitempty"`
	// Image is the one that it has, or else what it asks for.
	Image     string   `json:"image"`
	Addresses []string `json:"addresses,omitempty"`
	Host      string   `json:"host,omitempty"`
	Power     string   `json:"power"`
	Since     string   `json:"since,omitempty"`
	// Ready is the condition's status, Reason and Why what it says.
	Ready  string `json:"ready"`
	Reason string `json:"reason,omitempty"`
	Why    string `json:"why,omitempty"`
}

// Key implements Row.
func (r MachineRow) Key() string { return r.Namespace + "/" + r.Name }

func machineRow(m *ingot.Machine) MachineRow {
	r := MachineRow{
		Namespace: m.Namespace, Name: m.Name, Phase: string(m.Status.Phase), Role: string(m.Spec.Role), Size: m.Spec.Size, Partition: m.Spec.Partition, Image: machinecli.Image(m), Addresses: machinecli.Addresses(m),
		Host: machinecli.Host(m), Power: "off", Since: at(&m.CreationTimestamp),
	}
	if m.Status.PoweredOn {
		r.Power = "on"
	}
	r.Ready, r.Reason, r.Why = ready(m.Status.Conditions, ingot.MachineReadyCondition)
	return r
}

// machines is the list of them.
func machines(ctx context.Context, c *reader, _ ask) (Content, error) {
	var list ingot.MachineList
	if err := c.List(ctx, &list); err != nil {
		return Content{}, fmt.Errorf("list machines: %w", err)
	}
	out := Content{Body: struct{}{}, Rows: make([]Row, len(list.Items))}
	for i := range list.Items {
		out.Rows[i] = machineRow(&list.Items[i])
	}
	return out, nil
}

// MachineBody is one machine.
type MachineBody struct {
	Row    MachineRow          `json:"row"`
	Spec   ingot.MachineSpec   `json:"spec"`
	Status ingot.MachineStatus `json:"status"`
	// Explain is why it has this host, or none. The rows are what is to be said of each host.
	Explain MachineExplain `json:"explain"`
	// MayHosts: hosts have pages that the person may see.
	MayHosts bool `json:"mayHosts,omitempty"`
	// Console is what the person may do at its serial console: type, look, or nothing.
	Console string  `json:"console,omitempty"`
	Events  []Event `json:"events,omitempty"`
}

// MachineExplain is the choice of its host.
type MachineExplain struct {
	// Hidden: the person may not see the hosts; what the controller said stands in the conditions.
	Hidden bool   `json:"hidden,omitempty"`
	Host   string `json:"host,omitempty"`
	// Why it is this one, or why there is none, and then what helps.
	Why       string `json:"why,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Fix       string `json:"fix,omitempty"`
	Permanent bool   `json:"permanent,omitempty"`
}

// HostVerdict is what is to be said of one host for a machine.
type HostVerdict struct {
	Host string `json:"key"`
	// Verdict is chosen, fits or no; Rank orders them.
	Verdict string `json:"verdict"`
	Rank    int    `json:"rank"`
	Why     string `json:"why,omitempty"`
}

// Key implements Row.
func (r HostVerdict) Key() string { return r.Host }

// machine is one of them.
func machine(ctx context.Context, c *reader, a ask) (Content, error) {
	m := &ingot.Machine{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: a.part[0], Name: a.part[1]}, m); err != nil {
		return Content{}, fmt.Errorf("read machine %s/%s: %w", a.part[0], a.part[1], err)
	}
	b := MachineBody{Row: machineRow(m), Spec: m.Spec, Status: m.Status}
	var err error
	if b.MayHosts, err = c.may(ctx, "list", metal3.GroupVersion.Group, "baremetalhosts"); err != nil {
		return Content{}, err
	}
	if b.Console, err = c.console(ctx, ingot.GroupVersion.Group, "machines"); err != nil {
		return Content{}, err
	}
	if b.Events, err = events(ctx, c, "Machine", m.Namespace, m.Name); err != nil {
		return Content{}, err
	}
	rows, err := explainMachine(ctx, c, m, &b.Explain)
	return Content{Body: b, Rows: rows}, err
}

// explainMachine says why a machine has the host that it has, or none, host by host. A choice is among all hosts, whatever project is looked at.
func explainMachine(ctx context.Context, c *reader, m *ingot.Machine, out *MachineExplain) ([]Row, error) {
	c.begin(ctx, &metal3.BareMetalHostList{}, &metal3.HostClaimList{}, &metal3.HostDeployPolicyList{}, &corev1.NamespaceList{}, &ingot.MachineList{}, &ingot.QuotaList{}, &ingot.SizeReservationList{})
	e, err := machinecli.Explain(ctx, c.everywhere(), m)
	if apierrors.IsForbidden(err) {
		out.Hidden = true
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	*out = choiceOf(e.Decision)
	rows := make([]Row, len(e.Verdicts))
	for i, v := range e.Verdicts {
		rows[i] = verdictOf(v)
	}
	return rows, nil
}

func choiceOf(d claim.Decision) MachineExplain {
	if r := d.Refusal; r != nil {
		return MachineExplain{Why: r.Message, Reason: string(r.Reason), Fix: r.Fix, Permanent: r.Permanent}
	}
	return MachineExplain{Host: d.Host, Why: d.Why}
}

func verdictOf(v claim.Verdict) HostVerdict {
	switch {
	case v.Chosen:
		return HostVerdict{v.Host, "chosen", 0, "this one"}
	case v.Fits:
		return HostVerdict{v.Host, "fits", 1, "it would do"}
	}
	return HostVerdict{v.Host, "no", 2, v.Why}
}
