package tftp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
)

// Opcodes (RFC 1350 §5, RFC 2347).
const (
	opRead  = 1
	opData  = 3
	opAck   = 4
	opError = 5
	opOAck  = 6
)

// Bounds of the options. A block may have 8 to 65464 bytes (RFC 2348), a window 1 to 65535 blocks (RFC 7440), a timeout 1 to 255 seconds (RFC 2349). The
// server accepts less than asked for where more costs without helping: a block that is cut into many fragments is lost with any of them.
const (
	defaultBlock, minBlock, maxBlock = 512, 8, 65464
	maxBlockUsed                     = 8192
	maxWindowUsed                    = 64
	maxTimeoutUsed                   = 10
)

// request is a read request.
type request struct {
	name string
	// options that were asked for, in lower case, in the order that they came in.
	options []option
}

type option struct{ name, value string }

var errNotARead = errors.New("not a read request in octet mode")

// parse reads a read request (RFC 1350 §5, RFC 2347): opcode, name, mode, and pairs of option and value, each text ended by a NUL.
func parse(b []byte) (request, error) {
	if len(b) < 4 || binary.BigEndian.Uint16(b) != opRead || b[len(b)-1] != 0 {
		return request{}, errNotARead
	}
	texts := strings.Split(string(bytes.TrimSuffix(b[2:], []byte{0})), "\x00")
	// Some firmware pads the request with NULs.
	for len(texts) > 2 && texts[len(texts)-1] == "" {
		texts = texts[:len(texts)-1]
	}
	if len(texts) < 2 || texts[0] == "" || !strings.EqualFold(texts[1], "octet") {
		return request{}, errNotARead
	}
	r := request{name: texts[0]}
	for i := 2; i+1 < len(texts); i += 2 {
		r.options = append(r.options, option{strings.ToLower(texts[i]), texts[i+1]})
	}
	return r, nil
}

// terms are how a file is sent.
type terms struct {
	block, window int
	timeout       int // seconds; 0: the server's own
	// accepted goes into the OACK; nil: no OACK, the first block comes at once.
	accepted []option
}

// negotiate takes each option that it knows, at most once, and at most as large as asked for (RFC 2347: unknown ones are left out).
func negotiate(asked []option, size int64) terms {
	t := terms{block: defaultBlock, window: 1}
	done := map[string]bool{}
	for _, o := range asked {
		if done[o.name] {
			continue
		}
		done[o.name] = true
		n, err := strconv.Atoi(o.value)
		switch {
		case err != nil:
			continue
		case o.name == "blksize" && n >= minBlock:
			t.block = min(n, maxBlock, maxBlockUsed)
			t.accept(o.name, t.block)
		case o.name == "windowsize" && n >= 1 && n <= 65535:
			t.window = min(n, maxWindowUsed)
			t.accept(o.name, t.window)
		case o.name == "tsize" && n >= 0:
			t.accept(o.name, int(size))
		case o.name == "timeout" && n >= 1 && n <= maxTimeoutUsed:
			t.timeout = n
			t.accept(o.name, n)
		}
	}
	return t
}

func (t *terms) accept(name string, value int) {
	t.accepted = append(t.accepted, option{name, strconv.Itoa(value)})
}

// oack is the packet that acknowledges options (RFC 2347).
func oack(accepted []option) []byte {
	b := binary.BigEndian.AppendUint16(nil, opOAck)
	for _, o := range accepted {
		b = append(append(append(append(b, o.name...), 0), o.value...), 0)
	}
	return b
}

// ackedBlock reads an acknowledgement's block number; false for any other packet.
func ackedBlock(b []byte) (uint16, bool) {
	if len(b) < 4 || binary.BigEndian.Uint16(b) != opAck {
		return 0, false
	}
	return binary.BigEndian.Uint16(b[2:]), true
}

func isError(b []byte) bool { return len(b) >= 2 && binary.BigEndian.Uint16(b) == opError }
