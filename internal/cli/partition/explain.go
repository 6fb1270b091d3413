package partition

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/capacity/stock"
	"github.com/ingotmetal/ingot/internal/cli/explain"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/fleet"
	"github.com/ingotmetal/ingot/issue/evidence"
)

func explainCommand(s *session.Session) *cobra.Command {
	return explain.Kind[*ingot.Partition]{
		Noun: "partition", Short: "Say what serves a partition and where, what its hosts are doing, and what is in their way", Cluster: true,
		New: func() *ingot.Partition { return &ingot.Partition{} }, List: &ingot.PartitionList{},
		Tell: func(ctx context.Context, c client.Client, p *ingot.Partition) (explain.Answer, error) {
			all, err := fleet.Read(ctx, c)
			if err != nil {
				return explain.Answer{}, fmt.Errorf("what partition %s has rests on all hosts: %w", p.Name, err)
			}
			return answer(p, all), nil
		},
	}.Command(s)
}

// answer is a pure function of what was read.
func answer(p *ingot.Partition, all evidence.Objects) explain.Answer {
	a := explain.Answer{Subject: "partition " + p.Name, State: "all is well"}
	var wrong []string
	for _, c := range p.Status.Conditions {
		if c.Status != "True" && c.Message != "" {
			wrong = append(wrong, c.Type+": "+c.Reason+": "+c.Message)
		}
	}
	switch {
	case p.Status.AgentEndpoint == "":
		a.State = "no partition role serves it"
		a.Help("run one: `ingot partition --partition %s`, or see its log for why it does not report", p.Name)
	case len(wrong) > 0:
		a.State = strings.Join(wrong, "; ")
		a.Help("`ingot partition issues` says what helps")
	case len(p.Status.Conditions) == 0:
		a.State = "its role reports where it serves, and nothing that is wrong"
	}
	n := p.Spec.ProvisioningNetwork
	a.Say("Provisioning network", strings.TrimSpace(n.CIDR+" DHCP "+string(n.DHCPMode)))
	if n.RangeStart != "" {
		a.Say("Addresses for machines", n.RangeStart+" to "+n.RangeEnd)
	}
	a.Say("Agents dial", p.Status.AgentEndpoint)
	a.Say("BMCs fetch media at", p.Status.MediaEndpoint)
	a.Say("Firmware boots by HTTP at", p.Status.HTTPBootEndpoint)
	a.Say("Operators ask", p.Status.OperatorEndpoint)
	a.Say("Consoles", p.Status.ConsoleEndpoint)
	scan(&a, p)
	var taken, free, total int
	for _, r := range stock.Rows(all.Facts, all.ByHost()) {
		if r.Partition != p.Name {
			continue
		}
		taken, free, total = taken+r.Allocated, free+r.Free, total+r.Total
		for _, h := range r.Faulty {
			a.Judge(h.Name, false, h.Why)
		}
		for _, h := range r.Other {
			a.Judge(h.Name, false, h.Why)
		}
	}
	a.Say("Hosts", fmt.Sprintf("%d: %d taken, %d to be had by anybody", total, taken, free))
	return a
}

// scan says how the search for BMCs goes.
func scan(a *explain.Answer, p *ingot.Partition) {
	switch s := p.Status.BMCScan; {
	case s == nil:
	case s.Problem != "":
		a.Say("Search for BMCs", "there is none: "+s.Problem)
		a.Help("mend spec.discovery.bmcScan: `ingot edit partition %s`", p.Name)
	default:
		text := fmt.Sprintf("%d of %d addresses asked, %d answered, %d were new", s.Probed, s.Addresses, s.Answered, s.New)
		if s.NotRecorded > 0 {
			text += fmt.Sprintf("; %d more are not recorded, since so many wait", s.NotRecorded)
			a.Help("`ingot discover list` shows what waits for somebody to accept or refuse it")
		}
		a.Say("Search for BMCs", text)
	}
}
