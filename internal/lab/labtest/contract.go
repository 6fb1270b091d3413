package labtest

import (
	"context"
	"strconv"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/server/agentapi"
)

// Window implements agentapi.Windows.
func (e *Endpoint) Window(_ context.Context, bootID string) (agentapi.Window, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.boots[bootID]
	if b == nil {
		return agentapi.Window{}, agentapi.ErrUnknown
	}
	return b.window, nil
}

// Redeem implements agentapi.Windows.
func (e *Endpoint) Redeem(_ context.Context, w agentapi.Window, n agentapi.Enrolment) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.boots[w.BootID]
	if b == nil {
		return agentapi.ErrUnknown
	}
	if b.window.Version != w.Version {
		return agentapi.ErrConflict
	}
	b.version++
	b.window.Version, b.window.KeyHash, b.tpm = strconv.Itoa(b.version), n.KeyHash, n.TPM
	return nil
}

// Refused implements agentapi.Windows.
func (e *Endpoint) Refused(_ context.Context, w agentapi.Window, r agentapi.Refusal) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if b := e.boots[w.BootID]; b != nil {
		b.log = append(b.log, "refused: "+r.Reason)
	}
	return nil
}

// Report implements agentapi.Boots.
func (e *Endpoint) Report(_ context.Context, bootID string, at protocol.ExchangeRequest) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.boots[bootID]
	if b == nil {
		return agentapi.ErrUnknown
	}
	b.last, b.seen = at, true
	close(b.heard)
	b.heard = make(chan struct{})
	return nil
}

// Wanted implements agentapi.Boots.
func (e *Endpoint) Wanted(_ context.Context, bootID string) (agentapi.Wanted, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.boots[bootID]
	if b == nil {
		return agentapi.Wanted{}, agentapi.ErrUnknown
	}
	return agentapi.Wanted{Superseded: b.superseded, Step: b.step, Changed: b.changed}, nil
}

// Append implements agentapi.Logs.
func (e *Endpoint) Append(_ context.Context, bootID string, _ int64, lines []protocol.LogLine) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if b := e.boots[bootID]; b != nil {
		for _, l := range lines {
			b.log = append(b.log, l.Level+" "+l.Text)
		}
	}
}

// FirstBootTokenHash implements agentapi.FirstBoots.
func (e *Endpoint) FirstBootTokenHash(_ context.Context, namespace, name string) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if f := e.reports[namespace+"/"+name]; f != nil {
		return f.hash, nil
	}
	return "", agentapi.ErrUnknown
}

// SaveFirstBoot implements agentapi.FirstBoots.
func (e *Endpoint) SaveFirstBoot(_ context.Context, namespace, name, _ string, r agentapi.FirstBoot, _ time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	f := e.reports[namespace+"/"+name]
	if f == nil {
		return agentapi.ErrUnknown
	}
	select {
	case f.done <- r:
	default:
	}
	return nil
}
