// Package agentapitest is a partition role's objects in memory, with the real agentapi server in front, for tests of agents.
//
// It owns windows, wanted steps and reports as maps behind one lock. It refuses decisions: a test says what is wanted. The server can be stopped and started again at
// the same address while the objects stay, which is what a restart of the partition role looks like to an agent.
package agentapitest

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"encoding/pem"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/attest"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/server/agentapi"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/netboot/medium"
	"github.com/ingotmetal/ingot/step"
)

// Site is a partition in memory.
type Site struct {
	t testing.TB
	// Options may be changed before Start.
	Options agentapi.Options
	// Offset is added to the server's clock. Changed while the server is stopped.
	Offset time.Duration
	// Lose, when set, is asked for every request; true loses the answer after the request was served, and cuts the connection.
	Lose func(r *http.Request) bool

	ca   *pki.CA
	key  *ecdsa.PrivateKey
	host string
	addr string
	// pipes is the network inside of the process, nil for the loopback.
	pipes *pipes

	mu      sync.Mutex
	windows map[string]*agentapi.Window
	boots   map[string]*boot
	changed chan struct{}
	// enrolments counts first redemptions, by boot.
	enrolments map[string]int
	// machines are the system UUIDs that were told at the first redemption, by boot.
	machines map[string]string
	// evidence is what TPMs proved then; refusals are those who were not let in for what theirs showed.
	evidence map[string]*attest.Evidence
	refusals map[string][]agentapi.Refusal
	down     error

	server *http.Server
	cancel context.CancelFunc
	served chan struct{}
}

type boot struct {
	wanted     *protocol.Step
	superseded bool
	reports    []protocol.ExchangeRequest
	lines      []protocol.LogLine
	next       int64
	firstBoot  *agentapi.FirstBoot
}

// NewInProcess makes a site that is reached by Dial alone, so that it can live in a bubble of testing/synctest.
func NewInProcess(t testing.TB) *Site {
	t.Helper()
	s := New(t, "partition.test")
	s.pipes, s.addr = &pipes{}, "partition.test:8443"
	return s
}

// New makes a site whose server is reached as host ("127.0.0.1", or another name of it).
func New(t testing.TB, host string) *Site {
	t.Helper()
	ca, err := pki.NewCA("ingot:agents:test", time.Now(), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	key, err := pki.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	s := &Site{
		t: t, ca: ca, key: key, host: host, addr: "127.0.0.1:0", windows: map[string]*agentapi.Window{}, boots: map[string]*boot{}, enrolments: map[string]int{}, machines: map[string]string{},
		evidence: map[string]*attest.Evidence{}, refusals: map[string][]agentapi.Refusal{},
		changed: make(chan struct{}),
	}
	s.Options = agentapi.Options{
		Windows: s, Boots: s, Logs: s, FirstBoots: s, Authority: ca, Now: s.now, Logger: slog.New(slog.DiscardHandler), ReportEvery: 50 * time.Millisecond,
	}
	t.Cleanup(s.Stop)
	return s
}

func (s *Site) now() time.Time { return time.Now().Add(s.Offset) }

// CA is the site's authority.
func (s *Site) CA() *pki.CA { return s.ca }

// Start serves, at the same address as before.
func (s *Site) Start() {
	s.t.Helper()
	der, err := s.ca.Sign(s.key.Public(), pki.ServerProfile("ingot:partition:test", s.host), s.now())
	if err != nil {
		s.t.Fatal(err)
	}
	certificate := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: s.key}
	listener := s.listen()
	api := agentapi.New(s.Options)
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.server, s.served = cancel, api.HTTPServer(ctx), make(chan struct{})
	s.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w = dated{w, s.now}
		if s.Lose != nil && s.Lose(r) {
			api.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		api.ServeHTTP(w, r)
	})
	tlsListener := tls.NewListener(listener, api.TLSConfig(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate, nil }))
	go func(server *http.Server, served chan<- struct{}) {
		defer close(served)
		_ = server.Serve(tlsListener)
	}(s.server, s.served)
}

// dated gives answers the site's time instead of the process's.
type dated struct {
	http.ResponseWriter
	now func() time.Time
}

func (d dated) WriteHeader(status int) {
	d.Header().Set("Date", d.now().UTC().Format(http.TimeFormat))
	d.ResponseWriter.WriteHeader(status)
}

func (d dated) Write(b []byte) (int, error) {
	d.Header().Set("Date", d.now().UTC().Format(http.TimeFormat))
	return d.ResponseWriter.Write(b)
}

func (d dated) Unwrap() http.ResponseWriter { return d.ResponseWriter }

func (s *Site) listen() net.Listener {
	s.t.Helper()
	if s.pipes != nil {
		return s.pipes.listen()
	}
	listener, err := (&net.ListenConfig{}).Listen(s.t.Context(), "tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = listener.Addr().String()
	return listener
}

// Dial implements agent.Dial towards this site and, on the loopback, anywhere.
func (s *Site) Dial(ctx context.Context, _ matrix.FlowName, address string) (net.Conn, error) {
	if s.pipes != nil {
		return s.pipes.dial(ctx)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", address)
}

// Stop ends the server as a crash would: open connections are cut.
func (s *Site) Stop() {
	if s.server == nil {
		return
	}
	_ = s.server.Close()
	s.cancel()
	<-s.served
	s.server = nil
}

// Endpoint is the URL that agents dial.
func (s *Site) Endpoint() string {
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	return "https://" + net.JoinHostPort(s.host, port)
}

// Open opens a boot's window and gives what its medium says.
func (s *Site) Open(bootID, token string, macs ...string) medium.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.windows[bootID] = &agentapi.Window{
		BootID: bootID, TokenHash: agentapi.HashToken(token), OpensAt: now.Add(-time.Minute), ClosesAt: now.Add(time.Hour), MACAddresses: macs,
	}
	s.boots[bootID] = &boot{next: 1}
	return medium.Config{
		BootID: bootID, Token: token, Endpoint: s.Endpoint(), CAPEM: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.ca.CertDER()})), IssuedAt: now,
	}
}

// Change changes a window; closing it is removing it with nil.
func (s *Site) Change(bootID string, change func(w *agentapi.Window)) {
	s.update(func() {
		if change == nil {
			delete(s.windows, bootID)
			return
		}
		change(s.windows[bootID])
	})
}

// Want says what is wanted of a boot's agent; nil for nothing.
func (s *Site) Want(bootID string, w *protocol.Step) {
	s.update(func() { s.boots[bootID].wanted = w })
}

// Supersede ends a boot.
func (s *Site) Supersede(bootID string) {
	s.update(func() { s.boots[bootID].superseded = true })
}

// Fail makes every contract answer with an error, nil for none.
func (s *Site) Fail(err error) { s.update(func() { s.down = err }) }

func (s *Site) update(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

// Reports waits until a report fits and gives all up to it; nil when ctx ended before.
func (s *Site) Reports(ctx context.Context, bootID string, fits func(r protocol.ExchangeRequest) bool) []protocol.ExchangeRequest {
	for {
		s.mu.Lock()
		reports := slices.Clone(s.boots[bootID].reports)
		changed := s.changed
		s.mu.Unlock()
		if i := slices.IndexFunc(reports, fits); i >= 0 {
			return reports[:i+1]
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// Await is Reports with a patience, after which it ends the test.
func (s *Site) Await(bootID, what string, patience time.Duration, fits func(r protocol.ExchangeRequest) bool) []protocol.ExchangeRequest {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	reports := s.Reports(ctx, bootID, fits)
	if reports == nil {
		s.t.Fatalf("boot %s: %s did not happen within %s; log:\n%s", bootID, what, patience, s.Log(bootID))
	}
	return reports
}

// AwaitOutcome waits for the outcome of a step.
func (s *Site) AwaitOutcome(bootID, stepID string, patience time.Duration) step.Outcome {
	s.t.Helper()
	reports := s.Await(bootID, "the outcome of step "+stepID, patience, func(r protocol.ExchangeRequest) bool {
		return r.StepID == stepID && r.Phase == step.Finished
	})
	return *reports[len(reports)-1].Outcome
}

// Enrolments is how often a boot's window was redeemed for the first time: at most once, or something is broken.
func (s *Site) Enrolments(bootID string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.enrolments[bootID]
}

// SystemUUID is what the agent of a boot told of its machine when it was let in first.
func (s *Site) SystemUUID(bootID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.machines[bootID]
}

// Evidence is what the TPM proved of the agent of a boot that was let in, nil for nothing.
func (s *Site) Evidence(bootID string) *attest.Evidence {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.evidence[bootID]
}

// Refusals are the agents of a boot that were not let in for what their TPMs showed.
func (s *Site) Refusals(bootID string) []agentapi.Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refusals[bootID])
}

// Log is what a boot's agent logged.
func (s *Site) Log(bootID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, l := range s.boots[bootID].lines {
		b.WriteString(l.Time.UTC().Format(time.RFC3339) + " " + l.Level + " " + l.Text + "\n")
	}
	return b.String()
}
