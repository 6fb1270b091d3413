// Package sshcert makes and checks SSH certificates of a site's own authority: short-lived ones by which people are let in, and those by which servers prove who they are
// (OpenSSH, PROTOCOL.certkeys).
//
// It owns what such a certificate says and what is believed of one. It refuses to keep keys, to know who may have a certificate, and to open connections: the role `console` does the
// first two, and whoever dials the last. Package console's server and `ingot ssh` share it.
//
// Entry points: NewAuthority makes an authority of a signer that somebody keeps; Authority.User and Authority.Host sign; UserChecker.Check says on a server who a certificate's holder is;
// HostCallback verifies a server on a client; KnownHosts is the same for people's own ssh.
//
// Invariants: a user's certificate names a purpose, and a server takes those of its own purpose only; it lives for MaxUserLifetime at most, and says who the person is in words that the
// API server can be asked about; nothing is believed of a certificate of another authority, of another type, before its time, or after it.
package sshcert

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// The lifetimes. A certificate lets in; what goes on afterwards is its server's to watch.
const (
	// UserLifetime is how long a person's certificate is good for, MaxUserLifetime the most that a server believes.
	UserLifetime    = 10 * time.Minute
	MaxUserLifetime = 15 * time.Minute
	// HostLifetime is how long a server's certificate is good for; it makes a new one at half of it.
	HostLifetime = 24 * time.Hour
	// backdate allows for clocks that differ.
	backdate = time.Minute
)

// identityExtension holds the Identity. Its name has a domain, as PROTOCOL.certkeys asks for such that OpenSSH does not know.
const identityExtension = "identity@ingot.dev"

// maxIdentityBytes bounds it: group lists of some issuers are long.
const maxIdentityBytes = 32 << 10

// Purpose is what a user's certificate is for. It is among the principals as "purpose:" and the word, so that a certificate for one kind of server opens no other.
type Purpose string

// The purposes.
const (
	// ForConsole lets in at the role `console`.
	ForConsole Purpose = "console"
	// ForShell lets in at one machine, by the login name that is the other principal (Principal).
	ForShell Purpose = "shell"
)

func (p Purpose) principal() string { return "purpose:" + string(p) }

// Principal is by which a certificate opens one machine, whose UID it has, as one user. The machine's sshd is told of it (sshd_config, AuthorizedPrincipalsFile), so that what opens one machine opens no other.
func Principal(login, machineUID string) string { return login + "@" + machineUID }

// Identity is who a person is, in the words of the API server.
type Identity struct {
	Username string              `json:"username"`
	UID      string              `json:"uid,omitempty"`
	Groups   []string            `json:"groups,omitempty"`
	Extra    map[string][]string `json:"extra,omitempty"`
}

// Authority signs.
type Authority struct{ signer ssh.Signer }

// NewAuthority makes an authority of a key. A certificate cannot sign.
func NewAuthority(s ssh.Signer) (*Authority, error) {
	if _, is := s.PublicKey().(*ssh.Certificate); is {
		return nil, errors.New("make an SSH authority: the key is a certificate, which cannot sign others")
	}
	return &Authority{s}, nil
}

// GenerateKey makes an authority's key from a source of randomness, as the PEM of OpenSSH.
func GenerateKey(random io.Reader) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(random)
	if err != nil {
		return nil, fmt.Errorf("make an SSH key: %w", err)
	}
	return key, nil
}

// PublicKey is what others verify by.
func (a *Authority) PublicKey() ssh.PublicKey { return a.signer.PublicKey() }

// UserRequest says what a person's certificate is to say.
type UserRequest struct {
	// Key is the person's own; the other half never leaves them.
	Key      ssh.PublicKey
	Identity Identity
	Purpose  Purpose
	// Principals are logins at machines (Principal); empty for a console, where rights are asked for at the API server.
	Principals []string
	// Source are the networks from which the certificate is good; empty: any.
	Source []netip.Prefix
	Serial uint64
}

// User signs a person's certificate. Its key ID is the person's name, which servers log.
func (a *Authority) User(r UserRequest, now time.Time, random io.Reader) (*ssh.Certificate, error) {
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("sign an SSH certificate of %q: %w", r.Identity.Username, err)
	}
	identity, err := json.Marshal(r.Identity)
	if err != nil || len(identity) > maxIdentityBytes {
		return nil, fmt.Errorf("sign an SSH certificate of %q: the groups take %d bytes, at most %d are possible", r.Identity.Username, len(identity), maxIdentityBytes)
	}
	c := &ssh.Certificate{
		Key: r.Key, Serial: r.Serial, CertType: ssh.UserCert, KeyId: r.Identity.Username,
		ValidPrincipals: append([]string{r.Purpose.principal()}, r.Principals...),
		ValidAfter:      uint64(now.Add(-backdate).Unix()), ValidBefore: uint64(now.Add(UserLifetime).Unix()),
		Permissions: ssh.Permissions{CriticalOptions: map[string]string{}, Extensions: map[string]string{"permit-pty": "", identityExtension: string(identity)}},
	}
	if len(r.Source) > 0 {
		var all []string
		for _, p := range r.Source {
			all = append(all, p.String())
		}
		c.CriticalOptions["source-address"] = strings.Join(all, ",")
	}
	if err := c.SignCert(random, a.signer); err != nil {
		return nil, fmt.Errorf("sign an SSH certificate of %q: %w", r.Identity.Username, err)
	}
	return c, nil
}

func (r UserRequest) check() error {
	switch _, is := r.Key.(*ssh.Certificate); {
	case r.Key == nil, is:
		return errors.New("a plain public key is needed")
	case r.Identity.Username == "":
		return errors.New("nobody is named")
	case r.Purpose != ForConsole && r.Purpose != ForShell:
		return fmt.Errorf("purpose %q is unknown", r.Purpose)
	case r.Purpose == ForShell && len(r.Principals) == 0:
		return errors.New("a certificate for a shell needs a login name")
	case slices.ContainsFunc(r.Principals, func(p string) bool { return p == "" || strings.HasPrefix(p, "purpose:") }):
		return errors.New("a principal is empty or is a purpose")
	}
	return nil
}

// Host signs a server's certificate for the names that clients dial it by: host names and addresses without a port.
func (a *Authority) Host(key ssh.PublicKey, id string, names []string, serial uint64, now time.Time, random io.Reader) (*ssh.Certificate, error) {
	if len(names) == 0 || slices.Contains(names, "") {
		return nil, fmt.Errorf("sign the SSH certificate of server %q: a certificate without a name is good for every name", id)
	}
	c := &ssh.Certificate{
		Key: key, Serial: serial, CertType: ssh.HostCert, KeyId: id, ValidPrincipals: names,
		ValidAfter: uint64(now.Add(-backdate).Unix()), ValidBefore: uint64(now.Add(HostLifetime).Unix()),
	}
	if err := c.SignCert(random, a.signer); err != nil {
		return nil, fmt.Errorf("sign the SSH certificate of server %q: %w", id, err)
	}
	return c, nil
}
