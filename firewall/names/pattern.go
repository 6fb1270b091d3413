package names

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// maxName is the longest name in text (RFC 1035 section 2.3.4: 255 octets on the wire).
const maxName = 253

// Normal is a name as it is compared: lower case, no dot at its end (RFC 4343).
func Normal(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// Check says what is wrong with a pattern: a name with at least two labels such as "api.example.org", or one with "*." before it, which stands for every name below it, and not for it.
func Check(pattern string) error {
	name, _ := strings.CutPrefix(pattern, "*.")
	labels := strings.Split(name, ".")
	if len(pattern) > maxName || len(labels) < 2 || slices.ContainsFunc(labels, func(l string) bool { return !isLabel(l) }) {
		return fmt.Errorf("%q is no name: write one like api.example.org, or *.example.org for all names below, in lower case and with at least two labels", pattern)
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return fmt.Errorf("%q is an address: write it as a prefix under to", pattern)
	}
	return nil
}

// isLabel: letters, digits, underscores as in SRV's names (RFC 8552), and hyphens but at the ends.
func isLabel(l string) bool {
	if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(l, func(c rune) bool { return c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') })
}

// Match says whether a normal name is one of those that a pattern stands for.
func Match(pattern, name string) bool {
	if below, all := strings.CutPrefix(pattern, "*"); all {
		return len(name) > len(below) && strings.HasSuffix(name, below)
	}
	return pattern == name
}

// Any says whether one of the patterns matches.
func Any(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return Match(p, name) })
}

// special are addresses that no name outside has (IANA, Special-Purpose Address Registries): private, shared, loopback, link-local, reserved, and those that carry an IPv4 address,
// through which a gateway or a tunnel would reach private ones. Those for documentation are let be.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("224.0.0.0/3"),
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("::ffff:0:0/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("fec0::/10"),
	netip.MustParsePrefix("ff00::/8"),
}

// Special says whether an address is one that a name server outside has no business to give.
func Special(a netip.Addr) bool {
	return a.Zone() != "" || slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(a) })
}
