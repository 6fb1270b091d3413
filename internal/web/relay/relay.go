// Package relay carries a machine's serial console between a browser and the console role, as the person who looks.
//
// It owns the WebSocket (RFC 6455) of the page's own origin, how many consoles a person has open, and the end of them with the person's session. It refuses to decide who sees what: the console role does,
// by the person's own certificate or token, which is all that is shown to it. The page's role has no right to any console.
//
// The browser does not connect to the console role itself: that role's certificate is the site's own, which browsers do not know, and a WebSocket of a browser's can show no token.
//
// Invariants: a WebSocket that another site's page opened is refused before anything is asked; a person who logs out, or whose session ends, sees and types nothing more; what the browser sends is
// bounded by wire.MaxMessage and is either keys or the wish to take over; each end that is not the person's own is told with its reason.
package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/console"
	"github.com/ingotmetal/ingot/internal/consolerole"
	"github.com/ingotmetal/ingot/internal/server/console/wire"
)

const (
	// mostConsoles is how many a person has open at once.
	mostConsoles = 8
	// askTime bounds the questions before a console.
	askTime = 30 * time.Second
)

// The reasons of an end that are the relay's own. Others are package console's, as the console role says them.
const (
	ReasonRefused   = "Refused"
	ReasonAway      = "Away"
	ReasonLoggedOut = "LoggedOut"
	ReasonTooMany   = "TooMany"
)

// Person is who looks.
type Person struct {
	Name string
	// Config shows the API server who they are; API reads with it.
	Config *rest.Config
	API    client.Reader
	// Ended is done when they logged out, and Until is when the session ends by itself.
	Ended context.Context
	Until time.Time
}

// Relay carries consoles. It is safe for concurrent use.
type Relay struct {
	// Dial opens connections to console roles.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	Log  *slog.Logger

	mu   sync.Mutex
	open map[string]int
}

// Serve carries the console that a request's path names (kind, namespace, name), until either side ends it.
func (r *Relay) Serve(w http.ResponseWriter, q *http.Request, who Person) {
	target, err := console.ParseTarget(q.PathValue("kind"), q.PathValue("namespace"), q.PathValue("name"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	mode := q.URL.Query().Get("mode")
	if mode != "" && mode != "type" && mode != "look" {
		http.Error(w, `mode is "type" or "look"`, http.StatusBadRequest)
		return
	}
	if !websocket.IsWebSocketUpgrade(q) {
		http.Error(w, "a console is a WebSocket: the page of a host or a machine opens it", http.StatusUpgradeRequired)
		return
	}
	browser, err := (&websocket.Upgrader{HandshakeTimeout: wire.Patience, CheckOrigin: sameOrigin}).Upgrade(w, q, nil)
	if err != nil {
		return // the upgrader has answered
	}
	defer func() { _ = browser.Close() }()
	// A browser's script is told nothing of an answer that is no WebSocket: from here on reasons go over it.
	if !r.enter(who.Name) {
		end(browser, ReasonTooMany, fmt.Sprintf("you have %d consoles open: close one of them", mostConsoles))
		return
	}
	defer r.leave(who.Name)
	role, reason, err := r.reach(q, who, target, mode)
	if err != nil {
		end(browser, reason, err.Error())
		return
	}
	defer func() { _ = role.Close() }()
	// The recording names this server: nobody believes who forwards. Where the person sits stands here.
	r.Log.Info("console in the web page begins", "machine", target.String(), "who", who.Name, "from", q.RemoteAddr)
	carry(q.Context(), browser, role, who)
	r.Log.Info("console in the web page over", "machine", target.String(), "who", who.Name)
}

// sameOrigin takes pages of this server only. The cookie alone would do in browsers that heed SameSite.
func sameOrigin(q *http.Request) bool {
	u, err := url.Parse(q.Header.Get("Origin"))
	return err == nil && u.Scheme == "https" && strings.EqualFold(u.Host, q.Host)
}

func (r *Relay) enter(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == nil {
		r.open = map[string]int{}
	}
	if r.open[name] >= mostConsoles {
		return false
	}
	r.open[name]++
	return true
}

func (r *Relay) leave(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open[name]--; r.open[name] == 0 {
		delete(r.open, name)
	}
}

// reach opens the console at its role. An error says to the person why it is not open, with its reason.
func (r *Relay) reach(q *http.Request, who Person, target console.Target, mode string) (*websocket.Conn, string, error) {
	ctx, cancel := context.WithTimeout(q.Context(), askTime)
	defer cancel()
	name, err := partitionOf(ctx, who.API, target)
	if err != nil {
		return nil, ReasonRefused, err
	}
	var all ingot.PartitionList
	if err := who.API.List(ctx, &all); err != nil {
		return nil, ReasonRefused, fmt.Errorf("list partitions: %w", err)
	}
	p, err := consolerole.Choose(all.Items, name)
	if err != nil {
		return nil, ReasonRefused, err
	}
	role, err := consolerole.As(ctx, who.Config, p, r.Dial)
	if err != nil {
		return nil, ReasonRefused, err
	}
	conn, answer, err := role.Open(ctx, target, mode)
	if err == nil {
		return conn, "", nil
	}
	if answer == nil {
		r.Log.Warn("console role not reached", "partition", p.Name, "err", err)
		return nil, ReasonAway, fmt.Errorf("the console role of partition %s cannot be reached from here: try again, or use `ingot console`", p.Name)
	}
	defer func() { _ = answer.Body.Close() }()
	return nil, ReasonRefused, errors.New(said(answer.Body))
}

// said is the beginning of an answer.
func said(body io.Reader) string {
	const most = 2048
	text, _ := io.ReadAll(io.LimitReader(body, most)) // what was read is what can be told
	return strings.TrimSpace(string(text))
}

// partitionOf is the one of a host, or the one that a Machine asks for; empty where it asks for none, and for a claim.
func partitionOf(ctx context.Context, api client.Reader, t console.Target) (string, error) {
	key := client.ObjectKey{Namespace: t.Namespace, Name: t.Name}
	switch t.Kind {
	case console.HostKind:
		h := &metal3.BareMetalHost{}
		if err := api.Get(ctx, key, h); err != nil {
			return "", fmt.Errorf("read %s: %w", t, err)
		}
		return h.Labels[ingot.PartitionLabel], nil
	case console.MachineKind:
		m := &ingot.Machine{}
		if err := api.Get(ctx, key, m); err != nil {
			return "", fmt.Errorf("read %s: %w", t, err)
		}
		return m.Spec.Partition, nil
	case console.ClaimKind:
	}
	return "", nil
}

func end(browser *websocket.Conn, reason, text string) {
	_ = wire.Send(browser, wire.Message{Type: wire.End, Reason: reason, Text: text, Final: true}) // a browser that is gone needs no reason
}
