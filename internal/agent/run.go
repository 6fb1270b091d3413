package agent

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ingotmetal/ingot/netboot/medium"
)

// ErrRefused is why Run ended when the partition role would not let this boot in for Timing.RefusedFor.
var ErrRefused = errors.New("the partition role refuses this boot")

// closingTime bounds what is still said between the decision to turn the machine off and doing it.
const closingTime = 10 * time.Second

// Run lives the agent's life. It returns nil after it turned the machine off because the partition role said so, ErrRefused after it turned the machine off
// because it was not let in, and the context's error when that ends. It never returns because something does not answer.
func Run(ctx context.Context, o Options) error {
	a, err := newAgent(o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var background sync.WaitGroup
	defer background.Wait()
	// A simulated machine that lost its power must not write on; a real one is off by now.
	defer a.work.wait(context.WithoutCancel(ctx))
	defer a.work.stop(errStopped)
	defer cancel()
	background.Go(func() { a.shipLog(ctx) })

	end := a.live(ctx)
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if end == nil && a.entering {
		return a.enter(ctx)
	}
	return a.turnOff(ctx, end)
}

// agent is one life of an agent.
type agent struct {
	config   medium.Config
	hardware Hardware
	dial     Dial
	clock    Clock
	log      *Log
	logger   *slog.Logger
	timing   Timing
	version  string

	trust trust
	key   *ecdsa.PrivateKey
	work  *worker
	// sequence is the number of the last exchange.
	sequence int64
	// loaded: an installed system is ready; entering: it is to be started, since the partition role knows of it.
	loaded   atomic.Bool
	entering bool

	mu sync.Mutex
	// session is how the endpoint is spoken to at the moment, nil before the first enrolment and after a certificate was lost.
	session *session
}

func newAgent(o Options) (*agent, error) {
	trust, err := newTrust(o.Config)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the agent's key: %w", err)
	}
	a := &agent{
		config: o.Config, hardware: o.Hardware, dial: o.Dial, clock: o.Clock, log: o.Log, version: o.Version,
		trust: trust, key: key, timing: o.Timing.withDefaults(),
	}
	if a.clock == nil {
		a.clock = processClock{}
	}
	if a.log == nil {
		a.log = discardLog()
	}
	a.logger = slog.New(a.log).With("boot", o.Config.BootID)
	a.work = newWorker(a.execute, a.clock, a.logger)
	return a, nil
}

func (t Timing) withDefaults() Timing {
	return Timing{
		IdleWait:   cmp.Or(t.IdleWait, 30*time.Second),
		BackOffMin: cmp.Or(t.BackOffMin, 500*time.Millisecond),
		BackOffMax: cmp.Or(t.BackOffMax, 15*time.Second),
		RefusedFor: cmp.Or(t.RefusedFor, 15*time.Minute),
	}
}

// live talks until the agent is no longer wanted. It gives nil when the partition role said so and ErrRefused when it would not let the agent in.
func (a *agent) live(ctx context.Context) error {
	a.setClockFromMedium()
	wait := backOff{min: a.timing.BackOffMin, max: a.timing.BackOffMax}
	var refusedSince time.Time
	var complained complaint
	for {
		over, err := a.turn(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			wait.reset()
			refusedSince, complained = time.Time{}, complaint{}
			if over {
				return nil
			}
			continue
		}
		if complained.due(err) {
			a.logger.Warn("Partition role not reached", "err", err, "endpoint", a.config.Endpoint)
		}
		if alerted(err) {
			// The server will not have this certificate, for example because by its clock it ran out.
			a.setSession(nil)
		}
		if errors.Is(err, errRefused) {
			a.setSession(nil)
			// Monotonic time: the clock may be set at any moment.
			if refusedSince.IsZero() {
				refusedSince = time.Now()
			}
			if time.Since(refusedSince) >= a.timing.RefusedFor {
				return fmt.Errorf("%w: boot %s, asked for %s: %w", ErrRefused, a.config.BootID, a.timing.RefusedFor, err)
			}
		} else {
			refusedSince = time.Time{}
		}
		if a.work.overdueForPowerOff() {
			return nil
		}
		if a.adoptTimeOf(err) {
			continue
		}
		pause(ctx, wait.next(), nil)
	}
}

// complaint keeps the log from filling with one sentence while an endpoint is away for hours.
type complaint struct {
	text string
	at   time.Time
}

// complainEvery is how often the same trouble is logged.
const complainEvery = 5 * time.Minute

func (c *complaint) due(err error) bool {
	if c.text == err.Error() && time.Since(c.at) < complainEvery {
		return false
	}
	*c = complaint{err.Error(), time.Now()}
	return true
}

// turn is one request: an enrolment where there is no valid certificate, else an exchange.
func (a *agent) turn(ctx context.Context) (over bool, err error) {
	s := a.currentSession()
	if s == nil || s.expired(a.clock.Now()) {
		return false, a.enrol(ctx)
	}
	return a.exchange(ctx, s)
}

// turnOff ends the work, ships the last lines and turns the machine off.
func (a *agent) turnOff(ctx context.Context, end error) error {
	a.work.stop(errSuperseded)
	a.logger.Info("Turning the machine off")
	closing, cancel := context.WithTimeout(ctx, closingTime)
	defer cancel()
	a.work.wait(closing)
	if s := a.currentSession(); s != nil {
		a.shipOnce(closing, s)
	}
	if err := a.hardware.Power.PowerOff(ctx); err != nil {
		return errors.Join(end, fmt.Errorf("turn the machine off: %w", err))
	}
	return end
}

func (a *agent) currentSession() *session {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.session
}

func (a *agent) setSession(s *session) {
	a.mu.Lock()
	old := a.session
	a.session = s
	a.mu.Unlock()
	if old != nil {
		old.http.CloseIdleConnections()
	}
}
