package agent

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/image/wipe"
	"github.com/ingotmetal/ingot/step"
)

// wipesAtOnce bounds the disks that are wiped at the same time, and with them the memory.
const wipesAtOnce = 4

// clean wipes the metadata of every disk that is part of the machine and proves it. One disk that cannot be wiped, a read-only one too, fails the step;
// the others are wiped all the same, and the evidence of all is in the outcome. Removable media, and disks at the other end of a network, are not the machine's unless its host says
// that they are: a LUN may be another machine's. A removable medium that is read-only is never its own: the one that the agent was booted from.
func (a *agent) clean(ctx context.Context, p protocol.Clean, report func(step.Progress)) step.Outcome {
	if p.Method != wipe.Metadata {
		return failed(step.Unsupported, fmt.Sprintf("clean: this agent (%s) does not know the method %q", a.version, p.Method), "use "+wipe.Metadata)
	}
	all, err := a.hardware.Inspector.Disks(ctx)
	if err != nil {
		return failure(fmt.Errorf("list the disks to wipe: %w", err))
	}
	var disks []step.Disk
	for _, d := range all {
		if !d.Owned(p.Owns) || d.Removable && d.ReadOnly {
			a.logger.Info("Disk left alone", "disk", d.Name, "serial", d.SerialNumber, "outside", string(d.Outside()))
			continue
		}
		disks = append(disks, d)
	}
	wipes := make([]step.Wipe, len(disks))
	done := newTally(len(disks), report)
	free := make(chan struct{}, wipesAtOnce)
	var running sync.WaitGroup
	for i, d := range disks {
		free <- struct{}{}
		running.Go(func() {
			defer func() { <-free }()
			wipes[i] = a.wipe(ctx, d)
			done.add()
		})
	}
	running.Wait()
	o := judgeWipes(wipes)
	o.Owns = p.Owns
	return o
}

func (a *agent) wipe(ctx context.Context, d step.Disk) step.Wipe {
	started := a.clock.Now()
	target, err := a.hardware.Disks.Open(ctx, d.Name)
	if err != nil {
		return step.Wipe{Disk: d, Method: wipe.Metadata, StartedAt: started, FinishedAt: a.clock.Now(), Message: fmt.Sprintf("the disk cannot be opened: %v", err)}
	}
	evidence := wipe.Disk(ctx, target, d, a.clock.Now, nil)
	if err := target.Close(); err != nil {
		evidence.Clean = false
		evidence.Message = strings.TrimSpace(evidence.Message + " The disk could not be closed: " + err.Error())
	}
	a.logger.Info("Disk wiped", "disk", d.Name, "serial", d.SerialNumber, "clean", evidence.Clean, "result", evidence.Message)
	return evidence
}

func judgeWipes(wipes []step.Wipe) step.Outcome {
	var dirty []string
	for _, w := range wipes {
		if !w.Clean {
			dirty = append(dirty, fmt.Sprintf("%s (serial %q): %s", w.Disk.Name, w.Disk.SerialNumber, w.Message))
		}
	}
	o := step.Outcome{Wipes: wipes}
	if len(dirty) > 0 {
		o.Failure = &step.Failure{
			Kind:    step.Internal,
			Message: fmt.Sprintf("%d of %d disks are not proved to be clean: %s", len(dirty), len(wipes), strings.Join(dirty, "; ")),
			Fix:     "see whether the disk works, is write-protected or is in use; replace it, or take it out of the machine",
		}
	}
	return o
}

// tally reports how many disks are done.
type tally struct {
	mu          sync.Mutex
	done, total int
	report      func(step.Progress)
}

func newTally(total int, report func(step.Progress)) *tally {
	t := &tally{total: total, report: report}
	t.say()
	return t
}

func (t *tally) add() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done++
	t.say()
}

func (t *tally) say() {
	t.report(step.Progress{Phase: fmt.Sprintf("wiping: %d of %d disks done", t.done, t.total)})
}
