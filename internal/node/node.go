package node

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/guard"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
	"github.com/ingotmetal/ingot/internal/node/source"
	"github.com/ingotmetal/ingot/internal/node/state"
)

// DefaultTable is the name of our table.
const DefaultTable = "ingot"

// Options are what a daemon is told.
type Options struct {
	// Name is the node's name in HostEndpoints.
	Name string
	// Table is the name of our table in the kernel; DefaultTable where empty.
	Table string
	// Trial is how long a new ruleset is tried without a confirmation; at least a second.
	Trial time.Duration
	// Look is how often the kernel is compared, at most; a comparison that takes long is done less often.
	Look time.Duration
	// UnusedAfter is how long a row has no traffic until it is reported; 0 is never.
	UnusedAfter time.Duration
	// Management are the management rows of the command line, besides those of communication matrices.
	Management []guard.Row

	Host   hostnet.Host
	Source source.Source
	State  state.Dir
	// Reporter is told every status; nil is nobody.
	Reporter Reporter
	Log      *slog.Logger

	// Unguarded leaves out the check that a management row stays open, so that the lock-out test can prove the kernel's part alone. No flag sets it.
	Unguarded bool
}

// Reporter passes on what the daemon has to say. It is called from a goroutine of its own, one call at a time, with the latest status.
type Reporter interface {
	Report(ctx context.Context, s Status) error
}

// Node is the daemon. Run may be called once.
type Node struct {
	o     Options
	disk  state.State
	calls chan func(context.Context)

	// What the source said last, and what came of it.
	policies *source.Policies
	source   guard.Source
	wanted   *wanted
	// ruling is the confirmed ruleset as a tree, where the policies that it came from are known.
	ruling *ruling

	interfaces   []firewall.Interface
	order        guard.Order
	confirmation *guard.Confirmation
	// old are the flows on management rows when the trial began: they prove nothing.
	old map[connection]bool
	// early are those of them that may be older than the kernel's tracking, which takes a flow's direction from the first packet that it sees. A daemon that is started
	// later does not know of them, and may end one that it takes for its reverse.
	early    map[connection]bool
	expected expected
	// nextLook is when the kernel is read again although nothing happened.
	nextLook   time.Time
	decision   guard.Decision
	since      time.Time
	observed   observed
	repairs    Repairs
	lastFailed time.Time

	status  atomic.Pointer[Status]
	changed chan struct{}
}

// ruling is a compiled ruleset with where it came from.
type ruling struct {
	guard.Version
	scene    guard.Scene
	policies *source.Policies
	rules    *ruleset.Ruleset
}

// New prepares a daemon and reads its state.
func New(o Options) (*Node, error) {
	if o.Table == "" {
		o.Table = DefaultTable
	}
	if o.Trial < time.Second {
		return nil, fmt.Errorf("a trial of %s is too short for anybody to confirm: at least one second", o.Trial)
	}
	disk, err := o.State.Read()
	if err != nil {
		return nil, err
	}
	n := &Node{o: o, disk: disk, calls: make(chan func(context.Context)), changed: make(chan struct{}, 1)}
	n.source.Dials = o.Source.Dials()
	n.status.Store(&Status{Node: o.Name, Decision: guard.Decision{Step: guard.Wait, Reason: "the daemon has just started"}})
	return n, nil
}

// Status is the latest.
func (n *Node) Status() Status { return *n.status.Load() }

// Run works until ctx ends. The kernel keeps what it has then.
func (n *Node) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n.resume(ctx)
	updates := make(chan source.Update)
	ended := make(chan error, 1)
	go func() {
		ended <- n.o.Source.Run(ctx, func(u source.Update) {
			select {
			case updates <- u:
			case <-ctx.Done():
			}
		})
	}()
	reported := make(chan struct{})
	go func() {
		defer close(reported)
		n.report(ctx)
	}()
	defer func() { cancel(); <-reported }()
	for {
		next := n.settle(ctx)
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
		case u := <-updates:
			n.take(u)
		case call := <-n.calls:
			call(ctx)
		case err := <-ended:
			if err != nil {
				timer.Stop()
				return fmt.Errorf("the policies' source ended: %w", err)
			}
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil
		}
	}
}

// maxSteps bounds how many steps follow each other without a look at what came in meanwhile.
const maxSteps = 8

// settle does steps until there is nothing to do, and says when to come back at the latest.
func (n *Node) settle(ctx context.Context) time.Time {
	for range maxSteps {
		if n.step(ctx) {
			break
		}
	}
	next := n.nextLook
	if d := n.decision; !d.Next.IsZero() && d.Next.Before(next) {
		next = d.Next
	}
	if next.Before(n.lastFailed.Add(failedPause)) {
		next = n.lastFailed.Add(failedPause)
	}
	return next
}

// failedPause is between a step that failed and the next try.
const failedPause = time.Second

// step decides and does one thing. True: there is nothing more to do now.
func (n *Node) step(ctx context.Context) (rest bool) {
	began := time.Now()
	n.refresh(ctx)
	kernel, table := n.look(ctx)
	f := n.facts(kernel)
	d := guard.Decide(f)
	if d.Step != n.decision.Step || d.Reason != n.decision.Reason {
		n.o.Log.Info("decided", "step", string(d.Step), "generation", d.Version.Generation, "reason", d.Reason, "fix", d.Fix)
		n.since = time.Now()
	}
	n.decision = d
	if d.Step == guard.Wait || d.Step == guard.Refuse {
		n.observe(ctx, kernel)
		n.publish(kernel)
		// A look may take long where there are many rules: it gets at most a twentieth of one core.
		n.nextLook = time.Now().Add(max(n.o.Look, 20*time.Since(began)))
		return true
	}
	n.publish(kernel)
	if err := n.carry(ctx, d, table); err != nil {
		n.o.Log.Error("a step failed", "step", string(d.Step), "generation", d.Version.Generation, "err", err)
		n.observed.failure = string(d.Step) + ": " + err.Error()
		n.lastFailed, n.nextLook = time.Now(), time.Now().Add(failedPause)
		n.publish(kernel)
		return true
	}
	n.observed.failure = ""
	return false
}

// facts are what the next decision depends on.
func (n *Node) facts(k guard.Kernel) guard.Facts {
	f := guard.Facts{
		Now: time.Now(), Confirmed: n.disk.Confirmed, Kernel: k, Attempt: n.disk.Attempt, Confirmation: n.heard(), Order: n.order, Source: n.source,
		Repair: n.disk.Repair,
	}
	if n.wanted != nil {
		f.Desired.Digest, f.Refusal = n.wanted.digest, n.wanted.refusal
		f.Change = n.change()
	}
	return f
}

// take takes in what a source said.
func (n *Node) take(u source.Update) {
	if u.Err != nil {
		if n.source.LostSince.IsZero() {
			n.source.LostSince = time.Now()
		}
		n.source.Why = u.Err.Error()
		n.o.Log.Warn("the policies' source gives nothing", "err", u.Err)
		return
	}
	n.source.LostSince, n.source.Why = time.Time{}, ""
	n.policies, n.wanted = u.Policies, nil
}

// Do runs a function in the loop and waits for it. The loop decides anew afterwards.
func (n *Node) Do(ctx context.Context, call func(context.Context)) error {
	done := make(chan struct{})
	select {
	case n.calls <- func(ctx context.Context) { defer close(done); call(ctx) }:
	case <-ctx.Done():
		return fmt.Errorf("the daemon is busy: %w", ctx.Err())
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the daemon: %w", ctx.Err())
	}
}

// report passes on each new status; the ones that come meanwhile are one.
func (n *Node) report(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.changed:
		}
		if n.o.Reporter == nil {
			continue
		}
		if err := n.o.Reporter.Report(ctx, n.Status()); err != nil && ctx.Err() == nil {
			n.o.Log.Warn("the status could not be reported", "err", err)
		}
	}
}
