// Package caller says who sends a request to a role of ours, and whether they may do what they ask for.
//
// It owns the two questions, TokenReview and SubjectAccessReview, and the certificate in the place of a token. It refuses to answer them: that is the API server's, so that a right is given in
// one place. A token for another audience than the API server's own is nobody's.
//
// Invariant: nothing is remembered, so that a right that is taken away is gone with the next question.
package caller

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Caller is who asks, as RBAC knows them.
type Caller struct {
	Username, UID string
	Groups        []string
	Extra         map[string][]string
}

// Question is what they ask for.
type Question struct {
	Verb, Group, Resource, Subresource, Namespace, Name string
}

// Reviewer asks the API server.
type Reviewer struct{ Live client.Client }

// Authenticate gives nil when nobody can be made out. A certificate was verified against our CA in the handshake.
func (v Reviewer) Authenticate(ctx context.Context, r *http.Request) (*Caller, error) {
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		s := r.TLS.VerifiedChains[0][0].Subject
		return &Caller{Username: s.CommonName, Groups: append([]string{"system:authenticated"}, s.Organization...)}, nil
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || token == "" {
		return nil, nil
	}
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	if err := v.Live.Create(ctx, review); err != nil {
		return nil, fmt.Errorf("review a bearer token: %w", err)
	}
	if !review.Status.Authenticated {
		return nil, nil
	}
	u := review.Status.User
	who := &Caller{Username: u.Username, UID: u.UID, Groups: u.Groups, Extra: map[string][]string{}}
	for k, v := range u.Extra {
		who.Extra[k] = v
	}
	return who, nil
}

// Allowed asks for one right.
func (v Reviewer) Allowed(ctx context.Context, who Caller, q Question) (bool, error) {
	extra := make(map[string]authorizationv1.ExtraValue, len(who.Extra))
	for k, x := range who.Extra {
		extra[k] = x
	}
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: who.Username, UID: who.UID, Groups: who.Groups, Extra: extra,
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: q.Namespace, Name: q.Name, Verb: q.Verb, Group: q.Group, Resource: q.Resource, Subresource: q.Subresource,
		},
	}}
	if err := v.Live.Create(ctx, review); err != nil {
		return false, fmt.Errorf("review the access of %s: %w", who.Username, err)
	}
	return review.Status.Allowed, nil
}
