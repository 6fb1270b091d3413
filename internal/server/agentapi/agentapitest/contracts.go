package agentapitest

import (
	"context"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/server/agentapi"
)

var (
	_ agentapi.Windows    = (*Site)(nil)
	_ agentapi.Boots      = (*Site)(nil)
	_ agentapi.Logs       = (*Site)(nil)
	_ agentapi.FirstBoots = (*Site)(nil)
)

// Window implements agentapi.Windows.
func (s *Site) Window(_ context.Context, bootID string) (agentapi.Window, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return agentapi.Window{}, s.down
	}
	w, ok := s.windows[bootID]
	if !ok {
		return agentapi.Window{}, agentapi.ErrUnknown
	}
	return *w, nil
}

// Redeem implements agentapi.Windows.
func (s *Site) Redeem(_ context.Context, w agentapi.Window, e agentapi.Enrolment) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, ok := s.windows[w.BootID]
	switch {
	case s.down != nil:
		return s.down
	case !ok:
		return agentapi.ErrUnknown
	case now.Version != w.Version:
		return agentapi.ErrConflict
	}
	now.Version, now.KeyHash = now.Version+"+", e.KeyHash
	s.enrolments[w.BootID]++
	s.machines[w.BootID] = e.SystemUUID
	s.evidence[w.BootID] = e.TPM
	return nil
}

// Refused implements agentapi.Windows.
func (s *Site) Refused(_ context.Context, w agentapi.Window, r agentapi.Refusal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusals[w.BootID] = append(s.refusals[w.BootID], r)
	return s.down
}

// Report implements agentapi.Boots.
func (s *Site) Report(_ context.Context, bootID string, at protocol.ExchangeRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.boots[bootID]
	switch {
	case s.down != nil:
		return s.down
	case !ok:
		return agentapi.ErrUnknown
	}
	b.reports = append(b.reports, at)
	// Awaiting tests look again; held exchanges too, which is harmless.
	close(s.changed)
	s.changed = make(chan struct{})
	return nil
}

// Wanted implements agentapi.Boots.
func (s *Site) Wanted(_ context.Context, bootID string) (agentapi.Wanted, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.boots[bootID]
	switch {
	case s.down != nil:
		return agentapi.Wanted{}, s.down
	case !ok:
		return agentapi.Wanted{}, agentapi.ErrUnknown
	}
	return agentapi.Wanted{Superseded: b.superseded, Step: b.wanted, Changed: s.changed}, nil
}

// Append implements agentapi.Logs.
func (s *Site) Append(_ context.Context, bootID string, first int64, lines []protocol.LogLine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.boots[bootID]
	if !ok {
		return
	}
	for i, l := range lines {
		if n := first + int64(i); n >= b.next {
			b.lines, b.next = append(b.lines, l), n+1
		}
	}
}

// FirstBootTokenHash implements agentapi.FirstBoots: a boot's name and token are the host's.
func (s *Site) FirstBootTokenHash(_ context.Context, _, name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.windows[name]
	switch {
	case s.down != nil:
		return "", s.down
	case !ok:
		return "", agentapi.ErrUnknown
	}
	return w.TokenHash, nil
}

// SaveFirstBoot implements agentapi.FirstBoots.
func (s *Site) SaveFirstBoot(_ context.Context, _, name, _ string, r agentapi.FirstBoot, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := s.boots[name]; ok && b.firstBoot == nil {
		b.firstBoot = &r
	}
	return s.down
}

// FirstBoot is the report of a host, nil for none.
func (s *Site) FirstBoot(name string) *agentapi.FirstBoot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.boots[name].firstBoot
}
