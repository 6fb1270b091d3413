package machine

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// consoleLines is how many lines wait for a slow console; a serial line that nobody empties must not hold the agent up.
	consoleLines = 256
	// consoleTime is how long the last lines may take.
	consoleTime = 2 * time.Second
)

// console prints to every console of the kernel's command line, not only to the last, which is what /dev/console is. Each has a goroutine and a queue of its
// own, so that one that is stuck does not silence the others.
type console struct{ queues []chan printed }

// printed is one line, or a question whether all before it are out.
type printed struct {
	line []byte
	out  chan<- struct{}
}

// openConsole prints to the consoles that are named, falling back to the process's own output.
func openConsole(active string) *console {
	var to []io.Writer
	for name := range strings.FieldsSeq(active) {
		if f, err := os.OpenFile(filepath.Join("/dev", filepath.Base(name)), os.O_WRONLY, 0); err == nil {
			to = append(to, f)
		}
	}
	if len(to) == 0 {
		to = append(to, os.Stderr)
	}
	return newConsole(to...)
}

func newConsole(to ...io.Writer) *console {
	c := &console{}
	for _, w := range to {
		q := make(chan printed, consoleLines)
		c.queues = append(c.queues, q)
		go func() {
			for p := range q {
				// A console that cannot be written to has nobody to tell.
				_, _ = w.Write(p.line)
				if p.out != nil {
					close(p.out)
				}
			}
		}()
	}
	return c
}

// Write implements io.Writer; a line that finds no room is dropped.
func (c *console) Write(p []byte) (int, error) {
	line := []byte(strings.ReplaceAll(string(p), "\n", "\r\n"))
	for _, q := range c.queues {
		select {
		case q <- printed{line: line}:
		default:
		}
	}
	return len(p), nil
}

// drain waits a moment for what was written to be printed.
func (c *console) drain() {
	limit := time.After(consoleTime)
	for _, q := range c.queues {
		out := make(chan struct{})
		select {
		case q <- printed{out: out}:
		case <-limit:
			return
		}
		select {
		case <-out:
		case <-limit:
			return
		}
	}
}

// handler formats for people.
func (c *console) handler() slog.Handler {
	return slog.NewTextHandler(c, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.String(slog.TimeKey, a.Value.Time().UTC().Format("15:04:05"))
		}
		return a
	}})
}
