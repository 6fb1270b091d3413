// Package host is `ingot host`: what a person asks and does about BareMetalHosts.
//
// It owns reading hosts with their HostLifecycle and showing them. It refuses decisions: what a host waits for and does next comes from the objects and
// from package lifecycle, so that the program never tells another story than the controller. Changes are made as any client makes them: spec.online and annotations.
package host

import (
	"context"
	"fmt"
	"sort"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// Command is `ingot host`.
func Command(s *session.Session) *cobra.Command {
	c := &cobra.Command{
		Use:     "host",
		Aliases: []string{"hosts", "bmh"},
		Short:   "Look at bare-metal hosts and turn them on and off",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	s.AddFlags(c)
	c.AddCommand(listCommand(s), getCommand(s), explainCommand(s), planCommand(s), eventsCommand(s),
		powerCommand(s), consoleLogCommand(s), waitCommand(s), deprovisionCommand(s))
	return c
}

// Host is a BareMetalHost with what Ingot knows beyond it.
type Host struct {
	Host      metal3.BareMetalHost `json:"host"`
	Lifecycle *ingot.HostLifecycle `json:"lifecycle,omitempty"`
}

func (h Host) record() ingot.HostLifecycleStatus {
	if h.Lifecycle == nil {
		return ingot.HostLifecycleStatus{}
	}
	return h.Lifecycle.Status
}

func load(ctx context.Context, c client.Client, namespace, name string) (Host, error) {
	var h Host
	key := types.NamespacedName{Namespace: namespace, Name: name}
	if err := c.Get(ctx, key, &h.Host); err != nil {
		if apierrors.IsNotFound(err) {
			return h, fmt.Errorf("host %s is not in namespace %q: `ingot host list -A` shows all hosts", name, namespace)
		}
		return h, fmt.Errorf("read host %s/%s: %w", namespace, name, err)
	}
	var l ingot.HostLifecycle
	switch err := c.Get(ctx, key, &l); {
	case err == nil:
		h.Lifecycle = &l
	case !apierrors.IsNotFound(err):
		return h, fmt.Errorf("read the life cycle of host %s/%s: %w", namespace, name, err)
	}
	return h, nil
}

func loadAll(ctx context.Context, c client.Client, namespace string) ([]Host, error) {
	var hosts metal3.BareMetalHostList
	if err := c.List(ctx, &hosts, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("list hosts: %w", err)
	}
	var lifecycles ingot.HostLifecycleList
	if err := c.List(ctx, &lifecycles, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("list the life cycles of hosts: %w", err)
	}
	byKey := make(map[types.NamespacedName]*ingot.HostLifecycle, len(lifecycles.Items))
	for i := range lifecycles.Items {
		byKey[client.ObjectKeyFromObject(&lifecycles.Items[i])] = &lifecycles.Items[i]
	}
	all := make([]Host, len(hosts.Items))
	for i := range hosts.Items {
		all[i] = Host{Host: hosts.Items[i], Lifecycle: byKey[client.ObjectKeyFromObject(&hosts.Items[i])]}
	}
	sort.Slice(all, func(i, j int) bool {
		a, b := all[i].Host, all[j].Host
		return a.Namespace < b.Namespace || a.Namespace == b.Namespace && a.Name < b.Name
	})
	return all, nil
}

// one runs f on the host that the command names.
func one(s *session.Session, f func(ctx context.Context, c client.WithWatch, h Host, cmd *cobra.Command) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := s.Client()
		if err != nil {
			return err
		}
		namespace, err := s.Namespace()
		if err != nil {
			return err
		}
		h, err := load(cmd.Context(), c, namespace, args[0])
		if err != nil {
			return err
		}
		return f(cmd.Context(), c, h, cmd)
	}
}

// completeNames offers the names of the hosts in the namespace.
func completeNames(s *session.Session) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		c, err := s.Client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		namespace, err := s.Namespace()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var hosts metal3.BareMetalHostList
		if err := c.List(cmd.Context(), &hosts, client.InNamespace(namespace)); err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		names := make([]string, len(hosts.Items))
		for i := range hosts.Items {
			names[i] = hosts.Items[i].Name
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
