package ssh

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/sshcert"
)

func newKey(t *testing.T) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const machineUID = "4c4c4544-0050"

// serve is a machine's sshd as first boot sets it up: it lets in whom the authority signs for it, and answers commands.
func serve(t *testing.T, way net.Conn, hostKey ssh.Signer, authority ssh.PublicKey) {
	t.Helper()
	config := &ssh.ServerConfig{PublicKeyCallback: func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		_, err := sshcert.UserChecker{Authority: authority, Purpose: sshcert.ForShell, Now: time.Now}.Check(key, sshcert.Principal(c.User(), machineUID), netip.Addr{})
		return nil, err
	}}
	config.AddHostKey(hostKey)
	go func() {
		defer way.Close()
		_, channels, requests, err := ssh.NewServerConn(way, config)
		if err != nil {
			return
		}
		go ssh.DiscardRequests(requests)
		for offered := range channels {
			channel, asked, err := offered.Accept()
			if err != nil {
				return
			}
			for r := range asked {
				_ = r.Reply(true, nil)
				switch {
				case r.Type == "shell":
					_, _ = io.Copy(channel, channel)
				case r.Type == "exec" && strings.Contains(string(r.Payload), "fail here"):
					_, _ = io.WriteString(channel.Stderr(), "it failed\n")
					_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{7}))
					_ = channel.Close()
					continue
				}
				_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{0}))
				_ = channel.Close()
			}
		}
	}()
}

// world is a machine and a person with a certificate.
type world struct {
	t         *testing.T
	host      ssh.Signer
	authority *sshcert.Authority
}

func newWorld(t *testing.T) *world {
	t.Helper()
	a, err := sshcert.NewAuthority(newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	return &world{t, newKey(t), a}
}

func (w *world) person(principal string, by *sshcert.Authority, at time.Time) ssh.Signer {
	w.t.Helper()
	key := newKey(w.t)
	c, err := by.User(sshcert.UserRequest{Key: key.PublicKey(), Purpose: sshcert.ForShell, Principals: []string{principal}, Identity: sshcert.Identity{Username: "ada"}}, at, rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := ssh.NewCertSigner(c, key)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// visit logs in, and gives what was shown.
func (w *world) visit(signer ssh.Signer, hostKey ssh.PublicKey, typed string, command ...string) (out, problem string, err error) {
	w.t.Helper()
	// A pipe without a buffer would not do: both sides begin by saying their version.
	l, err := new(net.ListenConfig).Listen(w.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ours, err := new(net.Dialer).DialContext(w.t.Context(), "tcp", l.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	defer ours.Close()
	theirs, err := l.Accept()
	if err != nil {
		w.t.Fatal(err)
	}
	serve(w.t, theirs, w.host, w.authority.PublicKey())
	var o, e bytes.Buffer
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	err = talk(ctx, ours, signer, hostKey, terminalOf(strings.NewReader(typed), &o, &e), command)
	return o.String(), e.String(), err
}

func TestShellAndCommands(t *testing.T) {
	w := newWorld(t)
	ada := w.person(sshcert.Principal("root", machineUID), w.authority, time.Now())
	if out, _, err := w.visit(ada, w.host.PublicKey(), "hello\n"); err != nil || out != "hello\n" {
		t.Errorf("a shell says %q, %v", out, err)
	}
	if _, _, err := w.visit(ada, w.host.PublicKey(), "", "true"); err != nil {
		t.Error(err)
	}
	_, problem, err := w.visit(ada, w.host.PublicKey(), "", "fail", "here")
	var exit *session.Exit
	if !errors.As(err, &exit) || exit.Code != 7 || err.Error() != "" || problem != "it failed\n" {
		t.Errorf("a command that fails: %v, %q", err, problem)
	}
}

// TestForgedHostKey: who stands in the machine's place with a key of their own, or one that the authority signed for another machine, is not taken for it.
func TestForgedHostKey(t *testing.T) {
	w := newWorld(t)
	ada := w.person(sshcert.Principal("root", machineUID), w.authority, time.Now())
	pinned := w.host.PublicKey()
	w.host = newKey(t)
	if out, _, err := w.visit(ada, pinned, "secret\n"); err == nil || !strings.Contains(err.Error(), "host key mismatch") || out != "" {
		t.Errorf("a forged host key: %q, %v", out, err)
	}
	forged := newKey(t)
	c, err := w.authority.Host(forged.PublicKey(), "machine", []string{"machine"}, 1, time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if w.host, err = ssh.NewCertSigner(c, forged); err != nil {
		t.Fatal(err)
	}
	if out, _, err := w.visit(ada, pinned, "secret\n"); err == nil || out != "" {
		t.Errorf("a host certificate in the place of the host key: %q, %v", out, err)
	}
}

// TestCertificatesThatOpenNothing: another machine's, an expired one, another authority's, a plain key.
func TestCertificatesThatOpenNothing(t *testing.T) {
	w := newWorld(t)
	mine := sshcert.Principal("root", machineUID)
	others, err := sshcert.NewAuthority(newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, signer := range map[string]ssh.Signer{
		"another machine's":   w.person(sshcert.Principal("root", "another"), w.authority, time.Now()),
		"a login alone":       w.person("root", w.authority, time.Now()),
		"expired":             w.person(mine, w.authority, time.Now().Add(-time.Hour)),
		"another authority's": w.person(mine, others, time.Now()),
		"a plain key":         newKey(t),
	} {
		if out, _, err := w.visit(signer, w.host.PublicKey(), "secret\n"); err == nil || !strings.Contains(err.Error(), "unable to authenticate") || out != "" {
			t.Errorf("%s: %q, %v", name, out, err)
		}
	}
}

// TestTarget: a machine is found by its UID. Who squats on its name, an earlier machine's node, a node that is not admitted, and one that calls itself like the machine are nobody.
func TestTarget(t *testing.T) {
	host := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(newKey(t).PublicKey())))
	m := &ingot.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "edge", UID: machineUID}, Status: ingot.MachineStatus{SSHHostKey: host}}
	node := func(name, owner string, change func(*ingot.MeshNode)) ingot.MeshNode {
		n := ingot.MeshNode{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, OwnerReferences: []metav1.OwnerReference{{Kind: "Machine", Name: "edge", UID: "x"}}}}
		n.OwnerReferences[0].UID = "earlier"
		if owner != "" {
			n.OwnerReferences[0].UID = machineUID
		}
		n.Spec.Machine, n.Status.Hostname, n.Status.NodeKey = "edge", "edge", "nodekey:"+name
		n.Status.Conditions = []metav1.Condition{{Type: ingot.MeshReadyCondition, Status: metav1.ConditionTrue}}
		if change != nil {
			change(&n)
		}
		return n
	}
	right := node("right", "own", nil)
	strangers := []ingot.MeshNode{
		node("earlier", "", nil),
		node("squatter", "", func(n *ingot.MeshNode) { n.OwnerReferences = nil; n.Spec.Machine = "edg" }),
		node("quarantined", "own", func(n *ingot.MeshNode) { n.Status.Conditions[0].Status = metav1.ConditionFalse }),
		node("leaving", "own", func(n *ingot.MeshNode) { now := metav1.Now(); n.DeletionTimestamp = &now }),
		node("keyless", "own", func(n *ingot.MeshNode) { n.Status.NodeKey = "" }),
	}
	if n, key, err := target(m, append(strangers, right)); err != nil || n.Name != "right" || strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) != host {
		t.Errorf("%+v, %v", n, err)
	}
	if n, _, err := target(m, strangers); err == nil || !strings.Contains(err.Error(), "no other address is tried") {
		t.Errorf("without the machine's node: %+v, %v", n, err)
	}
	if n, _, err := target(m, []ingot.MeshNode{right, node("twin", "own", nil)}); err == nil {
		t.Errorf("of two nodes one is chosen: %+v", n)
	}
	m.Status.SSHHostKey = ""
	if n, _, err := target(m, []ingot.MeshNode{right}); err == nil {
		t.Errorf("without a host key to hold the server to: %+v", n)
	}
}

// TestMachineOfAName: a Firewall's name means its present machine, also where one of the earlier name is still there.
func TestMachineOfAName(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := ingot.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "shop", Name: name} }
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		&ingot.Machine{ObjectMeta: meta("web")}, &ingot.Machine{ObjectMeta: meta("gate")}, &ingot.Machine{ObjectMeta: meta("edge")}, &ingot.Machine{ObjectMeta: meta("edge-2")},
		&ingot.Firewall{ObjectMeta: meta("gate")}, &ingot.Firewall{ObjectMeta: meta("edge"), Status: ingot.FirewallStatus{Machine: "edge-2"}}, &ingot.Firewall{ObjectMeta: meta("new")},
	).Build()
	for name, want := range map[string]string{"web": "web", "gate": "gate", "edge": "edge-2", "edge-2": "edge-2"} {
		if m, err := machine(t.Context(), c, client.ObjectKey{Namespace: "shop", Name: name}); err != nil || m.Name != want {
			t.Errorf("%s: %+v, %v; want %s", name, m, err, want)
		}
	}
	for name, want := range map[string]string{"new": "firewall shop/new has no machine yet", "edg": "there is no machine shop/edg, and no firewall"} {
		if _, err := machine(t.Context(), c, client.ObjectKey{Namespace: "shop", Name: name}); session.ExitCode(err) != session.NotThere || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
