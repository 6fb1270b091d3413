package agent_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingotmetal/ingot/internal/agent"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/server/agentapi"
	"github.com/ingotmetal/ingot/internal/server/agentapi/agentapitest"
	"github.com/ingotmetal/ingot/step"
)

// bubble runs a test with an agent whose time, network and server are all inside of the process.
func bubble(t *testing.T, f func(t *testing.T, site *agentapitest.Site, m *fakeMachine)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		site := agentapitest.NewInProcess(t)
		site.Start()
		f(t, site, newMachine(t, 1<<20))
	})
}

// realTiming leaves the agent its own intervals: time is free in a bubble.
func realTiming(o *agent.Options) { o.Timing = agent.Timing{} }

func inspection(id string) *protocol.Step {
	return &protocol.Step{ID: id, Kind: step.Inspect, Deadline: time.Now().Add(100 * time.Hour)}
}

func TestAStepRunsOnceAndIsAnsweredFromMemory(t *testing.T) {
	bubble(t, func(t *testing.T, site *agentapitest.Site, m *fakeMachine) {
		ended := live(t, site, m, site.Open("b", "t"))
		for range 2 {
			for _, id := range []string{"s1", "s2"} {
				site.Want("b", inspection(id))
				at := site.Await("b", "step "+id, patience, func(r protocol.ExchangeRequest) bool { return r.StepID == id && r.Phase == step.Finished })
				if last := at[len(at)-1]; last.Outcome.Inventory == nil {
					t.Errorf("step %s is answered with %+v", id, last.Outcome)
				}
			}
		}
		site.Supersede("b")
		if err := awaitOff(t, m, ended); err != nil {
			t.Error(err)
		}
		if n := m.count(&m.inspected); n != 2 {
			t.Errorf("inspected %d times for two step IDs", n)
		}
	})
}

func TestSupersededEndsTheStepAndTheMachine(t *testing.T) {
	bubble(t, func(t *testing.T, site *agentapitest.Site, m *fakeMachine) {
		cause := make(chan error, 1)
		m.inspects = func(ctx context.Context) error {
			<-ctx.Done()
			cause <- context.Cause(ctx)
			return ctx.Err()
		}
		ended := live(t, site, m, site.Open("b", "t"), realTiming)
		site.Want("b", inspection("s1"))
		site.Await("b", "running", patience, func(r protocol.ExchangeRequest) bool { return r.Phase == step.Running })
		site.Supersede("b")
		if err := awaitOff(t, m, ended); err != nil {
			t.Error(err)
		}
		if err := <-cause; !strings.Contains(err.Error(), "superseded") {
			t.Errorf("the step was ended because of %v", err)
		}
		if n := m.count(&m.inspected); n != 1 {
			t.Errorf("%d steps were started", n)
		}
	})
}

func TestAnotherWantedStepWaitsForTheRunningOneToEnd(t *testing.T) {
	bubble(t, func(t *testing.T, site *agentapitest.Site, m *fakeMachine) {
		running := make(chan int, 2)
		m.inspects = func(ctx context.Context) error {
			running <- m.count(&m.inspected)
			if m.count(&m.inspected) > 1 {
				return nil
			}
			<-ctx.Done()
			// A disk takes its time to let go.
			time.Sleep(5 * time.Second)
			return ctx.Err()
		}
		ended := live(t, site, m, site.Open("b", "t"), realTiming)
		site.Want("b", inspection("s1"))
		<-running
		site.Want("b", inspection("s2"))
		first := site.AwaitOutcome("b", "s1", patience)
		if first.Failure == nil || !strings.Contains(first.Failure.Message, "another step is wanted") {
			t.Errorf("the replaced step came to %+v", first.Failure)
		}
		if second := site.AwaitOutcome("b", "s2", patience); second.Failure != nil {
			t.Errorf("the wanted step came to %+v", second.Failure)
		}
		site.Supersede("b")
		if err := awaitOff(t, m, ended); err != nil {
			t.Error(err)
		}
	})
}

func TestAStepEndsAtItsDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, site *agentapitest.Site, m *fakeMachine) {
		m.inspects = func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
		ended := live(t, site, m, site.Open("b", "t"), realTiming)
		s := inspection("s1")
		s.Deadline = time.Now().Add(10 * time.Minute)
		site.Want("b", s)
		o := site.AwaitOutcome("b", "s1", 20*time.Minute)
		if o.Failure == nil || o.Failure.Kind != step.Timeout {
			t.Errorf("came to %+v", o.Failure)
		}
		if late := time.Since(s.Deadline); late < 0 || late > time.Minute {
			t.Errorf("ended %s after the deadline", late)
		}
		site.Supersede("b")
		if err := awaitOff(t, m, ended); err != nil {
			t.Error(err)
		}
	})
}

func TestAPanickingStepIsAFailure(t *testing.T) {
	bubble(t, func(t *testing.T, site *agentapitest.Site, m *fakeMachine) {
		m.inspects = func(context.Context) error { panic("broken hardware") }
		ended := live(t, site, m, site.Open("b", "t"))
		site.Want("b", inspection("s1"))
		if o := site.AwaitOutcome("b", "s1", patience); o.Failure == nil || o.Failure.Kind != step.Internal || !strings.Contains(o.Failure.Message, "broken hardware") {
			t.Errorf("came to %+v", o.Failure)
		}
		site.Supersede("b")
		if err := awaitOff(t, m, ended); err != nil {
			t.Error(err)
		}
	})
}

// The role is away for five hours, in which the certificate runs out and a step ends; then the agent is let in again with its key and tells the outcome.
func TestAwayForHours(t *testing.T) {
	bubble(t, func(t *testing.T, site *agentapitest.Site, m *fakeMachine) {
		release := make(chan struct{})
		m.inspects = func(context.Context) error {
			<-release
			return nil
		}
		ended := live(t, site, m, site.Open("b", "t"), realTiming)
		site.Want("b", inspection("s1"))
		site.Await("b", "running", patience, func(r protocol.ExchangeRequest) bool { return r.Phase == step.Running })
		site.Stop()
		close(release)
		time.Sleep(5 * time.Hour)
		// By now the window of the first redemption is closed.
		site.Change("b", func(w *agentapi.Window) { w.ClosesAt = time.Now().Add(-time.Hour) })
		site.Start()
		if o := site.AwaitOutcome("b", "s1", 10*time.Minute); o.Inventory == nil {
			t.Errorf("came to %+v", o.Failure)
		}
		site.Supersede("b")
		if err := awaitOff(t, m, ended); err != nil {
			t.Error(err)
		}
		if n := m.count(&m.inspected); n != 1 {
			t.Errorf("the step ran %d times", n)
		}
		if n := site.Enrolments("b"); n != 1 {
			t.Errorf("the token was traded for %d keys", n)
		}
	})
}

func TestCertificateIsRenewedAtHalfLife(t *testing.T) {
	bubble(t, func(t *testing.T, site *agentapitest.Site, m *fakeMachine) {
		ended := live(t, site, m, site.Open("b", "t"), realTiming)
		site.Await("b", "idle", patience, func(r protocol.ExchangeRequest) bool { return r.Phase == step.Idle })
		time.Sleep(3 * time.Hour)
		site.Want("b", inspection("s1"))
		site.AwaitOutcome("b", "s1", patience)
		site.Supersede("b")
		if err := awaitOff(t, m, ended); err != nil {
			t.Error(err)
		}
		log := site.Log("b")
		if renewed := strings.Count(log, "Certificate renewed"); renewed < 3 || renewed > 12 {
			t.Errorf("renewed %d times in three hours with certificates of one hour:\n%s", renewed, log)
		}
		if enrolled := strings.Count(log, "Enrolled"); enrolled != 1 {
			t.Errorf("enrolled %d times", enrolled)
		}
	})
}

// An agent whose clock is slow believes in a certificate that ran out by the server's clock.
func TestACertificateThatTheServerFindsExpiredIsReplaced(t *testing.T) {
	bubble(t, func(t *testing.T, site *agentapitest.Site, m *fakeMachine) {
		ended := live(t, site, m, site.Open("b", "t"), realTiming)
		site.Await("b", "idle", patience, func(r protocol.ExchangeRequest) bool { return r.Phase == step.Idle })
		site.Stop()
		site.Offset = 2 * time.Hour
		site.Start()
		site.Want("b", inspection("s1"))
		site.AwaitOutcome("b", "s1", 10*time.Minute)
		if off := m.Now().Sub(time.Now().Add(site.Offset)); off < -5*time.Second || off > 5*time.Second {
			t.Errorf("the agent's clock is %s off the server's", off)
		}
		site.Supersede("b")
		if err := awaitOff(t, m, ended); err != nil {
			t.Error(err)
		}
	})
}

func TestClocksFarOffAreSet(t *testing.T) {
	for name, c := range map[string]struct {
		offset time.Duration
		issued bool
	}{
		"empty battery": {-24 * 365 * time.Hour, true}, "empty battery, medium without a time": {-24 * 365 * time.Hour, false}, "years ahead": {3 * 365 * 24 * time.Hour, true},
		"local time behind": {-9 * time.Hour, true}, "local time ahead": {9 * time.Hour, true}, "a little behind, medium without a time": {-time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, site *agentapitest.Site, m *fakeMachine) {
				config := site.Open("b", "t")
				if !c.issued {
					config.IssuedAt = time.Time{}
				}
				m.offset = c.offset
				ended := live(t, site, m, config, realTiming)
				site.Want("b", inspection("s1"))
				site.AwaitOutcome("b", "s1", time.Hour)
				if off := time.Until(m.Now()); off < -5*time.Second || off > 5*time.Second {
					t.Errorf("the clock is %s off", off)
				}
				site.Supersede("b")
				if err := awaitOff(t, m, ended); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestATokenIsGoodForOneKey(t *testing.T) {
	bubble(t, func(t *testing.T, site *agentapitest.Site, m *fakeMachine) {
		config := site.Open("b", "t")
		ended := live(t, site, m, config)
		site.Await("b", "idle", patience, func(r protocol.ExchangeRequest) bool { return r.Phase == step.Idle })
		thief := newMachine(t, 1<<20)
		started := time.Now()
		err := awaitOff2(t, thief, live(t, site, thief, config, realTiming))
		if !errors.Is(err, agent.ErrRefused) {
			t.Errorf("the second agent with the token ended with %v", err)
		}
		if asked := time.Since(started); asked < 15*time.Minute {
			t.Errorf("it gave up after %s", asked)
		}
		site.Supersede("b")
		if err := awaitOff(t, m, ended); err != nil {
			t.Error(err)
		}
		if n := site.Enrolments("b"); n != 1 {
			t.Errorf("the token was traded for %d keys", n)
		}
	})
}

// awaitOff2 has the patience for an agent that is refused.
func awaitOff2(t testing.TB, m *fakeMachine, ended <-chan error) error {
	t.Helper()
	err := <-ended
	select {
	case <-m.off:
	default:
		t.Error("the machine is on")
	}
	return err
}

// An endpoint that is not ready, or another machine's with another CA, is not a reason to give up.
func TestOnlyARefusalIsFinal(t *testing.T) {
	bubble(t, func(t *testing.T, site *agentapitest.Site, m *fakeMachine) {
		site.Fail(agentapi.ErrNotReady)
		ended := live(t, site, m, site.Open("b", "t"), realTiming)
		time.Sleep(30 * time.Minute)
		site.Fail(nil)
		site.Want("b", inspection("s1"))
		site.AwaitOutcome("b", "s1", 10*time.Minute)
		site.Fail(errors.New("the API server is away"))
		time.Sleep(2 * time.Hour)
		site.Fail(nil)
		site.Want("b", inspection("s2"))
		site.AwaitOutcome("b", "s2", 10*time.Minute)
		site.Supersede("b")
		if err := awaitOff(t, m, ended); err != nil {
			t.Error(err)
		}
	})
}

// An unheard power-off is done all the same.
func TestPowerOffWithoutAnAcknowledgement(t *testing.T) {
	bubble(t, func(t *testing.T, site *agentapitest.Site, m *fakeMachine) {
		site.Fail(nil)
		ended := live(t, site, m, site.Open("b", "t"), realTiming)
		site.Want("b", inspection("s1"))
		site.AwaitOutcome("b", "s1", patience)
		site.Want("b", &protocol.Step{ID: "off", Kind: step.PowerOff, Deadline: deadline()})
		site.Stop()
		select {
		case <-m.off:
			t.Log("the step was taken and acknowledged before the server was gone")
		case <-time.After(patience):
			// The step was not taken: then nothing may happen.
			select {
			case err := <-ended:
				t.Fatalf("the agent ended with %v", err)
			default:
			}
			site.Start()
			site.Await("b", "power-off taken", patience, func(r protocol.ExchangeRequest) bool { return r.StepID == "off" })
		}
		if err := awaitOff(t, m, ended); err != nil {
			t.Error(err)
		}
	})
}

// Nothing that is wrong with a server makes an agent trust it.
func TestAnotherCAIsNotTrusted(t *testing.T) {
	bubble(t, func(t *testing.T, site *agentapitest.Site, m *fakeMachine) {
		other := agentapitest.NewInProcess(t)
		config := site.Open("b", "t")
		config.CAPEM = other.Open("b", "t").CAPEM
		m.offset = -24 * 365 * time.Hour
		config.IssuedAt = time.Time{}
		_ = live(t, site, m, config, realTiming)
		time.Sleep(time.Hour)
		if n := site.Enrolments("b"); n != 0 {
			t.Error("the agent gave its token to a server of another CA")
		}
		if off := time.Until(m.Now()); off > -300*24*time.Hour {
			t.Errorf("a foreign server moved the clock to %s off", off)
		}
	})
}
