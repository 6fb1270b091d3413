// Package partition is what `ingot partition` answers about partitions, beside being the role that serves one: which there are, what is wrong with them, and how many hosts of which size can be
// had in them.
//
// It owns the columns. It refuses to count, which package capacity does.
package partition

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/capacity"
	"github.com/ingotmetal/ingot/capacity/stock"
	"github.com/ingotmetal/ingot/internal/cli/issues"
	"github.com/ingotmetal/ingot/internal/cli/list"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/fleet"
)

// Verbs are the sub-commands. The command that they hang on is the role, whose flags are its own, so that each has the session's.
func Verbs(s *session.Session) []*cobra.Command {
	all := []*cobra.Command{listCommand(s), explainCommand(s), capacityCommand(s), issues.Command(s, true, "Partition", "SizeReservation", "Network")}
	for _, c := range all {
		s.AddServerFlags(c)
	}
	return all
}

func listCommand(s *session.Session) *cobra.Command {
	n := list.Of("partition", "partitions", func(l *ingot.PartitionList) []ingot.Partition { return l.Items }, func(now time.Time) []print.Column[ingot.Partition] {
		type row = ingot.Partition
		return []print.Column[row]{
			{Header: "NAME", Cell: func(p row) string { return p.Name }},
			{Header: "DHCP", Cell: func(p row) string { return string(p.Spec.ProvisioningNetwork.DHCPMode) }},
			{Header: "NETWORK", Cell: func(p row) string { return p.Spec.ProvisioningNetwork.CIDR }},
			{Header: "AGENTS", Wide: true, Cell: func(p row) string { return p.Status.AgentEndpoint }},
			{Header: "MEDIA", Wide: true, Cell: func(p row) string { return p.Status.MediaEndpoint }},
			{
				Header: "AGE", Cell: func(p row) string { return print.Duration(now.Sub(p.CreationTimestamp.Time)) },
				Order: print.ByTime(func(p row) time.Time { return p.CreationTimestamp.Time }),
			},
		}
	})
	n.Cluster = true
	return n.Command(s)
}

func capacityCommand(s *session.Session) *cobra.Command {
	c := list.Noun[capacity.Row]{
		Singular: "capacity", Plural: "hosts", Verb: "capacity", Made: true, Cluster: true, Columns: capacityColumns,
		Load: func(ctx context.Context, c client.Client, _ ...client.ListOption) ([]capacity.Row, error) {
			o, err := fleet.Read(ctx, c)
			if err != nil {
				return nil, err
			}
			return stock.Rows(o.Facts, o.ByHost()), nil
		},
		Object: func(r *capacity.Row) metav1.Object { return &metav1.ObjectMeta{Name: r.Partition + "/" + r.Size} },
	}.Command(s)
	c.Short = "Count hosts by partition and size: taken, to be had, reserved, faulty"
	c.Long = c.Short + ".\n\nTOTAL      all hosts of the size in the partition: the sum of ALLOCATED, AVAILABLE, FAULTY and OTHER\n" +
		"ALLOCATED  those that somebody has\n" +
		"AVAILABLE  those that can be had now: clean, and nothing speaks against it\n" +
		"FREE       those of them that anybody may have: without what is held back for reservations. A reservation over several partitions holds back here only what the others could not serve\n" +
		"RESERVED   the sum of the reservations that may be served here, also of those that may be elsewhere\n" +
		"USED       how many hosts of those reservations are held here by those that they are for\n" +
		"FAULTY     nobody has them and something is broken; -o wide names them and says what\n" +
		"OTHER      nobody has them and they cannot be had for a reason that is no fault: prepared, wiped, cordoned, locked, tainted\n"
	return c
}

func capacityColumns(time.Time) []print.Column[capacity.Row] {
	type row = capacity.Row
	count := func(header string, of func(row) int) print.Column[row] {
		return print.Column[row]{Header: header, Cell: func(r row) string { return strconv.Itoa(of(r)) }, Order: print.By(of)}
	}
	return []print.Column[row]{
		{Header: "PARTITION", Flag: "partition", Cell: func(r row) string { return r.Partition }},
		{Header: "SIZE", Flag: "size", Cell: func(r row) string { return r.Size }},
		count("TOTAL", func(r row) int { return r.Total }),
		count("ALLOCATED", func(r row) int { return r.Allocated }),
		count("AVAILABLE", func(r row) int { return r.Available }),
		count("FREE", func(r row) int { return r.Free }),
		count("RESERVED", func(r row) int { return r.Reserved }),
		count("USED", func(r row) int { return r.Used }),
		count("FAULTY", func(r row) int { return len(r.Faulty) }),
		count("OTHER", func(r row) int { return len(r.Other) }),
		{Header: "FAULTY HOSTS", Wide: true, Cell: func(r row) string { return named(r.Faulty) }},
		{Header: "OTHER HOSTS", Wide: true, Cell: func(r row) string { return named(r.Other) }},
	}
}

// named are hosts with their reasons, the first of many; -o json has them all.
func named(hosts []capacity.Named) string {
	const shown = 5
	var all []string
	for _, h := range hosts[:min(len(hosts), shown)] {
		all = append(all, h.Name+" ("+h.Why+")")
	}
	if more := len(hosts) - shown; more > 0 {
		all = append(all, fmt.Sprintf("%d more", more))
	}
	return strings.Join(all, "; ")
}
