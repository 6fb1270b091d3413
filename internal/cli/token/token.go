// Package token is `ingot token`: short-lived tokens for what acts in a project by itself, a pipeline or a controller.
//
// It owns the three objects of one: a ServiceAccount, the RoleBinding that gives it one of the tenant roles, and the token, which Kubernetes makes (TokenRequest) and nobody stores.
// It refuses rights: who may make which is the API server's word. Kubernetes lets nobody give what they have not, so that a token has no more rights than who made it; and who
// may ask for tokens of a project's accounts are its owners.
//
// Invariants: each token has an account of its own, so that revoking one ends it at once and no other; where the binding is refused, no account is left behind; the token is
// printed once, on standard output.
package token

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/matrix/access"
)

// What an account of a token has on it.
const (
	label     = "ingot.dev/token"
	roleNote  = "ingot.dev/role"
	makerNote = "ingot.dev/created-by"
	untilNote = "ingot.dev/expires-at"
)

// The bounds of a token's life. Kubernetes makes none that is shorter; the API server of ingot up makes none that is longer.
const (
	shortest = 10 * time.Minute
	longest  = 24 * time.Hour
)

// Command is `ingot token`.
func Command(s *session.Session) *cobra.Command {
	var project string
	c := &cobra.Command{
		Use:     "token",
		Aliases: []string{"tokens"},
		Short:   "Make, list and revoke short-lived tokens for services of a project",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	s.AddFlags(c)
	c.PersistentFlags().StringVar(&project, "project", "", "the project's namespace (default: --namespace, then the context's)")
	open := func() (accounts, error) { return openAccounts(s, project) }
	c.AddCommand(createCommand(s, open), listCommand(s, open), explainCommand(s, open), revokeCommand(s, open))
	return c
}

// accounts are the tokens' accounts of one project.
type accounts struct {
	client    kubernetes.Interface
	namespace string
}

func openAccounts(s *session.Session, project string) (accounts, error) {
	config, err := s.RESTConfig()
	if err != nil {
		return accounts{}, err
	}
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		return accounts{}, fmt.Errorf("connect to the API server %s: %w", config.Host, err)
	}
	if project == "" {
		if project, err = s.Namespace(); err != nil {
			return accounts{}, err
		}
	}
	if project == "" {
		return accounts{}, errors.New("--project is needed: a token is of one project")
	}
	return accounts{c, project}, nil
}

func createCommand(s *session.Session, open func() (accounts, error)) *cobra.Command {
	var role string
	var ttl time.Duration
	c := &cobra.Command{
		Use:     "create [NAME]",
		Short:   "Make a token with one of the tenant roles, and print it",
		Example: "  ingot token create pipeline --project web --role editor --ttl 1h > token",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := tenantRole(role)
			if err != nil {
				return err
			}
			if ttl < shortest || ttl > longest {
				return fmt.Errorf("--ttl %s: write %s to %s; a token that a service renews needs no more", ttl, shortest, longest)
			}
			a, err := open()
			if err != nil {
				return err
			}
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			made, token, err := a.create(cmd.Context(), name, r, ttl)
			if err != nil {
				return err
			}
			fmt.Fprintf(s.Err, "Token %s of project %s, %s, until %s. `ingot token revoke %s` ends it at once.\n", made, a.namespace, r.Name, token.ExpirationTimestamp.Format(time.RFC3339), made)
			_, err = fmt.Fprintln(s.Out, token.Token)
			return err
		},
	}
	c.Flags().StringVar(&role, "role", "", "owner, editor, viewer or guest (required)")
	c.Flags().DurationVar(&ttl, "ttl", time.Hour, "how long it is good: 10m to 24h")
	_ = c.MarkFlagRequired("role")
	_ = c.RegisterFlagCompletionFunc("role", cobra.FixedCompletions([]string{"owner", "editor", "viewer", "guest"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func tenantRole(text string) (access.Role, error) {
	var names []string
	for _, r := range access.Roles() {
		if r.Scope != access.Tenant {
			continue
		}
		if text == r.Name || text == r.String() {
			return r, nil
		}
		names = append(names, r.Name)
	}
	return access.Role{}, fmt.Errorf("--role %q: a token is for a project: use one of %s", text, strings.Join(names, ", "))
}

// create makes account, binding and token, and takes back what it made where one of them is refused.
func (a accounts) create(ctx context.Context, name string, r access.Role, ttl time.Duration) (string, authenticationv1.TokenRequestStatus, error) {
	none := authenticationv1.TokenRequestStatus{}
	who, err := a.client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return "", none, fmt.Errorf("ask who you are: %w", err)
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
		Name: name, Namespace: a.namespace, Labels: map[string]string{label: r.Name},
		Annotations: map[string]string{roleNote: r.String(), makerNote: who.Status.UserInfo.Username, untilNote: time.Now().Add(ttl).UTC().Format(time.RFC3339)},
	}}
	if name == "" {
		account.GenerateName = "token-"
	}
	account, err = a.client.CoreV1().ServiceAccounts(a.namespace).Create(ctx, account, metav1.CreateOptions{})
	if err != nil {
		return "", none, fmt.Errorf("make an account for the token in project %s: %w", a.namespace, err)
	}
	undo := func(cause error) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		if err := a.remove(ctx, account.Name); err != nil {
			return errors.Join(cause, fmt.Errorf("the account is left behind: %w", err))
		}
		return cause
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{
			Name: account.Name, Namespace: a.namespace, Labels: map[string]string{label: r.Name},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "ServiceAccount", Name: account.Name, UID: account.UID}},
		},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: a.namespace, Name: account.Name}},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: r.Object()},
	}
	if _, err := a.client.RbacV1().RoleBindings(a.namespace).Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		return "", none, undo(fmt.Errorf("give the token the role %s in project %s: a token has no more rights than who makes it: %w", r.Name, a.namespace, err))
	}
	seconds := int64(ttl / time.Second)
	request, err := a.client.CoreV1().ServiceAccounts(a.namespace).CreateToken(ctx, account.Name, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", none, undo(fmt.Errorf("ask for the token of account %s: %w", account.Name, err))
	}
	return account.Name, request.Status, nil
}

// remove ends a token: the API server looks for its account at each use. The binding goes too, in case that no garbage collector is quick.
func (a accounts) remove(ctx context.Context, name string) error {
	err := a.client.CoreV1().ServiceAccounts(a.namespace).Delete(ctx, name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete the account %s: %w", name, err)
	}
	if err := a.client.RbacV1().RoleBindings(a.namespace).Delete(ctx, name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete the binding %s: %w", name, err)
	}
	return nil
}

func (a accounts) list(ctx context.Context) ([]corev1.ServiceAccount, error) {
	all, err := a.client.CoreV1().ServiceAccounts(a.namespace).List(ctx, metav1.ListOptions{LabelSelector: label})
	if err != nil {
		return nil, fmt.Errorf("list the tokens of project %s: %w", a.namespace, err)
	}
	return all.Items, nil
}

func listCommand(s *session.Session, open func() (accounts, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List a project's tokens: role, maker, end",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			a, err := open()
			if err != nil {
				return err
			}
			all, err := a.list(cmd.Context())
			if err != nil {
				return err
			}
			now := time.Now()
			note := func(header, key string) print.Column[corev1.ServiceAccount] {
				return print.Column[corev1.ServiceAccount]{Header: header, Cell: func(x corev1.ServiceAccount) string { return x.Annotations[key] }}
			}
			return print.Objects(s.Out, format, all, all, []print.Column[corev1.ServiceAccount]{
				{Header: "NAME", Cell: func(x corev1.ServiceAccount) string { return x.Name }},
				{Header: "ROLE", Cell: func(x corev1.ServiceAccount) string { return x.Labels[label] }},
				note("MADE BY", makerNote), note("UNTIL", untilNote),
				{Header: "STATE", Cell: func(x corev1.ServiceAccount) string { return stateOf(x, now) }},
			})
		},
	}
}

// The states of a token, beside "unknown".
const (
	good  = "good"
	ended = "ended"
)

func stateOf(x corev1.ServiceAccount, now time.Time) string {
	until, err := time.Parse(time.RFC3339, x.Annotations[untilNote])
	switch {
	case err != nil:
		return "unknown"
	case now.After(until):
		return ended
	default:
		return good
	}
}

func revokeCommand(s *session.Session, open func() (accounts, error)) *cobra.Command {
	var over bool
	c := &cobra.Command{
		Use:   "revoke NAME... | --ended",
		Short: "End tokens at once, and remove their accounts",
		Args: func(_ *cobra.Command, args []string) error {
			if (len(args) > 0) == over {
				return errors.New("name the tokens, or give --ended for those that are over")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := open()
			if err != nil {
				return err
			}
			all, err := a.list(cmd.Context())
			if err != nil {
				return err
			}
			for _, name := range args {
				if !slices.ContainsFunc(all, func(x corev1.ServiceAccount) bool { return x.Name == name }) {
					return fmt.Errorf("project %s has no token %q: `ingot token list` shows them; nothing is revoked", a.namespace, name)
				}
			}
			now := time.Now()
			for _, x := range all {
				if !slices.Contains(args, x.Name) && (!over || stateOf(x, now) != ended) {
					continue
				}
				if err := a.remove(cmd.Context(), x.Name); err != nil {
					return err
				}
				fmt.Fprintf(s.Out, "%s revoked\n", x.Name)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&over, "ended", false, "all whose time is over")
	return c
}
