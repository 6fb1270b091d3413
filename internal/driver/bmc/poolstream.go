package bmc

import (
	"context"
	"sync"

	"github.com/ingotmetal/ingot/event"
	"github.com/ingotmetal/ingot/step"
)

// Stream opens the event stream of a BMC. Opening takes one of the places for calls; the open stream takes none, and keeps its session from being closed as idle until it is closed itself.
func (p *Pool) Stream(ctx context.Context, t Target) (EventStream, error) {
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
	var opened EventStream
	if events := s.Events(); events == nil {
		err = &Error{Op: "open event stream", Address: t.address(), Kind: step.Unsupported, Err: errNoEvents}
	} else {
		opened, err = events.Stream(ctx)
	}
	if err != nil {
		p.giveBack(ctx, e, s, KindOf(err) == step.Denied)
		return nil, err
	}
	return &pooledStream{EventStream: opened, release: sync.OnceFunc(func() { p.giveBack(context.WithoutCancel(ctx), e, s, false) })}, nil
}

var errNoEvents = errorText("this BMC sends no events")

// errorText is a plain sentence as an error.
type errorText string

func (e errorText) Error() string { return string(e) }

// pooledStream gives its session back when it is closed.
type pooledStream struct {
	EventStream
	release func()
}

// Next implements EventStream.
func (s *pooledStream) Next() (event.Event, error) { return s.EventStream.Next() }

// Close implements EventStream.
func (s *pooledStream) Close() error {
	defer s.release()
	return s.EventStream.Close()
}
