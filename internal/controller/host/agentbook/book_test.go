package agentbook_test

import (
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/controller/host/agentbook"
	"github.com/ingotmetal/ingot/step"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func said(phase step.Phase, id string) protocol.ExchangeRequest {
	return protocol.ExchangeRequest{BootID: "b", Phase: phase, StepID: id}
}

func TestHeardTellsNews(t *testing.T) {
	b := agentbook.New()
	finished := said(step.Finished, "s1")
	finished.Outcome = &step.Outcome{}
	now := start
	for i, c := range []struct {
		at    protocol.ExchangeRequest
		after time.Duration
		news  bool
	}{
		{said(step.Idle, ""), 0, true},
		{said(step.Idle, ""), time.Second, false},
		{said(step.Running, "s1"), time.Second, true},
		{said(step.Running, "s1"), time.Second, false},
		{finished, time.Second, true},
		{finished, time.Second, false},
		// It was silent, so somebody may be waiting for it.
		{finished, 10 * time.Minute, true},
	} {
		now = now.Add(c.after)
		if got := b.Heard(c.at, now); got != c.news {
			t.Errorf("%d: news %v, want %v", i, got, c.news)
		}
	}
}

func TestOvertakenRequestSaysNothing(t *testing.T) {
	b := agentbook.New()
	newest, old := said(step.Finished, "s1"), said(step.Running, "s1")
	newest.Sequence, newest.Outcome, old.Sequence = 7, &step.Outcome{}, 6
	b.Heard(newest, start)
	if b.Heard(old, start) {
		t.Error("an overtaken request is news")
	}
	if f := b.Facts("b"); f.Phase != step.Finished {
		t.Errorf("the book says %s", f.Phase)
	}
}

func TestWantedWakesAndIsWithdrawn(t *testing.T) {
	b := agentbook.New()
	b.Heard(said(step.Idle, ""), start)
	before := b.Wanted("b", start)
	if before.Want != nil || before.Ended {
		t.Fatalf("wanted %+v of an agent that nobody asked", before)
	}
	b.Ask("b", agentbook.Want{ID: "s1"}, start)
	select {
	case <-before.Changed:
	default:
		t.Error("who waits is not woken")
	}
	if w := b.Wanted("b", start); w.Want == nil || w.Want.ID != "s1" || w.Has {
		t.Errorf("wanted %+v", w)
	}
	b.Heard(said(step.Running, "s1"), start)
	if w := b.Wanted("b", start); !w.Has {
		t.Error("the agent runs the step and is not known to have it")
	}
	if b.Withdraw("b", "s1"); b.Facts("b").WantedID != "s1" {
		t.Error("the step that is still wanted was withdrawn")
	}
	if b.Withdraw("b", ""); b.Facts("b").WantedID != "" {
		t.Error("the step was not withdrawn")
	}
	waiting := b.Wanted("b", start)
	b.End("b", start)
	select {
	case <-waiting.Changed:
	default:
		t.Error("who waits is not told that the boot is over")
	}
	if !b.Wanted("b", start).Ended || b.Facts("b") != nil {
		t.Error("an ended boot still counts")
	}
}

func TestForget(t *testing.T) {
	b := agentbook.New()
	b.Heard(said(step.Idle, ""), start)
	if b.Forget(start); b.Facts("b") == nil {
		t.Error("forgotten too early")
	}
	if b.Forget(start.Add(time.Second)); b.Facts("b") != nil {
		t.Error("not forgotten")
	}
}

func TestWorking(t *testing.T) {
	b := agentbook.New()
	b.Heard(said(step.Idle, ""), start)
	b.Ask("b", agentbook.Want{ID: "s1"}, start)
	b.Ask("c", agentbook.Want{ID: "s1"}, start)
	b.Ask("d", agentbook.Want{ID: "s1"}, start)
	if n := b.Working(); n != 3 {
		t.Fatalf("%d agents work, want 3", n)
	}
	b.Withdraw("b", "")
	b.End("c", start)
	if n := b.Working(); n != 1 {
		t.Fatalf("%d agents work after one was ended and one has nothing to do, want 1", n)
	}
}
