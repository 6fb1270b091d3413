package relay

import (
	"context"
	"encoding/pem"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/server/console/wire"
	"github.com/ingotmetal/ingot/test/await"
)

// objects is an API server with one host and one partition.
type objects struct {
	partition ingot.Partition
	// refused is what it says in the place of a host.
	refused error
}

func (o *objects) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	if o.refused != nil {
		return o.refused
	}
	if h, is := into.(*metal3.BareMetalHost); is {
		h.Namespace, h.Name, h.Labels = key.Namespace, key.Name, map[string]string{ingot.PartitionLabel: o.partition.Name}
	}
	return nil
}

func (o *objects) List(_ context.Context, into client.ObjectList, _ ...client.ListOption) error {
	into.(*ingot.PartitionList).Items = []ingot.Partition{o.partition}
	return nil
}

// world is a page's server with a relay, and a console role that keeps what it is told.
type world struct {
	t     *testing.T
	relay *Relay
	page  *httptest.Server
	api   *objects
	// refuse is what the role answers in the place of a console.
	refuse string

	mu     sync.Mutex
	asked  []*http.Request
	typed  string
	wishes []wire.Message
	roles  []*websocket.Conn
	logout context.CancelFunc
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, relay: &Relay{Dial: (&net.Dialer{}).DialContext, Log: slog.New(slog.DiscardHandler)}, api: &objects{}}
	role := httptest.NewTLSServer(http.HandlerFunc(w.role))
	t.Cleanup(role.Close)
	w.api.partition.Name, w.api.partition.Status.ConsoleEndpoint = "lab", role.URL
	w.api.partition.Status.CABundle = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: role.Certificate().Raw})
	ended, logout := context.WithCancel(t.Context())
	w.logout = logout
	mux := http.NewServeMux()
	mux.HandleFunc("GET /consoles/{kind}/{namespace}/{name}", func(rw http.ResponseWriter, q *http.Request) {
		w.relay.Serve(rw, q, Person{Name: "ada", Config: &rest.Config{Host: "https://127.0.0.1:1", BearerToken: "adas"}, API: w.api, Ended: ended, Until: time.Now().Add(time.Hour)})
	})
	w.page = httptest.NewTLSServer(mux)
	t.Cleanup(w.page.Close)
	return w
}

// role is the console role: it echoes.
func (w *world) role(rw http.ResponseWriter, q *http.Request) {
	w.mu.Lock()
	w.asked = append(w.asked, q)
	refuse := w.refuse
	w.mu.Unlock()
	if refuse != "" {
		http.Error(rw, refuse, http.StatusForbidden)
		return
	}
	conn, err := (&websocket.Upgrader{}).Upgrade(rw, q, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	w.mu.Lock()
	w.roles = append(w.roles, conn)
	err = wire.Send(conn, wire.Message{Type: wire.Begin, Recording: "r1"})
	w.mu.Unlock()
	if err != nil {
		return
	}
	for {
		p, m, err := wire.Read(conn)
		if err != nil {
			return
		}
		w.mu.Lock()
		if m != nil {
			w.wishes = append(w.wishes, *m)
		}
		w.typed += string(p)
		w.mu.Unlock()
		if m == nil && wire.SendBytes(conn, p) != nil {
			return
		}
	}
}

// browser opens a console as a page of an origin does; code is the answer's status.
func (w *world) browser(origin, path string) (conn *websocket.Conn, code int) {
	w.t.Helper()
	host := strings.TrimPrefix(w.page.URL, "https://")
	if origin == "same" {
		origin = w.page.URL
	}
	dialer := websocket.Dialer{TLSClientConfig: w.page.Client().Transport.(*http.Transport).TLSClientConfig.Clone()}
	dialer.TLSClientConfig.NextProtos = []string{"http/1.1"}
	header := http.Header{}
	if origin != "" {
		header.Set("Origin", origin)
	}
	conn, answer, err := dialer.DialContext(w.t.Context(), "wss://"+host+path, header)
	if answer == nil {
		w.t.Fatal(err)
	}
	_ = answer.Body.Close()
	if err != nil {
		return nil, answer.StatusCode
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	return conn, answer.StatusCode
}

const node1 = "/consoles/host/racks/node-1?mode=type"

// opened is a console that has begun.
func (w *world) opened() *websocket.Conn {
	w.t.Helper()
	conn, code := w.browser("same", node1)
	if conn == nil {
		w.t.Fatalf("not opened: %d", code)
	}
	if m := message(w.t, conn); m.Type != wire.Begin || m.Recording != "r1" {
		w.t.Fatalf("it begins with %+v", m)
	}
	return conn
}

func message(t *testing.T, conn *websocket.Conn) wire.Message {
	t.Helper()
	p, m, err := wire.Read(conn)
	if err != nil || m == nil {
		t.Fatalf("no message but %q: %v", p, err)
	}
	return *m
}

// TestAConsoleIsCarriedAsThePerson: keys one way, what the machine shows the other, with the person's own token and nothing of the server's.
func TestAConsoleIsCarriedAsThePerson(t *testing.T) {
	w := newWorld(t)
	conn := w.opened()
	if err := wire.SendBytes(conn, []byte("ls\r")); err != nil {
		t.Fatal(err)
	}
	if p, _, err := wire.Read(conn); err != nil || string(p) != "ls\r" {
		t.Fatalf("shown: %q, %v", p, err)
	}
	// A word that is not the browser's to say goes nowhere.
	for _, m := range []wire.Message{{Type: wire.End, Text: "over"}, {Type: wire.Writer, Writer: true}, {Type: wire.TakeOver, Text: "more"}} {
		if err := wire.Send(conn, m); err != nil {
			t.Fatal(err)
		}
	}
	await.True(t, "the wish to type arrives", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.wishes) > 0
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.wishes) != 1 || w.wishes[0] != (wire.Message{Type: wire.TakeOver}) {
		t.Errorf("the role was told %+v", w.wishes)
	}
	q := w.asked[0]
	if q.Header.Get("Authorization") != "Bearer adas" || q.URL.Path != "/v1/consoles/host/racks/node-1" || q.URL.Query().Get("mode") != "type" || q.Header.Get("Cookie") != "" {
		t.Errorf("the role was asked for %s with %v", q.URL, q.Header)
	}
}

// TestOtherSitesOpenNothing: a page of another origin, and one that says none.
func TestOtherSitesOpenNothing(t *testing.T) {
	w := newWorld(t)
	for _, origin := range []string{"https://evil.example", "null", "", strings.Replace(w.page.URL, "https", "http", 1), w.page.URL + "0", "https://[::1"} {
		if conn, code := w.browser(origin, node1); conn != nil || code != http.StatusForbidden {
			t.Errorf("origin %q: %d", origin, code)
		}
	}
	for path, want := range map[string]int{
		"/consoles/fridge/racks/node-1": http.StatusBadRequest, "/consoles/host/racks/.x": http.StatusBadRequest, "/consoles/host/racks/node-1?mode=take-over": http.StatusBadRequest, "/consoles/host/Racks/node-1": http.StatusBadRequest,
	} {
		if conn, code := w.browser("same", path); conn != nil || code != want {
			t.Errorf("%s: %d", path, code)
		}
	}
	plain, err := w.page.Client().Get(w.page.URL + node1) //nolint:noctx // the test's server is on loopback
	if err != nil {
		t.Fatal(err)
	}
	_ = plain.Body.Close()
	if plain.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("without a WebSocket: %s", plain.Status)
	}
	if len(w.asked) != 0 {
		t.Errorf("the console role was asked %d times", len(w.asked))
	}
}

// TestEachEndHasItsReason, and the person sees nothing after it.
func TestEachEndHasItsReason(t *testing.T) {
	for name, c := range map[string]struct {
		before, during func(w *world)
		reason, text   string
	}{
		"logged out": {during: func(w *world) { w.logout() }, reason: ReasonLoggedOut, text: "log in again"},
		"the role says so": {during: func(w *world) {
			_ = wire.Send(w.roles[0], wire.Message{Type: wire.End, Reason: "Reallocated", Text: "not yours any more"})
		}, reason: "Reallocated", text: "not yours"},
		"the role is gone":    {during: func(w *world) { _ = w.roles[0].Close() }, reason: ReasonAway, text: "try again"},
		"refused":             {before: func(w *world) { w.refuse = "you may not see that" }, reason: ReasonRefused, text: "you may not see that"},
		"not to be read":      {before: func(w *world) { w.api.refused = errors.New("hosts are hidden") }, reason: ReasonRefused, text: "hosts are hidden"},
		"no role":             {before: func(w *world) { w.api.partition.Status.ConsoleEndpoint = "" }, reason: ReasonRefused, text: "--console-endpoint"},
		"not reached":         {before: func(w *world) { w.api.partition.Status.ConsoleEndpoint = "https://127.0.0.1:1" }, reason: ReasonAway, text: "ingot console"},
		"another certificate": {before: func(w *world) { w.api.partition.Status.CABundle = nil }, reason: ReasonRefused, text: "CA"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if c.before != nil {
				c.before(w)
			}
			conn, code := w.browser("same", node1)
			if conn == nil {
				t.Fatalf("not opened: %d", code)
			}
			if c.during != nil {
				if m := message(t, conn); m.Type != wire.Begin {
					t.Fatalf("it begins with %+v", m)
				}
				w.mu.Lock()
				c.during(w)
				w.mu.Unlock()
			}
			if m := message(t, conn); m.Type != wire.End || m.Reason != c.reason || !strings.Contains(m.Text, c.text) {
				t.Errorf("it ends with %+v", m)
			}
			if p, m, err := wire.Read(conn); err == nil {
				t.Errorf("after the end: %q %+v", p, m)
			}
		})
	}
}

// TestConsolesArePerPerson: more than one has open at once are refused, and one that was closed makes room.
func TestConsolesArePerPerson(t *testing.T) {
	w := newWorld(t)
	var first *websocket.Conn
	for range mostConsoles {
		first = w.opened()
	}
	conn, _ := w.browser("same", node1)
	if m := message(t, conn); m.Reason != ReasonTooMany {
		t.Fatalf("one more: %+v", m)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	await.True(t, "the closed one is over", func() bool {
		w.relay.mu.Lock()
		defer w.relay.mu.Unlock()
		return w.relay.open["ada"] < mostConsoles
	})
	w.opened()
}

// TestAMessageIsBounded: a browser that sends more is cut off.
func TestAMessageIsBounded(t *testing.T) {
	w := newWorld(t)
	conn := w.opened()
	if err := conn.WriteMessage(websocket.BinaryMessage, make([]byte, wire.MaxMessage+1)); err != nil {
		t.Fatal(err)
	}
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			break
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.typed != "" {
		t.Errorf("%d bytes were typed", len(w.typed))
	}
}
