package signin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/ingotmetal/ingot/internal/secret"
)

// random is 256 bits in base64url: RFC 7636 §4.1 wants at least that of a verifier.
func random() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // it never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// callback is what the browser brought back.
type callback struct {
	code secret.String
	err  error
}

// Browser logs in by the person's browser. Listener is on loopback, and closed here; show is given the URL that the browser is to open.
func (c *Client) Browser(ctx context.Context, listener net.Listener, show func(url string)) (Tokens, error) {
	if c.endpoints.Authorization == "" {
		return Tokens{}, errors.Join(fmt.Errorf("the issuer %s has no login by the browser: try --device", c.issuer.URL), listener.Close())
	}
	if len(c.endpoints.Methods) > 0 && !slices.Contains(c.endpoints.Methods, "S256") {
		return Tokens{}, errors.Join(fmt.Errorf("the issuer %s does not protect codes (PKCE with S256): nobody is logged in that way", c.issuer.URL), listener.Close())
	}
	state, nonce, verifier := random(), random(), random()
	back := make(chan callback, 1)
	server := &http.Server{Handler: receive(state, back), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	defer func() {
		// The page that says so is still on its way.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
		_ = server.Close()
	}()
	redirect := "http://" + listener.Addr().String() + "/callback"
	challenge := sha256.Sum256([]byte(verifier))
	ask, err := url.Parse(c.endpoints.Authorization)
	if err != nil {
		return Tokens{}, fmt.Errorf("the issuer's authorization endpoint %q is no URL: %w", c.endpoints.Authorization, err)
	}
	q := ask.Query()
	for name, value := range map[string]string{
		"response_type": "code", "client_id": c.issuer.ClientID, "redirect_uri": redirect, "scope": c.scope(), "state": state, "nonce": nonce,
		"code_challenge": base64.RawURLEncoding.EncodeToString(challenge[:]), "code_challenge_method": "S256",
	} {
		q.Set(name, value)
	}
	ask.RawQuery = q.Encode()
	show(ask.String())
	select {
	case <-ctx.Done():
		return Tokens{}, fmt.Errorf("the browser brought no answer: %w", context.Cause(ctx))
	case got := <-back:
		if got.err != nil {
			return Tokens{}, got.err
		}
		t, err := c.tokens(ctx, url.Values{
			"grant_type": {"authorization_code"}, "code": {got.code.Reveal()}, "redirect_uri": {redirect}, "client_id": {c.issuer.ClientID}, "code_verifier": {verifier},
		}, nonce)
		if err != nil {
			return Tokens{}, fmt.Errorf("trade the code for tokens at %s: %w", c.issuer.URL, err)
		}
		return t, nil
	}
}

// receive takes the one answer that has the state. Another state is another's: it changes nothing, so that a page that guesses cannot end a login.
func receive(state string, back chan<- callback) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-store")
		q := r.URL.Query()
		if !secret.New(q.Get("state")).Equal(secret.New(state)) {
			w.WriteHeader(http.StatusBadRequest)
			page(w, "This is not the answer to a login of yours.")
			return
		}
		got := callback{code: secret.New(q.Get("code"))}
		if refusal := q.Get("error"); refusal != "" || got.code.IsZero() {
			got.err = &Refused{Code: printable(refusal), Description: printable(q.Get("error_description"))}
			w.WriteHeader(http.StatusForbidden)
			page(w, "The issuer did not log you in. The terminal says more.")
		} else {
			page(w, "You are logged in. This page can be closed.")
		}
		select {
		case back <- got:
		default:
		}
	})
	return mux
}

func page(w http.ResponseWriter, text string) {
	fmt.Fprintf(w, "<!doctype html><html lang=\"en\"><title>Ingot</title><body style=\"font:1.1rem sans-serif;margin:4rem\"><p>%s</p></body></html>", html.EscapeString(text))
}
