// Package network is `ingot network`: which networks there are, what they have, and how full they are.
//
// It owns the columns and the counts by prefix. It refuses to give anything: networks are made with `ingot apply`, and addresses are asked for with `ingot ip`. What can be given is counted by package ipam, as
// the controller counts it.
package network

import (
	"fmt"
	"strconv"
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

// Command is `ingot network`.
func Command(s *session.Session) *cobra.Command {
	c := &cobra.Command{
		Use: "network", Aliases: []string{"networks"}, Short: "Look at networks: what they have, how full they are, what is wrong with them", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	s.AddFlags(c)
	l := list.Of("network", "networks", func(l *ingot.NetworkList) []ingot.Network { return l.Items }, columns)
	l.Empty = "examples/network.yaml shows how one is made"
	listing := l.Command(s)
	listing.Short = "List networks with their prefixes, and how many addresses are held and free"
	c.AddCommand(listing, getCommand(s), explainCommand(s), usageCommand(s), issues.Command(s, false, "Network", "IP"))
	return c
}

func columns(now time.Time) []print.Column[ingot.Network] {
	type row = ingot.Network
	number := func(header string, wide bool, of func(row) int64) print.Column[row] {
		return print.Column[row]{Header: header, Wide: wide, Order: print.By(of), Cell: func(n row) string {
			if of(n) == 0 && wide {
				return ""
			}
			return strconv.FormatInt(of(n), 10)
		}}
	}
	return []print.Column[row]{
		{Header: "NAME", Cell: func(n row) string { return n.Name }},
		{Header: "TYPE", Flag: "type", Cell: func(n row) string { return string(n.Spec.Type) }},
		{Header: "PREFIXES", Cell: func(n row) string { return strings.Join(n.Status.Prefixes, ",") }},
		{Header: "VRF", Flag: "vrf", Cell: func(n row) string { return n.Status.VRF }},
		number("HELD", false, func(n row) int64 { return n.Status.Held }),
		{Header: "FREE IPV4", Cell: func(n row) string {
			if n.Status.SizeIPv4 == 0 {
				return ""
			}
			return fmt.Sprintf("%d of %d", n.Status.FreeIPv4, n.Status.SizeIPv4)
		}, Order: print.By(func(n row) int64 { return n.Status.FreeIPv4 })},
		{Header: "READY", Flag: "state", Cell: func(n row) string { return ready(&n) }},
		{Header: "PARENT", Wide: true, Flag: "parent", Cell: func(n row) string { return parent(&n) }},
		number("CHILDREN", true, func(n row) int64 { return int64(n.Status.Children) }),
		number("VRF ID", true, func(n row) int64 { return n.Status.VRFID }),
		number("ASN", true, func(n row) int64 { return n.Status.ASN }),
		{Header: "AGE", Cell: func(n row) string { return print.Duration(now.Sub(n.CreationTimestamp.Time)) }, Order: print.ByTime(func(n row) time.Time { return n.CreationTimestamp.Time })},
		{Header: "DESCRIPTION", Wide: true, Cell: func(n row) string { return n.Spec.Description }},
	}
}

func ready(n *ingot.Network) string {
	if c := meta.FindStatusCondition(n.Status.Conditions, ingot.ReadyCondition); c != nil {
		return c.Reason
	}
	return ""
}

func parent(n *ingot.Network) string {
	switch p := n.Spec.Parent; {
	case p == nil:
		return ""
	case p.Namespace == "":
		return p.Name
	default:
		return p.Namespace + "/" + p.Name
	}
}

func getCommand(s *session.Session) *cobra.Command {
	kind := one.Kind[*ingot.Network]{
		Noun: "network", Singular: "network", Plural: "networks",
		New: func() *ingot.Network { return &ingot.Network{} }, NewList: func() client.ObjectList { return &ingot.NetworkList{} },
	}
	c := kind.Command(s, "get NETWORK", "Show a network: what it has, and what it waits for", func(cmd *cobra.Command, name string) error {
		format, err := s.Format()
		if err != nil {
			return err
		}
		_, n, err := kind.Read(cmd.Context(), s, name)
		if err != nil {
			return err
		}
		if format.Structured() {
			return print.Object(s.Out, format, n)
		}
		_, err = fmt.Fprint(s.Out, summary(n))
		return err
	})
	c.Aliases = []string{"describe"}
	return c
}

// summary is a network in some lines.
func summary(n *ingot.Network) string {
	var b strings.Builder
	line := func(what, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-13s %s\n", what+":", value)
		}
	}
	number := func(what string, n int64) {
		if n != 0 {
			line(what, strconv.FormatInt(n, 10))
		}
	}
	line("network", n.Namespace+"/"+n.Name)
	line("description", n.Spec.Description)
	line("type", string(n.Spec.Type))
	line("parent", parent(n))
	line("prefixes", strings.Join(n.Status.Prefixes, ", "))
	line("VRF", n.Status.VRF)
	number("VRF ID", n.Status.VRFID)
	number("ASN", n.Status.ASN)
	line("gateways", strings.Join(n.Spec.Gateways, ", "))
	line("excluded", strings.Join(n.Spec.Excluded, ", "))
	line("DNS servers", strings.Join(n.Spec.DNSServers, ", "))
	line("reaches", strings.Join(n.Spec.DestinationPrefixes, ", "))
	if n.Spec.NAT {
		line("NAT", "firewalls translate what goes out here")
	}
	if n.Spec.QuarantineSeconds > 0 {
		line("quarantine", print.Duration(time.Duration(n.Spec.QuarantineSeconds)*time.Second))
	}
	if n.Spec.Type == ingot.SuperNetwork {
		line("children", strconv.Itoa(int(n.Status.Children)))
	} else {
		line("held", strconv.FormatInt(n.Status.Held, 10))
	}
	if n.Status.SizeIPv4 > 0 {
		line("free IPv4", fmt.Sprintf("%d of %d", n.Status.FreeIPv4, n.Status.SizeIPv4))
	}
	line("ready", ready(n))
	b.WriteString(verdict.Said(n.Status.Conditions))
	return b.String()
}
