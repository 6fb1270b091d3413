package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/step"
)

// Why a step was ended from outside.
var (
	errSuperseded = errors.New("the boot was superseded")
	errReplaced   = errors.New("another step is wanted")
	errStopped    = errors.New("the agent was stopped")
)

// powerOffPatience is how long the agent tries to say that it turns the machine off before it does so unheard.
const powerOffPatience = 30 * time.Second

// execute does one step. It ends soon after its context does.
type execute func(ctx context.Context, s protocol.Step, report func(step.Progress)) step.Outcome

// worker runs one step at a time and remembers every outcome of its life. Safe for several goroutines.
type worker struct {
	execute execute
	clock   Clock
	logger  *slog.Logger

	mu sync.Mutex
	// stopped: nothing is started any more.
	stopped bool
	// current is the step that is running or finished, its ID "" before the first.
	current protocol.Step
	phase   step.Phase
	// replaced: the running step was ended because another is wanted.
	replaced bool
	done     map[string]step.Outcome
	meter    meter
	// said is when progress was last logged.
	said time.Time
	// every is how often the server wants progress.
	every time.Duration
	// cancel ends the running step; ended is closed when it has.
	cancel context.CancelCauseFunc
	ended  chan struct{}
	// changed is closed and replaced when the phase changes.
	changed chan struct{}
	// powerOffSince is when a power-off step was taken; zero for none.
	powerOffSince time.Time
}

func newWorker(e execute, clock Clock, logger *slog.Logger) *worker {
	ended := make(chan struct{})
	close(ended)
	return &worker{
		execute: e, clock: clock, logger: logger, phase: step.Idle, done: map[string]step.Outcome{}, every: defaultReportEvery,
		cancel: func(error) {}, ended: ended, changed: make(chan struct{}),
	}
}

// state is what to tell the server, and a channel that is closed when the phase changes.
func (w *worker) state() (protocol.ExchangeRequest, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	req := protocol.ExchangeRequest{StepID: w.current.ID, Phase: w.phase}
	switch w.phase {
	case step.Running:
		req.Progress = w.meter.progress()
		req.Wait = w.every
	case step.Finished:
		o := w.done[w.current.ID]
		req.Outcome = &o
	case step.Idle:
	}
	return req, w.changed
}

func (w *worker) reportEvery(d time.Duration) {
	if d <= 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.every = min(d, protocol.MaxWait)
}

// want moves towards the wanted step, and says whether anything changed. Told is the request that the wish answers. A step that ran before is answered from memory. A
// running step that is not the wanted one is ended first; the wanted one starts when the server says so again, knowing the outcome and with the disk no longer in other
// hands.
func (w *worker) want(ctx context.Context, s protocol.Step, told protocol.ExchangeRequest) (changed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.stopped || s.ID == "" || (s.ID == w.current.ID && w.phase != step.Idle):
		return false
	case w.phase == step.Running:
		if !w.replaced {
			w.logger.Warn("Another step is wanted, ending the running one", "step", w.current.ID, "next", s.ID)
		}
		w.replaced = true
		w.cancel(errReplaced)
		return false
	case w.phase == step.Finished && (told.Phase != step.Finished || told.StepID != w.current.ID):
		// The server does not know this outcome yet.
		return true
	}
	w.replaced = false
	if _, known := w.done[s.ID]; known {
		w.current = protocol.Step{ID: s.ID, Kind: s.Kind}
		w.become(step.Finished)
		return true
	}
	// The parameters, a config drive among them, go with the running step.
	w.current = protocol.Step{ID: s.ID, Kind: s.Kind}
	w.meter = newMeter(w.clock)
	w.ended = make(chan struct{})
	if s.Kind == step.PowerOff {
		w.powerOffSince = time.Now()
	}
	w.become(step.Running)
	running, cancel := context.WithCancelCause(ctx)
	w.cancel = cancel
	go w.run(running, s, w.ended)
	return true
}

func (w *worker) run(ctx context.Context, s protocol.Step, ended chan<- struct{}) {
	defer close(ended)
	w.logger.Info("Step started", "step", s.ID, "kind", string(s.Kind), "deadline", s.Deadline)
	outcome := w.bounded(ctx, s)
	if f := outcome.Failure; f != nil {
		w.logger.Error("Step failed", "step", s.ID, "kind", string(s.Kind), "failure", string(f.Kind), "err", f.Message)
	} else {
		w.logger.Info("Step finished", "step", s.ID, "kind", string(s.Kind))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancel(nil)
	w.done[s.ID] = outcome
	w.become(step.Finished)
}

// bounded executes a step within its deadline, and makes a failure of its context's end and of a panic.
func (w *worker) bounded(ctx context.Context, s protocol.Step) (outcome step.Outcome) {
	defer func() {
		if r := recover(); r != nil {
			w.logger.Error("Step panicked", "step", s.ID, "err", fmt.Sprint(r), "stack", string(debug.Stack()))
			outcome = step.Outcome{Failure: &step.Failure{Kind: step.Internal, Message: fmt.Sprintf("step %s (%s): the agent panicked: %v", s.ID, s.Kind, r)}}
		}
	}()
	if !s.Deadline.IsZero() {
		// The deadline is in the server's time, which the clock follows; the timer runs in monotonic time.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.Deadline.Sub(w.clock.Now()))
		defer cancel()
	}
	outcome = w.execute(ctx, s, w.report)
	if ctx.Err() == nil || outcome.Failure == nil {
		return outcome
	}
	why := context.Cause(ctx)
	if errors.Is(why, context.DeadlineExceeded) {
		outcome.Failure = &step.Failure{
			Kind:    step.Timeout,
			Message: fmt.Sprintf("step %s (%s) was not done by its deadline %s: %s", s.ID, s.Kind, s.Deadline.UTC().Format(time.RFC3339), outcome.Failure.Message),
		}
		return outcome
	}
	outcome.Failure = &step.Failure{Kind: step.Internal, Message: fmt.Sprintf("step %s (%s) was ended: %v", s.ID, s.Kind, why)}
	return outcome
}

// sayEvery is how often a running step's progress is logged, for a person at the console.
const sayEvery = 10 * time.Second

func (w *worker) report(p step.Progress) {
	w.mu.Lock()
	w.meter.add(p)
	said := *w.meter.last
	due := time.Since(w.said) >= sayEvery
	if due {
		w.said = time.Now()
	}
	w.mu.Unlock()
	if due {
		w.logger.Info("Step progress", "phase", said.Phase, "doneBytes", said.DoneBytes, "totalBytes", said.TotalBytes,
			"bytesPerSecond", said.BytesPerSecond, "secondsLeft", said.SecondsLeft)
	}
}

// become changes the phase; the caller holds mu.
func (w *worker) become(p step.Phase) {
	w.phase = p
	close(w.changed)
	w.changed = make(chan struct{})
}

// stop ends the running step and starts none any more.
func (w *worker) stop(why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.cancel(why)
}

// wait waits for the running step to end.
func (w *worker) wait(ctx context.Context) {
	w.mu.Lock()
	ended := w.ended
	w.mu.Unlock()
	select {
	case <-ended:
	case <-ctx.Done():
		w.logger.Warn("Step did not end in time")
	}
}

// isAt says whether the step of an ID is the current one, and of a kind.
func (w *worker) isAt(id string, kind step.Kind) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return id != "" && w.current.ID == id && w.current.Kind == kind
}

// overdueForPowerOff: a power-off was asked for and could not be acknowledged for too long.
func (w *worker) overdueForPowerOff() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.powerOffSince.IsZero() && time.Since(w.powerOffSince) > powerOffPatience
}
