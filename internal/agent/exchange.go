package agent

import (
	"context"
	"errors"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/step"
)

const (
	// defaultReportEvery is used until the server says how often it wants progress.
	defaultReportEvery = 2 * time.Second
	// dullPause keeps the agent from asking in a tight loop when a server answers at once with nothing new.
	dullPause = 250 * time.Millisecond
)

// exchange states what the agent is at and does what is wanted. It is over when the boot was superseded or the wanted power-off was acknowledged.
func (a *agent) exchange(ctx context.Context, s *session) (over bool, err error) {
	req, changed, err := a.state(s)
	if err != nil {
		return false, err
	}
	asked, cancel := context.WithTimeout(ctx, req.Wait+answerTime)
	defer cancel()
	// The end of the running step must not wait for the answer to a question about its progress.
	stop := cancelOn(asked, changed, cancel)
	defer stop()

	started := time.Now()
	var answer protocol.ExchangeResponse
	header, err := s.post(asked, protocol.PathExchange, req, &answer, protocol.MaxStepBytes)
	if err != nil {
		if closed(changed) && ctx.Err() == nil && errors.Is(err, context.Canceled) {
			return false, nil
		}
		return false, err
	}
	a.setClockFromAnswer(header)
	if answer.Certificate != nil {
		if err := a.adopt(*answer.Certificate); err != nil {
			return false, err
		}
		a.logger.Info("Certificate renewed", "until", answer.Certificate.NotAfter)
	}
	if req.Phase == step.Finished && req.Outcome.Failure == nil && a.work.isAt(req.StepID, step.EnterSystem) {
		// The answer may say that the boot is over already: it is, with this.
		a.entering = true
		return true, nil
	}
	if answer.Superseded {
		a.logger.Info("This boot is over")
		return true, nil
	}
	if req.Phase == step.Finished && a.work.isAt(req.StepID, step.PowerOff) {
		return true, nil
	}
	a.work.reportEvery(answer.ReportEvery)
	fresh := answer.Step != nil && a.work.want(ctx, *answer.Step, req)
	if !fresh && time.Since(started) < dullPause {
		pause(ctx, dullPause, changed)
	}
	return false, nil
}

// state is everything the agent is at, and a channel that is closed when that is no longer so.
func (a *agent) state(s *session) (protocol.ExchangeRequest, <-chan struct{}, error) {
	a.sequence++
	req, changed := a.work.state()
	req.BootID, req.Sequence = a.config.BootID, a.sequence
	if req.Phase != step.Running {
		req.Wait = a.timing.IdleWait
	}
	if a.work.isAt(req.StepID, step.PowerOff) || a.work.isAt(req.StepID, step.EnterSystem) {
		req.Wait = 0
	}
	if s.halfSpent(a.clock.Now()) {
		csr, err := certificateRequest(a.key)
		if err != nil {
			return req, nil, err
		}
		req.CSR = csr
		req.Wait = 0
	}
	return req, changed, nil
}

// cancelOn calls cancel when changed is closed before ctx ends. Stop ends the watch and waits for it.
func cancelOn(ctx context.Context, changed <-chan struct{}, cancel context.CancelFunc) (stop func()) {
	ctx, end := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-changed:
			cancel()
		case <-ctx.Done():
		}
	}()
	return func() {
		end()
		<-ended
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
