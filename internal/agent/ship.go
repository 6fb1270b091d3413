package agent

import (
	"context"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
)

// shipEvery gathers lines for a moment, so that a burst is one request.
const shipEvery = time.Second

// shipLog sends the log's lines for as long as the agent lives. Lines that cannot be sent stay in the log's bounded ring.
func (a *agent) shipLog(ctx context.Context) {
	wait := backOff{min: shipEvery, max: a.timing.BackOffMax}
	for ctx.Err() == nil {
		pause(ctx, time.Hour, a.log.ring.added)
		for ctx.Err() == nil {
			s := a.currentSession()
			if s != nil && a.shipOnce(ctx, s) {
				wait.reset()
				break
			}
			pause(ctx, wait.next(), nil)
		}
		pause(ctx, shipEvery, nil)
	}
}

// shipOnce sends all pending lines, and says whether none are left. Failures are not logged: that would feed the log that cannot be shipped.
func (a *agent) shipOnce(ctx context.Context, s *session) bool {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	for {
		first, lines := a.log.ring.pending(protocol.MaxLogLines)
		if len(lines) == 0 {
			return true
		}
		req := protocol.LogRequest{BootID: a.config.BootID, First: first, Lines: lines}
		if _, err := s.post(ctx, protocol.PathLog, req, nil, 0); err != nil {
			return false
		}
		a.log.ring.acknowledge(first + int64(len(lines)))
	}
}
