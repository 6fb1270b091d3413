package attestation

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/google/go-tpm/tpm2"

	"github.com/ingotmetal/ingot/attest"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
)

// epoch is how long a challenge is new; a proof of the epoch before is still good.
const epoch = 5 * time.Minute

// Challenger makes challenges and checks what comes of them. It may be used by several goroutines.
type Challenger struct{ key [32]byte }

// NewChallenger has a key of its own.
func NewChallenger() *Challenger {
	c := &Challenger{}
	// The system's source does not fail.
	_, _ = rand.Read(c.key[:])
	return c
}

// Asked is who asks for a certificate.
type Asked struct {
	BootID string
	// KeyHash is SHA-256 over the SubjectPublicKeyInfo of the key that the certificate is for, hex.
	KeyHash string
}

// Challenge makes a secret that only this TPM can open.
func (c *Challenger) Challenge(i *Identity, a Asked, now time.Time) (*protocol.TPMChallenge, error) {
	key, err := tpm2.ImportEncapsulationKey(&i.endorsement)
	if err != nil {
		return nil, fmt.Errorf("make a challenge for the endorsement key %s: %w", i.fingerprint, err)
	}
	blob, secret, err := tpm2.CreateCredential(rand.Reader, key, i.name, c.secret(i, a, epochOf(now)))
	if err != nil {
		return nil, fmt.Errorf("make a challenge for the endorsement key %s: %w", i.fingerprint, err)
	}
	return &protocol.TPMChallenge{CredentialBlob: blob, EncryptedSecret: secret}, nil
}

// Verify checks an answer. An error says why it proves nothing.
func (c *Challenger) Verify(i *Identity, a Asked, p protocol.TPMProof, now time.Time) (*attest.Evidence, error) {
	e := epochOf(now)
	if !hmac.Equal(p.Secret, c.secret(i, a, e)) && !hmac.Equal(p.Secret, c.secret(i, a, e-1)) {
		return nil, errors.New("the secret is not the one of the challenge: it was not opened by this TPM, or for another key or boot, or too long ago")
	}
	if err := i.verifyQuote(p, protocol.TPMBinding(a.BootID, a.KeyHash, p.Secret)); err != nil {
		return nil, fmt.Errorf("the quote: %w", err)
	}
	evidence := &attest.Evidence{EndorsementKey: i.fingerprint, Algorithm: i.algorithm, Certificate: i.certificate, At: now}
	for _, r := range p.PCRs {
		evidence.PCRs = append(evidence.PCRs, attest.PCR{Index: r.Index, SHA256: hex.EncodeToString(r.SHA256)})
	}
	return evidence, nil
}

func epochOf(now time.Time) int64 { return now.Unix() / int64(epoch/time.Second) }

// secret binds a challenge to everything that is to be proved. It has 32 bytes, as long as the endorsement key's name algorithm allows.
func (c *Challenger) secret(i *Identity, a Asked, epoch int64) []byte {
	h := hmac.New(sha256.New, c.key[:])
	for _, part := range [][]byte{[]byte(a.BootID), []byte(a.KeyHash), []byte(i.fingerprint), i.name} {
		_ = binary.Write(h, binary.BigEndian, uint32(len(part)))
		h.Write(part)
	}
	_ = binary.Write(h, binary.BigEndian, epoch)
	return h.Sum(nil)
}

// verifyQuote checks that the attestation key signed a quote of these registers with this extra data.
func (i *Identity) verifyQuote(p protocol.TPMProof, bound []byte) error {
	if len(p.Quote) > protocol.MaxTPMBytes || len(p.Signature) > protocol.MaxTPMBytes {
		return errors.New("it is larger than any TPM's")
	}
	if err := i.verifySignature(p.Quote, p.Signature); err != nil {
		return err
	}
	return readQuote(p, bound)
}

// readQuote reads a quote that was signed by a restricted key, so that the TPM itself made it.
func readQuote(p protocol.TPMProof, bound []byte) error {
	said, err := tpm2.Unmarshal[tpm2.TPMSAttest](p.Quote)
	if err != nil {
		return fmt.Errorf("it cannot be read: %w", err)
	}
	if said.Type != tpm2.TPMSTAttestQuote {
		return errors.New("it is another attestation than a quote")
	}
	if !bytes.Equal(said.ExtraData.Buffer, bound) {
		return errors.New("it was made for another key, boot or challenge")
	}
	quote, err := said.Attested.Quote()
	if err != nil {
		return err
	}
	return checkPCRs(quote, p.PCRs)
}

func (i *Identity) verifySignature(quote, signature []byte) error {
	s, err := tpm2.Unmarshal[tpm2.TPMTSignature](signature)
	if err != nil {
		return fmt.Errorf("its signature cannot be read: %w", err)
	}
	if s.SigAlg != tpm2.TPMAlgECDSA {
		return errors.New("its signature is not ECDSA")
	}
	e, err := s.Signature.ECDSA()
	if err != nil {
		return err
	}
	digest := sha256.Sum256(quote)
	if e.Hash != tpm2.TPMAlgSHA256 || !ecdsa.Verify(i.signer, digest[:], new(big.Int).SetBytes(e.SignatureR.Buffer), new(big.Int).SetBytes(e.SignatureS.Buffer)) {
		return errors.New("it is not signed by the attestation key")
	}
	return nil
}

// checkPCRs holds the told values against what the TPM signed: which registers, and the digest over their values in ascending order.
func checkPCRs(q *tpm2.TPMSQuoteInfo, told []protocol.PCR) error {
	var indexes []int
	for _, s := range q.PCRSelect.PCRSelections {
		for i := range 8 * len(s.PCRSelect) {
			if s.PCRSelect[i/8]&(1<<(i%8)) == 0 {
				continue
			}
			if s.Hash != tpm2.TPMAlgSHA256 || i >= protocol.MaxPCRs {
				return errors.New("it has registers beyond the SHA-256 bank")
			}
			indexes = append(indexes, i)
		}
	}
	if len(indexes) != len(told) {
		return fmt.Errorf("it is of %d registers, and %d are told", len(indexes), len(told))
	}
	h := sha256.New()
	for n, r := range told {
		if r.Index != indexes[n] || len(r.SHA256) != sha256.Size {
			return errors.New("the told registers are not the quoted ones")
		}
		h.Write(r.SHA256)
	}
	if !bytes.Equal(h.Sum(nil), q.PCRDigest.Buffer) {
		return errors.New("the told values of the registers are not the quoted ones")
	}
	return nil
}
