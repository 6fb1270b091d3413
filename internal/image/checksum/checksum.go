// Package checksum knows what digest an image must have: from a value, or from a sums file as distributions publish them.
//
// It owns the parsing of values and sums files and the choice of the line that speaks of an image. It refuses to fetch, and it refuses to guess: a sums file that says two
// different things of one file, or nothing, is an error.
//
// Sums file lines: a bare digest; GNU coreutils ("digest  name", "digest *name", with its backslash escapes); BSD ("SHA256 (name) = digest"); OpenSSL
// ("SHA2-256(name)= digest"). Anything else, such as a signature around it, is skipped. md5 is accepted because Metal3's API has it; it proves no origin.
package checksum

import (
	"bytes"
	"crypto/md5" // Metal3's API lets users name md5 sums
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"path"
	"strings"
)

// Algorithm names a digest's algorithm.
type Algorithm string

// The algorithms.
const (
	MD5    Algorithm = "md5"
	SHA256 Algorithm = "sha256"
	SHA512 Algorithm = "sha512"
	// Auto tells the algorithm by the digest's length.
	Auto Algorithm = "auto"
)

// MaxSumsFileBytes bounds a sums file; the largest of the big distributions has some 100 KiB.
const MaxSumsFileBytes = 4 << 20

// Digest is a digest and its algorithm.
type Digest struct {
	Algorithm Algorithm
	Sum       string // raw bytes, so that digests compare with ==
}

// String is "sha256:<hex>".
func (d Digest) String() string { return string(d.Algorithm) + ":" + hex.EncodeToString([]byte(d.Sum)) }

// New gives the hash that makes digests of this kind.
func (d Digest) New() hash.Hash {
	switch d.Algorithm {
	case MD5:
		return md5.New() // see the package comment
	case SHA512:
		return sha512.New()
	default:
		return sha256.New()
	}
}

// Of is the digest that h has come to.
func (d Digest) Of(h hash.Hash) Digest {
	return Digest{Algorithm: d.Algorithm, Sum: string(h.Sum(nil))}
}

// ParseAlgorithm reads a checksumType; empty means auto.
func ParseAlgorithm(name string) (Algorithm, error) {
	switch a := Algorithm(strings.ToLower(name)); a {
	case "":
		return Auto, nil
	case MD5, SHA256, SHA512, Auto:
		return a, nil
	}
	return "", fmt.Errorf("checksum type %q is none of md5, sha256, sha512, auto", name)
}

// Parse reads a digest in hex, with or without an "sha256:" in front.
func Parse(value string, want Algorithm) (Digest, error) {
	value = strings.TrimSpace(value)
	if name, rest, ok := strings.Cut(value, ":"); ok {
		named, err := ParseAlgorithm(name)
		if err != nil {
			return Digest{}, err
		}
		if want != Auto && named != want {
			return Digest{}, fmt.Errorf("the checksum names %s, its type is %s", named, want)
		}
		value, want = rest, named
	}
	raw, err := hex.DecodeString(value)
	if err != nil || len(raw) == 0 {
		return Digest{}, errors.New("the checksum is not hexadecimal")
	}
	got := byLength(len(raw))
	switch {
	case got == "":
		return Digest{}, fmt.Errorf("the checksum has %d hexadecimal digits, which is none of md5 (32), sha256 (64), sha512 (128)", 2*len(raw))
	case want != Auto && got != want:
		return Digest{}, fmt.Errorf("the checksum has %d hexadecimal digits, which is %s and not %s", 2*len(raw), got, want)
	}
	return Digest{Algorithm: got, Sum: string(raw)}, nil
}

func byLength(n int) Algorithm {
	switch n {
	case md5.Size:
		return MD5
	case sha256.Size:
		return SHA256
	case sha512.Size:
		return SHA512
	}
	return ""
}

// Find looks up the digest of a file in a sums file. A bare digest counts for any name when it is the only digest there is.
func Find(sums []byte, fileName string, want Algorithm) (Digest, error) {
	var found, bare []Digest
	lines := 0
	for line := range bytes.Lines(sums) {
		name, d, ok := parseLine(string(bytes.TrimRight(line, "\r\n")), want)
		if !ok {
			continue
		}
		lines++
		switch {
		case name == "":
			bare = append(bare, d)
		case name == fileName || path.Base(name) == fileName:
			found = append(found, d)
		}
	}
	if len(found) == 0 && len(bare) == 1 && lines == 1 {
		return bare[0], nil
	}
	return choose(found, fileName, lines)
}

// choose takes the strongest algorithm where a file lists several; two digests of one algorithm must agree.
func choose(found []Digest, fileName string, lines int) (Digest, error) {
	if len(found) == 0 {
		return Digest{}, fmt.Errorf("none of the sums file's %d digests is for %q", lines, fileName)
	}
	best := found[0]
	for _, d := range found[1:] {
		switch {
		case d.Algorithm == best.Algorithm && d != best:
			return Digest{}, fmt.Errorf("the sums file has two different %s digests for %q", d.Algorithm, fileName)
		case len(d.Sum) > len(best.Sum):
			best = d
		}
	}
	return best, nil
}

func parseLine(line string, want Algorithm) (name string, d Digest, ok bool) {
	if name, d, ok = parseTagged(line); ok {
		return name, d, want == Auto || d.Algorithm == want
	}
	escaped := strings.HasPrefix(line, `\`)
	digits, rest, _ := strings.Cut(strings.TrimPrefix(line, `\`), " ")
	if tabbed, after, hasTab := strings.Cut(digits, "\t"); hasTab {
		digits, rest = tabbed, after
	}
	d, err := Parse(digits, want)
	if err != nil || strings.Contains(digits, ":") {
		return "", Digest{}, false
	}
	name = strings.TrimSpace(rest)
	name = strings.TrimPrefix(name, "*")
	if escaped {
		name = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\r`, "\r").Replace(name)
	}
	return name, d, true
}

// parseTagged reads "SHA256 (name) = digest" and "SHA2-256(name)= digest".
func parseTagged(line string) (name string, d Digest, ok bool) {
	tag, rest, ok := strings.Cut(line, "(")
	end := strings.LastIndex(rest, ")")
	if !ok || end < 0 {
		return "", Digest{}, false
	}
	value, ok := strings.CutPrefix(strings.TrimSpace(rest[end+1:]), "=")
	if !ok {
		return "", Digest{}, false
	}
	tag = strings.ToLower(strings.TrimSpace(tag))
	algorithm := Algorithm(strings.NewReplacer("sha2-", "sha", "sha-", "sha").Replace(tag))
	if algorithm != MD5 && algorithm != SHA256 && algorithm != SHA512 {
		return "", Digest{}, false
	}
	d, err := Parse(value, algorithm)
	return rest[:end], d, err == nil && rest[:end] != ""
}
