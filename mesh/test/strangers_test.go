package test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tailscale.com/derp"
	"tailscale.com/derp/derphttp"
	"tailscale.com/net/netmon"
	"tailscale.com/types/key"
)

// throughRelay says what the relay tells who comes with a key: nil where it lets them in.
func (l *lab) throughRelay(t *testing.T, private key.NodePrivate) error {
	t.Helper()
	c, err := derphttp.NewClient(private, "https://"+coreIP+":8451/derp", func(string, ...any) {}, netmon.NewStatic())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	c.TLSConfig = &tls.Config{RootCAs: l.ca.Pool(), MinVersion: tls.VersionTLS12}
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	// The relay's key comes first, to everybody; its word on what it will carry comes to whom it let in.
	if err := c.Connect(ctx); err != nil {
		return err
	}
	first, err := c.Recv()
	if err != nil {
		return err
	}
	if _, is := first.(derp.ServerInfoMessage); !is {
		t.Fatalf("the relay begins with a %T", first)
	}
	return nil
}

// strangersAtTheRelay: who has no node key that the coordinator knows has nothing carried. A member's key shows that it is the key.
func (l *lab) strangersAtTheRelay(t *testing.T, m *member) {
	t.Helper()
	if err := l.throughRelay(t, key.NewNode()); err == nil {
		t.Error("the relay lets a stranger in")
	}
	if err := l.throughRelay(t, m.private(t)); err != nil {
		t.Errorf("the relay does not let a member in: %v", err)
	}
}

// private is a member's node key, from its folder.
func (m *member) private(t *testing.T) key.NodePrivate {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(m.l.dir, m.name, "tailscaled.state"))
	if err != nil {
		t.Fatal(err)
	}
	var stored map[string][]byte
	if err := json.Unmarshal(text, &stored); err != nil {
		t.Fatal(err)
	}
	for name, value := range stored {
		var profile struct {
			Config struct{ PrivateNodeKey key.NodePrivate }
		}
		if strings.HasPrefix(name, "profile-") && json.Unmarshal(value, &profile) == nil && !profile.Config.PrivateNodeKey.IsZero() {
			return profile.Config.PrivateNodeKey
		}
	}
	t.Fatalf("the state of %s has no node key", m.name)
	return key.NodePrivate{}
}

// secondCoordinator: one that is started on a folder that another has ends, and says why, and the first goes on.
func (l *lab) secondCoordinator(t *testing.T) {
	t.Helper()
	second := l.start(l.core, "second", l.serveArgs(l.data, "--health-bind", "127.0.0.1:8462")...)
	select {
	case <-second.Done():
	case <-time.After(patience):
		t.Fatalf("two coordinators have one store: %s", second.log)
	}
	var exit *exec.ExitError
	if !errors.As(second.Err(), &exit) || !second.said("another coordinator has it") {
		text, _ := os.ReadFile(second.log)
		t.Errorf("a second coordinator ends with %v:\n%s", second.Err(), tail(string(text)))
	}
}

// takesOver moves the killed coordinator's store to another folder, as to another host, where a standby goes on with it.
func (l *lab) takesOver(t *testing.T) {
	t.Helper()
	from, to := l.data, filepath.Join(l.dir, "standby-data")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(from, from+"-dead"); err != nil {
		t.Fatal(err)
	}
	l.data = to
}
