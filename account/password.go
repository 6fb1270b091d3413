package account

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Rules are what a BMC says of passwords, in bytes; 0: it does not say.
type Rules struct{ MinLength, MaxLength int }

// The bounds of what is made whatever a BMC says. IPMI 2.0 keeps 20 bytes (§22.30), and a BMC that keeps a longer one for Redfish may lock its owner out of IPMI. Sixteen bytes of this
// alphabet are 92 bits.
const (
	usualLength = 20
	// ShortestLength is the least that is still a secret: a BMC that allows no more gets no account.
	ShortestLength = 12
)

// The classes, of which each password has two characters at least: makers ask for three of four. Characters that look alike are left out, and of the others those that BMCs' web pages, shells
// and configuration files have stumbled over.
var classes = []string{"ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnopqrstuvwxyz", "23456789", "-_."}

// NewPassword makes a password for a BMC from a source of random numbers: draw gives one from 0 to n-1, each as likely. No character follows itself, which XClarity refuses more than twice, and
// the first and last are letters.
func NewPassword(r Rules, draw func(n int) int) (string, error) {
	length := usualLength
	if r.MaxLength > 0 {
		length = min(length, r.MaxLength)
	}
	length = max(length, r.MinLength)
	if length < ShortestLength || r.MaxLength > 0 && length > r.MaxLength || length > 64 {
		return "", fmt.Errorf("the BMC wants passwords of %d to %d bytes, and none of that is both safe and kept by IPMI", r.MinLength, r.MaxLength)
	}
	letters, all := classes[0]+classes[1], strings.Join(classes, "")
	for {
		p := make([]byte, length)
		for i := range p {
			from := all
			if i == 0 || i == length-1 {
				from = letters
			}
			p[i] = from[draw(len(from))]
		}
		if fit(p) {
			return string(p), nil
		}
	}
}

// fit: two of each class, no character twice in a row. Some one in three of those that are drawn is.
func fit(p []byte) bool {
	for _, class := range classes {
		if n := len(slices.DeleteFunc(slices.Clone(p), func(c byte) bool { return strings.IndexByte(class, c) < 0 })); n < least(class) {
			return false
		}
	}
	for i := 1; i < len(p); i++ {
		if p[i] == p[i-1] {
			return false
		}
	}
	return true
}

// least is how many of a class there must be: of the three signs one is enough.
func least(class string) int {
	if len(class) < 8 {
		return 1
	}
	return 2
}

// Name is the name of a host's account: 14 bytes of IPMI's 16, the same for a host of this name in any cluster, so that a host that moves to another one keeps its place in the BMC's table.
func Name(namespace, host string) string {
	sum := sha256.Sum256([]byte(namespace + "/" + host))
	return "ingot-" + hex.EncodeToString(sum[:4])
}
