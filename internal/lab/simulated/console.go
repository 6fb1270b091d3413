package simulated

import (
	"bytes"
	"fmt"
	"sync"
)

// consoleBytes bounds what is kept of a console: a thousand machines keep at most 16 MB.
const consoleBytes = 16 << 10

// console is the last bytes that a machine wrote to its serial line.
type console struct {
	mu   sync.Mutex
	data []byte
}

// Write implements io.Writer.
func (c *console) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.data = append(c.data, b...)
	if over := len(c.data) - consoleBytes; over > 0 {
		c.data = append(c.data[:0], c.data[over:]...)
	}
	return len(b), nil
}

func (c *console) printf(format string, a ...any) { fmt.Fprintf(c, format, a...) }

func (c *console) last(max int) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.data[len(c.data)-min(max, len(c.data)):])
}

// Type implements serialsim.Typist: a simulated system has no shell, and echoes what is typed as a terminal's line discipline does.
func (m *Machine) Type(p []byte) error {
	if m.Powered() {
		_, _ = m.console.Write(bytes.ReplaceAll(p, []byte("\r"), []byte("\r\n"))) // never fails
	}
	return nil
}
