// Package attestation proves that an agent runs on the machine with a certain TPM 2.0, by credential activation.
//
// It owns the structures that an agent's TPM shows: their parsing, the challenge (TPM2_MakeCredential, done here in software), and the check of its answer. It refuses policy (package
// attest), transport, and talking to a TPM (internal/agent/tpm).
//
// What is proved, in order. The challenge can only be opened by the TPM that has the endorsement key, and only while the attestation key with exactly the shown public area is loaded in
// it. That area says that the key was made in this TPM, never leaves it, and signs nothing but what the TPM itself says. It signs a quote whose extra data binds the boot, the opened secret,
// and the key that the certificate is asked for. So whoever asks for the certificate has a program on the machine with that TPM do so; a neighbour with the boot's token and another
// TPM, or none, fails at the first of these.
//
// What is not proved: that the endorsement key is a real TPM's (the certificate's chain is not verified), and what software runs (PCRs are passed on, not judged).
//
// The challenge needs no memory: its secret is an HMAC over what was shown and asked, under a key of this process. A proof is good for the process that asked, for at most ten minutes.
//
// Invariants: a public area that is not, up to the key itself, one of three templates is refused, so that nothing of its attributes is left to interpretation.
package attestation

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-tpm/tpm2"

	"github.com/ingotmetal/ingot/attest"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/agent/tpm"
)

// The algorithms of endorsement keys.
const (
	ECC = "ecc-p256"
	RSA = "rsa-2048"
)

// Identity is what a TPM shows of itself, parsed.
type Identity struct {
	endorsement tpm2.TPMTPublic
	// fingerprint of the endorsement key, and its algorithm.
	fingerprint, algorithm string
	certificate            *attest.Certificate

	// signer is the attestation key, name its name (TPM 2.0 Library Part 1, 16).
	signer *ecdsa.PublicKey
	name   []byte
}

// Read parses and checks what an agent shows. Its errors are for the operator's eyes; the agent is told nothing of them.
func Read(shown protocol.TPMIdentity) (*Identity, error) {
	if len(shown.EndorsementKey) > protocol.MaxTPMBytes || len(shown.AttestationKey) > protocol.MaxTPMBytes || len(shown.Certificate) > protocol.MaxTPMCertificateBytes {
		return nil, errors.New("the TPM's identity is larger than any TPM's")
	}
	i := &Identity{}
	if err := i.readEndorsement(shown.EndorsementKey); err != nil {
		return nil, fmt.Errorf("the endorsement key: %w", err)
	}
	if err := i.readAttestation(shown.AttestationKey); err != nil {
		return nil, fmt.Errorf("the attestation key: %w", err)
	}
	public, err := tpm2.Pub(i.endorsement)
	if err != nil {
		return nil, fmt.Errorf("the endorsement key: %w", err)
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("the endorsement key: %w", err)
	}
	i.fingerprint = fingerprint(spki)
	if i.certificate, err = readCertificate(shown.Certificate, public); err != nil {
		return nil, fmt.Errorf("the endorsement key's certificate: %w", err)
	}
	return i, nil
}

// Fingerprint is the endorsement key's, as attest has it.
func (i *Identity) Fingerprint() string { return i.fingerprint }

func (i *Identity) readEndorsement(area []byte) error {
	public, err := readPublic(area)
	if err != nil {
		return err
	}
	switch {
	case sameTemplate(*public, tpm2.ECCEKTemplate):
		i.algorithm = ECC
	case sameTemplate(*public, tpm2.RSAEKTemplate):
		i.algorithm = RSA
	default:
		return errors.New("its public area is neither the TCG's template for ECC P-256 nor that for RSA 2048")
	}
	i.endorsement = *public
	return nil
}

func (i *Identity) readAttestation(area []byte) error {
	public, err := readPublic(area)
	if err != nil {
		return err
	}
	if !sameTemplate(*public, tpm.AttestationTemplate()) {
		return errors.New("its public area is not that of a restricted signing key on ECC P-256, made in the TPM")
	}
	key, err := tpm2.Pub(*public)
	if err != nil {
		return err
	}
	signer, ok := key.(*ecdsa.PublicKey)
	if !ok {
		return errors.New("it is no ECDSA key")
	}
	name, err := tpm2.ObjectName(public)
	if err != nil {
		return err
	}
	i.signer, i.name = signer, name.Buffer
	return nil
}

// readPublic parses a public area, and checks its key: a point on the curve, an odd modulus of the right size.
func readPublic(area []byte) (*tpm2.TPMTPublic, error) {
	public, err := tpm2.Unmarshal[tpm2.TPMTPublic](area)
	if err != nil {
		return nil, fmt.Errorf("its public area cannot be read: %w", err)
	}
	if !bytes.Equal(tpm2.Marshal(*public), area) {
		return nil, errors.New("its public area is not in the one form that it can have")
	}
	key, err := tpm2.Pub(*public)
	if err != nil {
		return nil, err
	}
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if _, err := k.ECDH(); err != nil {
			return nil, errors.New("its point is not on the curve")
		}
	case *rsa.PublicKey:
		if k.N.BitLen() != 2048 || k.N.Bit(0) == 0 || k.E != 65537 {
			return nil, fmt.Errorf("its modulus has %d bits, or it is even, or its exponent is not 65537", k.N.BitLen())
		}
	default:
		return nil, errors.New("it is neither ECC nor RSA")
	}
	return public, nil
}

// sameTemplate says whether two public areas differ in the key alone. The unique field is last in the area, so that everything before it must be equal.
func sameTemplate(a, template tpm2.TPMTPublic) bool {
	a.Unique = template.Unique
	return a.Type == template.Type && bytes.Equal(tpm2.Marshal(a), tpm2.Marshal(template))
}

var errOtherKey = errors.New("it is for another key")

// readCertificate parses the certificate of an endorsement key; nil for none, and for one that Go cannot read. TPMs keep it in an area that may be larger.
func readCertificate(der []byte, key any) (*attest.Certificate, error) {
	if len(der) == 0 {
		return nil, nil
	}
	var raw asn1.RawValue
	if _, err := asn1.Unmarshal(der, &raw); err != nil {
		return nil, nil //nolint:nilerr // what cannot be read says nothing, and the key is proved without it
	}
	c, err := x509.ParseCertificate(raw.FullBytes)
	if err != nil {
		return nil, nil //nolint:nilerr // as above
	}
	switch public := c.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if e, ok := key.(*ecdsa.PublicKey); !ok || !public.Equal(e) {
			return nil, errOtherKey
		}
	case *rsa.PublicKey:
		if r, ok := key.(*rsa.PublicKey); !ok || !public.Equal(r) {
			return nil, errOtherKey
		}
	default:
		// Some makers mark an RSA key as one for OAEP alone, which Go leaves unread.
		return nil, nil
	}
	return &attest.Certificate{Issuer: bounded(c.Issuer.String(), 512), SerialNumber: bounded(c.SerialNumber.Text(16), 128), SHA256: fingerprint(raw.FullBytes)}, nil
}

// bounded keeps a text to a number of bytes, as the API does.
func bounded(s string, most int) string { return strings.ToValidUTF8(s[:min(len(s), most)], "") }

func fingerprint(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
