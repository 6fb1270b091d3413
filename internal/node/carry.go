package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/firewall/guard"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
	"github.com/ingotmetal/ingot/internal/node/state"
)

func (n *Node) now() time.Time { return time.Now() }

// carry does a step. table is what the kernel has; nil is nothing.
func (n *Node) carry(ctx context.Context, d guard.Decision, table *hostnet.Table) error {
	switch d.Step {
	case guard.Install, guard.Restore:
		return n.restore(ctx, d, table)
	case guard.Try:
		return n.try(ctx, d, table)
	case guard.Confirm:
		return n.confirm(ctx, d, table)
	case guard.Abandon:
		return n.abandon(ctx, d, table)
	case guard.Extend:
		return n.extend(ctx, d)
	case guard.Wait, guard.Refuse:
	}
	return nil
}

// write puts the next state on disk, and only then in memory.
func (n *Node) write(s state.State) error {
	if err := n.o.State.Write(s); err != nil {
		return err
	}
	n.disk = s
	return nil
}

// quiet is how long nothing has to be repaired until repairs are counted anew.
const quiet = 10 * time.Minute

// restore writes the confirmed ruleset in one transaction over whatever is there.
func (n *Node) restore(ctx context.Context, d guard.Decision, table *hostnet.Table) error {
	next := n.disk
	if n.now().Sub(next.Repair.At) > quiet {
		next.Repair.Count = 0
	}
	next.Repair = guard.Repair{At: n.now(), Count: next.Repair.Count + 1}
	if err := n.write(next); err != nil {
		return err
	}
	if err := Restore(ctx, n.o.Host, n.o.State, n.disk, table); err != nil {
		return err
	}
	n.repairs = Repairs{Total: n.repairs.Total + 1, Last: n.now(), Why: d.Reason}
	n.cut(ctx)
	return nil
}

// Restore writes the confirmed ruleset of a state over what a table has.
func Restore(ctx context.Context, h hostnet.Transactions, dir state.Dir, s state.State, table *hostnet.Table) error {
	text, err := dir.Text(s.ConfirmedTexts.Install)
	if err != nil {
		return err
	}
	before := ""
	if table != nil {
		before = emptied(*table, "active_", "pending_") + sweep(*table, 0, s.ConfirmedTexts.Base)
	}
	if before != "" { // what is there may have the same names: one transaction, since what is between would be open
		text = strings.ReplaceAll(text, ruleset.Barrier, "")
	}
	if err := h.Apply(ctx, before+text); err != nil {
		return fmt.Errorf("write generation %d to the kernel: %w", s.Confirmed.Generation, err)
	}
	return nil
}

// try begins a trial.
func (n *Node) try(ctx context.Context, d guard.Decision, table *hostnet.Table) error {
	generation := n.nextGeneration(table)
	rules := n.compile(n.wanted.scene, generation)
	texts, err := n.o.State.Keep(generation, baseOf(rules), rules.Install(nil), rules.Confirm(nil))
	if err != nil {
		return err
	}
	next := n.disk
	count := 1
	if last := next.Attempt; last.Digest == d.Version.Digest && (last.Outcome == guard.Reverted || last.Outcome == guard.Failed) && n.order != guard.Retry {
		count = last.Count + 1
	}
	next.Highest, next.AttemptTexts = generation, texts
	next.Attempt = guard.Attempt{
		Version: guard.Version{Generation: generation, Digest: d.Version.Digest}, Began: n.now(), Deadline: n.now().Add(n.o.Trial), Outcome: guard.Running, Count: count,
	}
	n.order, n.confirmation, n.old = guard.NoOrder, nil, nil
	if err := n.write(next); err != nil {
		return err
	}
	if err := n.o.Host.Apply(ctx, rules.Prepare()+rules.Try(n.o.Trial)); err != nil {
		failed := n.disk
		failed.Attempt.Outcome, failed.Attempt.Ended, failed.Attempt.Why = guard.Failed, n.now(), err.Error()
		return errors.Join(fmt.Errorf("put generation %d on trial: %w", generation, err), n.write(failed))
	}
	n.remember(ctx)
	if n.disk.Confirmed.None() { // nothing of ours tracked flows before
		n.early = n.old
	}
	return nil
}

// nextGeneration is a number that was never used, as far as the disk, the kernel and the API remember.
func (n *Node) nextGeneration(table *hostnet.Table) uint32 {
	highest := max(n.disk.Highest, n.disk.Confirmed.Generation, n.disk.Attempt.Generation)
	if table != nil {
		for _, name := range strayed(*table) {
			highest = max(highest, generationOf(name))
		}
	}
	if n.policies != nil {
		for _, g := range n.policies.Confirmed {
			highest = max(highest, g)
		}
	}
	return highest + 1
}

// confirm makes the trial permanent, on disk first.
func (n *Node) confirm(ctx context.Context, d guard.Decision, table *hostnet.Table) error {
	next := n.disk
	if next.Attempt.Outcome == guard.Running {
		next.Confirmed = guard.Confirmed{Version: next.Attempt.Version, At: n.now(), By: n.heard().Over}
		next.ConfirmedTexts = next.AttemptTexts
		next.Attempt.Outcome, next.Attempt.Ended, next.Repair = guard.Kept, n.now(), guard.Repair{}
		if err := n.write(next); err != nil {
			return err
		}
	}
	n.confirmation, n.old = nil, nil
	text, err := n.o.State.Text(n.disk.ConfirmedTexts.Confirm)
	if err != nil {
		return err
	}
	if table != nil {
		text += sweep(*table, d.Version.Generation, n.disk.ConfirmedTexts.Base)
	}
	if err := n.o.Host.Apply(ctx, text); err != nil {
		return fmt.Errorf("make generation %d permanent: %w", d.Version.Generation, err)
	}
	n.ruling = nil
	if n.wanted != nil && n.wanted.digest == n.disk.Confirmed.Digest {
		n.rule(n.wanted)
	}
	n.cut(ctx)
	return n.o.State.Prune(n.disk)
}

// abandon takes what is on trial, and remains, out of the kernel, and writes down how the attempt ended.
func (n *Node) abandon(ctx context.Context, d guard.Decision, table *hostnet.Table) error {
	if table != nil {
		text := (&ruleset.Ruleset{Table: table.Name}).Uninstall()
		if active, _, _, _ := table.Generations(); active != 0 {
			text = withoutTrial(*table) + ruleset.Barrier + sweep(*table, active, n.baseNow(*table))
		}
		if err := n.o.Host.Apply(ctx, text); err != nil {
			return fmt.Errorf("take the trial out of the kernel: %w", err)
		}
	}
	n.confirmation, n.old = nil, nil
	if n.order == guard.Withdraw {
		n.order = guard.NoOrder
	}
	if n.disk.Attempt.Outcome != guard.Running {
		return nil
	}
	next := n.disk
	next.Attempt.Outcome, next.Attempt.Ended, next.Attempt.Why = d.Outcome, n.now(), d.Reason
	return n.write(next)
}

// baseNow are the base chains to keep: those of the confirmed ruleset, or all where it is not known.
func (n *Node) baseNow(table hostnet.Table) []string {
	if !n.disk.Confirmed.None() {
		return n.disk.ConfirmedTexts.Base
	}
	var all []string
	for _, c := range table.Chains {
		if c.Hook != "" {
			all = append(all, c.Name)
		}
	}
	return all
}

// extend changes members of sets in the generation that rules.
func (n *Node) extend(ctx context.Context, d guard.Decision) error {
	rules := n.compile(n.wanted.scene, d.Version.Generation)
	delta, ok := ruleset.Difference(n.ruling.rules, rules)
	if !ok {
		return errors.New("the change of members is none any more")
	}
	texts, err := n.o.State.Keep(d.Version.Generation, baseOf(rules), rules.Install(nil), rules.Confirm(nil))
	if err != nil {
		return err
	}
	next := n.disk
	next.Confirmed.Digest, next.ConfirmedTexts = n.wanted.digest, texts
	if err := n.write(next); err != nil {
		return err
	}
	n.rule(n.wanted)
	if err := n.o.Host.Change(ctx, delta); err != nil && !errors.Is(err, hostnet.ErrStale) && !errors.Is(err, hostnet.ErrNoTable) {
		return fmt.Errorf("change members of generation %d: %w", d.Version.Generation, err)
	} // what is stale is found by the next look, and restored
	n.cut(ctx)
	return n.o.State.Prune(n.disk)
}
