// Package project is `ingot project` and `ingot quota`: the namespaces that are projects, and what they may hold.
//
// It owns making and showing them. It refuses rights: who may label a namespace or write a Quota is the API server's word.
package project

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/list"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// Command is `ingot project`.
func Command(s *session.Session) *cobra.Command {
	c := &cobra.Command{Use: "project", Aliases: []string{"projects"}, Short: "Make projects of tenants, and look at them", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	s.AddFlags(c)
	l := list.Of("project", "projects", projects, columns).Command(s)
	l.Short = "List projects with their tenants"
	c.AddCommand(l, explainCommand(s), createCommand(s))
	return c
}

// projects are the namespaces of tenants.
func projects(l *corev1.NamespaceList) []corev1.Namespace {
	var all []corev1.Namespace
	for _, n := range l.Items {
		if n.Labels[ingot.TenantLabel] != "" {
			all = append(all, n)
		}
	}
	return all
}

func columns(now time.Time) []print.Column[corev1.Namespace] {
	return []print.Column[corev1.Namespace]{
		{Header: "NAMESPACE", Cell: func(n corev1.Namespace) string { return n.Name }},
		{Header: "TENANT", Flag: "tenant", Cell: func(n corev1.Namespace) string { return n.Labels[ingot.TenantLabel] }},
		{Header: "PROJECT", Flag: "project", Cell: func(n corev1.Namespace) string { return n.Labels[ingot.ProjectLabel] }},
		{Header: "PHASE", Cell: func(n corev1.Namespace) string { return string(n.Status.Phase) }},
		{Header: "AGE", Cell: func(n corev1.Namespace) string { return print.Duration(now.Sub(n.CreationTimestamp.Time)) },
			Order: print.ByTime(func(n corev1.Namespace) time.Time { return n.CreationTimestamp.Time })},
	}
}

func createCommand(s *session.Session) *cobra.Command {
	var tenant, name string
	c := &cobra.Command{
		Use: "create NAMESPACE --tenant TENANT", Short: "Make a namespace that is a project of a tenant", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.Client()
			if err != nil {
				return err
			}
			labels := map[string]string{ingot.TenantLabel: tenant, ingot.ProjectLabel: name}
			if name == "" {
				labels[ingot.ProjectLabel] = args[0]
			}
			if err := c.Create(cmd.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: args[0], Labels: labels}}); err != nil {
				return fmt.Errorf("make project %s: %w", args[0], err)
			}
			fmt.Fprintf(s.Err, "namespace %s is project %s of tenant %s\n", args[0], labels[ingot.ProjectLabel], tenant)
			return nil
		},
	}
	c.Flags().StringVar(&tenant, "tenant", "", "whose project it is")
	c.Flags().StringVar(&name, "project", "", "the project's name; without it the namespace's")
	cobra.CheckErr(c.MarkFlagRequired("tenant"))
	return c
}

// QuotaCommand is `ingot quota`.
func QuotaCommand(s *session.Session) *cobra.Command {
	c := &cobra.Command{Use: "quota", Aliases: []string{"quotas"}, Short: "Look at what projects may hold, and hold; set it", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	s.AddFlags(c)
	l := list.Of("quota", "quotas", func(l *ingot.QuotaList) []ingot.Quota { return l.Items }, quotaColumns).Command(s)
	l.Short = "List quotas with what is held of them"
	c.AddCommand(l, explainQuota(s), setCommand(s))
	return c
}

func quotaColumns(now time.Time) []print.Column[ingot.Quota] {
	of := func(used int32, most *int32) string {
		if most == nil {
			return fmt.Sprintf("%d of any", used)
		}
		return fmt.Sprintf("%d of %d", used, *most)
	}
	return []print.Column[ingot.Quota]{
		{Header: "NAME", Cell: func(q ingot.Quota) string { return q.Name }},
		{Header: "MACHINES", Cell: func(q ingot.Quota) string { return of(q.Status.Used.Machines, q.Spec.Machines) }},
		{Header: "FIREWALLS", Cell: func(q ingot.Quota) string { return of(q.Status.Used.Firewalls, q.Spec.Firewalls) }},
		{Header: "ADDRESSES", Cell: func(q ingot.Quota) string {
			if a := q.Spec.Addresses; a != nil {
				return of(q.Status.Used.Addresses.Total, a.Total)
			}
			return of(q.Status.Used.Addresses.Total, nil)
		}},
		{Header: "IPV4", Wide: true, Cell: func(q ingot.Quota) string {
			if a := q.Spec.Addresses; a != nil {
				return of(q.Status.Used.Addresses.IPv4, a.IPv4)
			}
			return of(q.Status.Used.Addresses.IPv4, nil)
		}},
		{Header: "IPV6", Wide: true, Cell: func(q ingot.Quota) string {
			if a := q.Spec.Addresses; a != nil {
				return of(q.Status.Used.Addresses.IPv6, a.IPv6)
			}
			return of(q.Status.Used.Addresses.IPv6, nil)
		}},
		{Header: "NETWORKS", Cell: func(q ingot.Quota) string { return of(q.Status.Used.Networks, q.Spec.Networks) }},
		{Header: "WITHIN", Cell: func(q ingot.Quota) string {
			if x := meta.FindStatusCondition(q.Status.Conditions, ingot.QuotaWithinCondition); x != nil {
				return string(x.Status)
			}
			return ""
		}},
		{Header: "AGE", Wide: true, Cell: func(q ingot.Quota) string { return print.Duration(now.Sub(q.CreationTimestamp.Time)) },
			Order: print.ByTime(func(q ingot.Quota) time.Time { return q.CreationTimestamp.Time })},
	}
}
