package sshcert_test

import (
	"crypto/rand"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/ingotmetal/ingot/sshcert"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func signer(t testing.TB) ssh.Signer {
	t.Helper()
	key, err := sshcert.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func authority(t testing.TB) *sshcert.Authority {
	t.Helper()
	a, err := sshcert.NewAuthority(signer(t))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

var alice = sshcert.Identity{Username: "alice", UID: "1", Groups: []string{"a", "b"}, Extra: map[string][]string{"k": {"v"}}}

func user(t testing.TB, a *sshcert.Authority, change func(*sshcert.UserRequest)) *ssh.Certificate {
	t.Helper()
	r := sshcert.UserRequest{Key: signer(t).PublicKey(), Identity: alice, Purpose: sshcert.ForConsole}
	if change != nil {
		change(&r)
	}
	c, err := a.User(r, now, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWhoIsBelieved(t *testing.T) {
	ours, others := authority(t), authority(t)
	from := netip.MustParseAddr("192.0.2.7")
	host, err := ours.Host(signer(t).PublicKey(), "h", []string{"alice", "purpose:console"}, 1, now, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	long := user(t, ours, nil)
	long.ValidBefore += 3600
	changed := user(t, ours, nil)
	changed.Extensions["identity@ingot.dev"] = `{"username":"root"}`
	for _, c := range []struct {
		name, login, refused string
		key                  ssh.PublicKey
		at                   time.Duration
	}{
		{"ours", "", "", user(t, ours, nil), 0},
		{"ours, at its end", "", "", user(t, ours, nil), sshcert.UserLifetime - time.Second},
		{"expired", "", "expired", user(t, ours, nil), sshcert.UserLifetime + time.Second},
		{"not yet", "", "not yet valid", user(t, ours, nil), -2 * time.Minute},
		{"another authority's", "", "another authority", user(t, others, nil), 0},
		{"a plain key", "", "plain key", signer(t).PublicKey(), 0},
		{"a server's", "", "server's", host, 0},
		{"for a shell", "", "principal", user(t, ours, func(r *sshcert.UserRequest) { r.Purpose, r.Principals = sshcert.ForShell, []string{"root"} }), 0},
		{"longer than we sign", "", "lives for", long, 0},
		{"changed", "", "refused", changed, 0},
		{"from elsewhere", "", "not good from", user(t, ours, func(r *sshcert.UserRequest) { r.Source = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")} }), 0},
		{"from there", "", "", user(t, ours, func(r *sshcert.UserRequest) { r.Source = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }), 0},
		{"another login", "root", "principal", user(t, ours, nil), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := sshcert.UserChecker{Authority: ours.PublicKey(), Purpose: sshcert.ForConsole, Now: func() time.Time { return now.Add(c.at) }}
			who, err := u.Check(c.key, c.login, from)
			switch {
			case c.refused == "" && (err != nil || who.Username != "alice" || len(who.Groups) != 2):
				t.Errorf("refused: %v, %+v", err, who)
			case c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)):
				t.Errorf("%+v, %v; want a refusal with %q", who, err, c.refused)
			case err != nil && who.Username != "":
				t.Errorf("a refusal names %+v", who)
			}
		})
	}
}

func TestWhatIsNotSigned(t *testing.T) {
	a := authority(t)
	for name, change := range map[string]func(*sshcert.UserRequest){
		"nobody":           func(r *sshcert.UserRequest) { r.Identity.Username = "" },
		"no purpose":       func(r *sshcert.UserRequest) { r.Purpose = "" },
		"no login":         func(r *sshcert.UserRequest) { r.Purpose = sshcert.ForShell },
		"a purpose":        func(r *sshcert.UserRequest) { r.Principals = []string{"purpose:shell"} },
		"a certificate":    func(r *sshcert.UserRequest) { r.Key = user(t, a, nil) },
		"too many groups":  func(r *sshcert.UserRequest) { r.Identity.Groups = []string{strings.Repeat("x", 40<<10)} },
		"no key":           func(r *sshcert.UserRequest) { r.Key = nil },
		"an empty account": func(r *sshcert.UserRequest) { r.Principals = []string{""} },
	} {
		r := sshcert.UserRequest{Key: signer(t).PublicKey(), Identity: alice, Purpose: sshcert.ForConsole}
		change(&r)
		if c, err := a.User(r, now, rand.Reader); err == nil {
			t.Errorf("%s: signed %v", name, c.ValidPrincipals)
		}
	}
	if _, err := a.Host(signer(t).PublicKey(), "h", nil, 1, now, rand.Reader); err == nil {
		t.Error("a server's certificate for every name is signed")
	}
}

func TestServersAreVerified(t *testing.T) {
	ours, others := authority(t), authority(t)
	made := func(a *sshcert.Authority, name string) ssh.PublicKey {
		c, err := a.Host(signer(t).PublicKey(), "h", []string{name}, 1, now, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	check := sshcert.HostCallback(ours.PublicKey(), func() time.Time { return now })
	for name, c := range map[string]struct {
		key ssh.PublicKey
		ok  bool
	}{
		"ours":                 {made(ours, "console.test"), true},
		"ours for another":     {made(ours, "other.test"), false},
		"another authority's":  {made(others, "console.test"), false},
		"a plain key":          {signer(t).PublicKey(), false},
		"a user's certificate": {user(t, ours, nil), false},
	} {
		if err := check("console.test:8451", &net.TCPAddr{}, c.key); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	line := sshcert.KnownHosts("*", ours.PublicKey())
	marker, hosts, key, _, _, err := ssh.ParseKnownHosts([]byte(line))
	if err != nil || marker != "cert-authority" || len(hosts) != 1 || string(key.Marshal()) != string(ours.PublicKey().Marshal()) {
		t.Errorf("%q: %v", line, err)
	}
}

// FuzzCheck: whatever key is shown, the checker neither breaks nor believes what our authority did not sign.
func FuzzCheck(f *testing.F) {
	a := authority(f)
	f.Add(user(f, a, nil).Marshal())
	f.Add(user(f, authority(f), nil).Marshal())
	f.Add(signer(f).PublicKey().Marshal())
	u := sshcert.UserChecker{Authority: authority(f).PublicKey(), Purpose: sshcert.ForConsole, Now: func() time.Time { return now }}
	f.Fuzz(func(t *testing.T, wire []byte) {
		key, err := ssh.ParsePublicKey(wire)
		if err != nil {
			return
		}
		if who, err := u.Check(key, "", netip.Addr{}); err == nil {
			t.Errorf("believed: %+v", who)
		}
	})
}
