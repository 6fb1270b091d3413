package agentapi

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/step"
)

// shown gives the certificate by which a request's connection belongs to a boot, nil when it does not. The handshake checked the signature; the time is checked again,
// since a connection may outlive its certificate.
func (s *Server) shown(r *http.Request, bootID string) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || bootID == "" {
		return nil
	}
	leaf := r.TLS.VerifiedChains[0][0]
	now := s.o.Now()
	if leaf.Subject.CommonName != commonNamePrefix+bootID || now.Before(leaf.NotBefore) || !now.Before(leaf.NotAfter) {
		return nil
	}
	return leaf
}

// exchange takes what an agent is at and answers what is wanted, at the latest after the time that the agent is ready to wait.
func (s *Server) exchange(w http.ResponseWriter, r *http.Request) {
	var req protocol.ExchangeRequest
	if !s.known(w, r) || !s.read(w, r, protocol.MaxBodyBytes, &req) {
		return
	}
	certificate := s.shown(r, req.BootID)
	if certificate == nil {
		s.refuseBoot(w, r, req.BootID)
		return
	}
	if err := checkExchange(req); err != nil {
		answerError(w, http.StatusBadRequest, protocol.CodeInvalid, err.Error())
		return
	}
	if !s.newest.accept(req.BootID, req.Sequence, s.o.Now()) {
		answerError(w, http.StatusConflict, protocol.CodeInvalid, "a later exchange of this boot came first")
		return
	}
	resp, err := s.talk(r.Context(), req)
	if err != nil {
		s.fail(w, "Exchange failed", req.BootID, err)
		return
	}
	if len(req.CSR) > 0 && !resp.Superseded {
		resp.Certificate, err = s.renew(req.CSR, certificate, req.BootID)
		if err != nil {
			s.o.Logger.Warn("Certificate not renewed", "boot", req.BootID, "err", err)
			answerError(w, http.StatusBadRequest, protocol.CodeInvalid, "the certificate request is not for this agent's key")
			return
		}
	}
	answer(w, resp)
}

// known refuses connections without any certificate before their body is read.
func (s *Server) known(w http.ResponseWriter, r *http.Request) bool {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		refuse(w)
		return false
	}
	return true
}

func (s *Server) refuseBoot(w http.ResponseWriter, r *http.Request, bootID string) {
	s.o.Logger.Warn("Agent refused: its certificate is not for this boot or ran out", "boot", printable(bootID),
		"who", r.TLS.VerifiedChains[0][0].Subject.CommonName, "source", sourceOf(r))
	refuse(w)
}

// checkExchange holds the request to the protocol.
func checkExchange(req protocol.ExchangeRequest) error {
	switch req.Phase {
	case step.Idle:
		if req.Outcome != nil {
			return errors.New("an idle agent has no outcome")
		}
	case step.Running:
		if req.StepID == "" || req.Outcome != nil {
			return errors.New("a running agent names its step and has no outcome")
		}
	case step.Finished:
		if req.StepID == "" || req.Outcome == nil {
			return errors.New("a finished agent names its step and its outcome")
		}
	default:
		return errors.New("unknown phase")
	}
	return nil
}

// talk reports and asks until something new is wanted or the wait is over.
func (s *Server) talk(ctx context.Context, req protocol.ExchangeRequest) (protocol.ExchangeResponse, error) {
	over := protocol.ExchangeResponse{Superseded: true}
	reported := req
	reported.CSR = nil
	if err := s.o.Boots.Report(ctx, req.BootID, reported); err != nil {
		if errors.Is(err, ErrUnknown) {
			return over, nil
		}
		return over, err
	}
	timer := time.NewTimer(min(max(req.Wait, 0), protocol.MaxWait))
	defer timer.Stop()
	for {
		wanted, err := s.o.Boots.Wanted(ctx, req.BootID)
		switch {
		case errors.Is(err, ErrUnknown), err == nil && wanted.Superseded:
			return over, nil
		case err != nil:
			return over, err
		}
		resp := protocol.ExchangeResponse{Step: wanted.Step, ReportEvery: s.o.ReportEvery}
		if wanted.Step != nil && wanted.Step.ID != req.StepID {
			return resp, nil
		}
		select {
		case <-wanted.Changed:
		case <-timer.C:
			return slim(resp, req), nil
		case <-ctx.Done():
			return slim(resp, req), nil
		}
	}
}

// slim leaves the parameters out of a step that the agent has already: they hold a config drive.
func slim(resp protocol.ExchangeResponse, req protocol.ExchangeRequest) protocol.ExchangeResponse {
	if resp.Step != nil && resp.Step.ID == req.StepID {
		resp.Step = &protocol.Step{ID: resp.Step.ID, Kind: resp.Step.Kind, Deadline: resp.Step.Deadline}
	}
	return resp
}

// log takes lines of an agent's log.
func (s *Server) log(w http.ResponseWriter, r *http.Request) {
	var req protocol.LogRequest
	if !s.known(w, r) || !s.read(w, r, protocol.MaxBodyBytes, &req) {
		return
	}
	if s.shown(r, req.BootID) == nil {
		s.refuseBoot(w, r, req.BootID)
		return
	}
	if len(req.Lines) > protocol.MaxLogLines || req.First < 1 {
		answerError(w, http.StatusBadRequest, protocol.CodeInvalid, "too many lines, or a first line before 1")
		return
	}
	for i := range req.Lines {
		req.Lines[i].Text, req.Lines[i].Level = printable(req.Lines[i].Text), printable(req.Lines[i].Level)
	}
	s.o.Logs.Append(r.Context(), req.BootID, req.First, req.Lines)
	w.WriteHeader(http.StatusNoContent)
}

// printable makes a foreign text safe to show on a terminal: no control characters, valid UTF-8, bounded.
func printable(text string) string {
	const limit = 4096
	if len(text) > limit {
		text = text[:limit]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return '.'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}
