package bmc

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/ingotmetal/ingot/step"
)

// CanConsole: what the machine writes to its serial console can be watched as it is written.
const CanConsole Capability = "console"

// Console is the machine's serial console.
type Console interface {
	// Watch copies to out what the machine writes from now on, until ctx ends, which is no error. Nothing is typed. A console has one watcher at a time, of all that there are: Busy for
	// others.
	Watch(ctx context.Context, out io.Writer) error
	// Open attaches to the console until it is closed, or the BMC ends it; ctx bounds the attaching. It is that one watcher too.
	Open(ctx context.Context) (Serial, error)
}

// Serial is an open console. Read gives what the machine writes, and after the end an *Error that says why, io.EOF after Close. Write types; it waits while the BMC is slow. Reading and
// writing may be done at once; Close ends both and may be called twice.
type Serial interface {
	io.ReadWriteCloser
}

// Serial opens the console of a BMC. Opening takes one of the places for calls; the open console takes none, and keeps its session from being closed as idle until it is closed itself.
func (p *Pool) Serial(ctx context.Context, t Target) (Serial, error) {
	e, err := p.entry(t)
	if err != nil {
		return nil, err
	}
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	case <-ctx.Done():
		return nil, &Error{Op: "wait for the BMC's other calls", Address: t.address(), Kind: step.Timeout, Err: ctx.Err()}
	}
	s, err := p.borrow(ctx, e, t)
	if err != nil {
		return nil, err
	}
	c := s.Console()
	if c == nil {
		p.giveBack(ctx, e, s, false)
		return nil, &Error{Op: "open the serial console", Address: t.address(), Kind: step.Unsupported, Err: errNoConsole,
			Fix: "enable serial over LAN at the BMC: in Redfish it shows as SerialConsole.SSH of the system or its manager"}
	}
	opened, err := c.Open(ctx)
	if err != nil {
		p.giveBack(ctx, e, s, KindOf(err) == step.Denied)
		return nil, err
	}
	return &pooledSerial{Serial: opened, release: sync.OnceFunc(func() { p.giveBack(context.WithoutCancel(ctx), e, s, false) })}, nil
}

var errNoConsole = errors.New("this BMC gives no serial console")

// pooledSerial gives its session back when it is closed.
type pooledSerial struct {
	Serial

	release func()
}

// Close implements io.Closer.
func (s *pooledSerial) Close() error {
	defer s.release()
	return s.Serial.Close()
}
