package pki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/ingotmetal/ingot/internal/secret"
)

// Files names a certificate, its key and the CA that it and its peers are checked against.
type Files struct {
	Cert string
	Key  string
	CA   string
}

// FilesIn names <dir>/<name>.crt, <dir>/<name>.key and <dir>/ca.crt.
func FilesIn(dir, name string) Files {
	return Files{Cert: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key"), CA: filepath.Join(dir, "ca.crt")}
}

// OpenCA loads the CA of a folder, or makes it there when there is none. Two processes must not make the same one at the same time: the caller
// holds the lock of the data directory.
func OpenCA(dir, commonName string, now time.Time) (*CA, error) {
	certFile, keyFile := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key")
	keyPEM, err := os.ReadFile(keyFile)
	switch {
	case err == nil:
		certPEM, err := os.ReadFile(certFile)
		if err != nil {
			return nil, fmt.Errorf("read the CA certificate that belongs to %s: %w", keyFile, err)
		}
		ca, err := LoadCA(certPEM, secret.New(string(keyPEM)))
		if err != nil {
			return nil, fmt.Errorf("load the CA in %s: %w", dir, err)
		}
		return ca, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read the CA key: %w", err)
	}
	ca, err := NewCA(commonName, now, CALifetime)
	if err != nil {
		return nil, err
	}
	key, err := ca.KeyPEM()
	if err != nil {
		return nil, err
	}
	// The key goes last: it is what the next start looks for, so that a CA whose making was interrupted is made again.
	if err := WriteFile(certFile, ca.CertPEM(), 0o644); err != nil {
		return nil, err
	}
	if err := WriteFile(keyFile, []byte(key.Reveal()), 0o600); err != nil {
		return nil, err
	}
	return ca, nil
}

// Issue makes a key and a certificate and writes both, and the CA's certificate, into the files.
func (c *CA) Issue(f Files, p Profile, now time.Time) error {
	id, err := c.NewIdentity(p, now)
	if err != nil {
		return err
	}
	return f.Write(id.CertPEM, id.KeyPEM, c.CertPEM())
}

// Write puts the three texts into the files, each atomically; the certificate goes last. A Reloader that comes between key and certificate sees a
// pair that does not fit and keeps the one it has.
func (f Files) Write(certPEM []byte, keyPEM secret.String, caPEM []byte) error {
	if err := WriteFile(f.CA, caPEM, 0o644); err != nil {
		return err
	}
	if err := WriteFile(f.Key, []byte(keyPEM.Reveal()), 0o600); err != nil {
		return err
	}
	return WriteFile(f.Cert, certPEM, 0o644)
}

// DueAt is when the certificate in a PEM text should be renewed: at half its life.
func DueAt(certPEM []byte) (time.Time, error) {
	cert, err := parseCert(certPEM)
	if err != nil {
		return time.Time{}, err
	}
	return dueAt(cert), nil
}

// CommonName is whom the certificate in a PEM text names.
func CommonName(certPEM []byte) (string, error) {
	cert, err := parseCert(certPEM)
	if err != nil {
		return "", err
	}
	return cert.Subject.CommonName, nil
}

func dueAt(cert *x509.Certificate) time.Time {
	issued := cert.NotBefore.Add(backdate)
	return issued.Add(cert.NotAfter.Sub(issued) / 2)
}

// WriteFile replaces a file atomically and durably: a reader sees the old or the new content, also after a power cut.
func WriteFile(name string, content []byte, mode fs.FileMode) error {
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of %s: %w", name, err)
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	err = func() error {
		if err := f.Chmod(mode); err != nil {
			return err
		}
		if _, err := f.Write(content); err != nil {
			return err
		}
		return f.Sync()
	}()
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, errors.Join(err, os.Remove(f.Name())))
	}
	return syncDir(dir)
}

// syncDir makes a rename durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync the folder %s: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync the folder %s: %w", dir, err)
	}
	return nil
}

// Identity is a certificate with its key.
type Identity struct {
	CertPEM []byte
	KeyPEM  secret.String
}

// NewIdentity makes a key and a certificate for it.
func (c *CA) NewIdentity(p Profile, now time.Time) (Identity, error) {
	key, err := NewKey()
	if err != nil {
		return Identity{}, err
	}
	keyPEM, err := EncodeKey(key)
	if err != nil {
		return Identity{}, err
	}
	certPEM, err := c.SignPEM(key.Public(), p, now)
	if err != nil {
		return Identity{}, err
	}
	return Identity{CertPEM: certPEM, KeyPEM: keyPEM}, nil
}
