// Package auth is `ingot auth`: who one is, what one may, and whether the cluster's RBAC is what it should be.
//
// It owns the questions and the words of the answers. It refuses answers of its own: who one is and what one may is the API server's word, what a role may is the declared table's
// (package access).
package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/restmapper"

	"github.com/ingotmetal/ingot/internal/cli/login"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/access"
)

// Command is `ingot auth`.
func Command(s *session.Session) *cobra.Command {
	c := &cobra.Command{
		Use:   "auth",
		Short: "Who you are, what you may do, and what each role may",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	s.AddFlags(c)
	c.AddCommand(whoamiCommand(s), canCommand(s), tableCommand(s), verifyCommand(s), login.TokenCommand(s))
	return c
}

func clientset(s *session.Session) (kubernetes.Interface, error) {
	config, err := s.RESTConfig()
	if err != nil {
		return nil, err
	}
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to the API server %s: %w", config.Host, err)
	}
	return c, nil
}

func whoamiCommand(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:   "whoami",
		Short: "Say who the API server takes you for",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			format, err := s.Format()
			if err != nil {
				return err
			}
			c, err := clientset(s)
			if err != nil {
				return err
			}
			review, err := c.AuthenticationV1().SelfSubjectReviews().Create(cmd.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
			if err != nil {
				return fmt.Errorf("ask who you are: %w", err)
			}
			who := review.Status.UserInfo
			if format.Structured() {
				return print.Object(s.Out, format, who)
			}
			return print.Fields(s.Out, print.Field{Name: "Name", Value: who.Username}, print.Field{Name: "Groups", Value: strings.Join(who.Groups, ", ")})
		},
	}
}

func tableCommand(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:   "table",
		Short: "Print who may do what, as Markdown: every component, role and kind",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(s.Out, access.Document(matrix.Own()))
			return err
		},
	}
}

// asking is one call of can.
type asking struct {
	as   string
	list bool
}

func canCommand(s *session.Session) *cobra.Command {
	var a asking
	c := &cobra.Command{
		Use:   "can VERB KIND [NAME]",
		Short: "Say whether you may do something, or with --as whether a role may",
		Long: "Asks the API server whether you may; ends with 0 for yes, 1 for no and 2 where there is no answer. With --as ROLE it is the table's word about a role, wherever it is bound: " +
			strings.Join(roleNames(), ", ") + ". --list says all that you, or the role, may.",
		Example: "  ingot auth can create machines -n web\n  ingot auth can get secrets user-data --as tenant:viewer\n  ingot auth can --list --as provider:editor",
		Args: func(cmd *cobra.Command, args []string) error {
			if a.list {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.RangeArgs(2, 3)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			yes, err := a.answer(cmd.Context(), s, args)
			if err != nil {
				return &session.Exit{Code: 2, Err: err}
			}
			if !yes {
				return &session.Exit{Code: 1}
			}
			return nil
		},
	}
	c.Flags().StringVar(&a.as, "as", "", "ask about this role instead of yourself")
	c.Flags().BoolVar(&a.list, "list", false, "list everything that is allowed")
	_ = c.RegisterFlagCompletionFunc("as", cobra.FixedCompletions(roleNames(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

func roleNames() []string {
	var all []string
	for _, r := range access.Roles() {
		all = append(all, r.String())
	}
	return all
}

func (a asking) answer(ctx context.Context, s *session.Session, args []string) (bool, error) {
	switch {
	case a.as != "":
		r, choice := access.ParseRole(a.as)
		if r.Name == "" {
			return false, fmt.Errorf("--as %q: use one of %s", a.as, strings.Join(choice, ", "))
		}
		if a.list {
			format, err := s.Format()
			if err != nil {
				return false, err
			}
			return true, print.Objects(s.Out, format, nil, linesOf(r), lineColumns(r))
		}
		return a.role(s, r, args)
	case a.list:
		return true, a.mine(ctx, s)
	default:
		return a.ask(ctx, s, args)
	}
}

// role answers by the table.
func (a asking) role(s *session.Session, r access.Role, args []string) (bool, error) {
	group, resource, err := inTable(args[1])
	if err != nil {
		return false, err
	}
	q := access.Question{Verb: args[0], Group: group, Resource: resource}
	if len(args) > 2 {
		q.Name = args[2]
	}
	// What everybody may, every role may.
	everybody, _ := access.ParseRole(access.Catalog)
	yes := access.May(r, q) || access.May(everybody, q)
	fmt.Fprintln(s.Out, yesNo(yes))
	return yes, nil
}

// inTable finds a kind that is written like "machines", "machines.ingot.dev" or "machines/status".
func inTable(text string) (group, resource string, err error) {
	name, part, parted := strings.Cut(text, "/")
	plural, wanted, qualified := strings.Cut(strings.ToLower(name), ".")
	var found []string
	for _, l := range access.Lines() {
		kind, _, _ := strings.Cut(l.Resource, "/")
		if kind == plural && (!qualified || l.Group == wanted) && !slices.Contains(found, l.Group) {
			found = append(found, l.Group)
		}
	}
	if len(found) == 0 {
		return "", "", fmt.Errorf("the table says nothing of %q: write the plural, like machines or ipaddresses.ipam.metal3.io; `ingot auth table` has them all", text)
	}
	if len(found) > 1 {
		return "", "", fmt.Errorf("%q is a kind of several groups: write one of %s.%s", text, plural, strings.Join(found, ", "+plural+"."))
	}
	if parted {
		plural += "/" + part
	}
	return found[0], plural, nil
}

func linesOf(r access.Role) []access.Line {
	return slices.DeleteFunc(access.Lines(), func(l access.Line) bool { return l.Of(r) == access.None })
}

func lineColumns(r access.Role) []print.Column[access.Line] {
	return []print.Column[access.Line]{
		{Header: "KIND", Cell: func(l access.Line) string { return strings.TrimSuffix(l.Resource+"."+l.Group, ".") }},
		{Header: "NAMES", Cell: func(l access.Line) string { return strings.Join(l.Names, ",") }},
		{Header: "MAY", Cell: func(l access.Line) string { return string(l.Of(r)) }},
		{Header: "VERBS", Cell: func(l access.Line) string { return strings.Join(l.Of(r).Verbs(), ",") }},
	}
}

// mine lists what the API server says of the caller.
func (asking) mine(ctx context.Context, s *session.Session) error {
	format, err := s.Format()
	if err != nil {
		return err
	}
	c, err := clientset(s)
	if err != nil {
		return err
	}
	namespace, err := s.Namespace()
	if err != nil {
		return err
	}
	review, err := c.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx, &authorizationv1.SelfSubjectRulesReview{
		Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("ask what you may: %w", err)
	}
	return print.Objects(s.Out, format, nil, review.Status.ResourceRules, []print.Column[authorizationv1.ResourceRule]{
		{Header: "GROUP", Cell: func(r authorizationv1.ResourceRule) string { return strings.Join(r.APIGroups, ",") }},
		{Header: "KINDS", Cell: func(r authorizationv1.ResourceRule) string { return strings.Join(r.Resources, ",") }},
		{Header: "NAMES", Cell: func(r authorizationv1.ResourceRule) string { return strings.Join(r.ResourceNames, ",") }},
		{Header: "VERBS", Cell: func(r authorizationv1.ResourceRule) string { return strings.Join(r.Verbs, ",") }},
	})
}

// ask has the API server answer about the caller.
func (asking) ask(ctx context.Context, s *session.Session, args []string) (bool, error) {
	c, err := clientset(s)
	if err != nil {
		return false, err
	}
	resource, namespaced, err := served(c.Discovery(), args[1])
	if err != nil {
		return false, err
	}
	_, part, _ := strings.Cut(args[1], "/")
	at := &authorizationv1.ResourceAttributes{Verb: args[0], Group: resource.Group, Resource: resource.Resource, Subresource: part}
	if namespaced {
		if at.Namespace, err = s.Namespace(); err != nil {
			return false, err
		}
	}
	if len(args) > 2 {
		at.Name = args[2]
	}
	review, err := c.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: at},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("ask whether you may: %w", err)
	}
	fmt.Fprintln(s.Out, yesNo(review.Status.Allowed))
	return review.Status.Allowed, nil
}

// served finds a kind by what people write: plural, singular, short name, with a group or without.
func served(c discovery.DiscoveryInterface, text string) (schema.GroupVersionResource, bool, error) {
	name, _, _ := strings.Cut(text, "/")
	groups, err := restmapper.GetAPIGroupResources(c)
	if err != nil {
		return schema.GroupVersionResource{}, false, fmt.Errorf("ask the API server for its kinds: %w", err)
	}
	mapper := restmapper.NewShortcutExpander(restmapper.NewDiscoveryRESTMapper(groups), c, nil)
	full, resource := schema.ParseResourceArg(name)
	if full == nil {
		full = &schema.GroupVersionResource{Group: resource.Group, Resource: resource.Resource}
	}
	found, err := mapper.ResourceFor(*full)
	if err != nil {
		found, err = mapper.ResourceFor(schema.GroupVersionResource{Group: resource.Group, Resource: resource.Resource})
	}
	if meta.IsNoMatchError(err) {
		return found, false, fmt.Errorf("the API server has no kind %q", text)
	}
	if err != nil {
		return found, false, fmt.Errorf("find the kind %q: %w", text, err)
	}
	kind, err := mapper.KindFor(found)
	if err != nil {
		return found, false, fmt.Errorf("find the kind %q: %w", text, err)
	}
	mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return found, false, fmt.Errorf("find the kind %q: %w", text, err)
	}
	if mapping == nil {
		return found, false, errors.New("the API server does not say where the kind's objects are")
	}
	return found, mapping.Scope.Name() == meta.RESTScopeNameNamespace, nil
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
