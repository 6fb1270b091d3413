package auth

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/access"
	"github.com/ingotmetal/ingot/matrix/identity"
)

func verifyCommand(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Compare the cluster's RBAC with the declared table",
		Long: "Says which of Ingot's roles and bindings are missing or were changed by hand, who else was given a component's rights, and to whom the roles for people are given. " +
			"Ends with 0 where all is as declared, 1 where something is not, 2 where there is no answer.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := clientset(s)
			if err != nil {
				return &session.Exit{Code: 2, Err: err}
			}
			have, err := live(cmd.Context(), c)
			if err != nil {
				return &session.Exit{Code: 2, Err: err}
			}
			faults := 0
			for _, d := range access.Compare(access.Objects(matrix.Own()), have) {
				word := "given"
				if !d.Given {
					word = "differs"
					faults++
				}
				fmt.Fprintf(s.Out, "%-8s %s\n", word, d)
			}
			if faults > 0 {
				return &session.Exit{Code: 1, Err: fmt.Errorf("%d differences: `ingot up`, or a start of ingot-apiserver, puts Ingot's own objects right; other bindings are to be deleted by hand", faults)}
			}
			fmt.Fprintln(s.Out, "The cluster's RBAC is as declared.")
			return nil
		},
	}
}

// live is all RBAC of the cluster.
func live(ctx context.Context, c kubernetes.Interface) (identity.Objects, error) {
	var o identity.Objects
	roles, err := c.RbacV1().ClusterRoles().List(ctx, metav1.ListOptions{})
	if err != nil {
		return o, fmt.Errorf("list roles: %w", err)
	}
	bindings, err := c.RbacV1().ClusterRoleBindings().List(ctx, metav1.ListOptions{})
	if err != nil {
		return o, fmt.Errorf("list bindings: %w", err)
	}
	local, err := c.RbacV1().Roles("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return o, fmt.Errorf("list the namespaces' roles: %w", err)
	}
	given, err := c.RbacV1().RoleBindings("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return o, fmt.Errorf("list the namespaces' bindings: %w", err)
	}
	o.ClusterRoles, o.ClusterRoleBindings, o.Roles, o.RoleBindings = roles.Items, bindings.Items, local.Items, given.Items
	return o, nil
}
