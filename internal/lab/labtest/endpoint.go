// Package labtest is a partition role's endpoint for tests of the lab's machines: the real server of the agent protocol, over memory instead of API objects.
//
// It owns boot windows, wanted steps and first-boot reports of one test. It refuses to decide anything: the test says which step is wanted next. It exists so that
// a machine, simulated or virtual, can be tested from power-on to its agent's answer without a control plane.
package labtest

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/attest"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/server/agentapi"
	"github.com/ingotmetal/ingot/netboot/medium"
	"github.com/ingotmetal/ingot/step"
)

// Endpoint is a partition role's endpoint.
type Endpoint struct {
	// URL is what agents dial, CAPEM what they pin.
	URL   string
	CAPEM []byte

	// mu guards what follows.
	mu      sync.Mutex
	boots   map[string]*boot
	reports map[string]*firstBoot
}

// boot is one boot's window, what is wanted of its agent, and what the agent said last.
type boot struct {
	window     agentapi.Window
	version    int
	step       *protocol.Step
	superseded bool
	last       protocol.ExchangeRequest
	seen       bool
	log        []string
	// tpm is what the machine's TPM proved.
	tpm *attest.Evidence
	// changed is closed and replaced when what is wanted changes, heard when the agent was heard.
	changed, heard chan struct{}
}

type firstBoot struct {
	hash string
	done chan agentapi.FirstBoot
}

// Start serves on l until the test ends. Host is the address in l that agents dial.
func Start(t *testing.T, l net.Listener, host netip.Addr) *Endpoint {
	t.Helper()
	now := time.Now()
	ca, err := pki.NewCA("lab test", now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	key, err := pki.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	der, err := ca.Sign(key.Public(), pki.ServerProfile("ingot:partition:test", host.String()), now)
	if err != nil {
		t.Fatal(err)
	}
	certificate := &tls.Certificate{Certificate: [][]byte{der, ca.CertDER()}, PrivateKey: key}
	e := &Endpoint{
		URL: "https://" + l.Addr().String(), CAPEM: ca.CertPEM(), boots: map[string]*boot{}, reports: map[string]*firstBoot{},
	}
	api := agentapi.New(agentapi.Options{
		Windows: e, Boots: e, Logs: e, FirstBoots: e, Authority: ca, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	ctx, cancel := context.WithCancel(context.Background())
	server := api.HTTPServer(ctx)
	served := make(chan struct{})
	config := api.TLSConfig(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate, nil })
	go func() {
		defer close(served)
		_ = server.Serve(tls.NewListener(l, config))
	}()
	t.Cleanup(func() {
		cancel()
		_ = server.Close()
		<-served
	})
	return e
}

// Open makes a boot window and gives what its medium says.
func (e *Endpoint) Open(bootID string, macs ...string) medium.Config {
	token := rand.Text()
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.boots[bootID] = &boot{
		window: agentapi.Window{
			BootID: bootID, Version: "0", TokenHash: agentapi.HashToken(token), OpensAt: now.Add(-time.Minute), ClosesAt: now.Add(time.Hour),
			MACAddresses: macs,
		},
		changed: make(chan struct{}), heard: make(chan struct{}),
	}
	return medium.Config{BootID: bootID, Token: token, Endpoint: e.URL, CAPEM: string(e.CAPEM), IssuedAt: now}
}

// Demand asks for a TPM at the enrolment of a boot.
func (e *Endpoint) Demand(bootID string, d attest.Demand) {
	e.change(bootID, func(b *boot) { b.window.TPM = d })
}

// Evidence is what the TPM of a boot's machine proved, nil for nothing.
func (e *Endpoint) Evidence(bootID string) *attest.Evidence {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.boots[bootID].tpm
}

// Run wants a step of a boot's agent and waits for its outcome.
func (e *Endpoint) Run(ctx context.Context, bootID string, s protocol.Step) (step.Outcome, error) {
	if s.Deadline.IsZero() {
		s.Deadline = time.Now().Add(10 * time.Minute)
	}
	e.change(bootID, func(b *boot) { b.step = &s })
	last, err := e.wait(ctx, bootID, func(r protocol.ExchangeRequest) bool { return r.Phase == step.Finished && r.StepID == s.ID })
	if err != nil {
		return step.Outcome{}, fmt.Errorf("step %s: %w", s.ID, err)
	}
	return *last.Outcome, nil
}

// Began waits for a boot's agent to be at a step.
func (e *Endpoint) Began(ctx context.Context, bootID, stepID string) error {
	_, err := e.wait(ctx, bootID, func(r protocol.ExchangeRequest) bool { return r.Phase == step.Running && r.StepID == stepID })
	return err
}

// Enrolled waits for the first exchange of a boot's agent.
func (e *Endpoint) Enrolled(ctx context.Context, bootID string) error {
	_, err := e.wait(ctx, bootID, func(protocol.ExchangeRequest) bool { return true })
	return err
}

// Supersede tells a boot's agent that it is over.
func (e *Endpoint) Supersede(bootID string) { e.change(bootID, func(b *boot) { b.superseded = true }) }

// LogOf is what a boot's agent logged so far.
func (e *Endpoint) LogOf(bootID string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.boots[bootID].log...)
}

// OweFirstBoot makes a host owe a report: the URL to report to, and where the report appears.
func (e *Endpoint) OweFirstBoot(namespace, name string) (url string, report <-chan agentapi.FirstBoot) {
	var secret [16]byte
	_, _ = rand.Read(secret[:])
	token := hex.EncodeToString(secret[:])
	done := make(chan agentapi.FirstBoot, 1)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reports[namespace+"/"+name] = &firstBoot{hash: agentapi.HashToken(token), done: done}
	return e.URL + protocol.PathFirstBoot + namespace + "/" + name + "/" + token, done
}

func (e *Endpoint) change(bootID string, f func(*boot)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.boots[bootID]
	f(b)
	close(b.changed)
	b.changed = make(chan struct{})
}

func (e *Endpoint) wait(ctx context.Context, bootID string, ok func(protocol.ExchangeRequest) bool) (protocol.ExchangeRequest, error) {
	for {
		e.mu.Lock()
		b := e.boots[bootID]
		last, seen, heard := b.last, b.seen, b.heard
		e.mu.Unlock()
		if seen && ok(last) {
			return last, nil
		}
		select {
		case <-heard:
		case <-ctx.Done():
			return last, fmt.Errorf("boot %s: agent heard %v, last at %q %s: %w", bootID, seen, last.StepID, last.Phase, context.Cause(ctx))
		}
	}
}
