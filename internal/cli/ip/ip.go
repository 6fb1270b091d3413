// Package ip is `ingot ip`: addresses that somebody asked for, asking for one, giving it back, and why there is none.
//
// It owns the columns and the words of explain. It refuses decisions: the controller role gives addresses, and what it said stands in the IP. It works with the rights of whoever calls it: who may read
// AddressRecords is told of every holder, others of the IPs that they may see.
package ip

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/issues"
	"github.com/ingotmetal/ingot/internal/cli/list"
	"github.com/ingotmetal/ingot/internal/cli/one"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/cli/verdict"
)

// Command is `ingot ip`.
func Command(s *session.Session) *cobra.Command {
	c := &cobra.Command{
		Use: "ip", Aliases: []string{"ips"}, Short: "Ask for addresses, look at them, give them back", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	s.AddFlags(c)
	l := list.Of("IP", "IPs", func(l *ingot.IPList) []ingot.IP { return l.Items }, columns)
	l.Empty = "`ingot ip allocate NAME --network NETWORK` asks for one"
	listing := l.Command(s)
	listing.Short = "List IPs with their addresses, networks and owners"
	c.AddCommand(listing, getCommand(s), allocateCommand(s), freeCommand(s), explainCommand(s), issues.Command(s, false, "IP"))
	return c
}

func columns(now time.Time) []print.Column[ingot.IP] {
	type row = ingot.IP
	return []print.Column[row]{
		{Header: "NAME", Cell: func(o row) string { return o.Name }},
		{Header: "ADDRESS", Flag: "address", Cell: func(o row) string { return o.Status.Address }},
		{Header: "NETWORK", Flag: "network", Cell: func(o row) string { return networkOf(&o) }},
		{Header: "TYPE", Flag: "type", Cell: func(o row) string { return string(o.Spec.Type) }},
		{Header: "OWNER", Flag: "owner", Cell: func(o row) string { return Owner(&o) }},
		{Header: "READY", Flag: "state", Cell: func(o row) string {
			if x := meta.FindStatusCondition(o.Status.Conditions, ingot.ReadyCondition); x != nil {
				return x.Reason
			}
			return ""
		}},
		{Header: "TAGS", Wide: true, Cell: func(o row) string { return strings.Join(o.Spec.Tags, ",") }},
		{Header: "GATEWAY", Wide: true, Cell: func(o row) string { return o.Status.Gateway }},
		{Header: "AGE", Cell: func(o row) string { return print.Duration(now.Sub(o.CreationTimestamp.Time)) }, Order: print.ByTime(func(o row) time.Time { return o.CreationTimestamp.Time })},
	}
}

func networkOf(o *ingot.IP) string {
	if n := o.Spec.Network; n.Namespace != "" && n.Namespace != o.Namespace {
		return n.Namespace + "/" + n.Name
	}
	return o.Spec.Network.Name
}

// Owner is what the IP goes with.
func Owner(o *ingot.IP) string {
	var all []string
	for _, r := range o.OwnerReferences {
		all = append(all, r.Kind+"/"+r.Name)
	}
	slices.Sort(all)
	return strings.Join(all, ",")
}

// kind is what commands about one IP know of it.
func kind() one.Kind[*ingot.IP] {
	return one.Kind[*ingot.IP]{
		Noun: "ip", Singular: "IP", Plural: "IPs",
		New: func() *ingot.IP { return &ingot.IP{} }, NewList: func() client.ObjectList { return &ingot.IPList{} },
	}
}

func getCommand(s *session.Session) *cobra.Command {
	c := kind().Command(s, "get IP", "Show an IP: its address, or what it waits for", func(cmd *cobra.Command, name string) error {
		format, err := s.Format()
		if err != nil {
			return err
		}
		_, o, err := kind().Read(cmd.Context(), s, name)
		if err != nil {
			return err
		}
		if format.Structured() {
			return print.Object(s.Out, format, o)
		}
		_, err = fmt.Fprint(s.Out, summary(o))
		return err
	})
	c.Aliases = []string{"describe"}
	return c
}

// summary is an IP in some lines.
func summary(o *ingot.IP) string {
	var b strings.Builder
	line := func(what, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-12s %s\n", what+":", value)
		}
	}
	line("IP", o.Namespace+"/"+o.Name)
	if o.Status.Address != "" {
		line("address", fmt.Sprintf("%s/%d", o.Status.Address, o.Status.PrefixLength))
	} else {
		line("address", "none yet")
	}
	line("asked for", o.Spec.Address)
	line("network", networkOf(o))
	line("type", string(o.Spec.Type))
	line("owner", Owner(o))
	line("gateway", o.Status.Gateway)
	line("DNS servers", strings.Join(o.Status.DNSServers, ", "))
	line("tags", strings.Join(o.Spec.Tags, ", "))
	b.WriteString(verdict.Said(o.Status.Conditions))
	return b.String()
}
