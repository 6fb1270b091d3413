package ipmisim

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"github.com/bougou/go-ipmi/pkg/hal"

	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
)

// serialPort implements the library's console by what a machine of the lab has written to its own. It is read only: nobody types.
type serialPort struct {
	machine bmcsim.Machine

	mu   sync.Mutex
	open bool
}

var errTaken = errors.New("the serial port has its watcher")

// Open implements hal.ConsoleHAL.
func (p *serialPort) Open(context.Context) (hal.ConsoleConn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open {
		return nil, errTaken
	}
	p.open = true
	return &watch{port: p, tail: last(p.machine.Console(consoleBytes))}, nil
}

// The console's last bytes are all that a machine gives: what is new is what follows the last ones that were seen.
const (
	consoleBytes = 256 << 10
	tailBytes    = 256
)

// watch is the port while somebody watches.
type watch struct {
	port *serialPort
	tail []byte
}

func last(text []byte) []byte { return bytes.Clone(text[max(0, len(text)-tailBytes):]) }

// ReadAvailable implements hal.ConsoleConn.
func (w *watch) ReadAvailable(p []byte) (int, error) {
	text := w.port.machine.Console(consoleBytes)
	at := bytes.LastIndex(text, w.tail)
	if at < 0 {
		// More was written since than is kept.
		at = -len(w.tail)
	}
	text = text[at+len(w.tail):]
	n := copy(p, text)
	if n > 0 {
		seen := append(bytes.Clone(w.tail), text[:n]...)
		w.tail = last(seen)
	}
	return n, nil
}

// Write implements io.Writer: the machines of the lab do not listen.
func (*watch) Write(p []byte) (int, error) { return len(p), nil }

// SendBreak implements hal.ConsoleConn.
func (*watch) SendBreak(context.Context) error { return hal.ErrNotSupported }

// Close implements io.Closer.
func (w *watch) Close() error {
	w.port.mu.Lock()
	defer w.port.mu.Unlock()
	w.port.open = false
	return nil
}
