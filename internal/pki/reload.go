package pki

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// Reloader shows the certificate that is in the files now. It looks at the files' times when a connection begins, so that there is nothing to
// start or stop. A change that cannot be read keeps the pair that worked.
type Reloader struct {
	files Files

	mu sync.Mutex
	// guarded by mu
	seen [3]fileState
	pair *tls.Certificate
	pool *x509.CertPool
}

// fileState tells two contents of one name apart. WriteFile makes a new inode each time, which also tells two writes within one tick of the clock apart.
type fileState struct {
	modified time.Time
	size     int64
	inode    uint64
}

// NewReloader reads the files once and fails if they do not fit together.
func NewReloader(f Files) (*Reloader, error) {
	r := &Reloader{files: f}
	if err := r.load(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Reloader) current() (*tls.Certificate, *x509.CertPool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.states() != r.seen {
		// A pair half-written by the issuer does not fit; the next connection looks again.
		if err := r.loadLocked(); err != nil {
			return r.pair, r.pool
		}
	}
	return r.pair, r.pool
}

// Certificate is what is shown now.
func (r *Reloader) Certificate() *x509.Certificate {
	pair, _ := r.current()
	return pair.Leaf
}

func (r *Reloader) load() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.loadLocked()
}

// Authorities reads the certificates of a PEM file that verify others.
func Authorities(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the CA certificate: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate: the CA's certificate in PEM is needed", file)
	}
	return pool, nil
}

func (r *Reloader) loadLocked() error {
	seen := r.states()
	pair, err := tls.LoadX509KeyPair(r.files.Cert, r.files.Key)
	if err != nil {
		return fmt.Errorf("load the certificate %s with the key %s: %w", r.files.Cert, r.files.Key, err)
	}
	pool, err := Authorities(r.files.CA)
	if err != nil {
		return err
	}
	r.seen, r.pair, r.pool = seen, &pair, pool
	return nil
}

// states of files that cannot be read are zero, which differs from what was seen.
func (r *Reloader) states() [3]fileState {
	var s [3]fileState
	for i, name := range []string{r.files.Cert, r.files.Key, r.files.CA} {
		if info, err := os.Stat(name); err == nil {
			s[i] = fileState{modified: info.ModTime(), size: info.Size()}
			if stat, ok := info.Sys().(*syscall.Stat_t); ok {
				s[i].inode = stat.Ino
			}
		}
	}
	return s
}

// ServerConfig is TLS 1.3 that asks clients for a certificate of the CA as auth says.
func (r *Reloader) ServerConfig(auth tls.ClientAuthType) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			pair, pool := r.current()
			return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*pair}, ClientAuth: auth, ClientCAs: pool, NextProtos: []string{"h2", "http/1.1"}}, nil
		},
	}
}

// ClientConfig is TLS 1.3 that shows the certificate and checks the server, called serverName, against the CA in the files at the time of this call.
func (r *Reloader) ClientConfig(serverName string) *tls.Config {
	_, pool := r.current()
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ServerName: serverName,
		RootCAs:    pool,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, _ := r.current()
			return pair, nil
		},
	}
}
