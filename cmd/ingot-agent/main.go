// Command ingot-agent is the first process of a machine that was booted into memory to be inspected, wiped or provisioned. Everything it knows comes from the
// boot medium; it has no flags and listens on nothing.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/ingotmetal/ingot/internal/agent/machine"
	"github.com/ingotmetal/ingot/internal/version"
)

func main() {
	v := version.Get()
	if os.Getpid() != 1 {
		fmt.Fprintf(os.Stderr, "%s\ningot-agent is the init of a ramdisk: it would set this machine's clock and turn it off. It runs as process 1 only; build the ramdisk with: ingot image build-agent\n", v)
		os.Exit(2)
	}
	if err := machine.Live(context.Background(), v.Version+" "+v.Commit); err != nil {
		// The kernel restarts the machine when process 1 ends (panic= on its command line).
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
