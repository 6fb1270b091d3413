package agent_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ingotmetal/ingot/attest"
	"github.com/ingotmetal/ingot/internal/agent"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/agent/tpm"
	"github.com/ingotmetal/ingot/internal/agent/tpm/tpmtest"
	"github.com/ingotmetal/ingot/internal/server/agentapi"
	"github.com/ingotmetal/ingot/internal/server/agentapi/agentapitest"
)

// software is a TPM in software, in the agent's terms.
type software struct{ *tpmtest.TPM }

func (s software) Open() (agent.TPMSession, error) {
	c, err := s.Connect()
	if err != nil {
		return nil, err
	}
	return tpm.Open(c)
}

// broken is a TPM that does not work; none a machine without one.
type broken struct{ err error }

func (b broken) Open() (agent.TPMSession, error) { return nil, b.err }

func withTPM(x agent.TPM) func(*agent.Options) {
	return func(o *agent.Options) { o.Hardware.TPM = x }
}

// TestTheAgentProvesItsTPM with the real server and a TPM in software, also when answers are lost.
func TestTheAgentProvesItsTPM(t *testing.T) {
	site := agentapitest.New(t, "127.0.0.1")
	var lost atomic.Int64
	// Answers are lost: two challenges, and a certificate.
	site.Lose = func(*http.Request) bool { n := lost.Add(1); return n == 1 || n == 2 || n == 4 }
	site.Start()
	m := newMachine(t, 1<<20)
	config := site.Open("b", "t", mac)
	site.Change("b", func(w *agentapi.Window) { w.TPM = attest.Demand{Policy: attest.Require} })
	ended := live(t, site, m, config, withTPM(software{tpmtest.New(t)}))
	site.Await("b", "the first exchange", patience, func(protocol.ExchangeRequest) bool { return true })
	if e := site.Evidence("b"); e == nil || len(e.PCRs) == 0 || e.Algorithm == "" {
		t.Errorf("evidence %+v", e)
	}
	if n := site.Enrolments("b"); n != 1 {
		t.Errorf("redeemed %d times", n)
	}
	site.Supersede("b")
	if err := awaitOff(t, m, ended); err != nil {
		t.Error(err)
	}
}

// TestWhatTheAgentSaysWithoutATPM: nothing where there is none, and why where there is one that does not work.
func TestWhatTheAgentSaysWithoutATPM(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		policy attest.Policy
		want   string
	}{
		"none":                     {agent.ErrNoTPM, attest.Prefer, ""},
		"none, and it is required": {agent.ErrNoTPM, attest.Require, "shows no TPM, and"},
		"one that is broken":       {errors.New("it went up in smoke " + strings.Repeat("é", 1000)), attest.Require, "it went up in smoke"},
	} {
		t.Run(name, func(t *testing.T) {
			site := agentapitest.New(t, "127.0.0.1")
			site.Start()
			m := newMachine(t, 1<<20)
			config := site.Open("b", "t", mac)
			site.Change("b", func(w *agentapi.Window) { w.TPM = attest.Demand{Policy: c.policy} })
			refusedSoon := func(o *agent.Options) { o.Timing.RefusedFor = 1 }
			ended := live(t, site, m, config, withTPM(broken{c.err}), refusedSoon)
			if c.want == "" {
				site.Await("b", "the first exchange", patience, func(protocol.ExchangeRequest) bool { return true })
				site.Supersede("b")
			}
			err := awaitOff(t, m, ended)
			refusals := site.Refusals("b")
			if (c.want == "") != (err == nil && len(refusals) == 0) || c.want != "" && (!errors.Is(err, agent.ErrRefused) || !strings.Contains(refusals[0].Reason, c.want)) {
				t.Errorf("%v, refusals %+v", err, refusals)
			}
		})
	}
}
