// Package issues is the `issues` of a noun: what is wrong with hosts, machines or partitions, how bad, why, and what helps.
//
// It owns the flags and columns. It refuses to find issues, which package issue does of what package fleet read. It reads with the rights of whoever calls it, and needs those to list the whole
// fleet: that two hosts are one machine shows only where both are seen. Machines' issues follow from the Machines alone, which their tenant may list.
package issues

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/cli/list"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/fleet"
	"github.com/ingotmetal/ingot/issue"
	"github.com/ingotmetal/ingot/issue/evidence"
)

// choice is which issues are wanted.
type choice struct {
	severity   string
	only, omit []string
}

// Command is the `issues` of subjects of these kinds (issue.Kind.Subject), which are all in namespaces or, with cluster, shown without regard to theirs.
func Command(s *session.Session, cluster bool, subjects ...string) *cobra.Command {
	var o choice
	n := list.Noun[issue.Issue]{
		Singular: "issue", Plural: "issues", Verb: "issues", Made: true, Cluster: cluster, Columns: columns,
		Load: func(ctx context.Context, c client.Client, opts ...client.ListOption) ([]issue.Issue, error) {
			return o.find(ctx, c, (&client.ListOptions{}).ApplyOptions(opts).Namespace, subjects)
		},
		Object: func(x *issue.Issue) metav1.Object {
			namespace, name, ok := strings.Cut(x.Name, "/")
			if !ok || cluster {
				return &metav1.ObjectMeta{Name: x.Name}
			}
			return &metav1.ObjectMeta{Namespace: namespace, Name: name}
		},
		// The worst come first, as package issue orders them.
		Order: func(a, b issue.Issue) int {
			return slices.Index(issue.Severities(), b.Severity) - slices.Index(issue.Severities(), a.Severity)
		},
	}
	c := n.Command(s)
	c.Short = "List what is wrong with " + strings.Join(plural(subjects), ", ") + ": how bad, why, and what helps"
	c.Long = c.Short + ".\n\n" + meanings(subjects)
	c.Flags().StringVar(&o.severity, "severity", string(issue.Minor), "this severity and those above it: minor, major or critical")
	c.Flags().StringSliceVar(&o.only, "only", nil, "only issues with these IDs")
	c.Flags().StringSliceVar(&o.omit, "omit", nil, "no issues with these IDs")
	_ = c.RegisterFlagCompletionFunc("severity", cobra.FixedCompletions(severities(), cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveKeepOrder))
	for _, flag := range []string{"only", "omit"} {
		_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(ids(subjects, true), cobra.ShellCompDirectiveNoFileComp))
	}
	c.PreRunE = func(*cobra.Command, []string) error { return o.check(subjects) }
	return c
}

func severities() []string {
	var all []string
	for _, s := range issue.Severities() {
		all = append(all, string(s))
	}
	return all
}

// ids are those of the subjects' issues, with what they mean for completion.
func ids(subjects []string, meaning bool) []string {
	var all []string
	for _, k := range issue.Kinds() {
		switch {
		case !slices.Contains(subjects, k.Subject):
		case meaning:
			all = append(all, string(k.ID)+"\t"+k.Meaning)
		default:
			all = append(all, string(k.ID))
		}
	}
	return all
}

func plural(subjects []string) []string {
	all := make([]string, len(subjects))
	for i, s := range subjects {
		all[i] = strings.ToLower(s) + "s"
	}
	return all
}

func meanings(subjects []string) string {
	var b strings.Builder
	b.WriteString("The issues:\n")
	for _, k := range issue.Kinds() {
		if slices.Contains(subjects, k.Subject) {
			fmt.Fprintf(&b, "  %-24s %-9s %s\n", k.ID, k.Severity, k.Meaning)
		}
	}
	return b.String()
}

// check refuses what would silently list nothing.
func (o choice) check(subjects []string) error {
	if !slices.Contains(severities(), o.severity) {
		return fmt.Errorf("--severity %q: use one of %s", o.severity, strings.Join(severities(), ", "))
	}
	known := ids(subjects, false)
	for _, id := range slices.Concat(o.only, o.omit) {
		if !slices.Contains(known, id) {
			return fmt.Errorf("there is no issue %q: use %s", id, strings.Join(known, ", "))
		}
	}
	return nil
}

func (o choice) find(ctx context.Context, c client.Client, namespace string, subjects []string) ([]issue.Issue, error) {
	objects, err := read(ctx, c, namespace, subjects)
	if err != nil {
		return nil, err
	}
	all := issue.Find(evidence.Facts(objects), time.Now())
	return slices.DeleteFunc(all, func(x issue.Issue) bool {
		return !slices.Contains(subjects, x.Kind) || namespace != "" && !strings.HasPrefix(x.Name, namespace+"/") || !x.Severity.AtLeast(issue.Severity(o.severity)) ||
			len(o.only) > 0 && !slices.Contains(o.only, string(x.ID)) || slices.Contains(o.omit, string(x.ID))
	}), nil
}

// read lists the whole fleet, or, for Machines' issues, the Machines of the namespace, and for those of IPs what they rest on.
func read(ctx context.Context, c client.Client, namespace string, subjects []string) (evidence.Objects, error) {
	if len(subjects) == 1 && subjects[0] == "Machine" {
		return fleet.ReadMachines(ctx, c, client.InNamespace(namespace))
	}
	if slices.Contains(subjects, "IP") {
		o, err := fleet.ReadAddresses(ctx, c)
		if namespace != "" && apierrors.IsForbidden(err) {
			// A tenant sees no more than the project: networks of others, and who shares an address with them, are left out.
			return fleet.ReadAddresses(ctx, c, client.InNamespace(namespace))
		}
		return o, err
	}
	return fleet.Read(ctx, c)
}

func columns(now time.Time) []print.Column[issue.Issue] {
	type row = issue.Issue
	return []print.Column[row]{
		{Header: "SEVERITY", Cell: func(x row) string { return string(x.Severity) }, Order: print.By(func(x row) int { return slices.Index(issue.Severities(), x.Severity) })},
		{Header: "ISSUE", Cell: func(x row) string { return string(x.ID) }},
		{Header: "KIND", Wide: true, Cell: func(x row) string { return x.Kind }},
		{Header: "NAME", Flag: "name", Cell: func(x row) string {
			if _, name, ok := strings.Cut(x.Name, "/"); ok && x.Kind != "Network" {
				return name
			}
			return x.Name
		}},
		{Header: "SINCE", Cell: func(x row) string {
			if x.Since.IsZero() {
				return ""
			}
			return print.Duration(now.Sub(x.Since))
		}, Order: print.ByTime(func(x row) time.Time { return x.Since })},
		{Header: "CAUSE", Cell: func(x row) string { return x.Cause }},
		{Header: "REMEDY", Wide: true, Cell: func(x row) string { return x.Remedy }},
		{Header: "REFERENCE", Wide: true, Cell: func(x row) string { return x.Reference }},
	}
}
