package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Checkpoint signs the chain up to the record before it: whoever makes another chain of the file cannot sign it.
type Checkpoint struct {
	// Key is the KeyID of the key that signed.
	Key string `json:"key"`
	// Signature is Ed25519's (RFC 8032), in base64.
	Signature string `json:"signature"`
}

// Head is the end of a chain at some moment. One that is kept apart shows that a file was cut.
type Head struct {
	Seq  uint64    `json:"seq"`
	Hash string    `json:"hash"`
	Time time.Time `json:"time"`
	// Key and Signature are as in Checkpoint; empty in a head that a person wrote down.
	Key       string `json:"key,omitempty"`
	Signature string `json:"signature,omitempty"`
}

const (
	domainCheckpoint = "ingot audit checkpoint 1"
	domainHead       = "ingot audit head 1"
)

func signed(domain string, seq uint64, h string, at time.Time) []byte {
	return fmt.Appendf(nil, "%s\n%d\n%s\n%s\n", domain, seq, h, at.UTC().Format(time.RFC3339Nano))
}

// NewCheckpoint signs for a record that will have this number and time, after a record of the hash prev.
func NewCheckpoint(key ed25519.PrivateKey, seq uint64, prev Hash, at time.Time) *Checkpoint {
	at = at.UTC().Truncate(time.Microsecond)
	return &Checkpoint{
		Key:       KeyID(key.Public().(ed25519.PublicKey)),
		Signature: base64.StdEncoding.EncodeToString(ed25519.Sign(key, signed(domainCheckpoint, seq, prev.String(), at))),
	}
}

// NewHead signs where a chain ends.
func NewHead(key ed25519.PrivateKey, seq uint64, h Hash, at time.Time) Head {
	at = at.UTC().Truncate(time.Microsecond)
	return Head{
		Seq: seq, Hash: h.String(), Time: at, Key: KeyID(key.Public().(ed25519.PublicKey)),
		Signature: base64.StdEncoding.EncodeToString(ed25519.Sign(key, signed(domainHead, seq, h.String(), at))),
	}
}

// ParseHead reads "SEQ:HASH", which is what verification prints for people to keep.
func ParseHead(s string) (Head, error) {
	number, hash, found := strings.Cut(s, ":")
	var h Head
	if _, err := fmt.Sscan(number, &h.Seq); err != nil || !found || fmt.Sprint(h.Seq) != number || h.Seq == 0 {
		return h, fmt.Errorf("%q is no head: a sequence number, a colon and a hash are needed", s)
	}
	if _, err := ParseHash(hash); err != nil {
		return h, fmt.Errorf("%q is no head: %w", s, err)
	}
	h.Hash = hash
	return h, nil
}

func (h Head) String() string { return fmt.Sprintf("%d:%s", h.Seq, h.Hash) }

// Keys are public keys by their KeyID.
type Keys map[string]ed25519.PublicKey

// KeyID names a public key: the first 16 hexadecimal digits of its SHA-256.
func KeyID(k ed25519.PublicKey) string {
	sum := sha256.Sum256(k)
	return hex.EncodeToString(sum[:8])
}

// Add adds a key.
func (k Keys) Add(key ed25519.PublicKey) { k[KeyID(key)] = key }

// Verify checks a head's signature.
func (k Keys) Verify(h Head) error {
	return k.verify(h.Key, h.Signature, signed(domainHead, h.Seq, h.Hash, h.Time))
}

var errUnknownKey = errors.New("signed by a key that is not among those given")

func (k Keys) verify(id, signature string, text []byte) error {
	key, ok := k[id]
	if !ok {
		return fmt.Errorf("%w (%s)", errUnknownKey, id)
	}
	sig, err := base64.StdEncoding.Strict().DecodeString(signature)
	if err != nil {
		return fmt.Errorf("its signature is no base64: %w", err)
	}
	if !ed25519.Verify(key, text, sig) {
		return fmt.Errorf("its signature is not that of key %s over what stands there", id)
	}
	return nil
}

const publicKeyType = "INGOT AUDIT PUBLIC KEY"

// EncodeKey writes a public key as PEM.
func EncodeKey(k ed25519.PublicKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: publicKeyType, Bytes: k})
}

// ParseKey reads what EncodeKey wrote.
func ParseKey(text []byte) (ed25519.PublicKey, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != publicKeyType || len(block.Bytes) != ed25519.PublicKeySize || len(strings.TrimSpace(string(rest))) > 0 {
		return nil, fmt.Errorf("it is no public key of an audit trail: one PEM block %q of %d bytes is needed, as in pki/audit.pub", publicKeyType, ed25519.PublicKeySize)
	}
	return ed25519.PublicKey(block.Bytes), nil
}
