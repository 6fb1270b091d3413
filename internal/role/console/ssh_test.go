package console

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/console"
	"github.com/ingotmetal/ingot/internal/pki"
	server "github.com/ingotmetal/ingot/internal/server/console"
	"github.com/ingotmetal/ingot/sshcert"
)

// TestConsolesOverSSH: a service's token is traded for a certificate; with it a console is seen over SSH, and the BMC is one whose console is itself at an SSH server. Then everything that
// is no such certificate.
func TestConsolesOverSSH(t *testing.T) {
	w := newWorld(t, "overssh")
	bmcKey := newKey(t)
	b := w.redfish(bmcKey)
	w.host(b.Address(), map[string]string{ingot.BMCSSHHostKeyAnnotation: ssh.FingerprintSHA256(bmcKey.PublicKey())}, true)
	a := w.project("a", nil)
	robot := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: a, Name: "robot"}}
	w.create(robot)
	w.create(&rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: a, Name: "robot"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "ingot:tenant:editor"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: a, Name: "robot"}},
	})
	w.bound(a, "system:serviceaccount:"+a+":robot")
	_, claim := w.allocate(a, "m")
	target := console.Target{Kind: console.MachineKind, Namespace: a, Name: "m"}
	person := newKey(t)
	ask := server.CertificateRequest{PublicKey: string(ssh.MarshalAuthorizedKey(person.PublicKey()))}

	if status, text := w.ask(w.client(""), http.MethodPost, "/v1/ssh/certificate", w.token(robot, "https://elsewhere.test"), ask); status != http.StatusUnauthorized {
		t.Errorf("a token for another audience: %d %s", status, text)
	}
	if s, status, text := w.dial(w.client(""), target, "type", w.token(robot, "https://elsewhere.test")); s != nil || status != http.StatusUnauthorized {
		t.Errorf("a token for another audience at the console: %d %s", status, text)
	}
	status, text := w.ask(w.client(""), http.MethodPost, "/v1/ssh/certificate", w.token(robot, ""), ask)
	var got server.CertificateAnswer
	if err := json.Unmarshal(text, &got); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s: %v", status, text, err)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(got.Certificate))
	if err != nil {
		t.Fatal(err)
	}
	authority, _, _, _, err := ssh.ParseAuthorizedKey([]byte(got.Authority))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewCertSigner(key.(*ssh.Certificate), person)
	if err != nil {
		t.Fatal(err)
	}
	out := w.shell(signer, authority, target.Login())
	n := 0
	w.until("the console shows what the machine writes", func() error {
		n++
		w.machine.Say(fmt.Sprintf("is anybody there %d?", n))
		return out.has("is anybody there")
	})
	if _, err := io.WriteString(out.in, "root\r"); err != nil {
		t.Fatal(err)
	}
	w.until("the machine hears", func() error {
		if w.machine.Typed() != "root\r" {
			return &deaf{w.machine.Typed()}
		}
		return nil
	})
	// The BMC drops the console: it is opened again, and that is said.
	b.DropConsoles()
	w.until("it is said that the console is gone", func() error { return out.has("the serial console is gone") })
	w.until("the console is open again", func() error {
		n++
		w.machine.Say(fmt.Sprintf("back again %d", n))
		return out.has("back again")
	})
	w.delete(claim)
	w.until("the session is over", out.over)
	seen := len(out.String())
	w.machine.Say("the secret after the release")
	if strings.Contains(out.String(), "secret after") || len(out.String()) != seen {
		t.Errorf("after the end: %q", out.String()[seen:])
	}
	w.refusals(person, authority, target)
}

// refusals are certificates that open nothing.
func (w *world) refusals(person ssh.Signer, authority ssh.PublicKey, target console.Target) {
	w.t.Helper()
	s := &corev1.Secret{}
	if err := w.admin.Get(w.ctx, client.ObjectKey{Namespace: ingot.ConsoleNamespace, Name: ingot.SSHAuthoritySecret}, s); err != nil {
		w.t.Fatal(err)
	}
	ca, err := ssh.ParsePrivateKey(s.Data[ingot.SSHAuthorityKey])
	if err != nil {
		w.t.Fatal(err)
	}
	ours, err := sshcert.NewAuthority(ca)
	if err != nil {
		w.t.Fatal(err)
	}
	others, err := sshcert.NewAuthority(newKey(w.t))
	if err != nil {
		w.t.Fatal(err)
	}
	admin := sshcert.Identity{Username: "ingot:operator:x", Groups: []string{pki.OperatorGroup, "system:authenticated"}}
	for name, c := range map[string]struct {
		by *sshcert.Authority
		at time.Time
		to sshcert.Purpose
	}{
		"expired": {ours, time.Now().Add(-sshcert.UserLifetime - time.Minute), sshcert.ForConsole}, "another authority's": {others, time.Now(), sshcert.ForConsole}, "for a shell": {ours, time.Now(), sshcert.ForShell},
	} {
		r := sshcert.UserRequest{Key: person.PublicKey(), Identity: admin, Purpose: c.to}
		if c.to == sshcert.ForShell {
			r.Principals = []string{"root"}
		}
		made, err := c.by.User(r, c.at, rand.Reader)
		if err != nil {
			w.t.Fatal(err)
		}
		signer, err := ssh.NewCertSigner(made, person)
		if err != nil {
			w.t.Fatal(err)
		}
		if conn, err := w.login(signer, authority, target.Login()); err == nil {
			_ = conn.Close()
			w.t.Errorf("let in: %s", name)
		} else if !strings.Contains(err.Error(), "unable to authenticate") {
			w.t.Errorf("%s: %v", name, err)
		}
	}
	if conn, err := w.login(person, authority, target.Login()); err == nil {
		_ = conn.Close()
		w.t.Error("let in by a plain key")
	}
	// One that is good lets nobody see a console that is not theirs.
	made, err := ours.User(sshcert.UserRequest{Key: person.PublicKey(), Identity: sshcert.Identity{Username: "mallory", Groups: []string{"system:authenticated"}}, Purpose: sshcert.ForConsole}, time.Now(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	signer, err := ssh.NewCertSigner(made, person)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, login := range []string{target.Login(), "host." + w.name + ".h", "root"} {
		out := w.shell(signer, authority, login)
		w.until("mallory is refused", out.over)
		if !strings.Contains(out.String(), "may not") && login != "root" {
			w.t.Errorf("%s: %q", login, out.String())
		}
	}
	if _, err := w.login(signer, newKey(w.t).PublicKey(), target.Login()); err == nil {
		w.t.Error("a client took a server of another authority for its own")
	}
}

func newKey(t testing.TB) ssh.Signer {
	t.Helper()
	private, err := sshcert.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// token is a service's, for the API server or another audience.
func (w *world) token(of *corev1.ServiceAccount, audience string) string {
	w.t.Helper()
	r := &authenticationv1.TokenRequest{}
	if audience != "" {
		r.Spec.Audiences = []string{audience}
	}
	if err := w.admin.SubResource("token").Create(w.ctx, of, r); err != nil {
		w.t.Fatal(err)
	}
	return r.Status.Token
}

func (w *world) login(signer ssh.Signer, authority ssh.PublicKey, user string) (*ssh.Client, error) {
	conn, err := new(net.Dialer).DialContext(w.ctx, "tcp", w.ssh.String())
	if err != nil {
		return nil, err
	}
	way, channels, requests, err := ssh.NewClientConn(conn, w.ssh.String(), &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: sshcert.HostCallback(authority, time.Now),
		HostKeyAlgorithms: []string{ssh.CertAlgoED25519v01},
	})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return ssh.NewClient(way, channels, requests), nil
}

// shown is what a person sees over SSH.
type shown struct {
	in io.Writer

	mu    sync.Mutex
	text  bytes.Buffer
	ended bool
}

func (s *shown) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *shown) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (s *shown) has(text string) error {
	if got := s.String(); !strings.Contains(got, text) {
		return fmt.Errorf("%q is not in %q", text, got)
	}
	return nil
}

func (s *shown) over() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		return fmt.Errorf("it goes on: %q", s.text.String())
	}
	return nil
}

func (w *world) shell(signer ssh.Signer, authority ssh.PublicKey, user string) *shown {
	w.t.Helper()
	c, err := w.login(signer, authority, user)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	session, err := c.NewSession()
	if err != nil {
		w.t.Fatal(err)
	}
	s := &shown{}
	session.Stdout = s
	if s.in, err = session.StdinPipe(); err != nil {
		w.t.Fatal(err)
	}
	if err := session.RequestPty("xterm", 24, 80, nil); err != nil {
		w.t.Fatal(err)
	}
	if err := session.Shell(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		_ = session.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ended = true
	}()
	return s
}

// TestTheBMCLosesItsSerialSession: an IPMI BMC restarts while somebody watches.
func TestTheBMCLosesItsSerialSession(t *testing.T) {
	w := newWorld(t, "lost")
	b := w.ipmi("")
	w.host(b.Address(), nil, false)
	s, status, text := w.dial(w.client("ingot:operator:test", pki.OperatorGroup), console.Target{Kind: console.HostKind, Namespace: w.name, Name: "h"}, "type", "")
	if s == nil {
		t.Fatal(status, text)
	}
	w.sees(s)
	at := b.HostPort()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	w.until("it is said that the console is gone", func() error { return s.told("the serial console is gone") })
	_ = w.ipmi(at)
	n := 0
	w.until("the console is open again", func() error {
		n++
		w.machine.Say(fmt.Sprintf("back again %d", n))
		return s.has("back again")
	})
}

// TestOnlyLoopback: the role listens nowhere else, whatever it is told.
func TestOnlyLoopback(t *testing.T) {
	good := []string{"--kubeconfig=k", "--partition=p", "--tls-cert=c", "--tls-key=k", "--tls-ca=a", "--data-dir=d"}
	for flag, says := range map[string]string{
		"--bind=0.0.0.0:8450": "loopback", "--bind=10.0.0.1:8450": "loopback", "--bind=[::]:8450": "loopback", "--ssh-bind=192.0.2.1:22": "loopback", "--bind=here": "loopback",
		"--ssh-bind=:8451": "loopback", "--recordings=-1": "0 or more", "--data-dir=": "--data-dir", "--partition=": "--partition",
	} {
		c := Command()
		c.SetArgs(append(append([]string{}, good...), flag))
		c.SetOut(io.Discard)
		c.SetErr(io.Discard)
		c.SilenceUsage = true
		if err := c.ExecuteContext(context.Background()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}
