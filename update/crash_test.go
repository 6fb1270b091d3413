package update

import (
	"math/rand/v2"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ingotmetal/ingot/firmware"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// roughWorld is a BMC whose answers get lost, and a controller that dies at any point.
type roughWorld struct {
	rng   *rand.Rand
	facts journey.Facts
	now   time.Time
	// flashed counts the orders by component; left is how many looks an update still runs; next are versions that come with the next start.
	flashed map[string]int
	left    map[string]int
	next    map[string]string
	// forgets: the BMC tells nothing of its updates after the order.
	forgets bool
	// startedAt is the machine's last start.
	startedAt time.Time
}

func (w *roughWorld) hit(percent int) bool { return w.rng.IntN(100) < percent }

// pass is one look of a controller: the record is written, then the action is done, and its result may be lost in three ways.
func (w *roughWorld) pass(t *testing.T) (done bool) {
	t.Helper()
	var dec journey.Decision
	if journey.Writing(&w.facts.Record) != nil {
		dec = Follow(w.facts, w.now)
	} else {
		d := journey.Begin(w.facts, w.now)
		n := Advance(d, Take(d), Way{Begin: true, Restarted: func(since time.Time) (time.Time, bool) { return w.startedAt, !w.startedAt.Before(since) }})
		switch {
		case n.Decision != nil:
			dec = *n.Decision
		case n.Failure != nil:
			w.now = w.now.Add(2 * time.Minute)
			w.facts.Record, w.facts.Result = d.Record, nil
			return false
		case !n.Restart.IsZero():
			w.start()
			w.facts.Record, w.facts.Result = d.Record, nil
			return false
		default:
			return true
		}
	}
	if broken := journey.Check(w.facts, dec); len(broken) > 0 {
		t.Fatalf("the decision breaks %v", broken)
	}
	w.facts.Record, w.facts.Result = *dec.Record.DeepCopy(), nil
	w.now = w.now.Add(time.Second)
	if at := dec.Outcome.NextAttempt; at.After(w.now) {
		w.now = at
	}
	if dec.Action == nil || w.hit(10) { // it dies between the write and the action
		return false
	}
	r := w.do(dec.Action)
	switch {
	case w.hit(10): // it dies after the action
	case w.hit(10): // the answer is lost
		w.facts.Result = &journey.ActionResult{Action: r.Action, Failure: &step.Failure{Kind: step.Timeout, Message: "no answer"}}
	default:
		w.facts.Result = r
	}
	return false
}

func (w *roughWorld) start() {
	w.now = w.now.Add(2 * time.Minute).Truncate(time.Second)
	w.startedAt = w.now
	for c, version := range w.next {
		w.show(c, version)
	}
	clear(w.next)
}

func (w *roughWorld) show(component, version string) {
	for i := range w.facts.Components.Current {
		if w.facts.Components.Current[i].Name == component {
			w.facts.Components.Current[i].Version = version
		}
	}
}

func (w *roughWorld) do(a journey.Action) *journey.ActionResult {
	r := &journey.ActionResult{Action: a.Name()}
	switch a := a.(type) {
	case journey.StartUpdate:
		w.flashed[a.Component]++
		w.left[a.Component] = w.rng.IntN(4)
		r.Update = &journey.UpdateReading{State: journey.UpdateRuns, Ticket: "t-" + a.Component}
	case journey.FollowUpdate:
		r.Update = &journey.UpdateReading{State: journey.UpdateUnknown}
		left, asked := w.left[a.Component]
		if !asked {
			break
		}
		w.left[a.Component] = left - 1
		if left == 0 {
			w.written(a.Component)
		}
		switch {
		case w.forgets:
		case left > 0:
			r.Update = &journey.UpdateReading{State: journey.UpdateRuns, Ticket: "t-" + a.Component}
		default:
			r.Update = &journey.UpdateReading{State: journey.UpdateDone, Ticket: "t-" + a.Component}
		}
	}
	return r
}

func (w *roughWorld) written(component string) {
	if component == firmware.BMC {
		w.show(component, "2.0")
		return
	}
	w.next[component] = "2.0"
}

// TestCrashesAnywhere: however often answers are lost and controllers die, every component gets its version in the end, and is written once where its BMC remembers what it was asked for.
func TestCrashesAnywhere(t *testing.T) {
	for seed := range uint64(120) {
		w := &roughWorld{rng: rand.New(rand.NewPCG(seed, 1)), now: noon, facts: wanted(), flashed: map[string]int{}, left: map[string]int{}, next: map[string]string{}, forgets: seed%4 == 0}
		w.facts.Record.Components.ReadAt = &metav1.Time{Time: noon.Add(-time.Minute)}
		w.facts.Components.Wanted = []firmware.Update{{Component: "bmc", URL: "https://files/bmc.bin"}, {Component: "bios", URL: "https://files/bios.bin"}, {Component: "nic:NIC1", URL: "https://files/nic.bin"}}
		passes := 0
		for !w.pass(t) {
			if passes++; passes > 2000 {
				t.Fatalf("seed %d: not done after %d looks and %s: %+v", seed, passes, w.now.Sub(noon), w.facts.Record.Components)
			}
		}
		for _, u := range w.facts.Components.Wanted {
			if v := w.facts.Components.Version(u.Component); v != "2.0" {
				t.Errorf("seed %d: %s has %s", seed, u.Component, v)
			}
			if n := w.flashed[u.Component]; n != 1 && !w.forgets {
				t.Errorf("seed %d: %s was written %d times", seed, u.Component, n)
			}
		}
	}
}
