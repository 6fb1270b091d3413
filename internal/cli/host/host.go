// Package host is `ingot host`: what a person asks and does about BareMetalHosts.
//
// It owns reading hosts with their HostLifecycle and showing them. It refuses decisions: what a host waits for and does next comes from the objects and
// from package lifecycle, so that the program never tells another story than the controller. Changes are made as any client makes them: spec.online and annotations.
package host

import (
	"context"
	"fmt"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/complete"
	"github.com/ingotmetal/ingot/internal/cli/issues"
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
		powerCommand(s), consoleLogCommand(s), waitCommand(s), deprovisionCommand(s), issues.Command(s, false, "Host"))
	return c
}

// Host is a BareMetalHost with what Ingot knows beyond it.
type Host struct {
	Host      metal3.BareMetalHost `json:"host"`
	Lifecycle *ingot.HostLifecycle `json:"lifecycle,omitempty"`
}

func (h *Host) record() ingot.HostLifecycleStatus {
	if h.Lifecycle == nil {
		return ingot.HostLifecycleStatus{}
	}
	return h.Lifecycle.Status
}

func (h *Host) lifecycleVersion() string {
	if h.Lifecycle == nil {
		return ""
	}
	return h.Lifecycle.ResourceVersion
}

func load(ctx context.Context, c client.Client, namespace, name string) (Host, error) {
	h, err := read(ctx, c, types.NamespacedName{Namespace: namespace, Name: name})
	if apierrors.IsNotFound(err) {
		return h, session.Missing(fmt.Errorf("host %s is not in namespace %q: `ingot host list -A` shows all hosts", name, namespace))
	}
	return h, err
}

func read(ctx context.Context, c client.Client, key types.NamespacedName) (Host, error) {
	var h Host
	if err := c.Get(ctx, key, &h.Host); err != nil {
		return h, fmt.Errorf("read host %s: %w", key, err)
	}
	var l ingot.HostLifecycle
	switch err := c.Get(ctx, key, &l); {
	case err == nil:
		h.Lifecycle = &l
	case !apierrors.IsNotFound(err):
		return h, fmt.Errorf("read the life cycle of host %s: %w", key, err)
	}
	return h, nil
}

// loadAll reads hosts and their life cycles, both at once. The options are for the hosts; life cycles are read of the whole namespace, since they have no labels of their hosts'.
func loadAll(ctx context.Context, c client.Client, opts ...client.ListOption) ([]*Host, error) {
	o := (&client.ListOptions{}).ApplyOptions(opts)
	var hosts metal3.BareMetalHostList
	var lifecycles ingot.HostLifecycleList
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := c.List(ctx, &hosts, o); err != nil {
			return fmt.Errorf("list hosts: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		if err := c.List(ctx, &lifecycles, client.InNamespace(o.Namespace)); err != nil {
			return fmt.Errorf("list the life cycles of hosts: %w", err)
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	byKey := make(map[types.NamespacedName]*ingot.HostLifecycle, len(lifecycles.Items))
	for i := range lifecycles.Items {
		byKey[client.ObjectKeyFromObject(&lifecycles.Items[i])] = &lifecycles.Items[i]
	}
	all := make([]*Host, len(hosts.Items))
	for i := range hosts.Items {
		all[i] = &Host{Host: hosts.Items[i], Lifecycle: byKey[client.ObjectKeyFromObject(&hosts.Items[i])]}
	}
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
func completeNames(s *session.Session) complete.Func {
	return complete.Name(s, &metal3.BareMetalHostList{})
}
