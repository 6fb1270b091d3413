package guard_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/firewall/guard"
)

// ruleset is one in the world: whether somebody can come in, and whether the model believes so.
type ruleset struct{ open, seemsOpen bool }

// world is a host with its kernel, its disk, a daemon that dies at any moment, and somebody who may confirm.
type world struct {
	t        *rapid.T
	now      time.Time
	rulesets map[string]ruleset
	// kernel: what rules, what is on trial until when, and the digests of generations.
	active, pending uint32
	expires         time.Time
	digests         map[uint32]string
	drift, stale    bool
	// disk: written as one file.
	confirmed guard.Confirmed
	attempt   guard.Attempt
	repair    guard.Repair
	// daemon: lost with it.
	desired      string
	confirmation *guard.Confirmation
	order        guard.Order
	lost         time.Time
	dials        bool
	// proved are the generations that somebody really came in through while they were on trial, and those derived from them by Extend.
	proved map[uint32]bool
}

const timeout = time.Minute

func (w *world) tick(d time.Duration) {
	w.now = w.now.Add(d)
	if w.pending != 0 && !w.now.Before(w.expires) {
		w.pending, w.stale = 0, true
	}
}

// effective is the ruleset that packets meet.
func (w *world) effective() (uint32, ruleset) {
	for _, g := range []uint32{w.pending, w.active} {
		if g != 0 {
			return g, w.rulesets[w.digests[g]]
		}
	}
	return 0, ruleset{true, true}
}

func (w *world) facts() guard.Facts {
	f := guard.Facts{
		Now: w.now, Confirmed: w.confirmed, Attempt: w.attempt, Confirmation: w.confirmation, Order: w.order, Repair: w.repair,
		Kernel: guard.Kernel{Active: w.active, Pending: w.pending, Stale: w.stale}, Source: guard.Source{LostSince: w.lost, Dials: w.dials},
	}
	if w.drift {
		f.Kernel.Drift = "changed"
	}
	if w.desired != "" {
		f.Desired.Digest = w.desired
		if !w.rulesets[w.desired].seemsOpen {
			f.Refusal = &guard.Refusal{Reason: "closed", Fix: "open it"}
		}
		// Peers: whoever could come in still can, which the model knows for sure.
		same := w.rulesets[w.desired] == w.rulesets[w.confirmed.Digest]
		if same && rapid.Bool().Draw(w.t, "peers only") {
			f.Change = guard.ChangePeers
		}
	}
	return f
}

// step carries a decision out. The daemon may die behind any part of it: dies says so.
func (w *world) step(d guard.Decision, dies func() bool) {
	switch d.Step {
	case guard.Install, guard.Restore:
		w.repair = guard.Repair{At: w.now, Count: w.repair.Count + 1}
		if dies() {
			return
		}
		w.active, w.pending, w.drift, w.stale = w.confirmed.Generation, 0, false, false
	case guard.Try:
		next := uint32(len(w.digests) + 1)
		w.digests[next] = d.Version.Digest
		count := 1
		if w.attempt.Digest == d.Version.Digest {
			count = w.attempt.Count + 1
		}
		w.attempt = guard.Attempt{Version: version(next, d.Version.Digest), Began: w.now, Deadline: w.now.Add(timeout), Outcome: guard.Running, Count: count}
		w.confirmation, w.order = nil, guard.NoOrder
		if dies() {
			return
		}
		w.pending, w.expires = next, w.now.Add(timeout)
	case guard.Confirm:
		if w.attempt.Outcome == guard.Running {
			w.confirmed = guard.Confirmed{Version: w.attempt.Version, At: w.now}
			w.attempt.Outcome, w.attempt.Ended = guard.Kept, w.now
		}
		if dies() {
			return
		}
		w.active, w.pending, w.stale = w.confirmed.Generation, 0, false
	case guard.Abandon:
		w.pending, w.stale = 0, false
		if dies() {
			return
		}
		if w.attempt.Outcome == guard.Running {
			w.attempt.Outcome, w.attempt.Ended = d.Outcome, w.now
		}
	case guard.Extend:
		w.confirmed.Digest = d.Version.Digest
		if dies() {
			w.drift = true
			w.digests[w.confirmed.Generation] = d.Version.Digest
			return
		}
		w.digests[w.confirmed.Generation] = d.Version.Digest
	case guard.Wait, guard.Refuse:
	}
}

func (w *world) check() {
	g, effective := w.effective()
	if g != 0 && !w.proved[g] && g != w.pending {
		w.t.Fatalf("generation %d rules and nobody ever came in through it", g)
	}
	if w.pending != 0 && w.pending != w.confirmed.Generation && !w.now.Before(w.attempt.Deadline) {
		w.t.Fatalf("generation %d is on trial behind its deadline", w.pending)
	}
	if !effective.open && g != w.pending {
		w.t.Fatalf("generation %d lets nobody in, and no trial is running", g)
	}
	if !effective.seemsOpen {
		w.t.Fatalf("generation %d was to be refused", g)
	}
	if !w.confirmed.None() && !w.proved[w.confirmed.Generation] {
		w.t.Fatalf("generation %d is on disk and was never proved", w.confirmed.Generation)
	}
}

func TestNoUnconfirmedRulesetStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, now: noon, rulesets: map[string]ruleset{}, digests: map[uint32]string{}, proved: map[uint32]bool{}, dials: rapid.Bool().Draw(t, "dials")}
		for i := range 5 {
			r := ruleset{open: rapid.Bool().Draw(t, "open"), seemsOpen: rapid.IntRange(0, 3).Draw(t, "seems open") > 0}
			w.rulesets[fmt.Sprint("r", i)] = r
		}
		for range 80 {
			w.happen()
			w.check()
			alive := rapid.IntRange(0, 3).Draw(t, "awake") > 0 // else the daemon is too slow to see it
			for i := 0; i < 8 && alive; i++ {
				d := guard.Decide(w.facts())
				w.step(d, func() bool {
					alive = rapid.IntRange(0, 9).Draw(t, "dies") > 0
					return !alive
				})
				w.check()
				if d.Step == guard.Wait || d.Step == guard.Refuse {
					if w.attempt.Outcome == guard.Running && w.pending != w.attempt.Generation {
						t.Fatalf("the daemon waits for a trial that is over: %+v", d)
					}
					break
				}
				if i == 7 {
					t.Fatalf("the daemon does not come to rest: %+v", d)
				}
			}
			if !alive && rapid.Bool().Draw(t, "dead") {
				w.confirmation, w.order, w.desired = nil, guard.NoOrder, ""
			}
		}
	})
}

// happen is one thing that the daemon did not do.
func (w *world) happen() {
	switch rapid.SampledFrom([]string{"policies", "confirm", "old session", "time", "time", "reboot", "flush", "edit", "lost", "back", "order"}).Draw(w.t, "event") {
	case "policies":
		w.desired = fmt.Sprint("r", rapid.IntRange(0, 4).Draw(w.t, "which"))
	case "confirm": // over a new connection, where one gets in; the word itself may be lost
		g, r := w.effective()
		if r.open && g != 0 && g == w.pending {
			w.proved[g] = true
			if rapid.Bool().Draw(w.t, "heard") {
				w.confirmation = &guard.Confirmation{Generation: g, Fresh: true, Over: "a new session"}
			}
		}
	case "old session":
		if w.confirmation == nil {
			w.confirmation = &guard.Confirmation{Generation: w.pending, Over: "the old session"}
		}
	case "time":
		w.tick(time.Duration(rapid.IntRange(1, 5000).Draw(w.t, "seconds")) * time.Second / 10)
	case "reboot":
		w.active, w.pending, w.drift, w.stale, w.confirmation, w.desired = 0, 0, false, false, nil, ""
	case "flush":
		w.active, w.pending, w.stale = 0, 0, false
	case "edit":
		w.drift = w.active != 0
	case "lost":
		w.lost = w.now
	case "back":
		w.lost = time.Time{}
	case "order":
		w.order = rapid.SampledFrom([]guard.Order{guard.Retry, guard.Withdraw}).Draw(w.t, "order")
	}
}
