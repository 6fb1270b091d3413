// Command ingot-mesh is the mesh: its coordinator, its relay, and its members. It is a program of its own, so that the others don't carry headscale and tailscale.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/ingotmetal/ingot/mesh/command"
	"github.com/ingotmetal/ingot/mesh/command/joining"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command.Root().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "ingot-mesh:", err)
		os.Exit(joining.ExitCode(err))
	}
}
