package test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// TestOperator is a person at work: the program `ingot` itself, the console role that signs, sshd as a first boot sets it up, and the mesh between them.
func TestOperator(t *testing.T) {
	o := newOffice(t)
	gate := o.allocate(t, o.firewallAt, "edge")
	outside := count(t, o.firewallAt.listen(t, o.firewallAt.ip+":22"))

	step := func(name string, f func(t *testing.T)) {
		if t.Failed() {
			t.Fatalf("not tried: %s", name)
		}
		began := time.Now()
		f(t)
		t.Logf("%s: %.1f s", name, time.Since(began).Seconds())
	}
	step("a command, its input and its exit code", func(t *testing.T) { t.Helper(); o.commands(t, gate) })
	step("people of the issuer", func(t *testing.T) { t.Helper(); o.people(t, gate) })
	step("a forged host key", func(t *testing.T) { t.Helper(); o.forged(t, gate) })
	step("who is in the mesh", func(t *testing.T) { t.Helper(); o.vpnStatus(t, gate) })
	step("a proxy", func(t *testing.T) { t.Helper(); o.throughProxy(t, gate) })
	step("the coordinator is away", func(t *testing.T) { t.Helper(); o.withoutCoordinator(t) })
	step("the machine is away", func(t *testing.T) { t.Helper(); o.withoutMachine(t, gate) })
	step("released and allocated again", func(t *testing.T) { t.Helper(); o.again(t, gate) })
	if n := outside.Load(); n != 0 {
		t.Errorf("the machine's address outside of the mesh was dialed %d times", n)
	}
	// The count would have seen it.
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", o.firewallAt.ip+":22")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	o.until("a dial is counted", func(context.Context) error {
		if outside.Load() != 1 {
			return errors.New("it is not")
		}
		return nil
	})
}

// count counts who comes, and lets nobody in.
func count(t *testing.T, l net.Listener) *atomic.Int32 {
	t.Helper()
	n := &atomic.Int32{}
	answer(t, l, func(net.Conn) { n.Add(1) })
	return n
}

var edge = []string{"ssh", "-n", namespace, "edge"}

func visit(command ...string) []string { return append(append([]string{}, edge...), command...) }

func (o *office) commands(t *testing.T, gate *firewall) {
	t.Helper()
	out, problem, code := o.ingot("said at the desk\n", visit("id -un; cat; echo aside >&2; exit 7")...)
	if out != "root\nsaid at the desk\n" || !strings.Contains(problem, "aside") || code != 7 {
		t.Errorf("%q, %q, exit code %d", out, problem, code)
	}
	if log := gate.heard(t); !strings.Contains(log, `ID "`+ada+`"`) && !strings.Contains(log, "ID "+ada) {
		t.Errorf("sshd does not say who came: %s", log)
	}
	o.nothingLeft(t)
}

// forged: the machine answers with another key than it was told, as somebody in its place would.
func (o *office) forged(t *testing.T, gate *firewall) {
	t.Helper()
	key := gate.machine.Status.SSHHostKey
	gate.machine.Status.SSHHostKey = strings.TrimSpace(o.authority(t)) // any other key of the same kind
	o.status(gate.machine)
	o.refuses(t, "host key mismatch", visit("echo", "in")...)
	gate.machine.Status.SSHHostKey = key
	o.status(gate.machine)
}

func (o *office) vpnStatus(t *testing.T, gate *firewall) {
	t.Helper()
	out, problem, code := o.ingot("", "vpn", "status")
	line := ""
	for text := range strings.Lines(out) {
		if strings.Contains(text, namespace+"/edge") {
			line = text
		}
	}
	if code != 0 || !strings.Contains(line, gate.node.Status.Addresses[0]) || !strings.Contains(line, "firewall") || !strings.Contains(line, "true") {
		t.Errorf("exit code %d, %q, %q", code, out, problem)
	}
}

// throughProxy reaches the machine's sshd through `ingot proxy`, and nothing that is not in the mesh.
func (o *office) throughProxy(t *testing.T, gate *firewall) {
	t.Helper()
	p := o.begin(t, "proxy")
	line := o.line(t, p)
	via := &member{l: o.lab, name: "ada", place: o.core, proxy: strings.TrimPrefix(strings.TrimSpace(line), "proxy http://")}
	o.until("sshd answers through the proxy", func(ctx context.Context) error {
		try, stop := context.WithTimeout(ctx, 10*time.Second)
		defer stop()
		s, err := via.dial(try, gate.node.Status.Addresses[0]+":22")
		if err != nil {
			return err
		}
		defer s.Close()
		if err := s.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return err
		}
		banner, err := s.r.ReadString('\n')
		if err == nil && !strings.HasPrefix(banner, "SSH-2.0-OpenSSH") {
			err = fmt.Errorf("it says %q", banner)
		}
		return err
	})
	if s, err := via.dial(t.Context(), o.firewallAt.ip+":22"); err == nil {
		s.Close()
		t.Error("an address outside of the mesh is reached through the proxy")
	}
	if err := p.Stop(context.WithoutCancel(t.Context()), patience); err != nil {
		t.Errorf("the proxy does not end in good order: %v\n%s", err, p.said)
	}
	o.nothingLeft(t)
}

// line is the next that a program says.
func (o *office) line(t *testing.T, r *running) string {
	t.Helper()
	if err := r.out.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	text, err := r.lines.ReadString('\n')
	if err != nil {
		_ = r.Kill() // its words are whole when it has ended
		t.Fatalf("the program says nothing: %v\n%s", err, r.said)
	}
	return text
}

// withoutCoordinator: an open shell stays; a new one says what is missing, and goes nowhere else.
func (o *office) withoutCoordinator(t *testing.T) {
	t.Helper()
	open := o.begin(t, visit("cat")...)
	say := func(text string) {
		if _, err := open.in.WriteString(text + "\n"); err != nil {
			t.Fatal(err)
		}
		if heard := o.line(t, open); heard != text+"\n" {
			t.Fatalf("said %q and heard %q", text, heard)
		}
	}
	say("before")
	if err := o.serve.Kill(); err != nil {
		t.Fatal(err)
	}
	say("the coordinator is away")
	out, problem, code := o.ingot("", visit("echo", "in")...)
	if code == 0 || out != "" || !strings.Contains(problem, "get a key of the mesh") {
		t.Errorf("without the coordinator: exit code %d, %q, %q", code, out, problem)
	}
	o.startServe()
	say("the coordinator is back")
	if err := open.in.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-open.Done():
	case <-time.After(patience):
		t.Fatal("the shell does not end with its input")
	}
	if open.Err() != nil {
		t.Errorf("the shell ends with %v\n%s", open.Err(), open.said)
	}
	o.nothingLeft(t)
}

// withoutMachine: its member is gone, and its sshd and its address outside of the mesh are there.
func (o *office) withoutMachine(t *testing.T, gate *firewall) {
	t.Helper()
	if err := gate.Kill(); err != nil {
		t.Fatal(err)
	}
	o.refuses(t, "no answer within", visit("echo", "in")...)
	gate.run("join", "")
	o.until("the machine is back", func(context.Context) error {
		if out, problem, code := o.ingot("", visit("echo", "in")...); code != 0 || out != "in\n" {
			return fmt.Errorf("exit code %d, %q, %q", code, out, problem)
		}
		return nil
	})
}

// again gives the machine's name to another: what was the earlier one's is nobody's any more, and what opens the one does not open the other.
func (o *office) again(t *testing.T, gate *firewall) {
	t.Helper()
	if err := o.api.Delete(t.Context(), gate.machine); err != nil {
		t.Fatal(err)
	}
	gate.ends(t) // with its Machine the node is expelled
	o.refuses(t, "there is no machine", visit("echo", "in")...)
	if err := os.RemoveAll(filepath.Join(o.dir, "edge")); err != nil {
		t.Fatal(err)
	}
	next := o.invite(t, o.firewallAt, "edge")
	o.refuses(t, "has not joined the mesh", visit("echo", "in")...)

	// In the mesh, by its own host key, and its sshd still lets in whom the earlier machine did.
	if err := gate.sshd.Kill(); err != nil {
		t.Fatal(err)
	}
	next.setUp(t, o, next.text(string(gate.machine.UID)))
	m, _ := o.join(o.firewallAt, "join", "edge", o.minted(next.key))
	m.known(next.key, "is admitted", admitted)
	next.member = m
	o.refuses(t, "unable to authenticate", visit("echo", "in")...)

	next.setUp(t, o, next.text(string(next.machine.UID)))
	if out, problem, code := o.ingot("", visit("echo", "in")...); out != "in\n" || code != 0 {
		t.Errorf("%q, %q, exit code %d", out, problem, code)
	}
	o.nothingLeft(t)
	var nodes ingot.MeshNodeList
	if err := o.api.List(t.Context(), &nodes, client.InNamespace(namespace)); err != nil || len(nodes.Items) != 1 {
		t.Errorf("%d nodes are in the mesh, want the machine's: %v", len(nodes.Items), err)
	}
}
