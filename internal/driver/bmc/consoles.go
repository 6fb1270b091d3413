package bmc

import (
	"context"
	"io"
)

// CanConsole: what the machine writes to its serial console can be watched as it is written.
const CanConsole Capability = "console"

// Console watches the machine's serial console.
type Console interface {
	// Watch copies to out what the machine writes from now on, until ctx ends, which is no error. Nothing is typed. A console has one watcher at a time, of all that there are: Busy for
	// others.
	Watch(ctx context.Context, out io.Writer) error
}
