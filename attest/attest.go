// Package attest decides whether an agent is let in by what its machine's TPM 2.0 proves.
//
// It owns the words of the policy, the demand that one boot makes, and the judgement of what an agent shows against it. It refuses TPM structures and cryptography: who
// calls Judge has checked what is shown (internal/attestation), and says so in Shown.Proven. It is free of Kubernetes, since the agents' server uses it too.
//
// A boot's token travels to the machine. Over virtual media it goes to the BMC, by TLS; on a network boot a neighbour on the provisioning network can read it, and be faster
// than the machine. A TPM has a key that never leaves it, the endorsement key, which the first agent of a host shows and proves; from then on it is pinned, and the token alone
// is worth nothing to anybody else.
//
// Invariants: an endorsement key that is pinned is asked for whatever the agent says of its machine (but for Never, an operator's word); nothing is let in on a key that was
// shown and not proved.
package attest

import (
	"fmt"
	"strings"
	"time"
)

// Policy is what is asked of a machine's TPM on one way of booting.
type Policy string

// The policies.
const (
	// Require: no agent without a proof.
	Require Policy = "require"
	// Prefer: a TPM that the agent shows is proved and pinned, and from then on asked for; a machine that never showed one is let in with its token alone.
	Prefer Policy = "prefer"
	// Never: nothing is asked for, nothing is pinned, and what is pinned is not looked at.
	Never Policy = "never"
)

// Policies is the closed list.
func Policies() []Policy { return []Policy{Require, Prefer, Never} }

// Default is the policy where nobody says anything.
const Default = Prefer

// ParsePolicy reads a policy; empty is empty.
func ParsePolicy(s string) (Policy, error) {
	switch p := Policy(strings.ToLower(strings.TrimSpace(s))); p {
	case "", Require, Prefer, Never:
		return p, nil
	}
	return "", fmt.Errorf("%q is none of %v", s, Policies())
}

// FingerprintLength is that of a fingerprint: SHA-256 in lower-case hex.
const FingerprintLength = 64

// NoTPM is what an operator says of a machine that has no TPM any more, in the place of a fingerprint.
const NoTPM = "none"

// ParseFingerprint reads the fingerprint of an endorsement key as it is shown: 64 hex digits, with "sha256:" before them or not, with colons between them or not.
func ParseFingerprint(s string) (string, error) {
	f := strings.ToLower(strings.TrimSpace(s))
	f = strings.ReplaceAll(strings.TrimPrefix(f, "sha256:"), ":", "")
	if len(f) != FingerprintLength || strings.Trim(f, "0123456789abcdef") != "" {
		return "", fmt.Errorf("%q is not the SHA-256 fingerprint of a key: %d hex digits", s, FingerprintLength)
	}
	return f, nil
}

// Demand is what one boot asks of the TPM of the machine that it is for.
type Demand struct {
	// Policy; empty asks for nothing, as Never does.
	Policy Policy
	// EndorsementKey is the fingerprint of the key that is pinned, empty for none.
	EndorsementKey string
}

// Asks says whether anything is asked for at all.
func (d Demand) Asks() bool { return d.Policy == Require || d.Policy == Prefer }

// Shown is what an agent shows.
type Shown struct {
	// EndorsementKey is the fingerprint of the key that it shows, empty for none.
	EndorsementKey string
	// Proven: the TPM with that key was proved to be the one that this very agent runs on.
	Proven bool
	// Trouble is why it shows none although its machine has a TPM. It is the agent's word.
	Trouble string
}

// Verdict is what comes of it.
type Verdict string

// The verdicts.
const (
	// Admit lets the agent in.
	Admit Verdict = "admit"
	// Challenge asks it for a proof.
	Challenge Verdict = "challenge"
	// Refuse does not let it in.
	Refuse Verdict = "refuse"
)

// Judge decides. Reason says why an agent is refused, for the operator.
func Judge(d Demand, s Shown) (v Verdict, reason string) {
	switch {
	case !d.Asks():
		return Admit, ""
	case s.EndorsementKey == "" && d.EndorsementKey != "":
		return Refuse, fmt.Sprintf("the agent shows no TPM%s, and the host's machine has one, with the endorsement key %s", trouble(s), d.EndorsementKey)
	case s.EndorsementKey == "" && d.Policy == Require:
		return Refuse, fmt.Sprintf("the agent shows no TPM%s, and the policy requires one", trouble(s))
	case s.EndorsementKey == "":
		return Admit, ""
	case d.EndorsementKey != "" && s.EndorsementKey != d.EndorsementKey:
		return Refuse, fmt.Sprintf("the agent shows a TPM with the endorsement key %s, and that of the host's machine is %s", s.EndorsementKey, d.EndorsementKey)
	case !s.Proven:
		return Challenge, ""
	}
	return Admit, ""
}

func trouble(s Shown) string {
	if s.Trouble == "" {
		return ""
	}
	return fmt.Sprintf(" (it says: %q)", s.Trouble)
}

// Evidence is what was proved of a TPM when its machine's agent was let in.
type Evidence struct {
	// EndorsementKey is the fingerprint of the key: SHA-256 of its SubjectPublicKeyInfo, in hex.
	EndorsementKey string
	// Algorithm is "ecc-p256" or "rsa-2048".
	Algorithm string
	// Certificate is the key's certificate, nil where the TPM has none that can be read.
	Certificate *Certificate
	// PCRs are what the machine's firmware and boot loaders measured, as the TPM signed it; nothing is concluded from them.
	PCRs []PCR
	// At is when it was proved.
	At time.Time
}

// Certificate is what the maker of a TPM says of its endorsement key. Its chain is not verified.
type Certificate struct {
	Issuer, SerialNumber string
	// SHA256 is the fingerprint of the certificate, in hex.
	SHA256 string
}

// PCR is a platform configuration register (TCG PC Client Platform Firmware Profile, 3.3.4).
type PCR struct {
	Index int
	// SHA256 is its value in the SHA-256 bank, in hex.
	SHA256 string
}

// Satisfies says whether an agent that was let in with this evidence (nil for none) does what is asked for now, which may be more than when it was let in.
func (d Demand) Satisfies(e *Evidence) bool {
	switch {
	case !d.Asks():
		return true
	case e == nil:
		return d.Policy == Prefer && d.EndorsementKey == ""
	}
	return d.EndorsementKey == "" || d.EndorsementKey == e.EndorsementKey
}
