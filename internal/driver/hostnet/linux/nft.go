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

// Apply implements hostnet.Transactions. A text of several steps is checked as a whole before its first one.
func (h *Host) Apply(ctx context.Context, text string) error {
	steps := ruleset.Steps(text)
	if len(steps) > 1 {
		if err := h.Check(ctx, text); err != nil {
			return err
		}
	}
	for i, step := range steps {
		if i > 0 && strings.Contains(step, "delete ") { // what only adds, or leads elsewhere, takes nothing from under a packet
			if err := grace(ctx); err != nil {
				return err
			}
		}
		if _, err := h.run(ctx, step, "-f", "-"); err != nil {
			if i > 0 {
				return fmt.Errorf("step %d of %d (those before it hold): %w", i+1, len(steps), err)
			}
			return err
		}
	}
	return nil
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
	defer s.Close()
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
