// Package framing carries Ethernet frames over a byte stream: a 4-byte big-endian length, then the frame, as QEMU's "-netdev stream" does.
//
// It owns the format and its bounds. It refuses to look into a frame. Both ends of the lab's network use it: the switch and the user-space network stack; QEMU is the third
// party that fixes it.
//
// Invariants: a length outside MinFrame..MaxFrame ends the stream, since there is no way to find the next frame in it; Read never allocates more than MaxFrame.
package framing

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The bounds of a frame in bytes, without the length. MinFrame is an Ethernet header; MaxFrame is QEMU's NET_BUFSIZE (64 KiB and a header).
const (
	MinFrame = 14
	MaxFrame = 68 << 10
	// HeaderBytes is the size of the length.
	HeaderBytes = 4
)

// ErrLength is a length that no frame can have.
var ErrLength = errors.New("frame length out of bounds")

// Reader reads frames. It is not safe for concurrent use.
type Reader struct {
	r *bufio.Reader
}

// NewReader reads frames from r.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReaderSize(r, 64<<10)} }

// Read gives the next frame in a slice that is the caller's. io.EOF means that the stream ended between two frames.
func (r *Reader) Read() ([]byte, error) {
	var head [HeaderBytes]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < MinFrame || n > MaxFrame {
		return nil, fmt.Errorf("%w: %d bytes, want %d to %d", ErrLength, n, MinFrame, MaxFrame)
	}
	frame := make([]byte, n)
	if _, err := io.ReadFull(r.r, frame); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return frame, nil
}

// Writer writes frames through a buffer; call Flush when there is nothing more to write now. It is not safe for concurrent use.
type Writer struct {
	w *bufio.Writer
}

// NewWriter writes frames to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: bufio.NewWriterSize(w, 64<<10)} }

// Write appends one frame.
func (w *Writer) Write(frame []byte) error {
	if len(frame) < MinFrame || len(frame) > MaxFrame {
		return fmt.Errorf("%w: %d bytes, want %d to %d", ErrLength, len(frame), MinFrame, MaxFrame)
	}
	var head [HeaderBytes]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(frame)))
	if _, err := w.w.Write(head[:]); err != nil {
		return err
	}
	_, err := w.w.Write(frame)
	return err
}

// Flush hands all written frames to the stream.
func (w *Writer) Flush() error { return w.w.Flush() }
