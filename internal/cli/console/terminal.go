package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/term"

	"github.com/ingotmetal/ingot/console"
	"github.com/ingotmetal/ingot/internal/server/console/wire"
)

// terminal is where a person sits; not raw where it is a pipe.
type terminal struct {
	in       io.Reader
	out, err io.Writer
	// raw is the terminal's descriptor; -1 for a pipe.
	raw int
}

func terminalOf(in io.Reader, out, errOut io.Writer) *terminal {
	t := &terminal{in: in, out: out, err: errOut, raw: -1}
	if f, is := in.(*os.File); is && term.IsTerminal(int(f.Fd())) {
		t.raw = int(f.Fd())
	}
	return t
}

// enterRaw lets each key through as it is. leave gives the terminal back.
func (t *terminal) enterRaw() (leave func(), err error) {
	if t.raw < 0 {
		return func() {}, nil
	}
	before, err := term.MakeRaw(t.raw)
	if err != nil {
		return nil, fmt.Errorf("make the terminal raw: %w", err)
	}
	return func() { _ = term.Restore(t.raw, before) }, nil
}

// say writes a line of ours beside the machine's: standard output is the machine's alone.
func (t *terminal) say(text string) {
	end := "\n"
	if t.raw >= 0 {
		end = "\r\n"
	}
	_, _ = fmt.Fprintf(t.err, "%s[ingot: %s]%s", end, strings.ReplaceAll(text, "\n", " "), end) // the machine's bytes matter more
}

const help = "~. leaves the console; ~t takes over from who types; ~~ types a tilde; each at the beginning of a line"

// sender writes to the WebSocket from several goroutines.
type sender struct {
	mu   sync.Mutex
	conn *websocket.Conn
}

func (s *sender) bytes(p []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return wire.SendBytes(s.conn, p)
}

func (s *sender) message(m wire.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return wire.Send(s.conn, m)
}

// talk carries a session between a terminal and the console role until either side ends it. Its end by the console role is an error that says why, since the person wanted to go on.
func talk(ctx context.Context, conn *websocket.Conn, t *terminal, target console.Target) error {
	leave, err := t.enterRaw()
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	wire.Alive(conn)
	to := &sender{conn: conn}
	go beat(ctx, conn)
	left := make(chan struct{})
	go func() {
		defer close(left)
		defer cancel()
		t.keyboard(ctx, to)
	}()
	err = t.screen(conn, target)
	select {
	case <-left:
		return nil
	default:
		return err
	}
}

func beat(ctx context.Context, conn *websocket.Conn) {
	beats := time.NewTicker(wire.Beat)
	defer beats.Stop()
	for {
		select {
		case <-beats.C:
			_ = wire.Ping(conn) // the read fails where this did
		case <-ctx.Done():
			return
		}
	}
}

// keyboard sends what is typed until the person leaves. A pipe's end is no leaving: what the machine says is still shown.
func (t *terminal) keyboard(ctx context.Context, to *sender) {
	var escape console.Escape
	buffer := make([]byte, 1024)
	for {
		n, err := t.in.Read(buffer)
		for typed := buffer[:n]; len(typed) > 0; {
			send, c, rest := escape.Feed(typed)
			if len(send) > 0 && to.bytes(send) != nil {
				return
			}
			typed = rest
			switch c {
			case console.Leave:
				t.say("left")
				return
			case console.TakeOver:
				if to.message(wire.Message{Type: wire.TakeOver}) != nil {
					return
				}
			case console.Help:
				t.say(help)
			}
		}
		if err != nil {
			if p := escape.Flush(); len(p) > 0 {
				_ = to.bytes(p) // the input is over either way
			}
			if t.raw < 0 {
				<-ctx.Done()
			}
			return
		}
	}
}

// screen shows what comes until it ends.
func (t *terminal) screen(conn *websocket.Conn, target console.Target) error {
	for {
		p, m, err := wire.Read(conn)
		if err != nil {
			return fmt.Errorf("the console of %s is gone: %w", target, err)
		}
		if m == nil {
			if _, err := t.out.Write(p); err != nil {
				return fmt.Errorf("show the console of %s: %w", target, err)
			}
			continue
		}
		switch m.Type {
		case wire.Begin:
			t.say(fmt.Sprintf("console of %s, recorded as %s; ~. leaves, ~? helps", target, m.Recording))
		case wire.Writer:
			text := m.Text
			if m.Writer {
				text = "what you type is sent to the machine"
			}
			t.say(text)
		case wire.Notice:
			t.say(m.Text)
		case wire.End:
			return errors.New(m.Text)
		case wire.TakeOver:
			// It is a person's word, and never comes from the role.
		}
	}
}
