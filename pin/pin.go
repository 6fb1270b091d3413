// Package pin knows certificates by their digest, so that one that no CA vouches for can be trusted: the one that an operator has seen, and no other.
//
// It owns the text of pins, as the annotation ingot.dev/bmc-certificate has it. It refuses the comparison with a certificate that was shown, which is the driver's in the middle of a handshake, and trust at first
// sight: a pin is an operator's word.
package pin

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Pin is the SHA-256 digest of a certificate in DER, the leaf's.
type Pin [sha256.Size]byte

// Most is how many certificates may be pinned at once: the present one and the next, so that a BMC's certificate can be changed without a moment in which it is refused.
const Most = 2

const prefix = "sha256:"

// Of is the pin of a certificate in DER.
func Of(der []byte) Pin { return sha256.Sum256(der) }

// String is "sha256:" and 64 lower-case hexadecimal digits.
func (p Pin) String() string { return prefix + hex.EncodeToString(p[:]) }

// Parse reads one or two pins, with a comma between them. The empty text is none. It takes what String gives and nothing else, so that one pin has one text.
func Parse(text string) ([]Pin, error) {
	if text == "" {
		return nil, nil
	}
	parts := strings.Split(text, ",")
	if len(parts) > Most {
		return nil, fmt.Errorf("%d certificates are pinned: at most %d can be, the present one and the next", len(parts), Most)
	}
	var all []Pin
	for _, part := range parts {
		digits, ok := strings.CutPrefix(part, prefix)
		raw, err := hex.DecodeString(digits)
		if !ok || err != nil || len(raw) != sha256.Size || digits != strings.ToLower(digits) {
			return nil, fmt.Errorf("%.100q is no pinned certificate: write sha256: and the 64 lower-case hexadecimal digits of the SHA-256 digest of the certificate in DER", part)
		}
		all = append(all, Pin(raw))
	}
	return all, nil
}

// Text is what Parse reads.
func Text(pins []Pin) string {
	var all []string
	for _, p := range pins {
		all = append(all, p.String())
	}
	return strings.Join(all, ",")
}

// Matches: the certificate in DER is one of the pinned.
func Matches(pins []Pin, der []byte) bool { return slices.Contains(pins, Of(der)) }
