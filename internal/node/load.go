package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/ingotmetal/ingot/firewall/guard"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
	"github.com/ingotmetal/ingot/internal/node/state"
)

// Load writes the last confirmed ruleset to a kernel that has another one or none: at boot, before the network is there. It gives the generation, 0 where nothing was
// ever confirmed.
func Load(ctx context.Context, h hostnet.Host, dir state.Dir, table string) (uint32, error) {
	s, err := dir.Read()
	if err != nil {
		return 0, err
	}
	if s.Confirmed.None() {
		return 0, nil
	}
	var have *hostnet.Table
	t, err := h.State(ctx, table)
	switch {
	case err == nil:
		have = &t
		if active, pending, _, ok := t.Generations(); ok && active == s.Confirmed.Generation && pending == 0 {
			return active, nil
		}
	case !errors.Is(err, hostnet.ErrNoTable):
		return 0, fmt.Errorf("read the kernel's tables: %w", err)
	}
	return s.Confirmed.Generation, Restore(ctx, h, dir, s, have)
}

// Remove takes our table out of the kernel and our files off the disk: the host is as it was found. Nothing else is touched.
func Remove(ctx context.Context, h hostnet.Host, dir state.Dir, table string) error {
	_, err := h.State(ctx, table)
	if err == nil {
		err = h.Apply(ctx, (&ruleset.Ruleset{Table: table}).Uninstall())
	}
	if err != nil && !errors.Is(err, hostnet.ErrNoTable) {
		return fmt.Errorf("remove the table %s: %w", table, err)
	}
	return dir.Remove()
}

// resume is for a daemon that starts in the middle of a trial: what sessions there are may be older than it.
func (n *Node) resume(ctx context.Context) {
	if n.disk.Attempt.Outcome == guard.Running {
		n.remember(ctx)
	}
}
