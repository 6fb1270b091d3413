package signin

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"time"

	"github.com/ingotmetal/ingot/internal/secret"
)

// callback is what the browser brought back.
type callback struct {
	code secret.String
	err  error
}

// Browser logs in by the person's browser. Listener is on loopback, and closed here; show is given the URL that the browser is to open.
func (c *Client) Browser(ctx context.Context, listener net.Listener, show func(url string)) (Tokens, error) {
	redirect := "http://" + listener.Addr().String() + "/callback"
	login, err := c.Begin(redirect, c.scope())
	if err != nil {
		return Tokens{}, errors.Join(fmt.Errorf("%w: try --device", err), listener.Close())
	}
	back := make(chan callback, 1)
	server := &http.Server{Handler: receive(login, back), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	defer func() {
		// The page that says so is still on its way.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
		_ = server.Close()
	}()
	show(login.URL)
	select {
	case <-ctx.Done():
		return Tokens{}, fmt.Errorf("the browser brought no answer: %w", context.Cause(ctx))
	case got := <-back:
		if got.err != nil {
			return Tokens{}, got.err
		}
		return c.Finish(ctx, login, got.code)
	}
}

// receive takes the one answer that has the state. Another state is another's: it changes nothing, so that a page that guesses cannot end a login.
func receive(login *Request, back chan<- callback) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-store")
		q := r.URL.Query()
		if !login.Ours(q.Get("state")) {
			w.WriteHeader(http.StatusBadRequest)
			page(w, "This is not the answer to a login of yours.")
			return
		}
		got := callback{code: secret.New(q.Get("code"))}
		if refusal := q.Get("error"); refusal != "" || got.code.IsZero() {
			got.err = Denied(refusal, q.Get("error_description"))
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
