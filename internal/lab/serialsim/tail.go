// Package serialsim is the serial console of the lab's machines as BMCs give it: what is new on it, and an SSH server that shows it.
//
// It owns the reading and the protocol. It refuses to be a machine or a BMC: those are behind Machine and Server.Check. It is the lab's simulated hardware, so it opens its own sockets, on
// loopback only.
//
// Invariants: one watcher at a time, as BMCs have it; nothing is shown to who has not logged in.
package serialsim

import "bytes"

// Machine is one whose console is shown.
type Machine interface {
	// Console is the last bytes, at most max, of what the machine wrote.
	Console(max int) []byte
}

// Typist is a Machine that can be typed at.
type Typist interface {
	Type(p []byte) error
}

// The console's last bytes are all that a machine gives: what is new is what follows the last ones that were seen.
const (
	tailWindow = 256 << 10
	tailBytes  = 256
)

// Tail reads what a machine writes to its serial console from the moment that it was made. It is one goroutine's.
type Tail struct {
	machine Machine
	seen    []byte
}

// NewTail begins at what the machine writes next.
func NewTail(m Machine) *Tail { return &Tail{machine: m, seen: lastBytes(m.Console(tailWindow))} }

func lastBytes(text []byte) []byte { return bytes.Clone(text[max(0, len(text)-tailBytes):]) }

// Read gives what is new, 0 bytes for nothing. It does not wait and does not fail.
func (t *Tail) Read(p []byte) int {
	text := t.machine.Console(tailWindow)
	at := bytes.LastIndex(text, t.seen)
	if at < 0 {
		// More was written since than is kept.
		at = -len(t.seen)
	}
	text = text[at+len(t.seen):]
	n := copy(p, text)
	if n > 0 {
		t.seen = lastBytes(append(bytes.Clone(t.seen), text[:n]...))
	}
	return n
}
