package test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// TestMesh is the life of a mesh: one lab, since each step goes on from where the one before left it.
func TestMesh(t *testing.T) {
	l := newLab(t)
	firewallAt, operatorAt, otherAt := newPlace(t, "firewall", 2), newPlace(t, "operator", 3), newPlace(t, "other", 4)
	echo(t, firewallAt.listen(t, "127.0.0.1:22"))
	echo(t, firewallAt.listen(t, "127.0.0.1:80"))

	firewallKey, minted := l.key("edge", firewallSpec("edge"))
	firewall, took := l.join(firewallAt, "join", "edge", minted)
	t.Logf("join of a firewall: %.2f s", took.Seconds())
	firewall.known(firewallKey, "is admitted", admitted)
	if _, err := os.Stat(firewall.keyFile); !os.IsNotExist(err) {
		t.Errorf("the file of the key that was used is left: %v", err)
	}
	operatorKey, operatorMinted := l.key("ada", operatorSpec("ada"))
	operator, took := l.join(operatorAt, "proxy", "ada", operatorMinted)
	t.Logf("join of an operator: %.2f s", took.Seconds())
	operator.known(operatorKey, "is admitted", admitted)
	target := firewall.node.Status.Addresses[0]

	step := func(name string, f func(t *testing.T)) {
		if t.Failed() {
			t.Fatalf("not tried: %s", name)
		}
		began := time.Now()
		f(t)
		t.Logf("%s: %.1f s", name, time.Since(began).Seconds())
	}
	step("who reaches what", func(t *testing.T) {
		t.Helper()
		operator.reaches(target + ":22").Close()
		operator.reaches(strings.TrimPrefix(firewall.node.Status.NodeKey, "nodekey:") + ":22").Close()
		operator.denied(target + ":80")
		for _, name := range []string{"edge:22", "edg:22", firewallAt.ip + ":22", coreIP + ":6443"} {
			if s, err := operator.dial(t.Context(), name); err == nil {
				s.Close()
				t.Errorf("%s is no peer's address or key, and was dialed", name)
			}
		}
	})
	other := l.otherFirewall(t, otherAt, operator)
	step("keys that let nobody in", func(t *testing.T) { t.Helper(); l.badKeys(t, otherAt, minted.Key.Reveal()) })
	step("the key is nowhere", func(t *testing.T) { t.Helper(); l.keyIsNowhere(t, minted.Key.Reveal(), operatorMinted.Key.Reveal()) })
	step("memory", func(t *testing.T) { t.Helper(); l.memory(t, firewall, operator) })
	step("a program that is too old", func(t *testing.T) { t.Helper(); l.tooOld(t, operator, firewall, operatorKey, firewallKey) })
	step("strangers at the relay", func(t *testing.T) { t.Helper(); l.strangersAtTheRelay(t, other) })
	step("a second coordinator", func(t *testing.T) { t.Helper(); l.secondCoordinator(t) })
	step("the coordinator is away", func(t *testing.T) { t.Helper(); l.away(t, operator, firewall, operatorKey, firewallKey) })
	step("expelled", func(t *testing.T) { t.Helper(); l.expelled(t, operator, firewall, other) })
	step("keys that are over", func(t *testing.T) { t.Helper(); l.keysGo(t, firewall, operatorKey, firewallKey) })
	for _, p := range []place{l.core, firewallAt, operatorAt, otherAt} {
		if who := p.strangers(t); who != "" {
			t.Errorf("somebody outside of the lab was sent something from %q: %s", p.name, who)
		}
	}
	// The watch would have seen it.
	err := operatorAt.do(func() error {
		c, err := new(net.Dialer).DialContext(t.Context(), "udp", "192.0.2.99:53")
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write([]byte("hello"))
		return err
	})
	if err != nil || operatorAt.strangers(t) == "" {
		t.Errorf("a datagram to a stranger is not seen: %v", err)
	}
}

// otherFirewall is a second firewall, which has a proxy to dial with: by its tag it reaches nobody, also with the operator's address in hand.
func (l *lab) otherFirewall(t *testing.T, p place, operator *member) *member {
	t.Helper()
	key, minted := l.key("other", firewallSpec("other"))
	m, _ := l.join(p, "proxy", "other", minted)
	m.known(key, "is admitted", admitted)
	m.denied(operator.node.Status.Addresses[0] + ":22")
	m.denied(strings.TrimPrefix(operator.node.Status.NodeKey, "nodekey:") + ":22")
	return m
}

// tooOld raises the minimum version over what there is, and lowers it again.
func (l *lab) tooOld(t *testing.T, operator, firewall *member, operatorKey, firewallKey *ingot.MeshKey) {
	t.Helper()
	target := firewall.node.Status.Addresses[0]
	l.restartServe(t, "--minimum-version", "99.0.0")
	old := func(n ingot.MeshNode) bool {
		c := meta.FindStatusCondition(n.Status.Conditions, ingot.MeshReadyCondition)
		return c != nil && c.Reason == "VersionTooOld" && n.Status.Online
	}
	operator.known(operatorKey, "is too old", old)
	firewall.known(firewallKey, "is too old", old)
	l.until("who is too old reaches nobody", func(ctx context.Context) error {
		try, stop := context.WithTimeout(ctx, 4*time.Second)
		defer stop()
		s, err := operator.dial(try, target+":22")
		if err != nil {
			return nil
		}
		s.Close()
		return errors.New("it does")
	})
	l.restartServe(t)
	operator.known(operatorKey, "is admitted again", admitted)
	firewall.known(firewallKey, "is admitted again", admitted)
	operator.reaches(target + ":22").Close()
}

func (l *lab) restartServe(t *testing.T, more ...string) {
	t.Helper()
	if err := l.serve.Stop(context.WithoutCancel(t.Context()), 3*time.Minute); err != nil {
		t.Errorf("the coordinator does not end in good order: %v", err)
	}
	l.startServe(more...)
}

// awayFor is longer than a key of WireGuard's is good for, which is two minutes (REKEY_AFTER_TIME of its paper's section 6.1): members make the next ones by themselves.
const awayFor = 150 * time.Second

// away kills the coordinator: what is open stays open, what is known is dialed, and who restarts comes back, directly and through the relay.
func (l *lab) away(t *testing.T, operator, firewall *member, operatorKey, firewallKey *ingot.MeshKey) {
	t.Helper()
	target := firewall.node.Status.Addresses[0] + ":22"
	open := operator.reaches(target)
	defer open.Close()
	if err := l.serve.Kill(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	say := func(s *session, what string) {
		if err := s.say(what); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	say(open, "an open session, the coordinator killed")
	operator.reaches(target).Close()
	operator.blockUDP(t)
	firewall.blockUDP(t)
	relayed := operator.reaches(target)
	defer relayed.Close()
	say(relayed, "a new session through the relay")
	say(open, "an open session whose direct path ended")
	for _, m := range []*member{firewall, operator} {
		if err := m.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	firewall.run("join", "")
	operator.run("proxy", "")
	back := operator.reaches(target)
	defer back.Close()
	say(back, "both restarted, through the relay")
	turn := time.NewTicker(5 * time.Second)
	defer turn.Stop()
	byRelay, free := 0, 0
	for time.Since(killed) < awayFor {
		<-turn.C
		say(back, "an open session, long after")
		operator.reaches(target).Close()
		if time.Since(killed) < awayFor/2 {
			byRelay++
			continue
		}
		if free == 0 {
			operator.unblockUDP(t)
			firewall.unblockUDP(t)
		}
		free++
	}
	t.Logf("%s without a coordinator: %d new connections through the relay alone, %d with a direct path", time.Since(killed).Round(time.Second), byRelay, free)
	l.takesOver(t)
	l.startServe()
	operator.known(operatorKey, "is online again", admitted)
	firewall.known(firewallKey, "is online again", admitted)
	say(back, "a standby coordinates")
	operator.reaches(target).Close()
}

func (m *member) blockUDP(t *testing.T)   { t.Helper(); m.place.blockUDP(t) }
func (m *member) unblockUDP(t *testing.T) { t.Helper(); m.place.unblockUDP(t) }

// expelled deletes the operator's object: the open session ends, and the same state does not join again.
func (l *lab) expelled(t *testing.T, operator, firewall, other *member) {
	t.Helper()
	target := firewall.node.Status.Addresses[0] + ":22"
	open := operator.reaches(target)
	defer open.Close()
	node := operator.node.DeepCopy()
	if err := l.api.Delete(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	l.until("the MeshNode goes", func(ctx context.Context) error {
		if err := l.api.Get(ctx, client.ObjectKeyFromObject(node), node); !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is there: %w", cmp.Or(err, errors.New("nothing was wrong")))
		}
		return nil
	})
	l.until("who was expelled reaches nobody", func(ctx context.Context) error {
		try, stop := context.WithTimeout(ctx, 4*time.Second)
		defer stop()
		s, err := operator.dial(try, target)
		if err != nil {
			return nil
		}
		s.Close()
		return errors.New("it does")
	})
	operator.ends(t)
	// By the last map that it has it may believe to be in the mesh. Nobody else does, and it hears that.
	again := &member{process: l.start(operator.place, "expelled", l.joinArgs("proxy", operator.name, "")...), l: l, name: "who was expelled", place: operator.place}
	again.ends(t)
	if firewall.Err() != nil {
		t.Errorf("the peer of who was expelled ended too: %v", firewall.Err())
	}
	if err := l.api.Get(t.Context(), client.ObjectKeyFromObject(&other.node), &other.node); err != nil {
		t.Errorf("another node went too: %v", err)
	}
}

// keysGo has keys not kept: those that expired and that of who was expelled go, that of a member stays, and so does the member.
func (l *lab) keysGo(t *testing.T, firewall *member, gone, stays *ingot.MeshKey) {
	t.Helper()
	late := &ingot.MeshKey{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "late"}}
	for _, key := range []*ingot.MeshKey{gone, late} {
		if err := l.api.Get(t.Context(), client.ObjectKeyFromObject(key), key); err != nil {
			t.Fatalf("a key goes before its hour is over: %v", err)
		}
	}
	l.restartServe(t, "--keep-keys", "0s")
	for _, key := range []*ingot.MeshKey{gone, late} {
		l.until("the MeshKey "+key.Name+" goes", func(ctx context.Context) error {
			if err := l.api.Get(ctx, client.ObjectKeyFromObject(key), key); !apierrors.IsNotFound(err) {
				return fmt.Errorf("it is there: %w", cmp.Or(err, errors.New("nothing was wrong")))
			}
			return nil
		})
	}
	firewall.known(stays, "is online again", func(n ingot.MeshNode) bool { return admitted(n) && n.Status.Online })
	if err := l.api.Get(t.Context(), client.ObjectKeyFromObject(stays), stays); err != nil {
		t.Errorf("the key of a member: %v", err)
	}
}

// expelledCode is the exit code of who was expelled.
const expelledCode = 3

// ends waits for the end of a member that was expelled.
func (m *member) ends(t *testing.T) {
	t.Helper()
	select {
	case <-m.Done():
	case <-time.After(patience):
		t.Fatalf("%s was expelled, and its process stays: %s", m.name, m.log)
	}
	var exit *exec.ExitError
	if !errors.As(m.Err(), &exit) || exit.ExitCode() != expelledCode || !m.said("has expelled this node") {
		text, _ := os.ReadFile(m.log)
		t.Errorf("%s ended with %v, want exit code %d and why\n%s", m.name, m.Err(), expelledCode, tail(string(text)))
	}
}
