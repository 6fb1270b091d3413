// Package firmware is what a machine's firmware (its BIOS) can be set to, and whether what is asked for can be.
//
// It owns the words for settings, their limits as a BMC's registry states them, the check of wanted values, and what differs from what is in force. It refuses how a
// BMC is asked (internal/driver/bmc) and when a machine is restarted for it (prepare). Values are texts, as Metal3's HostFirmwareSettings has them in its status: the
// driver sends each in the JSON type in which the BMC shows it.
//
// Invariants: a value that passes Check is one that the registry allows; a setting that the registry does not know, and every password, is refused; two texts of
// one integer or of one boolean are one value.
package firmware

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind is the type of a setting's value, as DMTF's AttributeRegistry (DSP8010, Attributes.Type) and Metal3's FirmwareSchema name it.
type Kind string

// The kinds. Unknown is a setting that a BMC shows without describing it.
const (
	Enumeration Kind = "Enumeration"
	String      Kind = "String"
	Integer     Kind = "Integer"
	Boolean     Kind = "Boolean"
	Password    Kind = "Password"
	Unknown     Kind = ""
)

// Setting is what a registry says of one setting.
type Setting struct {
	Kind Kind
	// Values are what an Enumeration may be.
	Values []string
	// Lowest and Highest bound an Integer; nil: no bound.
	Lowest, Highest *int64
	// MinLength and MaxLength bound a String, in characters; nil: no bound.
	MinLength, MaxLength *int
	// ReadOnly: it cannot be set. Unique: its value is this machine's own, for example a serial number.
	ReadOnly, Unique bool
}

// Registry describes the settings of one model with one version of its firmware.
type Registry struct {
	// Name is the registry's own, for example "BiosAttributeRegistry.v1_0_0".
	Name     string
	Settings map[string]Setting
}

// Problem is one wanted setting that cannot be.
type Problem struct {
	// Name is the setting's; Message says why in words that go after it: "is read-only".
	Name, Message string
}

// String is the problem in one line.
func (p Problem) String() string { return p.Name + " " + p.Message }

// Check holds what is wanted against what the registry says of it. The problems are in the order of the names.
func Check(settings map[string]Setting, wanted map[string]string) []Problem {
	var out []Problem
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		s, known := settings[name]
		message := "is not a setting of this machine's firmware"
		if known {
			message = s.refuses(name, wanted[name])
		}
		if message != "" {
			out = append(out, Problem{Name: name, Message: message})
		}
	}
	return out
}

// refuses says why a value cannot be, empty when it can.
func (s Setting) refuses(name, value string) string {
	switch {
	case s.Kind == Password || strings.Contains(name, "Password"):
		return "is a password, which is not set this way"
	case s.ReadOnly:
		return "is read-only"
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "has control characters in its value"
	}
	switch s.Kind {
	case Enumeration:
		if !slices.Contains(s.Values, value) {
			return fmt.Sprintf("cannot be %q: it is one of %s", clip(value), listed(s.Values))
		}
	case Integer:
		return s.refusesInteger(value)
	case Boolean:
		if _, ok := flag(value); !ok {
			return fmt.Sprintf("cannot be %q: it is true or false", clip(value))
		}
	case String:
		return s.refusesLength(utf8.RuneCountInString(value))
	case Password, Unknown:
	}
	return ""
}

func (s Setting) refusesInteger(value string) string {
	n, err := strconv.ParseInt(value, 10, 64)
	switch {
	case err != nil:
		return fmt.Sprintf("cannot be %q: it is a whole number", clip(value))
	case s.Lowest != nil && n < *s.Lowest:
		return fmt.Sprintf("cannot be %d: the lowest value is %d", n, *s.Lowest)
	case s.Highest != nil && n > *s.Highest:
		return fmt.Sprintf("cannot be %d: the highest value is %d", n, *s.Highest)
	}
	return ""
}

func (s Setting) refusesLength(n int) string {
	switch {
	case s.MinLength != nil && n < *s.MinLength:
		return fmt.Sprintf("is too short with %d characters: it has at least %d", n, *s.MinLength)
	case s.MaxLength != nil && n > *s.MaxLength:
		return fmt.Sprintf("is too long with %d characters: it has at most %d", n, *s.MaxLength)
	}
	return ""
}

// Differing are the wanted settings that are not in force.
func Differing(settings map[string]Setting, wanted, current map[string]string) map[string]string {
	out := map[string]string{}
	for name, want := range wanted {
		is, shown := current[name]
		if !shown || !same(settings[name].Kind, want, is) {
			out[name] = want
		}
	}
	return out
}

// same compares two texts of one value. The kind is not always told, and BMCs write booleans as they like.
func same(k Kind, a, b string) bool {
	if a == b {
		return true
	}
	if k == Integer || k == Unknown {
		x, errX := strconv.ParseInt(a, 10, 64)
		y, errY := strconv.ParseInt(b, 10, 64)
		if errX == nil && errY == nil {
			return x == y
		}
	}
	if k == Boolean || k == Unknown {
		x, okX := flag(a)
		y, okY := flag(b)
		return okX && okY && x == y
	}
	return false
}

func flag(s string) (value, ok bool) {
	switch {
	case strings.EqualFold(s, "true"):
		return true, true
	case strings.EqualFold(s, "false"):
		return false, true
	}
	return false, false
}

// shownValues bounds a list of allowed values in a message.
const shownValues = 20

func listed(values []string) string {
	if len(values) == 0 {
		return "no value that the BMC lists"
	}
	shown := make([]string, 0, shownValues)
	for _, v := range values[:min(len(values), shownValues)] {
		shown = append(shown, strconv.Quote(clip(v)))
	}
	out := strings.Join(shown, ", ")
	if n := len(values) - len(shown); n > 0 {
		out += fmt.Sprintf(" or %d others", n)
	}
	return out
}

// maxShown bounds a value in a message, in bytes.
const maxShown = 60

func clip(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return strings.ToValidUTF8(s[:maxShown], "") + "…"
}

// Listed puts problems into one line of about 2,000 bytes at most.
func Listed(all []Problem) string {
	var b strings.Builder
	for i, p := range all {
		text := p.String()
		if b.Len()+len(text) > maxListed {
			fmt.Fprintf(&b, "; and %d more", len(all)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(text)
	}
	return b.String()
}

const maxListed = 1900
