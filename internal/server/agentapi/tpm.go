package agentapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ingotmetal/ingot/attest"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/attestation"
)

// admission is what comes of an enrolment whose token is right. Exactly one of reason and challenge may be set; with neither the agent is let in.
type admission struct {
	// reason is why not, for our own log.
	reason string
	// challenge is what the agent must answer first.
	challenge *protocol.TPMChallenge
	// evidence is what its TPM proved, nil for nothing.
	evidence *attest.Evidence
}

// askTPM judges what the machine's TPM shows. The token was right, so that what is refused here is told to the host's owner: it may be a neighbour who read the
// token, or the host's own machine with a new mainboard.
func (s *Server) askTPM(ctx context.Context, w Window, req protocol.EnrollRequest, keyHash string, now time.Time) (admission, error) {
	if !w.TPM.Asks() {
		return admission{}, nil
	}
	shown := attest.Shown{Trouble: printable(req.TPMTrouble)}
	var identity *attestation.Identity
	if req.TPM != nil {
		var err error
		if identity, err = attestation.Read(*req.TPM); err != nil {
			return s.refuseTPM(ctx, w, shown, fmt.Sprintf("the agent shows a TPM that cannot be used: %v", err), now), nil
		}
		shown.EndorsementKey = identity.Fingerprint()
	}
	verdict, reason := attest.Judge(w.TPM, shown)
	if verdict != attest.Challenge {
		if verdict == attest.Refuse {
			return s.refuseTPM(ctx, w, shown, reason, now), nil
		}
		return admission{}, nil
	}
	asked := attestation.Asked{BootID: w.BootID, KeyHash: keyHash}
	if req.TPMProof == nil {
		challenge, err := s.challenger.Challenge(identity, asked, now)
		return admission{challenge: challenge}, err
	}
	evidence, err := s.challenger.Verify(identity, asked, *req.TPMProof, now)
	if err != nil {
		return s.refuseTPM(ctx, w, shown, fmt.Sprintf("the agent shows the TPM with the endorsement key %s and does not prove it: %v", shown.EndorsementKey, err), now), nil
	}
	shown.Proven = true
	if verdict, reason = attest.Judge(w.TPM, shown); verdict != attest.Admit {
		return s.refuseTPM(ctx, w, shown, reason, now), nil
	}
	return admission{evidence: evidence}, nil
}

// refuseTPM tells the host's record too. That it cannot be told changes nothing for the agent.
func (s *Server) refuseTPM(ctx context.Context, w Window, shown attest.Shown, reason string, now time.Time) admission {
	err := s.o.Windows.Refused(ctx, w, Refusal{At: now, Reason: reason, EndorsementKey: shown.EndorsementKey})
	if err != nil && !errors.Is(err, ErrUnknown) && !errors.Is(err, ErrConflict) {
		s.o.Logger.Warn("Refusal not recorded", "boot", w.BootID, "err", err)
	}
	return admission{reason: reason}
}
