// Package secret holds the one type for passwords, tokens and keys: it prints as *** wherever it is formatted, logged or marshalled.
//
// It owns nothing but that promise. It refuses storage. Invariant: the only way to the value is Reveal, so that every place that reads a secret can be
// found by name.
package secret

import (
	"crypto/subtle"
	"log/slog"
)

const mask = "***"

// String is a secret text.
type String struct{ value string }

// New wraps a secret text.
func New(value string) String { return String{value: value} }

// Reveal gives the secret text.
func (s String) Reveal() string { return s.value }

// IsZero says whether there is no secret at all.
func (s String) IsZero() bool { return s.value == "" }

// Equal compares in constant time.
func (s String) Equal(o String) bool {
	return subtle.ConstantTimeCompare([]byte(s.value), []byte(o.value)) == 1
}

// String implements fmt.Stringer.
func (String) String() string { return mask }

// GoString implements fmt.GoStringer.
func (String) GoString() string { return mask }

// MarshalText implements encoding.TextMarshaler.
func (String) MarshalText() ([]byte, error) { return []byte(mask), nil }

// LogValue implements slog.LogValuer.
func (String) LogValue() slog.Value { return slog.StringValue(mask) }
