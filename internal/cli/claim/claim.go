// Package claim is `ingot claim`: what a person asks about HostClaims.
//
// It owns showing claims, and why one has or could have which host. It refuses decisions: packages survey and claim make them, for the controller too, so that the program tells no
// other story. It reads with the rights of whoever calls it: `explain` needs those to list hosts, policies and the claim's namespace.
package claim

import (
	"context"
	"fmt"
	"io"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/claim"
	"github.com/ingotmetal/ingot/claim/survey"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
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
	return &cobra.Command{
		Use:   "list",
		Short: "List claims with their hosts and what they wait for",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
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
			var all metal3.HostClaimList
			if err := c.List(cmd.Context(), &all, client.InNamespace(namespace)); err != nil {
				return fmt.Errorf("list claims: %w", err)
			}
			if len(all.Items) == 0 && format == print.Table {
				fmt.Fprintf(s.Err, "no claims in namespace %q; -A looks in every namespace\n", namespace)
				return nil
			}
			return print.Objects(s.Out, format, all.Items, all.Items, columns(s.ShowNamespace()))
		},
	}
}

func columns(namespaces bool) []print.Column[metal3.HostClaim] {
	says := func(c metal3.HostClaim, kind string) metav1.Condition {
		if x := meta.FindStatusCondition(c.Status.Conditions, kind); x != nil {
			return *x
		}
		return metav1.Condition{}
	}
	all := []print.Column[metal3.HostClaim]{
		{Header: "NAMESPACE", Cell: func(c metal3.HostClaim) string { return c.Namespace }},
		{Header: "NAME", Cell: func(c metal3.HostClaim) string { return c.Name }},
		{Header: "HOST", Cell: func(c metal3.HostClaim) string {
			if h := c.Status.BareMetalHost; h != nil {
				return h.Namespace + "/" + h.Name
			}
			return ""
		}},
		{Header: "ASSOCIATED", Cell: func(c metal3.HostClaim) string { return says(c, metal3.AssociatedCondition).Reason }},
		{Header: "SYNCHRONIZED", Cell: func(c metal3.HostClaim) string { return says(c, metal3.SynchronizedCondition).Reason }},
		{Header: "READY", Cell: func(c metal3.HostClaim) string { return string(says(c, metal3.ReadyCondition).Status) }},
		{Header: "POWER", Cell: func(c metal3.HostClaim) string {
			if c.Status.PoweredOn {
				return "on"
			}
			return "off"
		}},
	}
	if !namespaces {
		return all[1:]
	}
	return all
}

func explainCommand(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:   "explain CLAIM",
		Short: "Say of every host why a claim has it, could have it, or could not",
		Args:  cobra.ExactArgs(1),
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
					return fmt.Errorf("claim %s is not in namespace %q: `ingot claim list -A` shows all claims", args[0], namespace)
				}
				return fmt.Errorf("read claim %s/%s: %w", namespace, args[0], err)
			}
			e, err := explanation(cmd.Context(), c, k)
			if err != nil {
				return err
			}
			if format == print.JSON || format == print.YAML {
				return print.Object(s.Out, format, e)
			}
			return explain(s.Out, k, e)
		},
	}
}

func explanation(ctx context.Context, c client.Reader, k *metal3.HostClaim) (claim.Explanation, error) {
	var hosts metal3.BareMetalHostList
	if err := c.List(ctx, &hosts); err != nil {
		return claim.Explanation{}, fmt.Errorf("list hosts: %w", err)
	}
	var policies metal3.HostDeployPolicyList
	if err := c.List(ctx, &policies); err != nil {
		return claim.Explanation{}, fmt.Errorf("list HostDeployPolicies: %w", err)
	}
	ns := &corev1.Namespace{}
	if err := c.Get(ctx, client.ObjectKey{Name: k.Namespace}, ns); err != nil {
		return claim.Explanation{}, fmt.Errorf("read the claim's namespace: %w", err)
	}
	return claim.Explain(claim.NewInventory(survey.Hosts(hosts.Items)), claim.Rules{}, survey.Request(k, ns, policies.Items)), nil
}

func explain(w io.Writer, k *metal3.HostClaim, e claim.Explanation) error {
	var b strings.Builder
	fmt.Fprintf(&b, "claim %s/%s: ", k.Namespace, k.Name)
	if r := e.Decision.Refusal; r != nil {
		fmt.Fprintf(&b, "no host: %s\nwhat helps: %s\n", r.Message, r.Fix)
	} else {
		fmt.Fprintf(&b, "%s: %s\n", e.Decision.Host, e.Decision.Why)
	}
	for _, v := range e.Verdicts {
		mark, why := "-", v.Why
		switch {
		case v.Chosen:
			mark, why = "*", "this one"
		case v.Fits:
			mark, why = "+", "it would do"
		}
		fmt.Fprintf(&b, "%s %s: %s\n", mark, v.Host, why)
	}
	for _, x := range k.Status.Conditions {
		if x.Status != metav1.ConditionTrue && x.Message != "" {
			fmt.Fprintf(&b, "the controller says: %s: %s\n", x.Reason, x.Message)
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the explanation: %w", err)
	}
	return nil
}
