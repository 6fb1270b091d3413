package login

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/internal/signin"
)

// stored is what a login leaves behind: in a file of the person's alone.
type stored struct {
	signin.Issuer
	tokens signin.Tokens
}

// file is the form of stored on the disk. Its words are secrets.
type file struct {
	signin.Issuer
	IDToken      string    `json:"idToken"`
	RefreshToken string    `json:"refreshToken,omitempty"`
	Expires      time.Time `json:"expires"`
}

// store is the folder of logins, one file per issuer and client.
type store struct{ dir string }

func openStore() (store, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return store{}, fmt.Errorf("find the folder for tokens: %w: set XDG_CACHE_HOME or HOME", err)
	}
	s := store{filepath.Join(cache, "ingot", "tokens")}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return store{}, fmt.Errorf("make the folder for tokens: %w", err)
	}
	return s, os.Chmod(s.dir, 0o700)
}

// path is the file's. The name shows nothing but that it is another login's.
func (s store) path(issuer, clientID string) string {
	sum := sha256.Sum256([]byte(issuer + "\x00" + clientID))
	return filepath.Join(s.dir, hex.EncodeToString(sum[:16])+".json")
}

// errNoLogin is that there is none yet, or none any more.
var errNoLogin = errors.New("nobody is logged in: run `ingot login`")

func (s store) read(issuer, clientID string) (stored, error) {
	name := s.path(issuer, clientID)
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return stored{}, errNoLogin
	}
	if err != nil {
		return stored{}, fmt.Errorf("read the login: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return stored{}, fmt.Errorf("%s can be read by others (%v): run `ingot logout` and `ingot login`, since somebody may have taken the tokens", name, info.Mode().Perm())
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return stored{}, fmt.Errorf("read the login: %w", err)
	}
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return stored{}, fmt.Errorf("%s holds no login: run `ingot login` again", name)
	}
	return stored{Issuer: f.Issuer, tokens: signin.Tokens{ID: secret.New(f.IDToken), Refresh: secret.New(f.RefreshToken), Expires: f.Expires}}, nil
}

func (s store) write(l stored) error {
	text, err := json.Marshal(file{Issuer: l.Issuer, IDToken: l.tokens.ID.Reveal(), RefreshToken: l.tokens.Refresh.Reveal(), Expires: l.tokens.Expires})
	if err != nil {
		return fmt.Errorf("store the login: %w", err)
	}
	return pki.WriteFile(s.path(l.URL, l.ClientID), text, 0o600)
}

// remove is no error where there is nothing.
func (s store) remove(issuer, clientID string) error {
	if err := os.Remove(s.path(issuer, clientID)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the login: %w", err)
	}
	return nil
}

// lock keeps two programs from renewing at the same time: many issuers give a refresh token that is good once, and take its second use for theft. The returned function gives it free.
func (s store) lock(issuer, clientID string) (func(), error) {
	f, err := os.OpenFile(s.path(issuer, clientID)+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the login: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the login: %w", err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}
