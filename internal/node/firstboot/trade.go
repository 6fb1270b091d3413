package firstboot

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/enroll"
	"github.com/ingotmetal/ingot/internal/kubeconfig"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/secret"
)

// Options are what a trade needs beside what the machine was told.
type Options struct {
	// Place is where the identity goes.
	Place enroll.Place
	// Dial opens connections to the partition role.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Pause is how long it waits before it asks again.
	Pause time.Duration
	Log   *slog.Logger
}

// errRefused: the token is void, or the Firewall is another host's.
var errRefused = errors.New("the partition role refuses: the token was traded by another key, or the host was provisioned anew meanwhile; have the machine installed anew, or enroll it by hand (ingot node enroll --firewall)")

// Trade gets the identity, and asks until there is one, the answer is no, or ctx ends.
func Trade(ctx context.Context, t Told, o Options) error {
	key, err := keyIn(o.Place)
	if err != nil {
		return err
	}
	csr, err := pki.NewRequest(key, enroll.FirewallProfile(t.Namespace, t.Machine, pki.RoleLifetime))
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(t.CA))
	h := &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{DialContext: o.Dial, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}}}
	for {
		got, err := ask(ctx, h, t, csr)
		if err == nil {
			return settle(o.Place, key, got)
		}
		if errors.Is(err, errRefused) || ctx.Err() != nil {
			return err
		}
		o.Log.Warn("no identity yet; it is asked for again", "step", "first-boot", "err", err)
		select {
		case <-time.After(o.Pause):
		case <-ctx.Done():
			return err
		}
	}
}

func ask(ctx context.Context, h *http.Client, t Told, csr []byte) (protocol.IdentityResponse, error) {
	var got protocol.IdentityResponse
	body, err := json.Marshal(protocol.IdentityRequest{CSR: csr})
	if err != nil {
		return got, err
	}
	// The URL holds the token: an error of the client would say it.
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL+t.Token+protocol.PathIdentity, bytes.NewReader(body))
	if err != nil {
		return got, errors.New("the URL on the config drive is none")
	}
	q.Header.Set("Content-Type", "application/json")
	r, err := h.Do(q)
	if err != nil {
		return got, fmt.Errorf("ask the partition role at %s: %w", q.URL.Host, errors.Unwrap(err))
	}
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(r.Body, protocol.MaxBodyBytes))
	switch {
	case err != nil:
		return got, fmt.Errorf("read the partition role's answer: %w", err)
	case r.StatusCode == http.StatusForbidden || r.StatusCode == http.StatusNotFound:
		return got, errRefused
	case r.StatusCode != http.StatusOK:
		return got, fmt.Errorf("the partition role says %s", r.Status)
	}
	if err := json.Unmarshal(text, &got); err != nil || len(got.CertificatePEM) == 0 || len(got.CAPEM) == 0 {
		return got, errors.New("the partition role's answer is no identity")
	}
	return got, nil
}

// settle writes the files; the kubeconfig goes last, since whoever waits for an identity waits for it.
func settle(p enroll.Place, key *ecdsa.PrivateKey, got protocol.IdentityResponse) error {
	text, err := pki.EncodeKey(key)
	if err != nil {
		return err
	}
	if err := p.Files().Write(got.CertificatePEM, text, got.CAPEM); err != nil {
		return err
	}
	return kubeconfig.WriteRole(p.Kubeconfig(), kubeconfig.Cluster{Name: "ingot", URL: got.Server, CA: got.CAPEM}, p.Files())
}

// keyIn is the key of an earlier try, or a new one: the token is worth one key, and an answer may have been lost.
func keyIn(p enroll.Place) (*ecdsa.PrivateKey, error) {
	path := filepath.Join(p.Dir, "first-boot.key")
	text, err := os.ReadFile(path)
	if err == nil {
		if block, _ := pem.Decode(text); block != nil {
			if k, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
				if key, ok := k.(*ecdsa.PrivateKey); ok {
					return key, nil
				}
			}
			if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
				return key, nil
			}
		}
		return nil, fmt.Errorf("%s holds no key: remove it, and have the machine installed anew", path)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read the key of the first boot: %w", err)
	}
	key, err := pki.NewKey()
	if err != nil {
		return nil, err
	}
	encoded, err := pki.EncodeKey(key)
	if err != nil {
		return nil, err
	}
	return key, write(path, encoded)
}

func write(path string, s secret.String) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("keep the key of the first boot: %w", err)
	}
	return pki.WriteFile(path, []byte(s.Reveal()), 0o600)
}
