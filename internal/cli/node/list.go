package node

import (
	"cmp"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	calico "github.com/ingotmetal/ingot/api/projectcalico/v3"
	"github.com/ingotmetal/ingot/internal/cli/list"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

func listCommand(s *session.Session) *cobra.Command {
	n := list.Of("host endpoint", "host endpoints", func(l *calico.HostEndpointList) []calico.HostEndpoint { return l.Items }, columns)
	n.Cluster = true
	n.Empty = "a CommunicationMatrix with hosts makes them"
	c := n.Command(s)
	c.Short = "List the interfaces whose firewall is enforced, with what their hosts report"
	return c
}

func columns(now time.Time) []print.Column[calico.HostEndpoint] {
	type object = calico.HostEndpoint
	return []print.Column[object]{
		{Header: "NAME", Cell: func(h object) string { return h.Name }},
		{Header: "NODE", Flag: "node", Cell: func(h object) string { return h.Spec.Node }},
		{Header: "INTERFACE", Cell: func(h object) string { return h.Spec.InterfaceName }},
		{Header: "PHASE", Flag: "state", Cell: func(h object) string { return cmp.Or(string(h.Status.Phase), "not reported") }},
		{Header: "GENERATION", Cell: func(h object) string { return strconv.FormatInt(h.Status.Generation, 10) }},
		{Header: "ACCEPTED", Wide: true, Cell: func(h object) string { return counted(h, func(c *calico.Counters) int64 { return c.Accepted }) }},
		{Header: "REFUSED", Cell: func(h object) string { return counted(h, func(c *calico.Counters) int64 { return c.Refused }) }},
		{Header: "MATRIX", Wide: true, Flag: "matrix", Cell: func(h object) string { return h.Labels[calico.MatrixLabel] }},
		{
			Header: "AGE", Wide: true, Cell: func(h object) string { return print.Duration(now.Sub(h.CreationTimestamp.Time)) },
			Order: print.ByTime(func(h object) time.Time { return h.CreationTimestamp.Time }),
		},
		{Header: "WHY", Wide: true, Cell: why},
	}
}
