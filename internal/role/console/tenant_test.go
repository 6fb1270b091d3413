package console

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/ingotmetal/ingot/console"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/server/console/recording"
	"github.com/ingotmetal/ingot/internal/server/console/wire"
)

// TestATenantSeesItsOwnTimeOnly is the life of a host with two tenants: who sees its console when, who types, who is put out with which event, and who reads which recordings afterwards.
func TestATenantSeesItsOwnTimeOnly(t *testing.T) {
	w := newWorld(t, "tenants")
	w.host(w.ipmi("").Address(), nil, false)
	a := w.project("a", map[string]string{"alice": "editor", "carol": "owner", "eve": "viewer"})
	b := w.project("b", map[string]string{"bob": "editor"})
	_, claim := w.allocate(a, "m")
	target := console.Target{Kind: console.MachineKind, Namespace: a, Name: "m"}
	host := console.Target{Kind: console.HostKind, Namespace: w.name, Name: "h"}
	operator := w.client("ingot:operator:test", pki.OperatorGroup)

	for _, c := range []struct {
		name, person, says string
		target             console.Target
		status             int
	}{
		{"nobody", "", "needed", target, http.StatusUnauthorized},
		{"another project's", "bob", "may not", target, http.StatusForbidden},
		{"a viewer", "eve", "may not", target, http.StatusForbidden},
		{"a tenant by the host", "alice", "may not", host, http.StatusForbidden},
		{"no such machine", "alice", "there is no machine", console.Target{Kind: console.MachineKind, Namespace: a, Name: "x"}, http.StatusNotFound},
		{"no kind", "alice", "has no console", console.Target{Kind: "disk", Namespace: a, Name: "m"}, http.StatusBadRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, status, text := w.dial(w.client(c.person), c.target, "type", ""); status != c.status || !strings.Contains(text, c.says) {
				t.Errorf("%d %q, want %d with %q", status, text, c.status, c.says)
			}
		})
	}

	alice, status, text := w.dial(w.client("alice"), target, "type", "")
	if alice == nil {
		t.Fatal(status, text)
	}
	w.sees(alice)
	w.writesByTurns(alice, target)
	watcher, status, text := w.dial(operator, host, "look", "")
	if watcher == nil {
		t.Fatal(status, text)
	}
	w.sees(watcher)

	w.shells(a, "m")
	// The release begins with the claim's deletion: that is the event. The operator goes on until the host is given back.
	w.delete(claim)
	if end := w.over(alice); end.Reason != string(console.NoHostYet) && end.Reason != string(console.BeingGivenUp) {
		t.Errorf("alice was put out with %+v", end)
	}
	w.machine.Say("the secret after the release")
	w.consumer(nil)
	if end := w.over(watcher); end.Reason != string(console.Reallocated) {
		t.Errorf("the operator was put out with %+v", end)
	}
	if strings.Contains(alice.seen(), "secret after") {
		t.Errorf("alice saw what came after the release: %q", alice.seen())
	}
	if _, status, text := w.dial(w.client("alice"), target, "type", ""); status != http.StatusConflict {
		t.Errorf("alice comes back: %d %s", status, text)
	}

	// The next tenant's time.
	_, _ = w.allocate(b, "m")
	before := len(alice.seen())
	bob, status, text := w.dial(w.client("bob"), console.Target{Kind: console.ClaimKind, Namespace: b, Name: "m"}, "type", "")
	if bob == nil {
		t.Fatal(status, text)
	}
	w.sees(bob)
	if len(alice.seen()) != before {
		t.Errorf("alice sees %d bytes of bob's time", len(alice.seen())-before)
	}
	w.consumer(&corev1.ObjectReference{APIVersion: "v1", Kind: "Other", Namespace: "x", Name: "y"})
	if end := w.over(bob); end.Reason != string(console.NoLongerYours) {
		t.Errorf("bob was put out with %+v", end)
	}
	w.recordings(alice, bob, watcher)
}

// writesByTurns: the second one looks on until they take over, and what the first one types is heard no more.
func (w *world) writesByTurns(alice *screen, target console.Target) {
	w.t.Helper()
	w.until("alice types", func() error {
		if !alice.types() {
			return alice.told("what")
		}
		return nil
	})
	send := func(s *screen, text string) {
		w.t.Helper()
		if err := wire.SendBytes(s.conn, []byte(text)); err != nil {
			w.t.Fatal(err)
		}
	}
	heard := func(text string) {
		w.t.Helper()
		w.until("the machine hears "+text, func() error {
			if !strings.HasSuffix(w.machine.Typed(), text) {
				return &deaf{w.machine.Typed()}
			}
			return nil
		})
	}
	send(alice, "root\r")
	heard("root\r")
	carol, status, text := w.dial(w.client("carol"), target, "type", "")
	if carol == nil {
		w.t.Fatal(status, text)
	}
	w.until("carol is told who types", func() error { return carol.told("alice types at this console") })
	send(carol, "LOST")
	w.sees(carol)
	if err := wire.Send(carol.conn, wire.Message{Type: wire.TakeOver}); err != nil {
		w.t.Fatal(err)
	}
	w.until("alice is told", func() error { return alice.told("carol types at this console now") })
	send(carol, "ls\r")
	heard("root\rls\r")
	send(alice, "LOST")
	send(carol, "exit\r")
	heard("root\rls\rexit\r")
	_ = carol.conn.Close()
}

type deaf struct{ heard string }

func (d *deaf) Error() string { return "it heard " + d.heard }

// recordings are each one's own: of alice's time alice reads, of bob's bob, of the operator's the operator.
func (w *world) recordings(alice, bob, operator *screen) {
	w.t.Helper()
	people := map[string]struct {
		groups []string
		screen *screen
	}{"alice": {nil, alice}, "bob": {nil, bob}, "ingot:operator:test": {[]string{pki.OperatorGroup}, operator}}
	for person, p := range people {
		config := w.client(person, p.groups...)
		status, text := w.ask(config, http.MethodGet, "/v1/recordings", "", nil)
		var all []recording.Info
		if err := json.Unmarshal(text, &all); err != nil || status != http.StatusOK {
			w.t.Fatalf("%d %s: %v", status, text, err)
		}
		for _, r := range all {
			if person != "ingot:operator:test" && !strings.HasSuffix(r.Target.Namespace, map[string]string{"alice": "-a", "bob": "-b"}[person]) {
				w.t.Errorf("%s is shown the recording %+v", person, r)
			}
		}
		for other, q := range people {
			status, text := w.ask(config, http.MethodGet, "/v1/recordings/"+q.screen.begin.Recording, "", nil)
			mine := person == other || person == "ingot:operator:test"
			if mine && (status != http.StatusOK || !strings.Contains(string(text), "is anybody there")) || !mine && status != http.StatusNotFound {
				w.t.Errorf("%s reads the recording of %s: %d %.300s", person, other, status, text)
			}
			if strings.Contains(string(text), "root") {
				w.t.Errorf("what was typed is recorded: %.300s", text)
			}
		}
	}
	if status, _ := w.ask(w.client("alice"), http.MethodGet, "/v1/recordings/..%2f..%2fetc", "", nil); status != http.StatusNotFound {
		w.t.Errorf("a path is answered with %d", status)
	}
}
