// Package secret holds the one type for passwords, tokens and keys: it prints as *** wherever it is formatted, logged or marshalled.
//
// It owns nothing but that promise. It refuses storage. Invariant: the only way to the value is Reveal, so that every place that reads a secret can be
// found by name. The value stands behind a function, since fmt reads the unexported fields of a struct without asking their methods: a String deep in a value
// that somebody prints would show itself otherwise.
package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

const mask = "***"

// String is a secret text. The zero String is none. Strings are not comparable with ==: see Equal.
type String struct{ reveal func() string }

// New wraps a secret text.
func New(value string) String {
	if value == "" {
		return String{}
	}
	return String{reveal: func() string { return value }}
}

// Reveal gives the secret text.
func (s String) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero says whether there is no secret at all.
func (s String) IsZero() bool { return s.reveal == nil }

// Equal compares in constant time.
func (s String) Equal(o String) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(o.Reveal())) == 1
}

// Format implements fmt.Formatter, for all verbs: those that fmt has no String for would show the inside.
func (String) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, mask) // a fmt.State takes everything
}

// String implements fmt.Stringer.
func (String) String() string { return mask }

// GoString implements fmt.GoStringer.
func (String) GoString() string { return mask }

// MarshalText implements encoding.TextMarshaler.
func (String) MarshalText() ([]byte, error) { return []byte(mask), nil }

// LogValue implements slog.LogValuer.
func (String) LogValue() slog.Value { return slog.StringValue(mask) }
