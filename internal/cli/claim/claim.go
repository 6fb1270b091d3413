// Package claim is `ingot claim`: what a person asks about HostClaims.
//
// It owns showing claims, and why one has or could have which host. It refuses decisions: packages survey and claim make them, for the controller too, so that the program tells no
// other story. It reads with the rights of whoever calls it: `explain` needs those to list hosts, policies and the claim's namespace.
package claim

import (
	"context"
	"fmt"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/claim"
	"github.com/ingotmetal/ingot/claim/survey"
	"github.com/ingotmetal/ingot/internal/claimfacts"
	"github.com/ingotmetal/ingot/internal/cli/complete"
	"github.com/ingotmetal/ingot/internal/cli/list"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/internal/cli/verdict"
)

// Command is `ingot claim`.
func Command(s *session.Session) *cobra.Command {
	c := &cobra.Command{
		Use:     "claim",
		Aliases: []string{"claims"},
		Short:   "Look at tenants' claims of hosts",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	s.AddFlags(c)
	c.AddCommand(listCommand(s), explainCommand(s))
	return c
}

func listCommand(s *session.Session) *cobra.Command {
	c := list.Of("claim", "claims", func(l *metal3.HostClaimList) []metal3.HostClaim { return l.Items }, columns).Command(s)
	c.Short = "List claims with their hosts and what they wait for"
	return c
}

func columns(now time.Time) []print.Column[metal3.HostClaim] {
	says := func(c metal3.HostClaim, kind string) metav1.Condition {
		if x := meta.FindStatusCondition(c.Status.Conditions, kind); x != nil {
			return *x
		}
		return metav1.Condition{}
	}
	return []print.Column[metal3.HostClaim]{
		{Header: "NAME", Cell: func(c metal3.HostClaim) string { return c.Name }},
		{Header: "HOST", Cell: func(c metal3.HostClaim) string {
			if h := c.Status.BareMetalHost; h != nil {
				return h.Namespace + "/" + h.Name
			}
			return ""
		}},
		{Header: "ASSOCIATED", Flag: "state", Cell: func(c metal3.HostClaim) string { return says(c, metal3.AssociatedCondition).Reason }},
		{Header: "SYNCHRONIZED", Cell: func(c metal3.HostClaim) string { return says(c, metal3.SynchronizedCondition).Reason }},
		{Header: "READY", Cell: func(c metal3.HostClaim) string { return string(says(c, metal3.ReadyCondition).Status) }},
		{Header: "POWER", Cell: func(c metal3.HostClaim) string {
			if c.Status.PoweredOn {
				return "on"
			}
			return "off"
		}},
		{Header: "AGE", Wide: true, Cell: func(c metal3.HostClaim) string { return print.Duration(now.Sub(c.CreationTimestamp.Time)) },
			Order: print.ByTime(func(c metal3.HostClaim) time.Time { return c.CreationTimestamp.Time })},
	}
}

func explainCommand(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:   "explain CLAIM",
		Short: "Say of every host why a claim has it, could have it, or could not",
		Args:  cobra.ExactArgs(1),

		ValidArgsFunction: complete.Name(s, &metal3.HostClaimList{}),
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			c, err := s.Client()
			if err != nil {
				return err
			}
			namespace, err := s.Namespace()
			if err != nil {
				return err
			}
			k := &metal3.HostClaim{}
			if err := c.Get(cmd.Context(), client.ObjectKey{Namespace: namespace, Name: args[0]}, k); err != nil {
				if apierrors.IsNotFound(err) {
					return session.Missing(fmt.Errorf("claim %s is not in namespace %q: `ingot claim list -A` shows all claims", args[0], namespace))
				}
				return fmt.Errorf("read claim %s/%s: %w", namespace, args[0], err)
			}
			e, err := explanation(cmd.Context(), c, k)
			if err != nil {
				return err
			}
			if format.Structured() {
				return print.Object(s.Out, format, e)
			}
			return verdict.Write(s.Out, fmt.Sprintf("claim %s/%s", k.Namespace, k.Name), e, k.Status.Conditions)
		},
	}
}

func explanation(ctx context.Context, c client.Reader, k *metal3.HostClaim) (claim.Explanation, error) {
	f, err := claimfacts.Read(ctx, c)
	if err != nil {
		return claim.Explanation{}, err
	}
	s := survey.New(f)
	q, err := s.Request(k)
	if err != nil {
		return claim.Explanation{}, err
	}
	return claim.Explain(s.Inventory(), s.Rules(), q), nil
}
