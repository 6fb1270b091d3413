package firmware

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
)

// Image is the image of an update, as its URL says: https://files.example.org/bios.exe#sha256=DIGEST&push. What stands behind the # is for Ingot, and is not sent to anybody (RFC 3986 §3.5): Metal3's
// HostFirmwareComponents has no other place for it.
type Image struct {
	// URL is where the image is, without the fragment.
	URL string
	// SHA256 is its digest in lower-case hexadecimal digits; empty: it is not checked, and the BMC fetches it unseen.
	SHA256 string
	// Push: Ingot sends it to the BMC, also where the BMC could fetch it. Only with a digest.
	Push bool
}

// ImageOf reads the URL of an update. Wrong says what is wrong with its fragment, empty for nothing.
func ImageOf(raw string) (i Image, wrong string) {
	address, fragment, has := strings.Cut(raw, "#")
	i.URL = address
	if !has {
		return i, ""
	}
	const form = "behind # in its URL come sha256=DIGEST and, where Ingot is to push the image, &push"
	for word := range strings.SplitSeq(fragment, "&") {
		digest, isDigest := strings.CutPrefix(word, "sha256=")
		switch sum, err := hex.DecodeString(digest); {
		case isDigest && (err != nil || len(sum) != 32 || i.SHA256 != ""):
			return i, fmt.Sprintf("has no digest of 64 hexadecimal digits, or two: %s", form)
		case isDigest:
			i.SHA256 = strings.ToLower(digest)
		case word == "push" && !i.Push:
			i.Push = true
		default:
			return i, fmt.Sprintf("has %q in its URL: %s", clip(word), form)
		}
	}
	if i.Push && i.SHA256 == "" {
		return i, "is to be pushed and has no digest: " + form
	}
	return i, ""
}

// File is the name of the image's file; "image" where the URL has none.
func (i Image) File() string {
	u, err := url.Parse(i.URL)
	if err != nil {
		return "image"
	}
	name := u.Path[strings.LastIndexByte(u.Path, '/')+1:]
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)
	}
	name = strings.Map(func(r rune) rune {
		if plain(r) {
			return r
		}
		return '_'
	}, name)
	if len(name) > 100 {
		name = name[len(name)-100:]
	}
	if strings.Trim(name, "._") == "" {
		return "image"
	}
	return name
}
