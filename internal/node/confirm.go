package node

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/ingotmetal/ingot/firewall/guard"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
)

// connection names a tracked flow.
type connection struct {
	protocol                    uint8
	source, destination         netip.Addr
	sourcePort, destinationPort uint16
}

func connectionOf(f hostnet.Flow) connection {
	return connection{f.Protocol, f.Source, f.Destination, f.SourcePort, f.DestinationPort}
}

// remember notes the flows that are there when a trial has begun.
func (n *Node) remember(ctx context.Context) {
	flows, err := n.o.Host.Flows(ctx)
	if err != nil {
		n.o.Log.Error("the tracked flows can't be read: no session can confirm", "err", err)
		n.old = nil
		return
	}
	n.old = map[connection]bool{}
	for _, f := range flows {
		n.old[connectionOf(f)] = true
	}
}

// heard is what was said of the running trial: by a person, or by the controller.
func (n *Node) heard() *guard.Confirmation {
	if n.confirmation != nil {
		return n.confirmation
	}
	g := n.disk.Attempt.Generation
	if n.disk.Attempt.Outcome != guard.Running || n.policies == nil {
		return nil
	}
	for _, confirmed := range n.policies.Confirmed {
		if confirmed == g {
			return &guard.Confirmation{Generation: g, Fresh: true, Over: "the controller's connection"}
		}
	}
	return nil
}

// Unconfirmed is why a trial was not confirmed.
type Unconfirmed struct{ Reason, Fix string }

func (u *Unconfirmed) Error() string { return u.Reason + "; " + u.Fix }

// Confirm is a person's word over a new session. The loop looks itself whether one came in on a management row since the trial began. console leaves that out:
// the person sits before the machine, and no network can lock them out.
func (n *Node) Confirm(ctx context.Context, console bool) (guard.Confirmed, error) {
	var confirmed guard.Confirmed
	var refused error
	err := n.Do(ctx, func(ctx context.Context) {
		kernel, _ := n.look(ctx)
		a := n.disk.Attempt
		if a.Outcome != guard.Running || kernel.Pending != a.Generation {
			refused = &Unconfirmed{"no ruleset is on trial", "`ingot-node status` says what rules, and `ingot-node try` begins a trial anew"}
			return
		}
		c := &guard.Confirmation{Generation: a.Generation, Fresh: true, Over: "the console"}
		if !console {
			if c, refused = n.evidence(ctx); refused != nil {
				return
			}
		}
		n.confirmation = c
		n.settle(ctx)
		confirmed = n.disk.Confirmed
		if confirmed.Generation != a.Generation {
			refused = &Unconfirmed{"the trial of generation " + fmt.Sprint(a.Generation) + " ended before it was confirmed: " + n.decision.Reason, n.decision.Fix}
		}
	})
	if err != nil {
		return guard.Confirmed{}, err
	}
	return confirmed, refused
}

// evidence looks for a connection on a management row that came in through the new ruleset: it is answered, and was not there when the trial had begun.
func (n *Node) evidence(ctx context.Context) (*guard.Confirmation, error) {
	rows := n.rows()
	if n.old == nil {
		// The daemon was started again in the middle of the trial: what is there now may be older.
		n.remember(ctx)
		return nil, &Unconfirmed{
			"the daemon has not seen the trial begin, and can't tell which sessions are older", "open another session and run `ingot-node confirm` there",
		}
	}
	flows, err := n.o.Host.Flows(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the tracked flows: %w", err)
	}
	older := 0
	for _, f := range flows {
		row, ok := rowOf(rows, f)
		if _, here := local(n.interfaces, f.Destination); !ok || !here || !f.Answered {
			continue
		}
		if n.old[connectionOf(f)] {
			older++
			continue
		}
		return &guard.Confirmation{
			Generation: n.disk.Attempt.Generation, Fresh: true, Over: fmt.Sprintf("a session from %s port %d on row %s", f.Source, f.SourcePort, row),
		}, nil
	}
	reason := "nobody has come in over a management row since the trial began"
	if older > 0 {
		reason += fmt.Sprintf(": the %d sessions there are older than it, and prove nothing", older)
	}
	return nil, &Unconfirmed{reason, "open a new session (not one that shares a connection: ssh -o ControlPath=none) and run `ingot-node confirm` there; " +
		"at the console: `ingot-node confirm --console`"}
}

// rows are the management rows of what is wanted, or of the command line.
func (n *Node) rows() []guard.Row {
	if n.wanted != nil {
		return n.wanted.rows
	}
	return n.o.Management
}

// rowOf is the management row that a flow belongs to.
func rowOf(rows []guard.Row, f hostnet.Flow) (guard.Row, bool) {
	i := slices.IndexFunc(rows, func(r guard.Row) bool {
		from := len(r.From) == 0 && !r.Nobody || slices.ContainsFunc(r.From, func(p netip.Prefix) bool { return p.Contains(f.Source) })
		return r.Protocol == f.Protocol && from && (len(r.Ports) == 0 || slices.Contains(r.Ports, f.DestinationPort))
	})
	if i < 0 {
		return guard.Row{}, false
	}
	return rows[i], true
}

// Order is a person's wish: to try again what was reverted, or to end the trial.
func (n *Node) Order(ctx context.Context, o guard.Order) (guard.Decision, error) {
	var d guard.Decision
	err := n.Do(ctx, func(ctx context.Context) {
		n.order = o
		n.settle(ctx)
		n.order = guard.NoOrder
		d = n.decision
	})
	return d, err
}
