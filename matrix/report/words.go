package report

import (
	"slices"
	"strings"
	"unicode"

	"github.com/ingotmetal/ingot/matrix"
)

// mark is a security cell in one word.
func mark(p matrix.Property) string {
	switch p.State {
	case matrix.Holds:
		return "yes"
	case matrix.Excepted:
		return "no"
	case matrix.Unknown:
		return "?"
	default:
		return "-"
	}
}

// Wire is what a row speaks: "tcp 443 HTTPS", "icmpv6 133,134", "ip 112".
func Wire(r matrix.Row) string {
	words := []string{string(r.Protocol)}
	if r.Protocol != "" && strings.Trim(string(r.Protocol), "0123456789") == "" {
		words[0] = "ip " + string(r.Protocol)
	}
	switch {
	case len(r.Ports) > 0:
		words = append(words, r.Ports.String())
	case r.Protocol.HasPorts():
		words = append(words, "any port")
	case len(r.ICMPTypes) > 0:
		types := make(matrix.Ports, 0, len(r.ICMPTypes))
		for _, t := range r.ICMPTypes {
			types = append(types, matrix.PortRange{First: uint16(t), Last: uint16(t)})
		}
		words = append(words, "type "+types.String())
	}
	if r.Application != "" && !strings.EqualFold(string(r.Application), string(r.Protocol)) {
		words = append(words, string(r.Application))
	}
	return strings.Join(words, " ")
}

// clean makes foreign text safe for a terminal and for one line: control characters, which could move its cursor or change its title, become blanks.
func clean(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, s)), " ")
}

// wrap breaks text into lines of at most width characters, at blanks where there are any, then behind - , @ and /.
func wrap(s string, width int) []string {
	s = clean(s)
	if s == "" {
		return []string{""}
	}
	var lines []string
	line := []rune{}
	flush := func() {
		lines = append(lines, string(line))
		line = line[:0]
	}
	for word := range strings.FieldsSeq(s) {
		rest := []rune(word)
		if len(line) > 0 && len(line)+1+len(rest) > width {
			flush()
		}
		if len(line) > 0 {
			line = append(line, ' ')
		}
		for len(line)+len(rest) > width {
			cut := breakAt(rest, width-len(line))
			line = append(line, rest[:cut]...)
			rest = rest[cut:]
			flush()
		}
		line = append(line, rest...)
	}
	if len(line) > 0 {
		flush()
	}
	return lines
}

// breakAt says after how many of at most width characters a word is broken: between role and zone, or behind the last mark that fits.
func breakAt(word []rune, width int) int {
	if at := slices.Index(word, '@'); at > 0 && at < width {
		return at + 1
	}
	for i := width; i > width/3; i-- {
		if strings.ContainsRune("-,@/:", word[i-1]) {
			return i
		}
	}
	return width
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return itoa(n) + " " + many
}
