// Package discover is `ingot discover`: lists of machines that come in, and an operator's yes or no to what was found.
//
// It owns the import (package discovery reads the lists) and showing DiscoveredHosts. It refuses decisions: whether a machine is a host already, and what host is made of it, is said by the partition
// role in the object's status. It talks to no machine.
//
// Invariant: an import is all or nothing. Every line and every object is checked before the first one is written, and what was written is taken back if a later one fails.
package discover

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/complete"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// Command is `ingot discover`.
func Command(s *session.Session) *cobra.Command {
	c := &cobra.Command{
		Use:     "discover",
		Aliases: []string{"discovered", "dh"},
		Short:   "Look at machines that were found, and make hosts of them",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	s.AddFlags(c)
	c.AddCommand(listCommand(s), getCommand(s), importCommand(s), scanCommand(s), acceptCommand(s), ignoreCommand(s))
	return c
}

func load(ctx context.Context, c client.Client, namespace, name string) (*ingot.DiscoveredHost, error) {
	o := &ingot.DiscoveredHost{}
	err := c.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, o)
	if apierrors.IsNotFound(err) {
		return nil, session.Missing(fmt.Errorf("discovered host %s is not in namespace %q: `ingot discover list -A` shows all", name, namespace))
	}
	if err != nil {
		return nil, fmt.Errorf("read discovered host %s/%s: %w", namespace, name, err)
	}
	return o, nil
}

// connect gives what every command begins with.
func connect(s *session.Session) (client.WithWatch, string, error) {
	c, err := s.Client()
	if err != nil {
		return nil, "", err
	}
	namespace, err := s.Namespace()
	return c, namespace, err
}

// names offers those of found machines that are in one of the phases; all where none is given.
func names(s *session.Session, phases ...ingot.DiscoveryPhase) complete.Func {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		all := complete.Live(cmd.Context(), s, fmt.Sprint("discovered hosts ", phases), func(ctx context.Context, c client.WithWatch, namespace string) ([]string, error) {
			var list ingot.DiscoveredHostList
			if err := c.List(ctx, &list, client.InNamespace(namespace)); err != nil {
				return nil, fmt.Errorf("list discovered hosts: %w", err)
			}
			var lines []string
			for i := range list.Items {
				if o := &list.Items[i]; len(phases) == 0 || slices.Contains(phases, o.Status.Phase) {
					lines = append(lines, o.Name+"\t"+describe(o))
				}
			}
			return lines, nil
		})
		return slices.DeleteFunc(all, func(line string) bool {
			name, _, _ := strings.Cut(line, "\t")
			return slices.Contains(args, name)
		}), cobra.ShellCompDirectiveNoFileComp
	}
}

// describe is a machine in a few words.
func describe(o *ingot.DiscoveredHost) string {
	for _, text := range []string{o.Spec.BMCAddress, o.Spec.BootMACAddress, o.Spec.SerialNumber} {
		if text != "" {
			return text
		}
	}
	return o.Spec.MACAddresses[0]
}
