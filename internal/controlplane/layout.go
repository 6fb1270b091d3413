package controlplane

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/ingotmetal/ingot/internal/trail"
)

// maxSocketPath is the room in sockaddr_un.sun_path on Linux (unix(7)), less the closing zero.
const maxSocketPath = 107

// Layout names the files of a data directory.
type Layout struct{ Dir string }

// Lock is held as long as the process lives.
func (l Layout) Lock() string { return filepath.Join(l.Dir, "apiserver.lock") }

// PKI holds the CA, the serving certificate, the service account key and the encryption key.
func (l Layout) PKI() string { return filepath.Join(l.Dir, "pki") }

// Etcd is the store.
func (l Layout) Etcd() string { return filepath.Join(l.Dir, "etcd") }

// EtcdSocket is where the store listens.
func (l Layout) EtcdSocket() string { return filepath.Join(l.Dir, "etcd.sock") }

// Audit is the folder of the audit trail.
func (l Layout) Audit() string { return filepath.Join(l.Dir, "audit") }

// AuditKey is the public half of the key that signs the audit trail.
func (l Layout) AuditKey() string { return filepath.Join(l.PKI(), trail.PublicFile) }

// EgressSocket is where the API server asks for connections to the issuer.
func (l Layout) EgressSocket() string { return filepath.Join(l.Dir, "egress.sock") }

// AdminKubeconfig is for people.
func (l Layout) AdminKubeconfig() string { return filepath.Join(l.Dir, "admin.kubeconfig") }

// prepare makes the folders and takes the lock. The returned file must stay open: closing it gives the data directory free.
func (l Layout) prepare() (*os.File, error) {
	if len(l.EgressSocket()) > maxSocketPath {
		return nil, fmt.Errorf("the data directory's path %q is too long for a Unix socket in it (%d of at most %d bytes): choose a shorter one",
			l.Dir, len(l.EgressSocket()), maxSocketPath)
	}
	for _, dir := range []string{l.Dir, l.PKI(), l.Etcd()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the data directory: %w", err)
		}
	}
	if err := os.Chmod(l.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory private: %w", err)
	}
	lock, err := os.OpenFile(l.Lock(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the data directory: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("the data directory %s is in use by another ingot-apiserver: stop it, or give another --data-dir: %w", l.Dir, err), lock.Close())
	}
	// A killed predecessor leaves its socket. Nobody else can be listening on it, since the lock is ours.
	for _, file := range []string{l.EtcdSocket(), l.EgressSocket()} {
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, errors.Join(fmt.Errorf("remove the socket of an earlier process: %w", err), lock.Close())
		}
	}
	return lock, nil
}
