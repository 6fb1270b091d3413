package attestation

import "github.com/ingotmetal/ingot/internal/agent/protocol"

// Epoch is how long a challenge is new.
const Epoch = epoch

// VerifyQuote is the check of a quote alone.
func (i *Identity) VerifyQuote(p protocol.TPMProof, a Asked) error {
	return i.verifyQuote(p, protocol.TPMBinding(a.BootID, a.KeyHash, p.Secret))
}

// ReadQuote is what comes after the signature was right.
func ReadQuote(p protocol.TPMProof) error { return readQuote(p, make([]byte, 32)) }
