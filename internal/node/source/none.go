package source

import (
	"context"

	"github.com/ingotmetal/ingot/firewall"
)

// None has no policies and never will: a firewall's machine is closed by another table, and reads nothing of its site.
type None struct{ Failsafes []firewall.Failsafe }

// Dials implements Source: nobody does.
func (None) Dials() bool { return false }

// Run implements Source.
func (n None) Run(ctx context.Context, deliver func(Update)) error {
	deliver(Update{Policies: &Policies{Failsafes: n.Failsafes}})
	<-ctx.Done()
	return nil
}
