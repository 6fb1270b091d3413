package linux

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/ingotmetal/ingot/internal/driver/hostnet"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/netns"
)

// Check implements hostnet.Transactions.
func (h *Host) Check(ctx context.Context, text string) error {
	_, err := h.run(ctx, text, "-c", "-f", "-")
	return err
}

// Apply implements hostnet.Transactions.
func (h *Host) Apply(ctx context.Context, text string) error {
	_, err := h.run(ctx, text, "-f", "-")
	return err
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
