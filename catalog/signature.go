package catalog

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/wildcard"
)

// Digest is what an image's content is known by.
type Digest struct {
	// Algorithm is sha256 or sha512.
	Algorithm string
	Sum       []byte
}

// String is "sha256:…" in lower-case hex, as it is signed by Ed25519 keys.
func (d Digest) String() string { return d.Algorithm + ":" + hex.EncodeToString(d.Sum) }

// ParseDigest reads "sha256:…" or "sha512:…" in lower-case hex.
func ParseDigest(text string) (Digest, error) {
	algorithm, sum, _ := strings.Cut(text, ":")
	size, known := map[string]int{"sha256": sha256.Size, "sha512": sha512.Size}[algorithm]
	b, err := hex.DecodeString(sum)
	if !known || err != nil || len(b) != size || sum != strings.ToLower(sum) {
		return Digest{}, fmt.Errorf("%q is no digest: write sha256: and 64 digits in lower-case hex, or sha512: and 128", text)
	}
	return Digest{algorithm, b}, nil
}

// Key is a publisher's public key.
type Key struct {
	// Name is told with what the key signed.
	Name    string
	p256    *ecdsa.PublicKey
	ed25519 ed25519.PublicKey
}

// ParseKey reads one public key in PEM (RFC 7468 §13).
func ParseKey(name, text string) (Key, error) {
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil:
		return Key{}, fmt.Errorf("key %s is no PEM: write the text of a public key, from -----BEGIN PUBLIC KEY----- to the end", name)
	case block.Type != "PUBLIC KEY":
		return Key{}, fmt.Errorf("key %s is a %s: write a PUBLIC KEY, and keep private ones secret", name, block.Type)
	case strings.TrimSpace(string(rest)) != "":
		return Key{}, fmt.Errorf("key %s has something after its end: write one key in each entry", name)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return Key{}, fmt.Errorf("key %s: %w", name, err)
	}
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return Key{}, fmt.Errorf("key %s is on the curve %s: use P-256 or Ed25519", name, k.Params().Name)
		}
		return Key{Name: name, p256: k}, nil
	case ed25519.PublicKey:
		return Key{Name: name, ed25519: k}, nil
	}
	return Key{}, fmt.Errorf("key %s is a %T: use ECDSA on P-256 or Ed25519", name, key)
}

// The ways in which a signature does not count.
var (
	// ErrSignature: it is no signature at all.
	ErrSignature = errors.New("spec.signature is no base64 of a signature: take the output of `cosign sign-blob`, or of `openssl dgst -sha256 -sign KEY FILE | base64 -w0`")
	// ErrNoKey: no key of those that are trusted made it.
	ErrNoKey = errors.New("the signature is by none of the keys that are trusted, or of another content")
)

// maxSignature is far above 72 bytes of ECDSA in ASN.1, or 64 of Ed25519.
const maxSignature = 256

// Verify gives the name of the key that made a signature. By ECDSA (FIPS 186-5 §6) it is of the content that has the digest, hashed with the digest's algorithm, so that the content itself is not needed; by
// Ed25519 (RFC 8032), which does not sign digests, of the digest's text.
func Verify(d Digest, signature string, keys []Key) (string, error) {
	raw, err := base64.StdEncoding.DecodeString(signature)
	if err != nil || len(signature) > maxSignature || len(raw) == 0 {
		return "", ErrSignature
	}
	for _, k := range keys {
		if k.p256 != nil && ecdsa.VerifyASN1(k.p256, d.Sum, raw) || len(k.ed25519) == ed25519.PublicKeySize && ed25519.Verify(k.ed25519, []byte(d.String()), raw) {
			return k.Name, nil
		}
	}
	return "", ErrNoKey
}

// trust is an ImageTrust that was read.
type trust struct {
	name   string
	images []string
	keys   []Key
}

type trusts []trust

// ReadTrust reads the keys of an ImageTrust. Each that cannot be used is a problem, and does not count; the others do.
func ReadTrust(o *ingot.ImageTrust) (keys []Key, problems []error) {
	for i, k := range o.Spec.Keys {
		key, err := ParseKey(k.Name, k.PublicKey)
		if err != nil {
			problems = append(problems, fmt.Errorf("spec.keys[%d]: %w", i, err))
			continue
		}
		keys = append(keys, key)
	}
	return keys, problems
}

func readTrusts(objects []ingot.ImageTrust) trusts {
	var all trusts
	for i := range objects {
		keys, _ := ReadTrust(&objects[i])
		for n := range keys {
			keys[n].Name = objects[i].Name + "/" + keys[n].Name
		}
		all = append(all, trust{objects[i].Name, objects[i].Spec.Images, keys})
	}
	slices.SortFunc(all, func(a, b trust) int { return cmp.Compare(a.name, b.name) })
	return all
}

// NeedsSignature says whether an ImageTrust is for an image.
func NeedsSignature(o *ingot.ImageTrust, image string) bool {
	return wildcard.MatchAny(o.Spec.Images, image)
}

// judge says who signed an image, or why it may not be used. An image that no ImageTrust is for is held against nobody's keys.
func (all trusts) judge(o *ingot.Image) (signedBy, untrusted string) {
	var names []string
	var keys []Key
	for _, t := range all {
		if wildcard.MatchAny(t.images, o.Name) {
			names, keys = append(names, t.name), append(keys, t.keys...)
		}
	}
	if len(names) == 0 {
		return "", ""
	}
	by := "the ImageTrust " + strings.Join(names, ", ")
	if o.Spec.Signature == "" {
		return "", by + " asks for a signature, and it has none: set spec.signature"
	}
	digest, err := ParseDigest(o.Spec.Digest)
	if err != nil {
		return "", err.Error()
	}
	if signedBy, err = Verify(digest, o.Spec.Signature, keys); err != nil {
		return "", fmt.Sprintf("%s asks for a signature: %v", by, err)
	}
	return signedBy, ""
}
