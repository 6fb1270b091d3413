package firmware

import (
	"cmp"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
)

// The components that Metal3's HostFirmwareComponents name; a network adapter is NICPrefix and its name.
const (
	BIOS      = "bios"
	BMC       = "bmc"
	NICPrefix = "nic:"
)

// Update is one wanted update: the image at URL, which ImageOf reads, into the component. Which version the image brings is known when it is there.
type Update struct {
	Component, URL string
}

// Component is a part of a machine with firmware of its own.
type Component struct {
	Name, Version string
}

// The bounds of a wanted update.
const (
	MaxUpdates = 16
	maxURL     = 2048
)

// CheckUpdates holds what is wanted against the components that the BMC shows; read is false while nothing was read. The problems are in the order of the names.
func CheckUpdates(components []Component, read bool, wanted []Update) []Problem {
	var out []Problem
	if len(wanted) > MaxUpdates {
		out = append(out, Problem{Name: "spec.updates", Message: fmt.Sprintf("has %d updates: at most %d are taken", len(wanted), MaxUpdates)})
	}
	seen := map[string]bool{}
	for _, u := range wanted[:min(len(wanted), MaxUpdates)] {
		known := slices.ContainsFunc(components, func(c Component) bool { return c.Name == u.Component })
		message := ""
		switch {
		case u.Component != BIOS && u.Component != BMC && (!strings.HasPrefix(u.Component, NICPrefix) || len(u.Component) == len(NICPrefix)):
			message = "is no component: it is bios, bmc, or nic: and the name of a network adapter"
		case seen[u.Component]:
			message = "is named twice"
		case read && !known:
			message = "is not a component that this machine's BMC shows; it shows " + componentNames(components)
		default:
			message = refusesURL(u.URL)
		}
		seen[u.Component] = true
		if message != "" {
			out = append(out, Problem{Name: clip(u.Component), Message: message})
		}
	}
	slices.SortStableFunc(out, func(a, b Problem) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func componentNames(all []Component) string {
	names := make([]string, 0, len(all))
	for _, c := range all {
		names = append(names, c.Name)
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// refusesURL says why a BMC is not sent to a URL, empty when it can be. A password in it would stand in the API, and in the BMC's log.
func refusesURL(s string) string {
	u, err := url.Parse(s)
	switch {
	case len(s) > maxURL:
		return fmt.Sprintf("has a URL of %d bytes: at most %d are taken", len(s), maxURL)
	case err != nil || u.Host == "" || u.Path == "" || u.Path == "/" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return "has no URL of an image, like https://files.example.org/bios-2.19.1.exe"
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Sprintf("has a URL with %q: BMCs are sent to http and https", clip(u.Scheme))
	case u.User != nil:
		return "has a URL with a user in it: offer the image without a password, inside the site"
	}
	_, wrong := ImageOf(s)
	return wrong
}

// Names says whether the URL's file names a version, as makers name their images: "BIOS_C4FT0_WN64_2.19.1.EXE" names 2.19.1 and not 9.1. A version that is part of a longer one
// does not count.
func (u Update) Names(version string) bool {
	parsed, err := url.Parse(u.URL)
	if err != nil || version == "" {
		return false
	}
	file := strings.ToLower(path.Base(parsed.Path))
	version = strings.ToLower(version)
	for at := 0; ; at++ {
		i := strings.Index(file[at:], version)
		if i < 0 {
			return false
		}
		at += i
		if !versionLetter(file, at-1, true) && !versionLetter(file, at+len(version), false) {
			return true
		}
	}
}

// versionLetter: the byte goes on with a version. A dot before one does, and a dot after one only where a digit follows: else it begins the file's extension.
func versionLetter(s string, i int, before bool) bool {
	if i < 0 || i >= len(s) {
		return false
	}
	c := s[i]
	switch {
	case before && c == 'v':
		return false
	case c >= '0' && c <= '9', c >= 'a' && c <= 'z':
		return true
	case c != '.':
		return false
	}
	if before {
		return i > 0 && s[i-1] >= '0' && s[i-1] <= '9'
	}
	return i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '9'
}
