package attestation_test

import (
	"encoding/hex"
	"testing"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/attestation"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// FuzzIdentity: whatever is read can be challenged.
func FuzzIdentity(f *testing.F) {
	f.Add(unhex(f, seedEndorsement), unhex(f, seedAttestation), []byte(nil))
	f.Add(unhex(f, seedEndorsement), unhex(f, seedAttestation), unhex(f, "3082000a"))
	f.Fuzz(func(t *testing.T, endorsement, attestationKey, certificate []byte) {
		i, err := attestation.Read(protocol.TPMIdentity{EndorsementKey: endorsement, AttestationKey: attestationKey, Certificate: certificate})
		if err != nil {
			return
		}
		if len(i.Fingerprint()) != 64 {
			t.Errorf("fingerprint %q", i.Fingerprint())
		}
		if _, err := attestation.NewChallenger().Challenge(i, asked, now); err != nil {
			t.Error(err)
		}
	})
}

// FuzzProof: no proof is good that its TPM did not make for this key, which a fuzzer cannot. The signature is checked before the quote is read, so the quote is read apart.
func FuzzProof(f *testing.F) {
	i, err := attestation.Read(protocol.TPMIdentity{EndorsementKey: unhex(f, seedEndorsement), AttestationKey: unhex(f, seedAttestation)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(unhex(f, seedQuote), unhex(f, seedSignature), make([]byte, 32))
	f.Fuzz(func(t *testing.T, quote, signature, register []byte) {
		p := protocol.TPMProof{Secret: make([]byte, 32), Quote: quote, Signature: signature, PCRs: []protocol.PCR{{Index: 7, SHA256: register}}}
		if i.VerifyQuote(p, asked) == nil {
			t.Error("a quote for an unknown secret is good")
		}
		_ = attestation.ReadQuote(p)
	})
}
