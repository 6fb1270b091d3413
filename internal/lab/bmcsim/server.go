package bmcsim

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ingotmetal/ingot/internal/lab/serialsim"
	"github.com/ingotmetal/ingot/internal/pki"
)

// Server carries BMCs.
type Server struct {
	opts  Options
	ca    *pki.CA
	conf  *tls.Config
	http  *http.Server
	fetch *fetcher
	// ctx is what machines' calls run under: a client that hangs up does not stop a machine that is being turned on.
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
	// boards starts the loop that looks at machines.
	boards sync.Once

	mu     sync.RWMutex
	byPort map[uint16]*BMC
	added  uint64
	closed bool
}

// certificateLifetime is longer than any lab runs: a BMC's certificate is replaced by hand, if ever.
const certificateLifetime = 365 * 24 * time.Hour

// New makes a server without BMCs.
func New(o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = 30 * time.Second
	}
	now := time.Now()
	s := &Server{opts: o, ca: o.CA, byPort: map[uint16]*BMC{}, fetch: newFetcher(o)}
	var err error
	if s.ca == nil {
		if s.ca, err = pki.NewCA("ingot lab BMCs", now, pki.CALifetime); err != nil {
			return nil, fmt.Errorf("make the CA of the simulated BMCs: %w", err)
		}
	}
	profile := pki.ServerProfile("simulated BMC", "127.0.0.1", "::1", "localhost")
	profile.Lifetime = certificateLifetime
	id, err := s.ca.NewIdentity(profile, now)
	if err != nil {
		return nil, fmt.Errorf("make the certificate of the simulated BMCs: %w", err)
	}
	pair, err := tls.X509KeyPair(id.CertPEM, []byte(id.KeyPEM.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("load the certificate of the simulated BMCs: %w", err)
	}
	s.conf = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler: s, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: o.IdleTimeout, MaxHeaderBytes: 64 << 10,
		// Clients that are told to break connections would fill the log.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	return s, nil
}

// CAPEM is the CA that signed the BMCs' certificate.
func (s *Server) CAPEM() []byte { return s.ca.CertPEM() }

// Roots is the same as a pool.
func (s *Server) Roots() *x509.CertPool { return s.ca.Pool() }

// Add starts a BMC.
func (s *Server) Add(c Config) (*BMC, error) {
	if c.Machine == nil {
		return nil, fmt.Errorf("BMC %q: no machine given", c.Name)
	}
	if c.Fetch == "" {
		c.Fetch = ByRange
	}
	if c.Fetch == Download && s.opts.Dir == "" {
		return nil, fmt.Errorf("BMC %q downloads media, but Options.Dir is empty", c.Name)
	}
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	l, err := new(net.ListenConfig).Listen(s.ctx, "tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("BMC %q: listen at %s: %w", c.Name, c.Listen, err)
	}
	addr := l.Addr().(*net.TCPAddr).AddrPort() // a TCP listener's address
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.Join(fmt.Errorf("BMC %q: the server is closed", c.Name), l.Close())
	}
	s.added++
	b := newBMC(s, c, addr, s.added)
	b.listener = l
	if c.Fetch == Download {
		// What a killed lab left behind is of no use to anybody.
		if err := os.RemoveAll(s.mediaPath(b)); err != nil {
			return nil, errors.Join(fmt.Errorf("BMC %q: clear old media: %w", c.Name, err), l.Close())
		}
	}
	if s.opts.SSHKey != nil {
		if b.serial, err = serialsim.Start(addr.Addr().String(), s.opts.SSHKey, c.Machine, b.credentials); err != nil {
			return nil, errors.Join(fmt.Errorf("BMC %q: %w", c.Name, err), l.Close())
		}
	}
	s.byPort[addr.Port()] = b
	if c.Attach != nil {
		c.Attach(b)
	}
	s.work.Go(func() {
		if err := s.http.Serve(tls.NewListener(l, s.conf)); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			s.opts.Logger.Error("simulated BMC stopped", "bmc", b.Address(), "err", err)
		}
	})
	return b, nil
}

// Close ends all BMCs and waits for what they still do. The machines behind them are left as they are.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	all := make([]*BMC, 0, len(s.byPort))
	for _, b := range s.byPort {
		all = append(all, b)
	}
	s.mu.Unlock()
	s.cancel()
	err := s.http.Close()
	for _, b := range all {
		err = errors.Join(err, b.Close())
	}
	s.work.Wait()
	s.fetch.close()
	return err
}

// of is the BMC that a request came to.
func (s *Server) of(r *http.Request) *BMC {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return nil
	}
	ap, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byPort[ap.Port()]
}

func (s *Server) forget(b *BMC) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byPort, b.addr.Port())
}

// mediaDir is where a BMC keeps what it downloads.
func (s *Server) mediaDir(b *BMC) (string, error) {
	dir := s.mediaPath(b)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the folder for media: %w", err)
	}
	return dir, nil
}

func (s *Server) mediaPath(b *BMC) string {
	return filepath.Join(s.opts.Dir, fmt.Sprintf("bmc-%d", b.number))
}
