package control_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/guard"
	"github.com/ingotmetal/ingot/internal/node"
	"github.com/ingotmetal/ingot/internal/node/control"
)

// daemon answers what it is told to, and notes what it was asked.
type daemon struct {
	status  node.Status
	drops   []node.Drop
	refuses error
	console []bool
	orders  []guard.Order
	packets []firewall.Packet
}

func (d *daemon) Status() node.Status { return d.status }

func (d *daemon) Confirm(_ context.Context, console bool) (guard.Confirmed, error) {
	d.console = append(d.console, console)
	return guard.Confirmed{Version: guard.Version{Generation: 7}, By: "ssh"}, d.refuses
}

func (d *daemon) Order(_ context.Context, o guard.Order) (guard.Decision, error) {
	d.orders = append(d.orders, o)
	return guard.Decision{Phase: guard.PhaseTrial, Reason: "as ordered"}, d.refuses
}

func (d *daemon) Drops(context.Context) ([]node.Drop, error) { return d.drops, d.refuses }

func (d *daemon) Explain(_ context.Context, p firewall.Packet) ([]node.Explanation, error) {
	d.packets = append(d.packets, p)
	return []node.Explanation{{Verdict: "drop", By: "tier/default/end", Fix: "a row"}}, d.refuses
}

// serve runs the socket in a directory until the test ends, and waits until it answers.
func serve(t *testing.T, dir string, d control.Daemon) control.Client {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- control.Serve(ctx, dir, d) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	c := control.Client{Dir: dir}
	for {
		_, err := c.Status(ctx)
		if err == nil {
			return c
		}
		select {
		case early := <-ended:
			ended <- nil
			t.Fatalf("the socket is not served: %v", early)
		case <-time.After(time.Millisecond):
		}
	}
}

// short is a directory whose path leaves room for a socket's name: a Unix socket's path has 107 bytes at most.
func short(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "control")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "run")
}

func TestEveryRequestReachesTheDaemonAndItsAnswerComesBack(t *testing.T) {
	d := &daemon{
		status: node.Status{Node: "a", Generation: 7, Drift: []node.Drift{{Kind: node.DriftListener, What: "x", Row: "1.1"}}},
		drops: []node.Drop{{
			From: netip.MustParseAddr("192.0.2.1"), To: netip.MustParseAddr("2001:db8::1"), Protocol: "tcp", Port: 22, By: "tier/default/end", Packets: 3, Last: time.Unix(1000, 0).UTC(), Fix: "row 1.1",
		}},
	}
	c := serve(t, short(t), d)
	s, err := c.Status(t.Context())
	if diff := cmp.Diff(d.status, s, cmpopts.EquateComparable(netip.Addr{})); diff != "" || err != nil {
		t.Errorf("status: %v\n%s", err, diff)
	}
	drops, err := c.Drops(t.Context())
	if diff := cmp.Diff(d.drops, drops, cmpopts.EquateComparable(netip.Addr{})); diff != "" || err != nil {
		t.Errorf("drops: %v\n%s", err, diff)
	}
	if g, err := c.Confirm(t.Context(), true); err != nil || g.Generation != 7 || g.By != "ssh" || !cmp.Equal(d.console, []bool{true}) {
		t.Errorf("confirm: %+v, %v; asked %v", g, err, d.console)
	}
	for _, o := range []guard.Order{guard.Retry, guard.Withdraw} {
		if got, err := c.Order(t.Context(), o); err != nil || got.Reason != "as ordered" || d.orders[len(d.orders)-1] != o {
			t.Errorf("order %v: %+v, %v; heard %v", o, got, err, d.orders)
		}
	}
	p := firewall.Packet{Source: netip.MustParseAddr("192.0.2.1"), Destination: netip.MustParseAddr("192.0.2.2"), Protocol: 6, SourcePort: 40000, DestinationPort: 443}
	if e, err := c.Explain(t.Context(), p); err != nil || len(e) != 1 || e[0].Fix != "a row" || len(d.packets) != 1 || d.packets[0] != p {
		t.Errorf("explain: %+v, %v; asked %+v", e, err, d.packets)
	}
}

func TestRefusalsKeepTheirWords(t *testing.T) {
	c := serve(t, short(t), &daemon{refuses: errors.New("no trial runs: try first")})
	for name, err := range map[string]error{
		"confirm": second(c.Confirm(t.Context(), false)), "order": second(c.Order(t.Context(), guard.Retry)), "drops": second(c.Drops(t.Context())),
		"explain": second(c.Explain(t.Context(), firewall.Packet{})),
	} {
		if err == nil || err.Error() != "no trial runs: try first" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestTheSocketIsForRootAndForOneDaemon(t *testing.T) {
	dir := short(t)
	serve(t, dir, &daemon{})
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, control.Socket): 0o600} {
		if i, err := os.Stat(path); err != nil || i.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want mode %v", path, i.Mode().Perm(), err, want)
		}
	}
	if err := control.Serve(t.Context(), dir, &daemon{}); err == nil || !strings.Contains(err.Error(), "another ingot-node answers") {
		t.Errorf("a second daemon: %v", err)
	}
}

func TestASocketOfADeadDaemonIsReplaced(t *testing.T) {
	dir := short(t)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, control.Socket)})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false) // as a killed process leaves it
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := (control.Client{Dir: dir}).Status(t.Context()); err == nil || !strings.Contains(err.Error(), "does ingot-node run") {
		t.Errorf("asked of nobody: %v", err)
	}
	if s, err := serve(t, dir, &daemon{status: node.Status{Node: "b"}}).Status(t.Context()); err != nil || s.Node != "b" {
		t.Errorf("%+v, %v", s, err)
	}
}

// Whoever can open the socket is root, and still may send nonsense.
func TestRequestsThatAreNotUnderstood(t *testing.T) {
	dir := short(t)
	serve(t, dir, &daemon{})
	h := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, control.Socket))
	}}}
	for _, c := range []struct {
		method, path, body string
		code               int
	}{
		{"POST", "/confirm", "no JSON", http.StatusBadRequest},
		{"POST", "/explain", `{"Source": 5}`, http.StatusBadRequest},
		{"POST", "/explain", `{"Iface": "` + strings.Repeat("x", 1<<20) + `"}`, http.StatusBadRequest},
		{"GET", "/confirm", "", http.StatusMethodNotAllowed},
		{"POST", "/nothing", "", http.StatusNotFound},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, "http://ingot-node"+c.path, bytes.NewReader([]byte(c.body)))
		if err != nil {
			t.Fatal(err)
		}
		a, err := h.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(a.Body)
		_ = a.Body.Close()
		var refusal struct{ Error string }
		if err != nil || a.StatusCode != c.code || c.code == http.StatusBadRequest && (json.Unmarshal(text, &refusal) != nil || !strings.Contains(refusal.Error, "not understood")) {
			t.Errorf("%s %s: %d %s, %v; want %d", c.method, c.path, a.StatusCode, text, err, c.code)
		}
	}
}
