package signin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"

	"github.com/ingotmetal/ingot/internal/secret"
)

// random is 256 bits in base64url: RFC 7636 §4.1 wants at least that of a verifier.
func random() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // it never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// Request is one login by authorization code that is under way (RFC 6749 §4.1, RFC 7636). It is good for one answer.
type Request struct {
	// URL is what the person's browser is to open.
	URL string

	redirect               string
	state, nonce, verifier secret.String
}

// Ours says whether a state that a browser brought back is this login's.
func (r *Request) Ours(state string) bool { return r.state.Equal(secret.New(state)) }

// Begin makes a login whose answer the issuer sends to redirect, with which scopes beside openid.
func (c *Client) Begin(redirect, scope string) (*Request, error) {
	if c.endpoints.Authorization == "" {
		return nil, fmt.Errorf("the issuer %s has no login by the browser", c.issuer.URL)
	}
	if len(c.endpoints.Methods) > 0 && !slices.Contains(c.endpoints.Methods, "S256") {
		return nil, fmt.Errorf("the issuer %s does not protect codes (PKCE with S256): nobody is logged in that way", c.issuer.URL)
	}
	ask, err := url.Parse(c.endpoints.Authorization)
	if err != nil {
		return nil, fmt.Errorf("the issuer's authorization endpoint %q is no URL: %w", c.endpoints.Authorization, err)
	}
	state, nonce, verifier := random(), random(), random()
	challenge := sha256.Sum256([]byte(verifier))
	q := ask.Query()
	for name, value := range map[string]string{
		"response_type": "code", "client_id": c.issuer.ClientID, "redirect_uri": redirect, "scope": scope, "state": state, "nonce": nonce,
		"code_challenge": base64.RawURLEncoding.EncodeToString(challenge[:]), "code_challenge_method": "S256",
	} {
		q.Set(name, value)
	}
	ask.RawQuery = q.Encode()
	return &Request{URL: ask.String(), redirect: redirect, state: secret.New(state), nonce: secret.New(nonce), verifier: secret.New(verifier)}, nil
}

// Finish trades the code that the browser brought for tokens.
func (c *Client) Finish(ctx context.Context, r *Request, code secret.String) (Tokens, error) {
	t, err := c.tokens(ctx, url.Values{
		"grant_type": {"authorization_code"}, "code": {code.Reveal()}, "redirect_uri": {r.redirect}, "client_id": {c.issuer.ClientID}, "code_verifier": {r.verifier.Reveal()},
	}, r.nonce.Reveal())
	if err != nil {
		return Tokens{}, fmt.Errorf("trade the code for tokens at %s: %w", c.issuer.URL, err)
	}
	return t, nil
}

// Online is the scope of a login that is not renewed: who the person is and what they are in, as far as the issuer tells that it knows these scopes.
func (c *Client) Online() string {
	scope := "openid"
	for _, s := range []string{"profile", "email", "groups"} {
		if slices.Contains(c.endpoints.Scopes, s) {
			scope += " " + s
		}
	}
	for _, s := range c.issuer.Scopes {
		scope += " " + s
	}
	return scope
}

// Denied is the answer of an issuer that sent the browser back without a code (RFC 6749 §4.1.2.1).
func Denied(code, description string) error {
	return &Refused{Code: printable(code), Description: printable(description)}
}
