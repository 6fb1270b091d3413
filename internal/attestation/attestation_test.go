package attestation_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/agent/tpm"
	"github.com/ingotmetal/ingot/internal/agent/tpm/tpmtest"
	"github.com/ingotmetal/ingot/internal/attestation"
)

var (
	now   = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	asked = attestation.Asked{BootID: "boot-1", KeyHash: strings.Repeat("ab", 32)}
)

func open(t testing.TB, software *tpmtest.TPM) *tpm.Session {
	t.Helper()
	c, err := software.Connect()
	if err != nil {
		t.Fatal(err)
	}
	s, err := tpm.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// closeNow makes room in a TPM that has no resource manager before it.
func closeNow(t testing.TB, s *tpm.Session) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, s *tpm.Session) *attestation.Identity {
	t.Helper()
	i, err := attestation.Read(s.Identity())
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func bindTo(a attestation.Asked) func([]byte) []byte {
	return func(secret []byte) []byte { return protocol.TPMBinding(a.BootID, a.KeyHash, secret) }
}

func challenge(t testing.TB, c *attestation.Challenger, i *attestation.Identity, a attestation.Asked) protocol.TPMChallenge {
	t.Helper()
	out, err := c.Challenge(i, a, now)
	if err != nil {
		t.Fatal(err)
	}
	return *out
}

// TestATPMProvesItself goes all the way with a TPM in software, twice: the endorsement key is the same, the attestation key of another start need not be.
func TestATPMProvesItself(t *testing.T) {
	software := tpmtest.New(t)
	value := sha256.Sum256([]byte("firmware"))
	software.Extend(4, value[:])
	c := attestation.NewChallenger()
	var fingerprints []string
	for range 2 {
		s := open(t, software)
		i := read(t, s)
		p, err := s.Prove(challenge(t, c, i, asked), bindTo(asked))
		if err != nil {
			t.Fatal(err)
		}
		e, err := c.Verify(i, asked, p, now.Add(attestation.Epoch))
		if err != nil {
			t.Fatal(err)
		}
		fingerprints = append(fingerprints, e.EndorsementKey)
		want := sha256.Sum256(append(make([]byte, 32), value[:]...))
		if e.Algorithm != attestation.ECC || e.Certificate != nil || len(e.PCRs) != 11 || e.PCRs[4].Index != 4 || e.PCRs[4].SHA256 != hex.EncodeToString(want[:]) {
			t.Errorf("%+v", e)
		}
		if _, err := c.Verify(i, asked, p, now.Add(2*attestation.Epoch)); err == nil {
			t.Error("a proof is good for ever")
		}
		if _, err := attestation.NewChallenger().Verify(i, asked, p, now); err == nil {
			t.Error("a proof is good for a challenge that was not made")
		}
		closeNow(t, s)
	}
	if fingerprints[0] != fingerprints[1] || len(fingerprints[0]) != 64 {
		t.Errorf("fingerprints %v", fingerprints)
	}
	if other := read(t, open(t, tpmtest.New(t))); other.Fingerprint() == fingerprints[0] {
		t.Error("two TPMs have one endorsement key")
	}
}

// TestNothingElseProvesIt takes each part of a proof from elsewhere.
func TestNothingElseProvesIt(t *testing.T) {
	mine, theirs := open(t, tpmtest.New(t)), open(t, tpmtest.New(t))
	c := attestation.NewChallenger()
	i, other := read(t, mine), read(t, theirs)
	good, err := mine.Prove(challenge(t, c, i, asked), bindTo(asked))
	if err != nil {
		t.Fatal(err)
	}
	// A neighbour has the token, and the host's endorsement key, which is public: its own TPM cannot open what is for another.
	if _, err := theirs.Prove(challenge(t, c, i, asked), bindTo(asked)); err == nil {
		t.Error("another TPM opens the challenge")
	}
	// The host's endorsement key with the neighbour's attestation key: the host's TPM would open it only with that key loaded.
	mixed := mine.Identity()
	mixed.AttestationKey = theirs.Identity().AttestationKey
	m, err := attestation.Read(mixed)
	if err != nil {
		t.Fatal(err)
	}
	for name, who := range map[string]*tpm.Session{"mine": mine, "theirs": theirs} {
		if _, err := who.Prove(challenge(t, c, m, asked), bindTo(asked)); err == nil {
			t.Errorf("%s opens a challenge for the attestation key of another TPM", name)
		}
	}
	their, err := theirs.Prove(challenge(t, c, other, asked), bindTo(asked))
	if err != nil {
		t.Fatal(err)
	}
	neighbour := attestation.Asked{BootID: asked.BootID, KeyHash: strings.Repeat("cd", 32)}
	for name, x := range map[string]struct {
		i      *attestation.Identity
		a      attestation.Asked
		change func(p *protocol.TPMProof)
		want   string
	}{
		"as it is":                      {i, asked, func(*protocol.TPMProof) {}, ""},
		"for another TPM":               {other, asked, func(*protocol.TPMProof) {}, "the secret is not"},
		"for a neighbour's key":         {i, neighbour, func(*protocol.TPMProof) {}, "the secret is not"},
		"for another boot":              {i, attestation.Asked{BootID: "boot-2", KeyHash: asked.KeyHash}, func(*protocol.TPMProof) {}, "the secret is not"},
		"without a secret":              {i, asked, func(p *protocol.TPMProof) { p.Secret = nil }, "the secret is not"},
		"with a neighbour's secret":     {i, asked, func(p *protocol.TPMProof) { p.Secret = their.Secret }, "the secret is not"},
		"with a neighbour's quote":      {i, asked, func(p *protocol.TPMProof) { p.Quote, p.Signature = their.Quote, their.Signature }, "not signed by the attestation key"},
		"with a neighbour's signature":  {i, asked, func(p *protocol.TPMProof) { p.Signature = their.Signature }, "not signed by the attestation key"},
		"with a changed quote":          {i, asked, func(p *protocol.TPMProof) { p.Quote = bytes.Clone(p.Quote); p.Quote[len(p.Quote)-1] ^= 1 }, "not signed by the attestation key"},
		"without a quote":               {i, asked, func(p *protocol.TPMProof) { p.Quote = nil }, "not signed"},
		"without a signature":           {i, asked, func(p *protocol.TPMProof) { p.Signature = nil }, "signature cannot be read"},
		"with a register told wrongly":  {i, asked, func(p *protocol.TPMProof) { p.PCRs[3].SHA256 = make([]byte, 32); p.PCRs[3].SHA256[0] = 1 }, "values of the registers"},
		"with a register left out":      {i, asked, func(p *protocol.TPMProof) { p.PCRs = p.PCRs[1:] }, "registers"},
		"with a register of other name": {i, asked, func(p *protocol.TPMProof) { p.PCRs[0].Index = 12 }, "not the quoted ones"},
		"with a quote that has no end":  {i, asked, func(p *protocol.TPMProof) { p.Quote = make([]byte, 1<<20) }, "larger than any"},
	} {
		p := good
		p.PCRs = append([]protocol.PCR(nil), good.PCRs...)
		x.change(&p)
		_, err := c.Verify(x.i, x.a, p, now)
		if (err == nil) != (x.want == "") || err != nil && !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v; want %q", name, err, x.want)
		}
	}
	// The agent's own TPM signs for the key that the agent asks with; a quote for another key is of no use to it.
	p, err := mine.Prove(challenge(t, c, i, neighbour), bindTo(asked))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Verify(i, neighbour, p, now); err == nil || !strings.Contains(err.Error(), "another key, boot or challenge") {
		t.Errorf("a quote for another key: %v", err)
	}
}

// TestOnlyTemplatesAreRead: keys that could be made outside of a TPM, or leave it, or sign anything.
func TestOnlyTemplatesAreRead(t *testing.T) {
	good := open(t, tpmtest.New(t)).Identity()
	parse := func(area []byte) *tpm2.TPMTPublic {
		p, err := tpm2.Unmarshal[tpm2.TPMTPublic](area)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	software, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(i *protocol.TPMIdentity){
		"no endorsement key":            func(i *protocol.TPMIdentity) { i.EndorsementKey = nil },
		"no attestation key":            func(i *protocol.TPMIdentity) { i.AttestationKey = nil },
		"the two exchanged":             func(i *protocol.TPMIdentity) { i.EndorsementKey, i.AttestationKey = i.AttestationKey, i.EndorsementKey },
		"the endorsement key twice":     func(i *protocol.TPMIdentity) { i.AttestationKey = i.EndorsementKey },
		"more behind it":                func(i *protocol.TPMIdentity) { i.AttestationKey = append(bytes.Clone(i.AttestationKey), 0) },
		"cut off":                       func(i *protocol.TPMIdentity) { i.EndorsementKey = i.EndorsementKey[:len(i.EndorsementKey)-1] },
		"a certificate of a megabyte":   func(i *protocol.TPMIdentity) { i.Certificate = make([]byte, 1<<20) },
		"a certificate for another key": func(i *protocol.TPMIdentity) { i.Certificate = certificate(t, &software.PublicKey) },
		"an attestation key that may leave": func(i *protocol.TPMIdentity) {
			i.AttestationKey = changed(parse(i.AttestationKey), func(p *tpm2.TPMTPublic) { p.ObjectAttributes.FixedTPM = false })
		},
		"one that signs what it is given": func(i *protocol.TPMIdentity) {
			i.AttestationKey = changed(parse(i.AttestationKey), func(p *tpm2.TPMTPublic) { p.ObjectAttributes.Restricted = false })
		},
		"one that was made outside": func(i *protocol.TPMIdentity) {
			i.AttestationKey = changed(parse(i.AttestationKey), func(p *tpm2.TPMTPublic) { p.ObjectAttributes.SensitiveDataOrigin = false })
		},
		"an endorsement key of other policy": func(i *protocol.TPMIdentity) {
			i.EndorsementKey = changed(parse(i.EndorsementKey), func(p *tpm2.TPMTPublic) { p.AuthPolicy.Buffer[0] ^= 1 })
		},
		"a point that is not on the curve": func(i *protocol.TPMIdentity) {
			i.EndorsementKey = changed(parse(i.EndorsementKey), func(p *tpm2.TPMTPublic) {
				p.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{X: tpm2.TPM2BECCParameter{Buffer: bytes.Repeat([]byte{1}, 32)}, Y: tpm2.TPM2BECCParameter{Buffer: bytes.Repeat([]byte{2}, 32)}})
			})
		},
		"an RSA key of exponent 3": func(i *protocol.TPMIdentity) {
			p := tpm2.RSAEKTemplate
			p.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgRSA, &tpm2.TPM2BPublicKeyRSA{Buffer: bytes.Repeat([]byte{0xff}, 256)})
			p.Parameters = tpm2.NewTPMUPublicParms(tpm2.TPMAlgRSA, &tpm2.TPMSRSAParms{KeyBits: 2048, Exponent: 3})
			i.EndorsementKey = tpm2.Marshal(p)
		},
	} {
		i := good
		change(&i)
		if _, err := attestation.Read(i); err == nil {
			t.Errorf("%s: read", name)
		}
	}
}

func changed(p *tpm2.TPMTPublic, change func(*tpm2.TPMTPublic)) []byte {
	change(p)
	return tpm2.Marshal(*p)
}

func certificate(t testing.TB, key *ecdsa.PublicKey) []byte {
	t.Helper()
	maker, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(0x1234)},
		&x509.Certificate{Subject: pkix.Name{CommonName: "TPM Maker CA"}}, key, maker)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestTheMakersCertificate: the TPM keeps one, in an area that is larger than it.
func TestTheMakersCertificate(t *testing.T) {
	software := tpmtest.New(t)
	s := open(t, software)
	public, err := tpm2.Unmarshal[tpm2.TPMTPublic](s.Identity().EndorsementKey)
	if err != nil {
		t.Fatal(err)
	}
	key, err := tpm2.Pub(*public)
	if err != nil {
		t.Fatal(err)
	}
	closeNow(t, s)
	der := certificate(t, key.(*ecdsa.PublicKey))
	software.Keep(0x01c0000a, append(bytes.Clone(der), make([]byte, 700)...))
	s = open(t, software)
	c := attestation.NewChallenger()
	i := read(t, s)
	p, err := s.Prove(challenge(t, c, i, asked), bindTo(asked))
	if err != nil {
		t.Fatal(err)
	}
	e, err := c.Verify(i, asked, p, now)
	if err != nil {
		t.Fatal(err)
	}
	want := sha256.Sum256(der)
	if e.Certificate == nil || e.Certificate.Issuer != "CN=TPM Maker CA" || e.Certificate.SerialNumber != "1234" || e.Certificate.SHA256 != hex.EncodeToString(want[:]) {
		t.Errorf("%+v", e.Certificate)
	}
}

// TestAnOwnersPassword: an endorsement password that was left behind is told as what it is.
func TestAnOwnersPassword(t *testing.T) {
	software := tpmtest.New(t)
	s := open(t, software)
	c := attestation.NewChallenger()
	i := read(t, s)
	software.SetEndorsementPassword("of the owner before")
	if _, err := s.Prove(challenge(t, c, i, asked), bindTo(asked)); err == nil || !strings.Contains(err.Error(), "endorsement password") {
		t.Errorf("%v", err)
	}
	software2 := tpmtest.New(t)
	software2.SetEndorsementPassword("of the owner before")
	connection, err := software2.Connect()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tpm.Open(connection); err == nil {
		t.Error("the endorsement key was made without the hierarchy's password")
	}
}

// TestAnOldTPMsKey: one without the curve shows an RSA key.
func TestAnOldTPMsKey(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	area := tpm2.RSAEKTemplate
	area.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgRSA, &tpm2.TPM2BPublicKeyRSA{Buffer: key.N.Bytes()})
	i, err := attestation.Read(protocol.TPMIdentity{EndorsementKey: tpm2.Marshal(area), AttestationKey: unhex(t, seedAttestation)})
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(spki); i.Fingerprint() != hex.EncodeToString(sum[:]) {
		t.Errorf("fingerprint %s", i.Fingerprint())
	}
	if c := challenge(t, attestation.NewChallenger(), i, asked); len(c.EncryptedSecret) != 256 {
		t.Errorf("a secret of %d bytes", len(c.EncryptedSecret))
	}
}
