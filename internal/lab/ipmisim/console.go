package ipmisim

import (
	"context"
	"errors"
	"sync"

	"github.com/bougou/go-ipmi/pkg/hal"

	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/internal/lab/serialsim"
)

// serialPort implements the library's console by what a machine of the lab has written to its own, and by what it listens to.
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
	return &watch{port: p, tail: serialsim.NewTail(p.machine)}, nil
}

// watch is the port while somebody watches.
type watch struct {
	port *serialPort
	tail *serialsim.Tail
}

// ReadAvailable implements hal.ConsoleConn.
func (w *watch) ReadAvailable(p []byte) (int, error) { return w.tail.Read(p), nil }

// Write implements io.Writer.
func (w *watch) Write(p []byte) (int, error) {
	if t, is := w.port.machine.(serialsim.Typist); is {
		if err := t.Type(p); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// SendBreak implements hal.ConsoleConn.
func (*watch) SendBreak(context.Context) error { return hal.ErrNotSupported }

// Close implements io.Closer.
func (w *watch) Close() error {
	w.port.mu.Lock()
	defer w.port.mu.Unlock()
	w.port.open = false
	return nil
}
