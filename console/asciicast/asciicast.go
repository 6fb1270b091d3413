// Package asciicast reads and writes recordings of terminals in asciinema's format, version 2 (docs.asciinema.org/manual/asciicast/v2): one JSON value a line, a header and then events.
//
// It owns the lines. It refuses files and clocks: a caller writes the lines as they come, so that what a crash leaves behind can be read up to its last whole line. What a machine writes is
// bytes and the format's strings are Unicode: characters that are cut between two events are joined by Text, and bytes that are no UTF-8 become U+FFFD.
//
// Invariants: a line that was decoded encodes to one that decodes to the same; lines are bounded by MaxLine.
package asciicast

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxLine bounds a line, in bytes.
const MaxLine = 1 << 20

// Header is the first line.
type Header struct {
	Version int `json:"version"`
	Width   int `json:"width"`
	Height  int `json:"height"`
	// Timestamp is when the recording began, in seconds since 1970.
	Timestamp int64  `json:"timestamp,omitempty"`
	Title     string `json:"title,omitempty"`
	// Ingot is ours; players pass over it. It says who saw which console when.
	Ingot json.RawMessage `json:"ingot,omitempty"`
}

// Kind is an event's code.
type Kind string

// The kinds that are written here. Others are read and kept.
const (
	Output Kind = "o"
	Input  Kind = "i"
	Marker Kind = "m"
	Resize Kind = "r"
)

// Event is a line after the first.
type Event struct {
	// At is the time since the beginning.
	At   time.Duration
	Kind Kind
	Data string
}

// EncodeHeader is the header's line, with its line feed.
func EncodeHeader(h Header) ([]byte, error) {
	h.Version = 2
	text, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("write an asciicast header: %w", err)
	}
	return append(text, '\n'), nil
}

// EncodeEvent is an event's line, with its line feed.
func EncodeEvent(e Event) ([]byte, error) {
	var b bytes.Buffer
	w := json.NewEncoder(&b)
	w.SetEscapeHTML(false)
	if err := w.Encode([]any{json.Number(fmt.Sprintf("%.6f", e.At.Seconds())), e.Kind, e.Data}); err != nil {
		return nil, fmt.Errorf("write an asciicast event: %w", err)
	}
	return b.Bytes(), nil
}

// DecodeHeader reads the first line.
func DecodeHeader(line []byte) (Header, error) {
	var h Header
	if len(line) > MaxLine {
		return h, fmt.Errorf("read an asciicast header: it has %d bytes, at most %d are read", len(line), MaxLine)
	}
	if err := json.Unmarshal(line, &h); err != nil {
		return h, fmt.Errorf("read an asciicast header: %w", err)
	}
	if h.Version != 2 {
		return h, fmt.Errorf("read an asciicast header: version %d, only version 2 is read", h.Version)
	}
	return h, nil
}

// DecodeEvent reads another line.
func DecodeEvent(line []byte) (Event, error) {
	var e Event
	if len(line) > MaxLine {
		return e, fmt.Errorf("read an asciicast event: it has %d bytes, at most %d are read", len(line), MaxLine)
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(line, &parts); err != nil {
		return e, fmt.Errorf("read an asciicast event: %w", err)
	}
	if len(parts) != 3 { // time, code and data
		return e, fmt.Errorf("read an asciicast event: %d values, want 3", len(parts))
	}
	var at float64
	if err := errors.Join(json.Unmarshal(parts[0], &at), json.Unmarshal(parts[1], &e.Kind), json.Unmarshal(parts[2], &e.Data)); err != nil {
		return e, fmt.Errorf("read an asciicast event: %w", err)
	}
	const longest = 10 * 365 * 24 * 3600
	if at < 0 || at > longest {
		return e, fmt.Errorf("read an asciicast event: time %g is out of range", at)
	}
	e.At = time.Duration(math.Round(at*1e6)) * time.Microsecond
	return e, nil
}

// Text makes strings of bytes that come in pieces. The zero value is ready.
type Text struct{ cut []byte }

// Add takes the next bytes and gives what is whole; a character's first bytes are held back until the others come, three at most.
func (t *Text) Add(p []byte) string {
	p = append(t.cut, p...)
	t.cut = nil
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		tail := p[len(p)-n:]
		if utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				t.cut = bytes.Clone(tail)
				p = p[:len(p)-n]
			}
			break
		}
	}
	return strings.ToValidUTF8(string(p), "\uFFFD")
}

// Flush gives what was held back.
func (t *Text) Flush() string {
	p := t.cut
	t.cut = nil
	return strings.ToValidUTF8(string(p), "\uFFFD")
}
