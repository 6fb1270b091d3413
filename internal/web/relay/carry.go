package relay

import (
	"context"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ingotmetal/ingot/internal/server/console/wire"
)

// carry passes a console's bytes and words on until either side ends it, or the person's session does.
func carry(ctx context.Context, browser, role *websocket.Conn, who Person) {
	ctx, cancel := context.WithDeadline(ctx, who.Until)
	defer cancel()
	defer context.AfterFunc(who.Ended, cancel)()
	wire.Alive(browser)
	wire.Alive(role)
	// The reads of both end when the role's connection does.
	defer context.AfterFunc(ctx, func() { _ = role.Close() })()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		defer cancel()
		keys(browser, role)
	}()
	go beat(ctx, browser, role)
	ended := screen(browser, role)
	select {
	case <-gone:
		return // the person left
	default:
	}
	switch {
	case ended:
	case ctx.Err() != nil:
		end(browser, ReasonLoggedOut, "your session ended: log in again")
	default:
		end(browser, ReasonAway, "the console role is gone: try again")
	}
}

// keys passes on what the person types, and the wish to be the one who does.
func keys(browser, role *websocket.Conn) {
	for {
		p, m, err := wire.Read(browser)
		switch {
		case err != nil:
			return
		case m == nil:
			err = wire.SendBytes(role, p)
		case m.Type == wire.TakeOver:
			err = wire.Send(role, wire.Message{Type: wire.TakeOver})
		}
		if err != nil {
			return
		}
	}
}

// screen passes on what the console role says; true: it said the end.
func screen(browser, role *websocket.Conn) bool {
	for {
		p, m, err := wire.Read(role)
		if err != nil {
			return false
		}
		if m == nil {
			err = wire.SendBytes(browser, p)
		} else {
			err = wire.Send(browser, *m)
		}
		if err != nil || (m != nil && m.Type == wire.End) {
			return true
		}
	}
}

// beat asks both sides whether they are there: a read fails where a ping did.
func beat(ctx context.Context, conns ...*websocket.Conn) {
	beats := time.NewTicker(wire.Beat)
	defer beats.Stop()
	for {
		select {
		case <-beats.C:
			for _, c := range conns {
				_ = wire.Ping(c)
			}
		case <-ctx.Done():
			return
		}
	}
}
