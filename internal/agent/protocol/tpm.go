package protocol

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// The bounds of what an agent says of its TPM. A certificate of an endorsement key has 1 to 2 KiB; the public areas and the quote some hundred bytes.
const (
	MaxTPMBytes            = 1 << 10
	MaxTPMCertificateBytes = 8 << 10
	MaxTPMTroubleBytes     = 512
	// MaxPCRs is how many platform configuration registers there are.
	MaxPCRs = 24
)

// TPMIdentity is what a machine's TPM 2.0 shows of itself. All of it is public, and proves nothing.
type TPMIdentity struct {
	// EndorsementKey is the public area (TPMT_PUBLIC, TPM 2.0 Library Part 2, 12.2.4) of the endorsement key that the TCG's template gives: ECC P-256, or RSA 2048 where the
	// TPM has no such curve (TCG EK Credential Profile, B.3.3 and B.3.4).
	EndorsementKey []byte `json:"endorsementKey"`
	// Certificate of the endorsement key in DER, as the TPM keeps it; empty for none.
	Certificate []byte `json:"certificate,omitempty"`
	// AttestationKey is the public area of a restricted signing key that the TPM made for this boot.
	AttestationKey []byte `json:"attestationKey"`
}

// TPMChallenge is a secret that only the TPM with the endorsement key can open, and only for the attestation key (TPM2_MakeCredential).
type TPMChallenge struct {
	// CredentialBlob and EncryptedSecret are the content of TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET.
	CredentialBlob  []byte `json:"credentialBlob"`
	EncryptedSecret []byte `json:"encryptedSecret"`
}

// TPMProof answers a challenge.
type TPMProof struct {
	// Secret is what TPM2_ActivateCredential gave.
	Secret []byte `json:"secret"`
	// Quote is a TPMS_ATTEST over the PCRs, with TPMBinding as its extra data; Signature the attestation key's TPMT_SIGNATURE on it.
	Quote     []byte `json:"quote"`
	Signature []byte `json:"signature"`
	// PCRs are the values that were quoted, in the SHA-256 bank, ascending.
	PCRs []PCR `json:"pcrs,omitempty"`
}

// PCR is the value of a platform configuration register.
type PCR struct {
	Index  int    `json:"index"`
	SHA256 []byte `json:"sha256"`
}

// KeyHash names a public key: SHA-256 of its SubjectPublicKeyInfo, hex.
func KeyHash(public crypto.PublicKey) (string, error) {
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("encode a public key: %w", err)
	}
	h := sha256.Sum256(spki)
	return hex.EncodeToString(h[:]), nil
}

// TPMBinding is what a quote must carry: the boot, the key that the certificate is asked for, and the activated secret. It makes of token, TPM and key one thing: a proof is of no
// use for another key. KeyHash is SHA-256 over the SubjectPublicKeyInfo, in hex.
func TPMBinding(bootID, keyHash string, secret []byte) []byte {
	h := sha256.New()
	for _, part := range [][]byte{[]byte("ingot agent enrolment, version 1"), []byte(bootID), []byte(keyHash), secret} {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(part)))
		h.Write(n[:])
		h.Write(part)
	}
	return h.Sum(nil)
}
