package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/image/wipe"
	"github.com/ingotmetal/ingot/step"
)

// wipesAtOnce bounds the disks that are wiped at the same time, and with them the memory.
const wipesAtOnce = 4

// clean wipes every disk that is part of the machine as its host's policy says, and proves it. One disk that cannot be wiped, a read-only one too, fails the step;
// the others are wiped all the same, and the evidence of all is in the outcome, that of disks which the policy keeps too. Removable media, and disks at the other end of a network,
// are not the machine's unless its host says
// that they are: a LUN may be another machine's. A removable medium that is read-only is never its own: the one that the agent was booted from.
func (a *agent) clean(ctx context.Context, p protocol.Clean, report func(step.Progress)) step.Outcome {
	policy, refused := a.policy(p)
	if refused != nil {
		return step.Outcome{Failure: refused}
	}
	all, err := a.hardware.Inspector.Disks(ctx)
	if err != nil {
		return failure(fmt.Errorf("list the disks to wipe: %w", err))
	}
	var disks []step.Disk
	for _, d := range all {
		if !d.Owned(p.Owns) || d.Removable && d.ReadOnly {
			a.logger.Info("Disk left alone", "disk", d.Name, "serial", d.SerialNumber, "reason", string(d.Outside()))
			continue
		}
		disks = append(disks, d)
	}
	if err := a.stopArrays(ctx, all, nil); err != nil {
		return failure(err)
	}
	wipes := make([]step.Wipe, len(disks))
	done := newTally(len(disks), report)
	free := make(chan struct{}, wipesAtOnce)
	var running sync.WaitGroup
	for i, d := range disks {
		free <- struct{}{}
		running.Go(func() {
			defer func() { <-free }()
			wipes[i] = a.wipe(ctx, d, policy, func(p step.Progress) { done.progress(i, p) })
			done.add()
		})
	}
	running.Wait()
	o := judgeWipes(wipes)
	o.Owns, o.Erasure = p.Owns, p.Erasure
	return o
}

// policy is what is asked for; a method that is not known is refused before any disk is touched.
func (a *agent) policy(p protocol.Clean) (step.Erasure, *step.Failure) {
	unknown := func(m string) *step.Failure {
		return &step.Failure{Kind: step.Unsupported, Message: fmt.Sprintf("clean: this agent (%s) does not know the method %q", a.version, m), Fix: "use " + wipe.Metadata}
	}
	switch {
	case p.Method == protocol.MethodMetadata && p.Erasure == nil:
		return step.Erasure{}, nil
	case p.Method != protocol.MethodPolicy || p.Erasure == nil:
		return step.Erasure{}, unknown(p.Method)
	}
	methods := slices.Clone(p.Erasure.Methods)
	for _, r := range p.Erasure.Disks {
		methods = append(methods, r.Methods...)
	}
	for _, m := range methods {
		if !slices.Contains(step.Methods(), m) {
			return step.Erasure{}, unknown(string(m))
		}
	}
	return *p.Erasure, nil
}

func (a *agent) wipe(ctx context.Context, d step.Disk, policy step.Erasure, progress func(step.Progress)) step.Wipe {
	started := a.clock.Now()
	methods, keep := policy.For(d)
	if keep != "" {
		a.logger.Info("Disk kept", "disk", d.Name, "serial", d.SerialNumber, "result", keep)
		return step.Wipe{Disk: d, Method: step.DidKeep, Kept: true, StartedAt: started, FinishedAt: started, Message: keep}
	}
	target, err := a.hardware.Disks.Open(ctx, d.Name)
	if err != nil {
		return step.Wipe{Disk: d, Method: string(methods[0]), Asked: methods, StartedAt: started, FinishedAt: a.clock.Now(), Message: fmt.Sprintf("the disk cannot be opened: %v", err)}
	}
	evidence := wipe.Erase(ctx, target, d, methods, a.clock.Now, progress)
	if err := target.Close(); err != nil {
		evidence.Clean = false
		evidence.Message = strings.TrimSpace(evidence.Message + " The disk could not be closed: " + err.Error())
	}
	a.logger.Info("Disk wiped", "disk", d.Name, "serial", d.SerialNumber, "clean", evidence.Clean, "result", evidence.Message)
	return evidence
}

// markKept marks the disks whose content a policy keeps.
func markKept(disks []step.Disk, policy *step.Erasure) []step.Disk {
	if policy == nil {
		return disks
	}
	out := slices.Clone(disks)
	for i := range out {
		out[i].Kept = policy.Keeps(out[i])
	}
	return out
}

func judgeWipes(wipes []step.Wipe) step.Outcome {
	var dirty []string
	for _, w := range wipes {
		if !w.Clean && !w.Kept {
			dirty = append(dirty, fmt.Sprintf("%s (serial %q): %s", w.Disk.Name, w.Disk.SerialNumber, w.Message))
		}
	}
	o := step.Outcome{Wipes: wipes}
	if len(dirty) > 0 {
		o.Failure = &step.Failure{
			Kind:    step.Internal,
			Message: fmt.Sprintf("%d of %d disks are not proved to be clean: %s", len(dirty), len(wipes), strings.Join(dirty, "; ")),
			Fix:     "see whether the disk works, is write-protected or is in use; replace it, take it out of the machine, or allow another way to erase it (annotation ingot.dev/erase)",
		}
	}
	return o
}

// tally reports how many disks are done, and how much of those that are erased as a whole.
type tally struct {
	mu          sync.Mutex
	done, total int
	// bytes are those of each disk, once it is known that all of it is erased.
	bytes  []step.Progress
	report func(step.Progress)
}

func newTally(total int, report func(step.Progress)) *tally {
	t := &tally{total: total, report: report, bytes: make([]step.Progress, total)}
	t.say()
	return t
}

func (t *tally) add() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done++
	t.say()
}

// progress takes what is said of one disk; the places of metadata take a moment, and are not counted.
func (t *tally) progress(i int, p step.Progress) {
	if p.Phase != wipe.PhaseErasing {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes[i] = p
	t.say()
}

func (t *tally) say() {
	p := step.Progress{Phase: fmt.Sprintf("wiping: %d of %d disks done", t.done, t.total)}
	for _, b := range t.bytes {
		p.DoneBytes += b.DoneBytes
		p.TotalBytes += b.TotalBytes
	}
	t.report(p)
}
