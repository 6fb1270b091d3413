// Command ingot-mesh-member is who is in the mesh: what a firewall, a management server and a laptop need of ingot-mesh, in a third of the memory.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/ingotmetal/ingot/mesh/command/joining"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := joining.Root().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "ingot-mesh-member:", err)
		os.Exit(joining.ExitCode(err))
	}
}
