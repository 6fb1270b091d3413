package controlplane

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/secret"
)

// encryptionConfig is k8s.io/apiserver's EncryptionConfiguration. There is no identity provider in it: a Secret that is not encrypted cannot be read back,
// so that none can be slipped into the store. secretbox rather than aesgcm, whose key is worn out after some hundred thousand writes.
const encryptionConfig = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - secretbox:
      keys:
      - name: %s
        secret: %s
`

type keyFiles struct {
	serving           pki.Files
	serviceAccountKey string
	serviceAccountPub string
	encryption        string
}

// makeKeys makes the keys that are not there yet and leaves the others alone: with a new encryption key the Secrets in the store would be lost.
func makeKeys(l Layout) (keyFiles, error) {
	k := keyFiles{
		serving:           pki.FilesIn(l.PKI(), "apiserver"),
		serviceAccountKey: filepath.Join(l.PKI(), "service-account.key"),
		serviceAccountPub: filepath.Join(l.PKI(), "service-account.pub"),
		encryption:        filepath.Join(l.PKI(), "encryption.yaml"),
	}
	if err := makeServiceAccountKey(k); err != nil {
		return k, err
	}
	return k, makeOnce(k.encryption, func() ([]byte, error) {
		if err := refuseLostKey(l); err != nil {
			return nil, err
		}
		key := make([]byte, 32)
		if _, err := rand.Read(key); err != nil {
			return nil, fmt.Errorf("draw an encryption key: %w", err)
		}
		return fmt.Appendf(nil, encryptionConfig, "key1", base64.StdEncoding.EncodeToString(key)), nil
	})
}

// makeServiceAccountKey makes the key that signs service account tokens, and the file of its public half, which is what the API server checks them with.
func makeServiceAccountKey(k keyFiles) error {
	err := makeOnce(k.serviceAccountKey, func() ([]byte, error) {
		key, err := pki.NewKey()
		if err != nil {
			return nil, err
		}
		text, err := pki.EncodeKey(key)
		return []byte(text.Reveal()), err
	})
	if err != nil {
		return err
	}
	text, err := os.ReadFile(k.serviceAccountKey)
	if err != nil {
		return fmt.Errorf("read the service account key: %w", err)
	}
	key, err := pki.ParseKey(secret.New(string(text)))
	if err != nil {
		return fmt.Errorf("service account key %s: %w", k.serviceAccountKey, err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("encode the service account public key: %w", err)
	}
	return pki.WriteFile(k.serviceAccountPub, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600)
}

// refuseLostKey stops a start that would encrypt with a new key beside Secrets that only the lost one can read.
func refuseLostKey(l Layout) error {
	_, err := os.Stat(filepath.Join(l.Etcd(), "member"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for an existing store: %w", err)
	}
	return fmt.Errorf("the store in %s has data but its encryption key is gone: restore pki/encryption.yaml from a backup", l.Etcd())
}

func makeOnce(name string, content func() ([]byte, error)) error {
	_, err := os.Stat(name)
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for %s: %w", name, err)
	}
	text, err := content()
	if err != nil {
		return err
	}
	return pki.WriteFile(name, text, 0o600)
}
