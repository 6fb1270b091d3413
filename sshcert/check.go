package sshcert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// UserChecker says on a server who the holder of a certificate is.
type UserChecker struct {
	Authority ssh.PublicKey
	Purpose   Purpose
	Now       func() time.Time
}

// Check verifies a certificate that somebody shows from an address and proves to hold. login is a principal that must be among the certificate's, empty for none beside the purpose.
func (u UserChecker) Check(key ssh.PublicKey, login string, from netip.Addr) (Identity, error) {
	c, is := key.(*ssh.Certificate)
	if !is {
		return Identity{}, errors.New("a plain key was shown: a certificate of this site is needed, see `ingot console certificate`")
	}
	if c.CertType != ssh.UserCert {
		return Identity{}, errors.New("the certificate is a server's")
	}
	if !issuedBy(c, u.Authority) {
		return Identity{}, errors.New("the certificate is of another authority")
	}
	if life := time.Duration(c.ValidBefore-c.ValidAfter) * time.Second; c.ValidBefore < c.ValidAfter || c.ValidBefore-c.ValidAfter > uint64((MaxUserLifetime+backdate)/time.Second) {
		return Identity{}, fmt.Errorf("the certificate lives for %s, at most %s are believed", life, MaxUserLifetime)
	}
	checker := &ssh.CertChecker{Clock: u.Now, IsUserAuthority: func(k ssh.PublicKey) bool { return same(k, u.Authority) }, SupportedCriticalOptions: []string{"source-address"}}
	for _, principal := range []string{u.Purpose.principal(), login} {
		if principal == "" {
			continue
		}
		if err := checker.CheckCert(principal, c); err != nil {
			return Identity{}, fmt.Errorf("the certificate %s is refused: %w", c.KeyId, err)
		}
	}
	if err := checkSource(c.CriticalOptions["source-address"], from); err != nil {
		return Identity{}, err
	}
	return identityOf(c)
}

func issuedBy(c *ssh.Certificate, authority ssh.PublicKey) bool {
	return c.SignatureKey != nil && same(c.SignatureKey, authority)
}

func same(a, b ssh.PublicKey) bool {
	return a != nil && b != nil && bytes.Equal(a.Marshal(), b.Marshal())
}

func checkSource(allowed string, from netip.Addr) error {
	if allowed == "" {
		return nil
	}
	for text := range strings.SplitSeq(allowed, ",") {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return fmt.Errorf("the certificate's source %q is no network", text)
		}
		if p.Contains(from.Unmap()) {
			return nil
		}
	}
	return fmt.Errorf("the certificate is not good from %s", from)
}

func identityOf(c *ssh.Certificate) (Identity, error) {
	var who Identity
	text := c.Extensions[identityExtension]
	if len(text) == 0 || len(text) > maxIdentityBytes {
		return who, errors.New("the certificate does not say who its holder is")
	}
	if err := json.Unmarshal([]byte(text), &who); err != nil {
		return who, fmt.Errorf("the certificate does not say who its holder is: %w", err)
	}
	if who.Username == "" || who.Username != c.KeyId {
		return Identity{}, errors.New("the certificate names its holder in two ways")
	}
	return who, nil
}

// HostCallback verifies the server that a client dials: by a certificate of the authority for the dialed name. The checker has no fallback: a plain key is refused.
func HostCallback(authority ssh.PublicKey, now func() time.Time) ssh.HostKeyCallback {
	checker := &ssh.CertChecker{
		Clock:           now,
		IsHostAuthority: func(k ssh.PublicKey, _ string) bool { return same(k, authority) },
	}
	return checker.CheckHostKey
}

// KnownHosts is the line for people's known_hosts file by which their own ssh verifies servers of the pattern, like "*" or "[127.0.0.1]:8451".
func KnownHosts(pattern string, authority ssh.PublicKey) string {
	return "@cert-authority " + pattern + " " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(authority)))
}
