// Package ticket is a login that is good once: a file that one process writes and another takes away.
//
// It owns the folder of tickets, their codes and their time. `ingot up` writes one for whoever started it, and prints its code as a link; the web page's server takes it when the code is shown.
// It refuses to say what may be done with it: a ticket holds a client certificate, and that is the API server's to judge.
//
// Why files: both processes are one user's on one machine, either may be killed in between, and a file that is renamed away cannot be taken twice. The code is in no file: its SHA-256 is the name.
//
// Invariants: a ticket is taken once, by whoever comes first; none is taken after its time; one that is over is removed with the next that is written.
package ticket

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/internal/pki"
)

// Life is how long a ticket is good.
const Life = 15 * time.Minute

// ErrNone: the code is no ticket's, was used, or is too old.
var ErrNone = errors.New("this link was used before, is older than a quarter of an hour, or was never given: start `ingot up` again for another one, or log in with a token")

// Ticket is who logs in.
type Ticket struct {
	// CertPEM and KeyPEM are a client certificate of the API server's, and its key.
	CertPEM []byte `json:"cert"`
	KeyPEM  []byte `json:"key"`
	// Until is the ticket's end, not the certificate's.
	Until time.Time `json:"until"`
}

const suffix = ".ticket"

// Write keeps a ticket and gives its code: 256 bits in base64url.
func Write(dir string, certPEM, keyPEM []byte, now time.Time) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the folder of the page's login links: %w", err)
	}
	if err := sweep(dir, now); err != nil {
		return "", err
	}
	b := make([]byte, 32)
	_, _ = rand.Read(b) // it never fails: crypto/rand ends the program instead
	code := base64.RawURLEncoding.EncodeToString(b)
	text, err := json.Marshal(Ticket{CertPEM: certPEM, KeyPEM: keyPEM, Until: now.Add(Life)})
	if err != nil {
		return "", fmt.Errorf("write a login link: %w", err)
	}
	return code, pki.WriteFile(file(dir, code), text, 0o600)
}

// Take gives the code's ticket, once.
func Take(dir, code string, now time.Time) (Ticket, error) {
	var t Ticket
	name := file(dir, code)
	mine := name + "-" + fmt.Sprint(os.Getpid()) + "-" + rand.Text()
	if err := os.Rename(name, mine); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return t, ErrNone
		}
		return t, fmt.Errorf("take a login link: %w", err)
	}
	text, err := os.ReadFile(mine)
	if err = errors.Join(err, os.Remove(mine)); err != nil {
		return t, fmt.Errorf("take a login link: %w", err)
	}
	if err := json.Unmarshal(text, &t); err != nil {
		return t, fmt.Errorf("read a login link: %w", err)
	}
	if !now.Before(t.Until) {
		return Ticket{}, ErrNone
	}
	return t, nil
}

func file(dir, code string) string {
	sum := sha256.Sum256([]byte(code))
	return filepath.Join(dir, hex.EncodeToString(sum[:])+suffix)
}

// sweep removes what is over, and what a process that was killed had taken.
func sweep(dir string, now time.Time) error {
	all, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look through the page's login links: %w", err)
	}
	for _, e := range all {
		info, err := e.Info()
		if err != nil || !strings.Contains(e.Name(), suffix) || now.Sub(info.ModTime()) < Life {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove a login link that is over: %w", err)
		}
	}
	return nil
}
