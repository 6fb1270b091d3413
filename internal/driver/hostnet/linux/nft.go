package linux

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/netns"
)

// Check implements hostnet.Transactions.
func (h *Host) Check(ctx context.Context, text string) error {
	_, err := h.run(ctx, text, "-c", "-f", "-")
	return err
}

// Apply implements hostnet.Transactions. Of a text of several steps, a first one with contents only adds what no packet meets: the others are checked when
// it holds, and it is taken back where the kernel would refuse them. Contents are not checked before, since that takes as long as loading them. A text
// without contents is short, and checked as a whole.
func (h *Host) Apply(ctx context.Context, text string) error {
	steps := ruleset.Steps(text)
	if len(steps) > 1 && !blocks.MatchString(steps[0]) {
		if err := h.Check(ctx, text); err != nil {
			return err
		}
	}
	if _, err := h.run(ctx, steps[0], "-f", "-"); err != nil || len(steps) == 1 {
		return err
	}
	lines := strings.Count(steps[0], "\n") + 1 // the barrier's
	if err := h.Check(ctx, strings.Join(steps[1:], ruleset.Barrier)); err != nil {
		var undone error
		if back := undo(steps[0]); back != "" {
			_, undone = h.run(context.WithoutCancel(ctx), back, "-f", "-")
		}
		var r *hostnet.Rejected
		if errors.As(err, &r) && r.Line > 0 {
			r.Line += lines
		}
		return errors.Join(err, undone)
	}
	for i, step := range steps[1:] {
		if strings.Contains(step, "delete ") { // what only adds, or leads elsewhere, takes nothing from under a packet
			if err := grace(ctx); err != nil {
				return err
			}
		}
		if _, err := h.run(ctx, step, "-f", "-"); err != nil {
			return fmt.Errorf("step %d of %d (those before it hold): %w", i+2, len(steps), err)
		}
	}
	return nil
}

// added are the objects of a generation where a text adds them, in the block of a table.
var added = regexp.MustCompile(`(?m)^\t(set|map|chain|limit) (g\d+_[clmps]\d+) \{`)

// blocks are the beginnings of a table's blocks.
var blocks = regexp.MustCompile(`(?m)^table inet (\w+) \{$`)

// undo is the text that takes back the contents that a first step has added.
func undo(step string) string {
	table := blocks.FindStringSubmatch(step)
	if table == nil {
		return ""
	}
	var flushes, maps, chains, limits strings.Builder
	seen := map[string]bool{}
	for _, m := range added.FindAllStringSubmatch(step, -1) {
		if seen[m[2]] {
			continue // chains are named twice
		}
		seen[m[2]] = true
		if m[1] == "limit" {
			fmt.Fprintf(&limits, "delete limit inet %s %s\n", table[1], m[2])
			continue
		}
		if m[1] == "chain" {
			fmt.Fprintf(&flushes, "flush chain inet %s %s\n", table[1], m[2])
			fmt.Fprintf(&chains, "delete chain inet %s %s\n", table[1], m[2])
		} else {
			fmt.Fprintf(&maps, "delete %s inet %s %s\n", m[1], table[1], m[2])
		}
	}
	return flushes.String() + maps.String() + chains.String() + limits.String()
}

// membarrierGlobal is MEMBARRIER_CMD_GLOBAL (linux/membarrier.h): it returns after an RCU grace period.
const membarrierGlobal = 1

// grace waits until every packet that is under way in the rules has left them. Rules are walked under RCU, so that a grace period is what it takes.
func grace(ctx context.Context) error {
	if _, _, failed := unix.Syscall(unix.SYS_MEMBARRIER, membarrierGlobal, 0, 0); failed == 0 {
		return ctx.Err()
	}
	// A kernel with nohz_full refuses the call. A packet is in the rules for microseconds.
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(100 * time.Millisecond):
		return nil
	}
}

// State implements hostnet.States.
func (h *Host) State(ctx context.Context, table string) (hostnet.Table, error) {
	t, err := h.list(ctx, table)
	if err != nil {
		return hostnet.Table{}, err
	}
	if err := h.readMembers(&t); err != nil {
		return hostnet.Table{}, err
	}
	return t.Table, nil
}

// Expect implements hostnet.States: the kernel itself says what it makes of the text, in a namespace that nobody else is in.
func (h *Host) Expect(ctx context.Context, table, text string) (hostnet.Table, error) {
	empty, err := netns.New()
	if err != nil {
		return hostnet.Table{}, err
	}
	s := &Host{namespace: empty, nft: h.nft}
	defer func() { _ = s.Close() }() // an empty namespace, which is gone with its last reference
	if err := s.Apply(ctx, text); err != nil {
		return hostnet.Table{}, err
	}
	return s.State(ctx, table)
}

// complaint is how nft begins its errors: the input's name, the line, the columns.
var complaint = regexp.MustCompile(`^[^:\s]*:(\d+):[\d-]+: (?:Error: )?(.*)$`)

// rejected reads nft's words: which line is at fault, and why.
func rejected(input, words string) error {
	r := &hostnet.Rejected{Reason: strings.TrimSpace(words)}
	for line := range strings.Lines(words) {
		m := complaint.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		r.Line, _ = strconv.Atoi(m[1]) // digits; out of range is 0
		r.Reason = m[2]
		if lines := strings.Split(input, "\n"); r.Line > 0 && r.Line <= len(lines) {
			r.Text = strings.TrimSpace(lines[r.Line-1])
		}
		break
	}
	if len(r.Reason) > 500 {
		r.Reason = r.Reason[:500]
	}
	return r
}

// missing turns nft's word for a table that is not there into the contract's.
func missing(err error) error {
	var r *hostnet.Rejected
	if errors.As(err, &r) && strings.Contains(r.Reason, "No such file or directory") {
		return hostnet.ErrNoTable
	}
	return err
}
