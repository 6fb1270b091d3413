package matrix

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/list"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

func listCommand(s *session.Session) *cobra.Command {
	n := list.Of("matrix", "matrices", func(l *ingot.CommunicationMatrixList) []ingot.CommunicationMatrix { return l.Items }, columns)
	n.Cluster = true
	n.Empty = "`ingot apply -f FILE` creates one, `ingot matrix show` shows Ingot's own"
	c := n.Command(s)
	c.Short = "List the matrices of the API server, with their findings and on how many hosts they are enforced"
	return c
}

func columns(now time.Time) []print.Column[ingot.CommunicationMatrix] {
	type object = ingot.CommunicationMatrix
	count := func(header string, of func(object) int32) print.Column[object] {
		return print.Column[object]{Header: header, Cell: func(o object) string { return strconv.FormatInt(int64(of(o)), 10) }}
	}
	return []print.Column[object]{
		{Header: "NAME", Cell: func(o object) string { return o.Name }},
		{Header: "TITLE", Cell: func(o object) string { return string(o.Spec.Title) }},
		count("FLOWS", func(o object) int32 { return o.Status.Counts.Flows }),
		count("ROLES", func(o object) int32 { return o.Status.Counts.Roles }),
		count("FINDINGS", func(o object) int32 { return o.Status.Counts.Findings }),
		count("HOSTS", func(o object) int32 { return o.Status.Counts.Hosts }),
		count("ENFORCED", func(o object) int32 { return o.Status.HostsEnforced }),
		{Header: "EXTENDS", Wide: true, Flag: "extends", Cell: func(o object) string { return string(o.Spec.Extends) }},
		{
			Header: "AGE", Cell: func(o object) string { return print.Duration(now.Sub(o.CreationTimestamp.Time)) },
			Order: print.ByTime(func(o object) time.Time { return o.CreationTimestamp.Time }),
		},
	}
}
