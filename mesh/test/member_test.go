package test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/meshkey"
)

// member is a process that has joined.
type member struct {
	*process
	l     *lab
	name  string
	place place
	// keyFile is the file that it joined by.
	keyFile string
	// proxy is the address of its HTTP proxy, for those that have one.
	proxy string
	// node is its object.
	node ingot.MeshNode
}

func (l *lab) joinArgs(verb, name, keyFile string) []string {
	args := []string{verb, "--dir", filepath.Join(l.dir, name), "--coordinator", "https://" + coreIP + ":8449", "--ca", l.caFile, "--verbose"}
	if keyFile != "" {
		args = append(args, "--key-file", keyFile)
	}
	if verb == "join" {
		args = append(args, "--remove-key-file", "--hostname", name, "--forward", "22=127.0.0.1:22", "--forward", "80=127.0.0.1:80")
	}
	return args
}

// join starts a member and returns when it has joined, with how long that took.
func (l *lab) join(p place, verb, name string, minted meshkey.Minted) (*member, time.Duration) {
	l.t.Helper()
	m := &member{l: l, name: name, place: p}
	file := ""
	if !minted.Key.IsZero() {
		file = l.keyFile(minted)
		m.keyFile = file
	}
	began := time.Now()
	m.run(verb, file)
	return m, time.Since(began)
}

// run starts the member's process; without a key it is one that comes back.
func (m *member) run(verb, keyFile string) {
	m.l.t.Helper()
	if err := os.Truncate(filepath.Join(m.l.dir, m.name+".log"), 0); err != nil && !os.IsNotExist(err) {
		m.l.t.Fatal(err)
	}
	m.process = m.l.start(m.place, m.name, m.l.joinArgs(verb, m.name, keyFile)...)
	m.l.until(m.name+" joins", func(context.Context) error {
		select {
		case <-m.Done():
			text, _ := os.ReadFile(m.log)
			m.l.t.Fatalf("%s ended: %v\n%s", m.name, m.Err(), tail(string(text)))
		default:
		}
		if !m.said("joined the mesh") {
			return fmt.Errorf("it has not said so: %s", m.log)
		}
		return nil
	})
	if verb == "proxy" {
		select {
		case line := <-m.lines:
			m.proxy = strings.TrimPrefix(line, "proxy http://")
		case <-time.After(patience):
			m.l.t.Fatalf("%s does not say where its proxy is", m.name)
		}
	}
}

func tail(s string) string {
	const most = 6000
	return s[max(0, len(s)-most):]
}

// known waits until a key's node has an object that is as wanted.
func (m *member) known(key *ingot.MeshKey, what string, want func(n ingot.MeshNode) bool) {
	m.l.t.Helper()
	m.l.until("the MeshNode of "+m.name+" "+what, func(ctx context.Context) error {
		if err := m.l.api.Get(ctx, client.ObjectKeyFromObject(key), key); err != nil {
			return err
		}
		if key.Status.State != ingot.MeshKeyUsed || key.Status.Node == "" {
			return fmt.Errorf("the MeshKey is %s", key.Status.State)
		}
		n := ingot.MeshNode{}
		if err := m.l.api.Get(ctx, client.ObjectKey{Namespace: namespace, Name: key.Status.Node}, &n); err != nil {
			return err
		}
		if !want(n) {
			return fmt.Errorf("it is %+v", n.Status)
		}
		m.node = n
		return nil
	})
}

func admitted(n ingot.MeshNode) bool {
	return meta.IsStatusConditionTrue(n.Status.Conditions, ingot.MeshReadyCondition) && n.Status.Online && len(n.Status.Addresses) == 2 && n.Status.ClientVersion != ""
}

// dial goes through the member's proxy to "PEER:PORT".
func (m *member) dial(ctx context.Context, target string) (*session, error) {
	c, err := m.place.dial(ctx, m.proxy)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target)
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		c.Close()
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		c.Close()
		text := make([]byte, 400)
		n, _ := res.Body.Read(text)
		return nil, fmt.Errorf("%d: %s", res.StatusCode, text[:n])
	}
	if err := c.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	return &session{c, r}, nil
}

// session is a connection to an echo.
type session struct {
	net.Conn
	r *bufio.Reader
}

// say sends a line and reads it back.
func (s *session) say(line string) error {
	if err := s.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := s.Write([]byte(line + "\n")); err != nil {
		return err
	}
	back, err := s.r.ReadString('\n')
	if err != nil {
		return err
	}
	if strings.TrimSpace(back) != line {
		return fmt.Errorf("said %q and heard %q", line, back)
	}
	return nil
}

// reaches waits until a new connection to the target is answered.
func (m *member) reaches(target string) *session {
	m.l.t.Helper()
	var s *session
	m.l.until(m.name+" reaches "+target, func(ctx context.Context) error {
		try, stop := context.WithTimeout(ctx, 10*time.Second)
		defer stop()
		var err error
		if s, err = m.dial(try, target); err != nil {
			return err
		}
		if err := s.say("hello"); err != nil {
			s.Close()
			return err
		}
		return nil
	})
	return s
}

// denied tries for some seconds to reach the target: a packet that a policy drops is answered by nothing, so that waiting is the only way to see it.
func (m *member) denied(target string) {
	m.l.t.Helper()
	ctx, stop := context.WithTimeout(m.l.t.Context(), 4*time.Second)
	defer stop()
	s, err := m.dial(ctx, target)
	if err != nil {
		return
	}
	defer s.Close()
	if err := s.SetDeadline(time.Now().Add(4 * time.Second)); err != nil {
		m.l.t.Fatal(err)
	}
	fmt.Fprintln(s, "hello")
	if back, err := s.r.ReadString('\n'); err == nil {
		m.l.t.Errorf("%s reaches %s, and hears %q", m.name, target, back)
	}
}
