package window

import (
	"io"
	"net/http"
	"net/netip"

	"github.com/ingotmetal/ingot/tracing"
)

// Trace is told what a boot server gave in a window; nil: nobody wants to know.
type Trace func(tracing.Served)

// Tell tells it, where the window's boot is traced.
func (t Trace) Tell(e *Entry, s tracing.Served) {
	if t == nil || e.Trace.IsZero() {
		return
	}
	s.Below, s.Boot = e.Trace, e.BootID
	t(s)
}

// Counted counts what is read of a content.
type Counted struct {
	io.ReadSeeker
	Bytes int64
}

// Read implements io.Reader.
func (c *Counted) Read(p []byte) (int, error) {
	n, err := c.ReadSeeker.Read(p)
	c.Bytes += int64(n)
	return n, err //nolint:wrapcheck // io.EOF must stay what it is
}

// Client is the address that a request came from, without its port.
func Client(r *http.Request) string {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return from.Addr().Unmap().String()
}
