package signin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/internal/secret"
)

const (
	// answerBytes bounds an issuer's answer; tokens with hundreds of groups have some tens of KiB.
	answerBytes = 1 << 20
	answerTime  = 30 * time.Second
	// leeway is how far the clocks of the issuer and this machine may differ.
	leeway = time.Minute
)

// Issuer is where a person logs in.
type Issuer struct {
	// URL is as in tokens; ClientID is Ingot's at it.
	URL      string `json:"issuer"`
	ClientID string `json:"clientID"`
	// CA is PEM; empty: the system's roots.
	CA string `json:"certificateAuthority,omitempty"`
	// Scopes are asked for beside openid and offline_access.
	Scopes []string `json:"scopes,omitempty"`
}

// Tokens are what a login gives.
type Tokens struct {
	// ID is what the API server takes. Expires is when it ends.
	ID      secret.String
	Expires time.Time
	// Refresh gets the next ones; zero where the issuer gives none.
	Refresh secret.String
}

// Refused is an issuer's answer that is none of ours to mend: who asked may not, or asked too late. Code is OAuth's (RFC 6749 §5.2, RFC 8628 §3.5).
type Refused struct{ Code, Description string }

func (r *Refused) Error() string {
	if r.Description == "" {
		return "the issuer refuses: " + r.Code
	}
	return "the issuer refuses: " + r.Code + ": " + r.Description
}

// Client speaks to one issuer.
type Client struct {
	issuer Issuer
	http   *http.Client
	now    func() time.Time

	endpoints endpoints
}

// endpoints are what discovery tells (OpenID Connect Discovery §3, RFC 8628 §4, RFC 7009).
type endpoints struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Device        string   `json:"device_authorization_endpoint"`
	Revocation    string   `json:"revocation_endpoint"`
	Methods       []string `json:"code_challenge_methods_supported"`
	Scopes        []string `json:"scopes_supported"`
}

// Open asks the issuer where its endpoints are. Dial opens its connections.
func Open(ctx context.Context, issuer Issuer, dial func(ctx context.Context, network, address string) (net.Conn, error)) (*Client, error) {
	u, err := url.Parse(issuer.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("issuer %q: an https URL is needed, as in the tokens of the issuer", issuer.URL)
	}
	if issuer.ClientID == "" {
		return nil, errors.New("the client ID is missing: it is what the issuer knows Ingot by")
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if issuer.CA != "" {
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM([]byte(issuer.CA)) {
			return nil, errors.New("the issuer's CA holds no certificate: PEM is needed")
		}
	}
	c := &Client{issuer: issuer, now: time.Now, http: &http.Client{
		Timeout:   answerTime,
		Transport: &http.Transport{DialContext: dial, TLSClientConfig: t, TLSHandshakeTimeout: answerTime},
		// A token goes where discovery said, and nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	return c, c.discover(ctx)
}

func (c *Client) discover(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.issuer.URL, "/")+"/.well-known/openid-configuration", http.NoBody)
	if err != nil {
		return fmt.Errorf("ask the issuer %s for its endpoints: %w", c.issuer.URL, err)
	}
	if err := c.answer(request, &c.endpoints); err != nil {
		return fmt.Errorf("ask the issuer %s for its endpoints: %w", c.issuer.URL, err)
	}
	if c.endpoints.Issuer != c.issuer.URL {
		return fmt.Errorf("%s calls itself %q: write the issuer as it does", c.issuer.URL, c.endpoints.Issuer)
	}
	for _, e := range []string{c.endpoints.Authorization, c.endpoints.Token, c.endpoints.Device, c.endpoints.Revocation} {
		if e != "" && !strings.HasPrefix(e, "https://") {
			return fmt.Errorf("the issuer %s names an endpoint without TLS, %s: nothing is sent there", c.issuer.URL, e)
		}
	}
	if c.endpoints.Token == "" {
		return fmt.Errorf("the issuer %s names no token endpoint: is it one of OpenID Connect?", c.issuer.URL)
	}
	return nil
}

// scope is what is asked for: refresh tokens only where the issuer knows the scope for them, or does not say.
func (c *Client) scope() string {
	all := []string{"openid"}
	if len(c.endpoints.Scopes) == 0 || slices.Contains(c.endpoints.Scopes, "offline_access") {
		all = append(all, "offline_access")
	}
	return strings.Join(append(all, c.issuer.Scopes...), " ")
}

// tokenAnswer is RFC 6749 §5.1 and OpenID Connect Core 3.1.3.3.
type tokenAnswer struct {
	ID      string `json:"id_token"`
	Refresh string `json:"refresh_token"`
}

// tokens asks the token endpoint, and checks the ID token. An empty nonce is not compared: a renewed token need not have one.
func (c *Client) tokens(ctx context.Context, form url.Values, nonce string) (Tokens, error) {
	var a tokenAnswer
	if err := c.post(ctx, c.endpoints.Token, form, &a); err != nil {
		return Tokens{}, err
	}
	if a.ID == "" {
		return Tokens{}, errors.New("the issuer's answer has no ID token: does it allow the scope openid to this client?")
	}
	claims, err := parseClaims(a.ID)
	if err != nil {
		return Tokens{}, err
	}
	if err := claims.check(c.issuer, nonce, c.now()); err != nil {
		return Tokens{}, err
	}
	return Tokens{ID: secret.New(a.ID), Expires: claims.expires(), Refresh: secret.New(a.Refresh)}, nil
}

// Renew gets the next tokens. An issuer that gives no new refresh token means the old one to go on.
func (c *Client) Renew(ctx context.Context, refresh secret.String) (Tokens, error) {
	t, err := c.tokens(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh.Reveal()}, "client_id": {c.issuer.ClientID}}, "")
	if err != nil {
		return Tokens{}, fmt.Errorf("renew the login at %s: %w", c.issuer.URL, err)
	}
	if t.Refresh.IsZero() {
		t.Refresh = refresh
	}
	return t, nil
}

// Revoke has the issuer forget a refresh token. False: it has no way to.
func (c *Client) Revoke(ctx context.Context, refresh secret.String) (bool, error) {
	if c.endpoints.Revocation == "" {
		return false, nil
	}
	form := url.Values{"token": {refresh.Reveal()}, "token_type_hint": {"refresh_token"}, "client_id": {c.issuer.ClientID}}
	if err := c.post(ctx, c.endpoints.Revocation, form, nil); err != nil {
		return false, fmt.Errorf("revoke the login at %s: %w", c.issuer.URL, err)
	}
	return true, nil
}

func (c *Client) post(ctx context.Context, endpoint string, form url.Values, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("ask %s: %w", endpoint, err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return c.answer(request, into)
}

// answer does a request. An error never has the answer's text in it but for OAuth's own words, since the text may be a token.
func (c *Client) answer(request *http.Request, into any) error {
	request.Header.Set("Accept", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, answerBytes))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", request.URL.Host, err)
	}
	if response.StatusCode != http.StatusOK {
		var refusal struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}
		if json.Unmarshal(text, &refusal) == nil && refusal.Error != "" {
			return &Refused{Code: printable(refusal.Error), Description: printable(refusal.Description)}
		}
		return fmt.Errorf("%s answers %s", request.URL.Redacted(), response.Status)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("the answer of %s is no JSON of the expected shape", request.URL.Host)
	}
	return nil
}

// printable keeps an issuer's words from doing anything to a terminal.
func printable(s string) string {
	const most = 300
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
	return s[:min(len(s), most)]
}
