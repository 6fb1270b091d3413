package agent

import (
	"bytes"
	"context"
	"log/slog"
	"sync"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
)

// Bounds of what an unreachable partition role makes the agent keep.
const (
	logLines     = 2000
	logLineBytes = 1024
)

// Log is a slog.Handler that prints through another handler and keeps a bounded number of lines to be shipped. Beyond the bound the oldest are dropped and
// counted. Secrets cannot get in: they are secret.String, which prints as ***.
type Log struct {
	next slog.Handler
	ring *ring
	// text formats into the ring; it carries the attributes and groups that With gave.
	text slog.Handler
}

// ring is shared by all handlers derived from one Log.
type ring struct {
	mu sync.Mutex
	// lines not yet acknowledged, oldest first; first is the sequence number of lines[0].
	lines []protocol.LogLine
	first int64
	// buf is where text formats one record.
	buf bytes.Buffer
	// added is signalled, without blocking, when a line came in.
	added chan struct{}
}

// NewLog makes a Log that prints through next.
func NewLog(next slog.Handler) *Log {
	r := &ring{first: 1, added: make(chan struct{}, 1)}
	text := slog.NewTextHandler(&r.buf, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: dropHead})
	return &Log{next: next, ring: r, text: text}
}

// dropHead leaves time and level out of the text, since a line has fields for them.
func dropHead(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return slog.Attr{}
	}
	return a
}

// Enabled implements slog.Handler.
func (l *Log) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || l.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (l *Log) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelInfo {
		if err := l.ring.add(ctx, l.text, r); err != nil {
			return err
		}
	}
	if !l.next.Enabled(ctx, r.Level) {
		return nil
	}
	return l.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l *Log) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Log{next: l.next.WithAttrs(attrs), ring: l.ring, text: l.text.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (l *Log) WithGroup(name string) slog.Handler {
	return &Log{next: l.next.WithGroup(name), ring: l.ring, text: l.text.WithGroup(name)}
}

func (r *ring) add(ctx context.Context, text slog.Handler, rec slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.buf.Reset()
	if err := text.Handle(ctx, rec); err != nil {
		return err
	}
	line := bytes.TrimRight(r.buf.Bytes(), "\n")
	if len(line) > logLineBytes {
		line = line[:logLineBytes]
	}
	r.lines = append(r.lines, protocol.LogLine{Time: rec.Time, Level: rec.Level.String(), Text: string(bytes.ToValidUTF8(line, []byte("?")))})
	if over := len(r.lines) - logLines; over > 0 {
		r.lines = append(r.lines[:0], r.lines[over:]...)
		r.first += int64(over)
	}
	select {
	case r.added <- struct{}{}:
	default:
	}
	return nil
}

// pending gives up to limit lines that are not yet acknowledged and the sequence number of the first.
func (r *ring) pending(limit int) (first int64, lines []protocol.LogLine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(limit, len(r.lines))
	return r.first, append([]protocol.LogLine(nil), r.lines[:n]...)
}

// acknowledge forgets the lines before the sequence number next.
func (r *ring) acknowledge(next int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(max(next-r.first, 0), int64(len(r.lines)))
	r.lines = append(r.lines[:0], r.lines[n:]...)
	r.first += n
}
