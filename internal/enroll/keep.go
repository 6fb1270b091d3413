package enroll

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"k8s.io/client-go/rest"

	"github.com/ingotmetal/ingot/internal/pki"
)

// The pauses of Keep: how often the certificate's age is looked at, and how long it waits behind a renewal that failed.
const (
	look  = 10 * time.Minute
	retry = time.Minute
)

// Keep renews a node's identity in its files until ctx ends, at half its life. The configuration is the
// one that the files are of; clients that read the files, as client-go does, take a new identity up by themselves.
func Keep(ctx context.Context, cfg *rest.Config, node string, files pki.Files, log *slog.Logger) {
	for {
		pause := look
		if due(files, time.Now()) {
			if err := Renew(ctx, cfg, node, files); err != nil {
				if ctx.Err() != nil {
					return
				}
				log.Warn("identity not renewed; it is tried again", "node", node, "err", err)
				pause = retry
			} else {
				log.Info("identity renewed", "node", node)
			}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// Renew replaces the identity of a node, or of a Firewall's machine, by one of a new key for the same name, which is that of the certificate in the files.
func Renew(ctx context.Context, cfg *rest.Config, node string, files pki.Files) error {
	ca, err := os.ReadFile(files.CA)
	if err != nil {
		return fmt.Errorf("renew the identity of node %s: %w", node, err)
	}
	profile, err := own(files)
	if err != nil {
		return fmt.Errorf("renew the identity of node %s: %w", node, err)
	}
	id, err := AsItself(ctx, cfg, profile)
	if err != nil {
		return fmt.Errorf("renew the identity of node %s: %w", node, err)
	}
	return files.Write(id.CertPEM, id.KeyPEM, ca)
}

// own is the profile of the certificate in the files.
func own(files pki.Files) (pki.Profile, error) {
	text, err := os.ReadFile(files.Cert)
	if err != nil {
		return pki.Profile{}, err
	}
	name, err := pki.CommonName(text)
	if err != nil {
		return pki.Profile{}, err
	}
	return profileOf(name, pki.RoleLifetime)
}

// due says whether a certificate is past half its life, or can't be read.
func due(files pki.Files, now time.Time) bool {
	text, err := os.ReadFile(files.Cert)
	if err != nil {
		return true
	}
	at, err := pki.DueAt(text)
	return err != nil || !now.Before(at)
}
