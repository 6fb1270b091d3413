// Package sse reads streams of server-sent events (WHATWG HTML §9.2.6, as DSP0266 §13.5.2 uses them).
//
// It owns the format and its bounds. It refuses what the data means, and the network: it reads what it is given.
//
// Invariant: what is held at a time is bounded, and nothing waits for a byte after an event's end.
package sse

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// Reader reads a stream. Only the data of events is kept: their ids serve clients that resume, and a lost event is no loss here.
type Reader struct {
	r *bufio.Reader
	// afterCR: the last line ended with a carriage return, whose line feed may still come.
	afterCR bool
	// begun: the byte order mark, if any, is past.
	begun bool
}

// Bounds of what a BMC may send at once.
const (
	maxLine = 256 << 10
	maxData = 1 << 20
)

var (
	errLongLine  = errors.New("a line of the event stream is longer than 256 KiB")
	errLongEvent = errors.New("an event of the stream is larger than 1 MiB")
)

// New makes a reader from the stream's beginning.
func New(r io.Reader) *Reader { return &Reader{r: bufio.NewReader(r)} }

// Next is the data of the next event; events without data are passed over.
func (s *Reader) Next() ([]byte, error) {
	var data []byte
	has := false
	for {
		line, err := s.line()
		if err != nil {
			return nil, err // an event that was not ended by an empty line is dropped, as the format wants it
		}
		if len(line) == 0 {
			if has {
				return data, nil
			}
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if string(name) != "data" {
			continue // a comment has an empty name
		}
		value = bytes.TrimPrefix(value, []byte(" "))
		if has {
			data = append(data, '\n')
		}
		if len(data)+len(value) > maxData {
			return nil, errLongEvent
		}
		data, has = append(data, value...), true
	}
}

// line is one line without its end, which is CR, LF or both. It does not wait for a byte after the end.
func (s *Reader) line() ([]byte, error) {
	var line []byte
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			return nil, err
		}
		skip := c == '\n' && s.afterCR
		s.afterCR = c == '\r'
		switch {
		case skip:
			continue
		case c == '\n' || c == '\r':
			if !s.begun {
				line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
				s.begun = true
			}
			return line, nil
		case len(line) >= maxLine:
			return nil, errLongLine
		}
		line = append(line, c)
	}
}
