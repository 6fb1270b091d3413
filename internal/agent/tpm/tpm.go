// Package tpm talks to a machine's TPM 2.0, for the agent's enrolment.
//
// It owns the commands: the endorsement key of the TCG's template and its certificate, an attestation key for this boot, the opening of a challenge, a quote. It refuses to judge any of it
// (internal/attestation, at the other end), and leaves nothing behind in the TPM: every key is transient, made anew from the TPM's seeds.
//
// The keys are on ECC P-256, which a TPM makes in a tenth of a second where RSA takes up to a minute; the TCG's profile for PCs asks for both. The attestation key is in the null hierarchy, so
// that it needs no password that an owner before may have set, and is another one after each start of the machine. The endorsement hierarchy has such a password too: one that is
// set keeps the challenge from being opened, which is told as it is.
//
// Invariants: a Session holds at most two objects and one session at once, the least that the TCG lets a TPM have room for; Close flushes them.
package tpm

import (
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
)

// Session is a conversation with a TPM. It is for one goroutine.
type Session struct {
	tpm                      transport.TPMCloser
	endorsement, attestation object
	identity                 protocol.TPMIdentity
	closed                   bool
}

// object is a key in the TPM.
type object struct {
	handle tpm2.TPMHandle
	name   tpm2.TPM2BName
	area   []byte
}

// Open makes the keys. The connection is the session's from now on, also after an error.
func Open(t transport.TPMCloser) (*Session, error) {
	s := &Session{tpm: t}
	if err := s.keys(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Session) keys() error {
	e, certificateAt, err := s.endorsementKey()
	if err != nil {
		return fmt.Errorf("make the TPM's endorsement key: %w", err)
	}
	s.endorsement = e
	if s.attestation, err = s.primary(tpm2.TPMRHNull, AttestationTemplate()); err != nil {
		return fmt.Errorf("make an attestation key in the TPM: %w", err)
	}
	s.identity = protocol.TPMIdentity{EndorsementKey: e.area, Certificate: s.certificate(certificateAt), AttestationKey: s.attestation.area}
	return nil
}

// Where a TPM keeps the certificates of its endorsement keys (TCG EK Credential Profile, 2.2.1.4).
const (
	rsaCertificateIndex tpm2.TPMHandle = 0x01c00002
	eccCertificateIndex tpm2.TPMHandle = 0x01c0000a
)

// endorsementKey makes the key on ECC P-256, or RSA 2048 where the TPM has no such curve. Any other trouble is an error: a host must not get another identity by it.
func (s *Session) endorsementKey() (object, tpm2.TPMHandle, error) {
	e, err := s.primary(tpm2.TPMRHEndorsement, tpm2.ECCEKTemplate)
	if errors.Is(err, tpm2.TPMRCCurve) || errors.Is(err, tpm2.TPMRCType) || errors.Is(err, tpm2.TPMRCAsymmetric) {
		e, err = s.primary(tpm2.TPMRHEndorsement, tpm2.RSAEKTemplate)
		return e, rsaCertificateIndex, err
	}
	return e, eccCertificateIndex, err
}

func (s *Session) primary(hierarchy tpm2.TPMHandle, template tpm2.TPMTPublic) (object, error) {
	made, err := tpm2.CreatePrimary{PrimaryHandle: hierarchy, InPublic: tpm2.New2B(template)}.Execute(s.tpm)
	if err != nil {
		return object{}, err
	}
	return object{handle: made.ObjectHandle, name: made.Name, area: made.OutPublic.Bytes()}, nil
}

// certificateChunk is what every TPM gives in one read (TPM_PT_NV_BUFFER_MAX is at least that).
const certificateChunk = 512

// certificate reads the endorsement key's certificate; nil where there is none, or none that may be read.
func (s *Session) certificate(index tpm2.TPMHandle) []byte {
	area, err := tpm2.NVReadPublic{NVIndex: index}.Execute(s.tpm)
	if err != nil {
		return nil
	}
	public, err := area.NVPublic.Contents()
	if err != nil || int(public.DataSize) > protocol.MaxTPMCertificateBytes {
		return nil
	}
	var der []byte
	for len(der) < int(public.DataSize) {
		read, err := tpm2.NVRead{
			AuthHandle: tpm2.AuthHandle{Handle: index, Name: area.NVName, Auth: tpm2.PasswordAuth(nil)}, NVIndex: tpm2.NamedHandle{Handle: index, Name: area.NVName},
			Size: uint16(min(int(public.DataSize)-len(der), certificateChunk)), Offset: uint16(len(der)),
		}.Execute(s.tpm)
		if err != nil || len(read.Data.Buffer) == 0 {
			return nil
		}
		der = append(der, read.Data.Buffer...)
	}
	return der
}

// Identity is what the TPM shows.
func (s *Session) Identity() protocol.TPMIdentity { return s.identity }

// Prove opens a challenge and quotes the registers with what bind makes of the secret.
func (s *Session) Prove(c protocol.TPMChallenge, bind func(secret []byte) []byte) (protocol.TPMProof, error) {
	opened, err := tpm2.ActivateCredential{
		ActivateHandle: tpm2.AuthHandle{Handle: s.attestation.handle, Name: s.attestation.name, Auth: tpm2.PasswordAuth(nil)},
		KeyHandle:      tpm2.AuthHandle{Handle: s.endorsement.handle, Name: s.endorsement.name, Auth: tpm2.Policy(tpm2.TPMAlgSHA256, 16, endorsementPolicy)},
		CredentialBlob: tpm2.TPM2BIDObject{Buffer: c.CredentialBlob}, Secret: tpm2.TPM2BEncryptedSecret{Buffer: c.EncryptedSecret},
	}.Execute(s.tpm)
	if err != nil {
		return protocol.TPMProof{}, fmt.Errorf("open the challenge with the TPM's endorsement key (an endorsement password that an owner before set can be cleared in the firmware's setup): %w", err)
	}
	p := protocol.TPMProof{Secret: opened.CertInfo.Buffer}
	if err := s.quote(&p, bind(p.Secret)); err != nil {
		return protocol.TPMProof{}, fmt.Errorf("quote the TPM's registers: %w", err)
	}
	return p, nil
}

// endorsementPolicy is the policy of the TCG's template: the endorsement hierarchy's password, which is empty unless an owner set one.
func endorsementPolicy(t transport.TPM, session tpm2.TPMISHPolicy, nonce tpm2.TPM2BNonce) error {
	_, err := tpm2.PolicySecret{
		AuthHandle:    tpm2.AuthHandle{Handle: tpm2.TPMRHEndorsement, Name: tpm2.HandleName(tpm2.TPMRHEndorsement), Auth: tpm2.PasswordAuth(nil)},
		PolicySession: session, NonceTPM: nonce,
	}.Execute(t)
	return err
}

// measured are the registers of firmware, boot loader, kernel and ramdisk (PC Client Platform Firmware Profile, 3.3.4), and the one of the shim's own keys.
func measured() []uint { return []uint{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14} }

// quoteTries bounds the registers changing between their reading and their signing.
const quoteTries = 3

func (s *Session) quote(p *protocol.TPMProof, bound []byte) (err error) {
	for range quoteTries {
		var counter uint32
		if p.PCRs, counter, err = s.registers(); err != nil {
			return err
		}
		if err = s.sign(p, bound); err != nil {
			return err
		}
		var after uint32
		if _, after, err = s.registers(); err != nil || after == counter {
			return err
		}
	}
	return errors.New("they change all the time")
}

func (s *Session) sign(p *protocol.TPMProof, bound []byte) error {
	var indexes []uint
	for _, r := range p.PCRs {
		indexes = append(indexes, uint(r.Index))
	}
	quoted, err := tpm2.Quote{
		SignHandle:     tpm2.AuthHandle{Handle: s.attestation.handle, Name: s.attestation.name, Auth: tpm2.PasswordAuth(nil)},
		QualifyingData: tpm2.TPM2BData{Buffer: bound}, InScheme: tpm2.TPMTSigScheme{Scheme: tpm2.TPMAlgNull}, PCRSelect: selection(indexes),
	}.Execute(s.tpm)
	if err != nil {
		return err
	}
	p.Quote, p.Signature = quoted.Quoted.Bytes(), tpm2.Marshal(quoted.Signature)
	return nil
}

func selection(indexes []uint) tpm2.TPMLPCRSelection {
	return tpm2.TPMLPCRSelection{PCRSelections: []tpm2.TPMSPCRSelection{{Hash: tpm2.TPMAlgSHA256, PCRSelect: tpm2.PCClientCompatible.PCRs(indexes...)}}}
}

// registers reads the measured registers, eight at a time as TPMs give them, and the counter of their changes. A TPM without a SHA-256 bank gives none.
func (s *Session) registers() (values []protocol.PCR, counter uint32, err error) {
	for left := measured(); len(left) > 0; {
		some := left[:min(len(left), 8)]
		left = left[len(some):]
		read, err := tpm2.PCRRead{PCRSelectionIn: selection(some)}.Execute(s.tpm)
		if err != nil {
			return nil, 0, err
		}
		counter = read.PCRUpdateCounter
		if len(read.PCRValues.Digests) == 0 {
			continue
		}
		if len(read.PCRValues.Digests) != len(some) {
			return nil, 0, fmt.Errorf("the TPM gives %d of %d registers", len(read.PCRValues.Digests), len(some))
		}
		for i, d := range read.PCRValues.Digests {
			values = append(values, protocol.PCR{Index: int(some[i]), SHA256: d.Buffer})
		}
	}
	return values, counter, nil
}

// Close flushes the keys and ends the conversation. Only the first call does anything.
func (s *Session) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	var problems []error
	for _, o := range []object{s.attestation, s.endorsement} {
		if o.handle != 0 {
			_, err := tpm2.FlushContext{FlushHandle: o.handle}.Execute(s.tpm)
			problems = append(problems, err)
		}
	}
	return errors.Join(append(problems, s.tpm.Close())...)
}

// AttestationTemplate is the attestation key's: a restricted signing key, ECDSA on P-256 with SHA-256, made in the TPM and fixed to it.
func AttestationTemplate() tpm2.TPMTPublic {
	return tpm2.TPMTPublic{
		Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, NoDA: true, Restricted: true, SignEncrypt: true},
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{
			Scheme: tpm2.TPMTECCScheme{
				Scheme:  tpm2.TPMAlgECDSA,
				Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: tpm2.TPMAlgSHA256}),
			},
			CurveID: tpm2.TPMECCNistP256,
		}),
		Unique: tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{X: tpm2.TPM2BECCParameter{Buffer: make([]byte, 32)}, Y: tpm2.TPM2BECCParameter{Buffer: make([]byte, 32)}}),
	}
}
