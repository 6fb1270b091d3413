package trail

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/internal/pki"
)

// The names of the key that signs a trail and of its public half, in the folder of an installation's keys.
const (
	KeyFile    = "audit.key"
	PublicFile = "audit.pub"
)

const privateKeyType = "PRIVATE KEY" // PKCS #8 (RFC 5208)

// OpenKey reads an installation's key, and makes it where there is none.
func OpenKey(dir string) (ed25519.PrivateKey, error) {
	name := filepath.Join(dir, KeyFile)
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("read the key of the audit trail: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != privateKeyType {
		return nil, fmt.Errorf("the key of the audit trail %s is no PEM block %q: restore it from a backup", name, privateKeyType)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("the key of the audit trail %s is no Ed25519 key: restore it from a backup: %w", name, errors.Join(err))
	}
	return key, writePublic(dir, key)
}

func makeKey(dir string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the key of the audit trail: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode the key of the audit trail: %w", err)
	}
	if err := pki.WriteFile(filepath.Join(dir, KeyFile), pem.EncodeToMemory(&pem.Block{Type: privateKeyType, Bytes: der}), 0o600); err != nil {
		return nil, err
	}
	return key, writePublic(dir, key)
}

func writePublic(dir string, key ed25519.PrivateKey) error {
	return pki.WriteFile(filepath.Join(dir, PublicFile), audit.EncodeKey(key.Public().(ed25519.PublicKey)), 0o600)
}
