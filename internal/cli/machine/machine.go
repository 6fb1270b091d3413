// Package machine is `ingot machine`: what a tenant asks for, and how it stands.
//
// It owns showing Machines, making and deleting them, waiting for them, and why one has or could have which host. It refuses decisions: packages survey and claim make them, for the controller too, so that the program
// tells no other story. It works with the rights of whoever calls it: `explain` tells of every host to who may list hosts, and else what the controller said.
package machine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/claim"
	"github.com/ingotmetal/ingot/claim/survey"
	"github.com/ingotmetal/ingot/internal/claimfacts"
	"github.com/ingotmetal/ingot/internal/cli/issues"
	"github.com/ingotmetal/ingot/internal/cli/list"
	"github.com/ingotmetal/ingot/internal/cli/one"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/cli/verdict"
)

// Command is `ingot machine`.
func Command(s *session.Session) *cobra.Command {
	c := &cobra.Command{
		Use:     "machine",
		Aliases: []string{"machines"},
		Short:   "Claim machines, look at them, give them back",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	s.AddFlags(c)
	c.AddCommand(listCommand(s), getCommand(s), createCommand(s), explainCommand(s), deleteCommand(s), waitCommand(s), reinstallCommand(s), issues.Command(s, false, "Machine"))
	return c
}

func listCommand(s *session.Session) *cobra.Command {
	c := list.Of("machine", "machines", func(l *ingot.MachineList) []ingot.Machine { return l.Items }, columns).Command(s)
	c.Short = "List machines with their phase, addresses and image"
	return c
}

func columns(now time.Time) []print.Column[ingot.Machine] {
	return []print.Column[ingot.Machine]{
		{Header: "NAME", Cell: func(m ingot.Machine) string { return m.Name }},
		{Header: "PHASE", Flag: "state", Cell: func(m ingot.Machine) string { return string(m.Status.Phase) }},
		{Header: "ROLE", Wide: true, Cell: func(m ingot.Machine) string { return string(m.Spec.Role) }},
		{Header: "SIZE", Flag: "size", Cell: func(m ingot.Machine) string { return m.Spec.Size }},
		{Header: "PARTITION", Flag: "partition", Cell: func(m ingot.Machine) string { return m.Spec.Partition }},
		{Header: "IMAGE", Cell: func(m ingot.Machine) string { return Image(&m) }},
		{Header: "ADDRESSES", Cell: func(m ingot.Machine) string { return strings.Join(Addresses(&m), ",") }},
		{Header: "HOST", Wide: true, Cell: func(m ingot.Machine) string { return Host(&m) }},
		{Header: "WHY", Wide: true, Cell: func(m ingot.Machine) string {
			if x := meta.FindStatusCondition(m.Status.Conditions, ingot.MachineReadyCondition); x != nil {
				return x.Reason
			}
			return ""
		}},
		{Header: "AGE", Cell: func(m ingot.Machine) string { return print.Duration(now.Sub(m.CreationTimestamp.Time)) },
			Order: print.ByTime(func(m ingot.Machine) time.Time { return m.CreationTimestamp.Time })},
	}
}

// Image is the name of the image that a machine has, or of none yet what it asks for.
func Image(m *ingot.Machine) string {
	if m.Status.Image != nil {
		return m.Status.Image.Name
	}
	return m.Spec.Image
}

// Addresses are those that a machine has.
func Addresses(m *ingot.Machine) []string {
	var all []string
	for _, a := range m.Status.Addresses {
		all = append(all, a.Address)
	}
	return all
}

func Host(m *ingot.Machine) string {
	if h := m.Status.Host; h != nil {
		return h.Namespace + "/" + h.Name
	}
	return ""
}

// kind is what commands about one machine know of it.
func kind() one.Kind[*ingot.Machine] {
	return one.Kind[*ingot.Machine]{
		Noun: "machine", Singular: "machine", Plural: "machines",
		New: func() *ingot.Machine { return &ingot.Machine{} }, NewList: func() client.ObjectList { return &ingot.MachineList{} },
	}
}

func getCommand(s *session.Session) *cobra.Command {
	return kind().Command(s, "get MACHINE", "Show a machine: what it has, and what it waits for", func(cmd *cobra.Command, name string) error {
		format, err := s.Format()
		if err != nil {
			return err
		}
		_, m, err := kind().Read(cmd.Context(), s, name)
		if err != nil {
			return err
		}
		if format.Structured() {
			return print.Object(s.Out, format, m)
		}
		_, err = fmt.Fprint(s.Out, summary(m))
		return err
	})
}

// summary is a machine in some lines.
func summary(m *ingot.Machine) string {
	var b strings.Builder
	line := func(what, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-11s %s\n", what+":", value)
		}
	}
	line("machine", m.Namespace+"/"+m.Name)
	line("phase", string(m.Status.Phase))
	line("role", string(m.Spec.Role))
	line("size", m.Spec.Size)
	line("partition", m.Spec.Partition)
	line("host", Host(m))
	if i := m.Status.Image; i != nil {
		line("image", i.Name+" ("+i.Digest+")")
	} else {
		line("image", m.Spec.Image+" (not installed yet)")
	}
	for _, a := range m.Status.Addresses {
		line("address", fmt.Sprintf("%s/%d of %s (IP %s)", a.Address, a.PrefixLength, a.Network, a.IP))
	}
	power := "off"
	if m.Status.PoweredOn {
		power = "on"
	}
	line("power", power)
	b.WriteString(verdict.Said(m.Status.Conditions))
	return b.String()
}

func explainCommand(s *session.Session) *cobra.Command {
	return kind().Command(s, "explain MACHINE", "Say of every host why a machine has it, could have it, or could not", func(cmd *cobra.Command, name string) error {
		format, err := s.Format()
		if err != nil {
			return err
		}
		c, m, err := kind().Read(cmd.Context(), s, name)
		if err != nil {
			return err
		}
		e, err := Explain(cmd.Context(), c, m)
		if apierrors.IsForbidden(err) {
			// A tenant may not list the provider's hosts. What they may know of them the controller has said.
			_, err := fmt.Fprintf(s.Out, "machine %s/%s: %s\n%s", m.Namespace, m.Name, m.Status.Phase, verdict.Said(m.Status.Conditions))
			return err
		}
		if err != nil {
			return err
		}
		if format.Structured() {
			return print.Object(s.Out, format, e)
		}
		return verdict.Write(s.Out, fmt.Sprintf("machine %s/%s", m.Namespace, m.Name), e, m.Status.Conditions)
	})
}

// Explain says why a machine has the host that it has, or none, by all that the choice rests on.
func Explain(ctx context.Context, c client.Reader, m *ingot.Machine) (claim.Explanation, error) {
	f, err := claimfacts.Read(ctx, c)
	if err != nil {
		return claim.Explanation{}, err
	}
	s := survey.New(f)
	return claim.Explain(s.Inventory(), s.Rules(), s.MachineRequest(m)), nil
}
