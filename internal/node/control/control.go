// Package control is how people talk to the daemon on their own host: HTTP over a Unix socket in the run directory.
//
// It owns the socket, the requests and their JSON. It refuses everybody but root, by the modes of the directory and of the socket; nothing here crosses a network, so that no
// row of the matrix is needed.
//
// Invariant: every request has an answer, and an error's text says what helps.
package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/guard"
	"github.com/ingotmetal/ingot/internal/node"
)

// Socket is the name of the socket in the run directory.
const Socket = "control.sock"

// Daemon is what can be asked.
type Daemon interface {
	Status() node.Status
	Confirm(ctx context.Context, console bool) (guard.Confirmed, error)
	Order(ctx context.Context, o guard.Order) (guard.Decision, error)
	Drops(ctx context.Context) ([]node.Drop, error)
	Explain(ctx context.Context, p firewall.Packet) ([]node.Explanation, error)
}

// confirmation is the body of POST /confirm.
type confirmation struct {
	Console bool `json:"console"`
}

// refusal is the body of an answer that is an error.
type refusal struct {
	Error string `json:"error"`
}

// Serve answers until ctx ends. Only one daemon can have a run directory.
func Serve(ctx context.Context, dir string, d Daemon) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the run directory: %w", err)
	}
	path := filepath.Join(dir, Socket)
	if c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", path); err == nil {
		_ = c.Close()
		return fmt.Errorf("another ingot-node answers on %s: stop it first", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the socket that a dead daemon left: %w", err)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return fmt.Errorf("keep others from %s: %w", path, err)
	}
	s := &http.Server{Handler: handler(d), ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", path, err)
	}
	return nil
}

func handler(d Daemon) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { answer(w, d.Status(), nil) })
	mux.HandleFunc("POST /confirm", func(w http.ResponseWriter, r *http.Request) {
		var c confirmation
		if read(w, r, &c) {
			confirmed, err := d.Confirm(r.Context(), c.Console)
			answer(w, confirmed, err)
		}
	})
	for path, order := range map[string]guard.Order{"POST /try": guard.Retry, "POST /withdraw": guard.Withdraw} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			decision, err := d.Order(r.Context(), order)
			answer(w, decision, err)
		})
	}
	mux.HandleFunc("GET /drops", func(w http.ResponseWriter, r *http.Request) {
		drops, err := d.Drops(r.Context())
		answer(w, drops, err)
	})
	mux.HandleFunc("POST /explain", func(w http.ResponseWriter, r *http.Request) {
		var p firewall.Packet
		if read(w, r, &p) {
			explanations, err := d.Explain(r.Context(), p)
			answer(w, explanations, err)
		}
	})
	return mux
}

// maxBody is far more than any request.
const maxBody = 64 << 10

func read(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(into); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(refusal{"the request is not understood: " + err.Error()})
		return false
	}
	return true
}

func answer(w http.ResponseWriter, body any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusConflict)
		body = refusal{err.Error()}
	}
	_ = json.NewEncoder(w).Encode(body) // the other side has gone, then
}

// Client asks the daemon of a run directory.
type Client struct{ Dir string }

// Status asks for the status.
func (c Client) Status(ctx context.Context) (s node.Status, err error) {
	return s, c.ask(ctx, http.MethodGet, "/status", nil, &s)
}

// Confirm says that somebody came in over a new session, or sits at the console.
func (c Client) Confirm(ctx context.Context, console bool) (g guard.Confirmed, err error) {
	return g, c.ask(ctx, http.MethodPost, "/confirm", confirmation{console}, &g)
}

// Order passes on a person's wish.
func (c Client) Order(ctx context.Context, o guard.Order) (d guard.Decision, err error) {
	path := "/try"
	if o == guard.Withdraw {
		path = "/withdraw"
	}
	return d, c.ask(ctx, http.MethodPost, path, nil, &d)
}

// Drops asks who was refused.
func (c Client) Drops(ctx context.Context) (d []node.Drop, err error) {
	return d, c.ask(ctx, http.MethodGet, "/drops", nil, &d)
}

// Explain asks what happens to a packet.
func (c Client) Explain(ctx context.Context, p firewall.Packet) (e []node.Explanation, err error) {
	return e, c.ask(ctx, http.MethodPost, "/explain", p, &e)
}

func (c Client) ask(ctx context.Context, method, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("ask the daemon: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://ingot-node"+path, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("ask the daemon: %w", err)
	}
	socket := filepath.Join(c.Dir, Socket)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("ask the daemon on %s: %w (does ingot-node run, and are you root?)", socket, err)
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		var r refusal
		if json.Unmarshal(read, &r) != nil || r.Error == "" {
			r.Error = response.Status
		}
		return errors.New(r.Error)
	}
	if err := json.Unmarshal(read, into); err != nil {
		return fmt.Errorf("understand the daemon's answer: %w", err)
	}
	return nil
}
