// Package firewall is `ingot firewall`: the firewalls of a project, their rules, what they refuse, and what would become of a packet.
//
// It owns showing Firewalls. It refuses decisions: what a rule means package firewall/gateway says, as it does to the controller and to the machine; who was refused the machine says, in the object's status. Firewalls
// are made and changed by `ingot apply` and `ingot edit`; how a machine is replaced package firewall/replace decides, and here it is only asked for. It works with the rights of whoever calls it, and asks nothing but the API server.
package firewall

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firewall/gateway/object"
	"github.com/ingotmetal/ingot/internal/cli/list"
	"github.com/ingotmetal/ingot/internal/cli/one"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/cli/verdict"
)

// Command is `ingot firewall`.
func Command(s *session.Session) *cobra.Command {
	c := &cobra.Command{
		Use:     "firewall",
		Aliases: []string{"firewalls", "fw"},
		Short:   "Look at firewalls: their rules, what they refuse, and what becomes of a packet; replace their machines",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	s.AddFlags(c)
	c.AddCommand(listCommand(s), describeCommand(s), rulesCommand(s), explainCommand(s), dropsCommand(s), replaceCommand(s))
	return c
}

func listCommand(s *session.Session) *cobra.Command {
	c := list.Of("firewall", "firewalls", func(l *ingot.FirewallList) []ingot.Firewall { return l.Items }, columns).Command(s)
	c.Short = "List firewalls with their rules, and whether those are enforced"
	return c
}

func columns(now time.Time) []print.Column[ingot.Firewall] {
	ready := func(f *ingot.Firewall) (string, string) {
		if x := meta.FindStatusCondition(f.Status.Conditions, ingot.ReadyCondition); x != nil {
			return string(x.Status), x.Reason
		}
		return "Unknown", ""
	}
	return []print.Column[ingot.Firewall]{
		{Header: "NAME", Cell: func(f ingot.Firewall) string { return f.Name }},
		{Header: "READY", Flag: "ready", Cell: func(f ingot.Firewall) string { is, _ := ready(&f); return is }},
		{Header: "WHY", Cell: func(f ingot.Firewall) string { _, why := ready(&f); return why }},
		{Header: "RULES", Cell: func(f ingot.Firewall) string { return strconv.Itoa(len(f.Spec.Egress) + len(f.Spec.Ingress)) }},
		{Header: "ENFORCED", Cell: Enforced},
		{Header: "SEEN", Cell: func(f ingot.Firewall) string {
			if f.Status.LastSeen == nil {
				return ""
			}
			return print.Duration(now.Sub(f.Status.LastSeen.Time))
		}},
		{Header: "REPLACING", Cell: func(f ingot.Firewall) string { return replacement(f, now) }},
		{Header: "MACHINE", Wide: true, Cell: func(f ingot.Firewall) string { return object.Current(&f) }},
		{Header: "NETWORKS", Wide: true, Cell: func(f ingot.Firewall) string {
			names := make([]string, len(f.Spec.Networks))
			for i, n := range f.Spec.Networks {
				names[i] = n.Name
			}
			return strings.Join(names, ",")
		}},
		{Header: "HOST", Wide: true, Cell: func(f ingot.Firewall) string {
			if h := f.Status.Host; h != nil {
				return h.Namespace + "/" + h.Name
			}
			return ""
		}},
		{Header: "AGE", Cell: func(f ingot.Firewall) string { return print.Duration(now.Sub(f.CreationTimestamp.Time)) },
			Order: print.ByTime(func(f ingot.Firewall) time.Time { return f.CreationTimestamp.Time })},
	}
}

// Enforced says which generation's rules the machine has.
func Enforced(f ingot.Firewall) string {
	a := f.Status.Applied
	if a == nil {
		return "none"
	}
	if a.Generation != f.Generation {
		return fmt.Sprintf("generation %d of %d", a.Generation, f.Generation)
	}
	return fmt.Sprintf("generation %d", a.Generation)
}

// kind is what commands about one firewall know of it.
func kind() one.Kind[*ingot.Firewall] {
	return one.Kind[*ingot.Firewall]{
		Noun: "firewall", Singular: "firewall", Plural: "firewalls",
		New: func() *ingot.Firewall { return &ingot.Firewall{} }, NewList: func() client.ObjectList { return &ingot.FirewallList{} },
	}
}

// named is a command that shows one firewall.
func named(s *session.Session, use, short string, run func(cmd *cobra.Command, f *ingot.Firewall, format print.Format) error) *cobra.Command {
	return kind().Command(s, use+" FIREWALL", short, func(cmd *cobra.Command, name string) error {
		format, err := s.Format()
		if err != nil {
			return err
		}
		_, f, err := kind().Read(cmd.Context(), s, name)
		if err != nil {
			return err
		}
		return run(cmd, f, format)
	})
}

func describeCommand(s *session.Session) *cobra.Command {
	return named(s, "describe", "Show a firewall: its networks, what it enforces, and what it waits for", func(_ *cobra.Command, f *ingot.Firewall, format print.Format) error {
		if format.Structured() {
			return print.Object(s.Out, format, f)
		}
		_, err := fmt.Fprint(s.Out, summary(f))
		return err
	})
}

// summary is a firewall in some lines.
func summary(f *ingot.Firewall) string {
	var b strings.Builder
	line := func(what, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-11s %s\n", what+":", value)
		}
	}
	line("firewall", f.Namespace+"/"+f.Name)
	if h := f.Status.Host; h != nil {
		line("host", h.Namespace+"/"+h.Name)
	}
	line("machine", object.Current(f))
	if x := f.Status.Replacement; x != nil {
		line("replacing", fmt.Sprintf("%s by %s since %s, %s", x.Phase, x.Machine, x.Began.Local().Format(time.DateTime), x.Why))
	}
	for _, n := range f.Status.Networks {
		side := "outside"
		if n.Inside {
			side = "inside"
		}
		line("network", fmt.Sprintf("%s (%s), %s, behind it %s", n.Network, side, strings.Join(n.Addresses, " "), strings.Join(n.Prefixes, " ")))
		if n.NIC != nil {
			line("", "by "+Card(n.NIC))
		}
		for _, a := range n.Masquerade {
			line("", "what comes from inside goes out as "+a)
		}
		for _, p := range n.OneToOne {
			line("", p.Outside+" stands for "+p.Inside)
		}
	}
	line("DNS", dns(f))
	for i := range f.Status.Names {
		line("name", told(&f.Status.Names[i]))
	}
	line("rules", fmt.Sprintf("%d of egress, %d of ingress", len(f.Spec.Egress), len(f.Spec.Ingress)))
	line("enforced", Enforced(*f))
	if a := f.Status.Applied; a != nil {
		line("digest", a.Digest)
		line("problem", a.Problem)
	}
	if f.Status.LastSeen != nil {
		line("seen", f.Status.LastSeen.Local().Format(time.DateTime))
	}
	b.WriteString(verdict.Said(f.Status.Conditions))
	return b.String()
}

// Card is the network card of a network.
func Card(n *ingot.MachineNICStatus) string {
	text := strings.TrimSpace(n.Name + " " + n.MACAddress)
	if n.VLAN > 0 {
		text = fmt.Sprintf("VLAN %d of %s", n.VLAN, text)
	}
	if n.Switch != "" {
		text += fmt.Sprintf(", at switch %s, port %s", n.Switch, n.Port)
	}
	return text
}

func rulesCommand(s *session.Session) *cobra.Command {
	return named(s, "rules", "List a firewall's rules", func(_ *cobra.Command, f *ingot.Firewall, format print.Format) error {
		if format.Structured() {
			return print.Object(s.Out, format, map[string][]ingot.FirewallRule{"egress": f.Spec.Egress, "ingress": f.Spec.Ingress})
		}
		w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "RULE\tPROTOCOL\tPORTS\tFROM\tTO\tFAMILY\tLIMIT\tCOMMENT")
		for _, d := range []struct {
			name  string
			rules []ingot.FirewallRule
		}{{"egress", f.Spec.Egress}, {"ingress", f.Spec.Ingress}} {
			for i := range d.rules {
				r := &d.rules[i]
				limit, family := "", string(r.Family)
				if r.NewConnectionsPerSecond > 0 {
					limit = fmt.Sprintf("%d/s", r.NewConnectionsPerSecond)
				}
				fmt.Fprintf(w, "%s/%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.name, r.Name, r.Protocol, some(r.Ports), some(r.From), some(slices.Concat(r.To, r.ToFQDNs)), family, limit, r.Comment)
			}
		}
		fmt.Fprintln(w, "everything else\t\t\t\t\t\t\tis dropped")
		return w.Flush()
	})
}

func some(list []string) string {
	if len(list) == 0 {
		return "any"
	}
	return strings.Join(list, ",")
}
