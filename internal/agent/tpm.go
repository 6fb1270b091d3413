package agent

import (
	"context"
	"errors"
	"strings"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
)

// TPM is the machine's TPM 2.0.
type TPM interface {
	// Open begins a conversation with it: ErrNoTPM where the machine has none.
	Open() (TPMSession, error)
}

// TPMSession is a conversation with a TPM; internal/driver/tpm has it.
type TPMSession interface {
	Identity() protocol.TPMIdentity
	// Prove opens a challenge, and signs what bind makes of the secret.
	Prove(c protocol.TPMChallenge, bind func(secret []byte) []byte) (protocol.TPMProof, error)
	Close() error
}

// ErrNoTPM: the machine has no TPM 2.0.
var ErrNoTPM = errors.New("the machine has no TPM 2.0")

// ask sends an enrolment with what the machine's TPM shows, and answers the challenge where one comes.
func (a *agent) ask(ctx context.Context, req protocol.EnrollRequest) (protocol.EnrollResponse, error) {
	tpm, trouble := a.openTPM()
	if tpm != nil {
		defer func() { _ = tpm.Close() }()
		shown := tpm.Identity()
		req.TPM = &shown
	}
	req.TPMTrouble = trouble
	answer, err := a.askOnce(ctx, req)
	if err != nil || answer.TPMChallenge == nil {
		return answer, err
	}
	if tpm == nil {
		return answer, errors.New("the partition role asks for a proof of a TPM that was not shown")
	}
	hash, err := protocol.KeyHash(a.key.Public())
	if err != nil {
		return answer, err
	}
	proof, err := tpm.Prove(*answer.TPMChallenge, func(secret []byte) []byte { return protocol.TPMBinding(req.BootID, hash, secret) })
	if err != nil {
		return answer, err
	}
	req.TPMProof = &proof
	if answer, err = a.askOnce(ctx, req); err == nil && answer.TPMChallenge != nil {
		err = errors.New("the partition role asks for a proof again, after it had one")
	}
	return answer, err
}

// openTPM gives nil for a machine that has none, and for one whose TPM does not work; then trouble says why.
func (a *agent) openTPM() (tpm TPMSession, trouble string) {
	if a.hardware.TPM == nil {
		return nil, ""
	}
	tpm, err := a.hardware.TPM.Open()
	switch {
	case err == nil:
		return tpm, ""
	case errors.Is(err, ErrNoTPM):
		return nil, ""
	}
	a.logger.Warn("The machine's TPM is not usable", "err", err)
	trouble = err.Error()
	return nil, strings.ToValidUTF8(trouble[:min(len(trouble), protocol.MaxTPMTroubleBytes)], "")
}

func (a *agent) askOnce(ctx context.Context, req protocol.EnrollRequest) (protocol.EnrollResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	s := a.newSession(nil)
	defer s.http.CloseIdleConnections()
	var answer protocol.EnrollResponse
	header, err := s.post(ctx, protocol.PathEnroll, req, &answer, protocol.MaxBodyBytes)
	if header != nil {
		a.setClockFromAnswer(header)
	}
	return answer, err
}
