package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Kind is what a record is about.
type Kind string

// The kinds.
const (
	// KindRequest is a request at the API server.
	KindRequest Kind = "request"
	// KindCheckpoint signs the chain up to the record before it.
	KindCheckpoint Kind = "checkpoint"
	// KindStart opens the trail for one process; KindStop closes it.
	KindStart Kind = "start"
	KindStop  Kind = "stop"
	// KindRepair says that the end of the file was not whole when the trail was opened, and what was done about it.
	KindRepair Kind = "repair"
	// KindLost says that entries could not be written, how many and since when.
	KindLost Kind = "lost"
	// KindRemoved says that the oldest files were removed since they were past what is kept.
	KindRemoved Kind = "removed"
)

// Hash is SHA-256 of a record; the zero Hash stands before the first one.
type Hash [sha256.Size]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads 64 lower-case hexadecimal digits.
func ParseHash(s string) (Hash, error) {
	var h Hash
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(h) || hex.EncodeToString(b) != s {
		return h, fmt.Errorf("%q is no hash: 64 hexadecimal digits in lower case are needed", s)
	}
	return Hash(b), nil
}

// Record is one line of the trail. Exactly one of Request, Checkpoint and Notice is set.
type Record struct {
	// Seq counts from 1, without gaps.
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`
	Kind Kind      `json:"kind"`

	Request    *Request    `json:"request,omitempty"`
	Checkpoint *Checkpoint `json:"checkpoint,omitempty"`
	Notice     *Notice     `json:"notice,omitempty"`

	// Prev is the hash of the record before.
	Prev string `json:"prev"`
	// Hash is this record's own. It is no part of what is hashed.
	Hash string `json:"hash,omitempty"`
}

// Notice is what the trail says about itself.
type Notice struct {
	Message string `json:"message"`
	// Writer is the process that wrote since a start: a random name.
	Writer string `json:"writer,omitempty"`
	// Version is the program's.
	Version string `json:"version,omitempty"`
	// Count is how many entries were lost, bytes were torn, or files were removed.
	Count uint64 `json:"count,omitempty"`
	// Since is when the first entry was lost.
	Since *time.Time `json:"since,omitempty"`
	// Through is the last record that was removed.
	Through uint64 `json:"through,omitempty"`
	// Digest is of the torn bytes.
	Digest string `json:"digest,omitempty"`
}

// MaxLine is the longest line in bytes. What a request may bring is bounded (Bound), so that none is longer.
const MaxLine = 1 << 20

const (
	domainLine = "ingot audit record 1\n"
	hashMember = `,"hash":"`
	tailLength = len(hashMember) + 2*sha256.Size + len(`"}`)
)

// ErrAltered is the kind of Parse's errors for a line that is not as it was written.
var ErrAltered = errors.New("the line is not as it was written")

// Seal writes a record as a line, without a newline, and says its hash. Prev must be set; Hash is ignored.
func Seal(r Record) ([]byte, Hash, error) {
	r.Hash = ""
	r.Time = r.Time.UTC().Truncate(time.Microsecond)
	text, err := json.Marshal(r)
	if err != nil {
		return nil, Hash{}, fmt.Errorf("encode audit record %d: %w", r.Seq, err)
	}
	text = text[:len(text)-1]
	h := hashOf(text)
	line := make([]byte, 0, len(text)+tailLength)
	line = append(line, text...)
	line = append(line, hashMember...)
	line = hex.AppendEncode(line, h[:])
	line = append(line, `"}`...)
	if len(line) > MaxLine {
		return nil, Hash{}, fmt.Errorf("encode audit record %d: %d bytes, at most %d", r.Seq, len(line), MaxLine)
	}
	return line, h, nil
}

func hashOf(text []byte) Hash {
	s := sha256.New()
	s.Write([]byte(domainLine))
	s.Write(text)
	return Hash(s.Sum(nil))
}

// Parse reads a line and checks it against its own hash. A line that is not as it was written is ErrAltered.
func Parse(line []byte) (Record, Hash, error) {
	var r Record
	if len(line) <= tailLength || len(line) > MaxLine {
		return r, Hash{}, fmt.Errorf("a line of %d bytes, while records have %d to %d: %w", len(line), tailLength+1, MaxLine, ErrAltered)
	}
	text, tail := line[:len(line)-tailLength], line[len(line)-tailLength:]
	h := hashOf(text)
	want := append(hex.AppendEncode([]byte(hashMember), h[:]), `"}`...)
	if !bytes.Equal(tail, want) {
		return r, Hash{}, fmt.Errorf("its bytes do not have the hash that it says: %w", ErrAltered)
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return r, Hash{}, fmt.Errorf("it is no record (%w): %w", err, ErrAltered)
	}
	if err := r.check(); err != nil {
		return r, Hash{}, fmt.Errorf("%w: %w", err, ErrAltered)
	}
	return r, h, nil
}

// check holds a record to what every writer of ours writes.
func (r Record) check() error {
	if r.Seq == 0 {
		return errors.New("it has no sequence number")
	}
	if _, err := ParseHash(r.Prev); err != nil {
		return fmt.Errorf("what it says of the record before: %w", err)
	}
	parts := 0
	for _, is := range []bool{r.Request != nil, r.Checkpoint != nil, r.Notice != nil} {
		if is {
			parts++
		}
	}
	switch {
	case parts != 1:
		return fmt.Errorf("it has %d contents, not one", parts)
	case (r.Kind == KindRequest) != (r.Request != nil), (r.Kind == KindCheckpoint) != (r.Checkpoint != nil):
		return fmt.Errorf("its content is none of kind %q", r.Kind)
	}
	return nil
}
