package guard_test

import (
	"testing"
	"time"

	"github.com/ingotmetal/ingot/firewall/guard"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func version(g uint32, digest string) guard.Version {
	return guard.Version{Generation: g, Digest: digest}
}

// settled is a host whose generation 1 is confirmed, rules, and is what the policies say.
func settled() guard.Facts {
	return guard.Facts{
		Now: noon, Desired: version(0, "a"), Confirmed: guard.Confirmed{Version: version(1, "a"), At: noon.Add(-time.Hour)}, Kernel: guard.Kernel{Active: 1},
	}
}

// trying is a host whose generation 2 is on trial before generation 1.
func trying() guard.Facts {
	f := settled()
	f.Desired = version(0, "b")
	f.Kernel.Pending = 2
	f.Attempt = guard.Attempt{Version: version(2, "b"), Began: noon.Add(-10 * time.Second), Deadline: noon.Add(50 * time.Second), Outcome: guard.Running, Count: 1}
	return f
}

// ended is a host whose generation 2 was tried before.
func ended(o guard.Outcome, count int, ago time.Duration) guard.Facts {
	f := trying()
	f.Kernel.Pending = 0
	f.Attempt.Outcome, f.Attempt.Count, f.Attempt.Ended = o, count, noon.Add(-ago)
	return f
}

type row struct {
	name  string
	facts guard.Facts
	with  func(*guard.Facts)
	step  guard.Step
	phase guard.Phase
	// outcome of Abandon.
	outcome guard.Outcome
	// next is from now; 0 is none.
	next time.Duration
}

func TestDecide(t *testing.T) {
	tests := append(append(bootRows(), trialRows()...), againRows()...)
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			f := c.facts
			if c.with != nil {
				c.with(&f)
			}
			d := guard.Decide(f)
			if d.Step != c.step || d.Phase != c.phase || d.Outcome != c.outcome {
				t.Errorf("Decide = %s, %s, %q (%s), want %s, %s, %q", d.Step, d.Phase, d.Outcome, d.Reason, c.step, c.phase, c.outcome)
			}
			if d.Reason == "" {
				t.Error("the decision has no reason")
			}
			if next := d.Next.Sub(noon); c.next != 0 && next != c.next || c.next == 0 && !d.Next.IsZero() {
				t.Errorf("next attempt in %s, want %s", next, c.next)
			}
			if d.Phase == guard.PhaseFailed && d.Fix == "" {
				t.Error("a failure without a fix")
			}
		})
	}
}

func bootRows() []row {
	return []row{
		{name: "nothing at all", facts: guard.Facts{Now: noon}, step: guard.Wait, phase: guard.PhaseNone},
		{name: "in sync", facts: settled(), step: guard.Wait, phase: guard.PhaseConfirmed},
		{name: "the kernel can't be read", facts: settled(), with: func(f *guard.Facts) { f.Kernel.Unreadable = "no" }, step: guard.Wait, phase: guard.PhaseFailed, next: 10 * time.Second},
		{name: "boot", facts: settled(), with: func(f *guard.Facts) { f.Kernel.Active, f.Desired = 0, guard.Version{} }, step: guard.Install, phase: guard.PhaseConfirmed},
		{name: "boot and another ruleset wanted: the confirmed one first", facts: settled(),
			with: func(f *guard.Facts) { f.Kernel.Active, f.Desired = 0, version(0, "b") }, step: guard.Install, phase: guard.PhaseConfirmed},
		{name: "boot in the middle of a trial", facts: trying(), with: func(f *guard.Facts) { f.Kernel = guard.Kernel{} },
			step: guard.Abandon, phase: guard.PhaseReverted, outcome: guard.Reverted},
		{name: "boot behind a confirmation that never reached the kernel", facts: ended(guard.Kept, 1, 0),
			with: func(f *guard.Facts) { f.Confirmed.Version, f.Kernel = version(2, "b"), guard.Kernel{} }, step: guard.Install, phase: guard.PhaseConfirmed},
		{name: "first ruleset ever", facts: guard.Facts{Now: noon, Desired: version(0, "a")}, step: guard.Try, phase: guard.PhaseTrial},
		{name: "first ruleset ever, peers or not", facts: guard.Facts{Now: noon, Desired: version(0, "a"), Change: guard.ChangePeers}, step: guard.Try, phase: guard.PhaseTrial},
		{name: "source lost, state stays", facts: settled(), with: func(f *guard.Facts) { f.Desired = guard.Version{}; f.Source.LostSince = noon.Add(-time.Hour * 9000) },
			step: guard.Wait, phase: guard.PhaseConfirmed},
		{name: "source lost behind the first answer", facts: settled(), with: func(f *guard.Facts) { f.Source.LostSince = noon.Add(-time.Hour) }, step: guard.Wait, phase: guard.PhaseConfirmed},
		{name: "somebody flushed the tables", facts: settled(), with: func(f *guard.Facts) { f.Kernel.Active = 0 }, step: guard.Install, phase: guard.PhaseConfirmed},
		{name: "somebody changed a rule", facts: settled(), with: func(f *guard.Facts) { f.Kernel.Drift = "a rule is missing" }, step: guard.Restore, phase: guard.PhaseConfirmed},
		{name: "somebody changes it again and again", facts: settled(),
			with: func(f *guard.Facts) { f.Kernel.Drift, f.Repair = "a rule is missing", guard.Repair{At: noon, Count: 4} }, step: guard.Wait, phase: guard.PhaseConfirmed, next: 8 * time.Second},
		{name: "repaired long ago", facts: settled(),
			with: func(f *guard.Facts) {
				f.Kernel.Drift, f.Repair = "x", guard.Repair{At: noon.Add(-time.Hour), Count: 40}
			}, step: guard.Restore, phase: guard.PhaseConfirmed},
		{name: "an older generation rules", facts: settled(), with: func(f *guard.Facts) { f.Kernel.Active = 9 }, step: guard.Restore, phase: guard.PhaseConfirmed},
		{name: "remains", facts: settled(), with: func(f *guard.Facts) { f.Kernel.Stale = true }, step: guard.Abandon, phase: guard.PhaseConfirmed},
		{name: "a trial that nobody knows of", facts: settled(), with: func(f *guard.Facts) { f.Kernel.Pending = 7 }, step: guard.Abandon, phase: guard.PhaseConfirmed},
		{name: "refused", facts: settled(), with: func(f *guard.Facts) { f.Desired.Digest = "b"; f.Refusal = &guard.Refusal{Reason: "r", Fix: "f"} },
			step: guard.Refuse, phase: guard.PhaseFailed},
		{name: "refused, though only peers change", facts: settled(),
			with: func(f *guard.Facts) {
				f.Desired.Digest, f.Change, f.Refusal = "b", guard.ChangePeers, &guard.Refusal{Reason: "r", Fix: "f"}
			}, step: guard.Refuse, phase: guard.PhaseFailed},
		{name: "peers", facts: settled(), with: func(f *guard.Facts) { f.Desired.Digest, f.Change = "b", guard.ChangePeers }, step: guard.Extend, phase: guard.PhaseConfirmed},
		{name: "rules", facts: settled(), with: func(f *guard.Facts) { f.Desired.Digest = "b" }, step: guard.Try, phase: guard.PhaseTrial},
	}
}

func trialRows() []row {
	heard := func(g uint32, fresh bool) func(*guard.Facts) {
		return func(f *guard.Facts) { f.Confirmation = &guard.Confirmation{Generation: g, Fresh: fresh, Over: "x"} }
	}
	return []row{
		{name: "nobody confirmed yet", facts: trying(), step: guard.Wait, phase: guard.PhaseTrial, next: 50 * time.Second},
		{name: "confirmed", facts: trying(), with: heard(2, true), step: guard.Confirm, phase: guard.PhaseConfirmed},
		{name: "confirmed over the old connection", facts: trying(), with: heard(2, false), step: guard.Wait, phase: guard.PhaseTrial, next: 50 * time.Second},
		{name: "another generation confirmed", facts: trying(), with: heard(1, true), step: guard.Wait, phase: guard.PhaseTrial, next: 50 * time.Second},
		{name: "confirmed too late", facts: trying(), with: func(f *guard.Facts) { heard(2, true)(f); f.Now = f.Attempt.Deadline },
			step: guard.Abandon, phase: guard.PhaseReverted, outcome: guard.Reverted},
		{name: "confirmed when the kernel had ended it", facts: trying(), with: func(f *guard.Facts) { heard(2, true)(f); f.Kernel.Pending = 0 },
			step: guard.Abandon, phase: guard.PhaseReverted, outcome: guard.Reverted},
		{name: "confirmed on disk only", facts: trying(), with: func(f *guard.Facts) { f.Confirmed.Version, f.Attempt.Outcome = version(2, "b"), guard.Kept },
			step: guard.Confirm, phase: guard.PhaseConfirmed},
		{name: "policies changed", facts: trying(), with: func(f *guard.Facts) { f.Desired.Digest = "c" }, step: guard.Abandon, phase: guard.PhaseReverted, outcome: guard.Superseded},
		{name: "policies changed back", facts: trying(), with: func(f *guard.Facts) { f.Desired.Digest = "a" }, step: guard.Abandon, phase: guard.PhaseReverted, outcome: guard.Superseded},
		{name: "source lost in the middle", facts: trying(), with: func(f *guard.Facts) { f.Desired = guard.Version{} }, step: guard.Wait, phase: guard.PhaseTrial, next: 50 * time.Second},
		{name: "refused by now", facts: trying(), with: func(f *guard.Facts) { f.Refusal = &guard.Refusal{Reason: "r", Fix: "f"} },
			step: guard.Abandon, phase: guard.PhaseReverted, outcome: guard.Superseded},
		{name: "withdrawn", facts: trying(), with: func(f *guard.Facts) { f.Order = guard.Withdraw }, step: guard.Abandon, phase: guard.PhaseReverted, outcome: guard.Withdrawn},
		{name: "the trial of a first ruleset expired", facts: trying(), with: func(f *guard.Facts) { f.Confirmed, f.Kernel = guard.Confirmed{}, guard.Kernel{} },
			step: guard.Abandon, phase: guard.PhaseReverted, outcome: guard.Reverted},
	}
}

func againRows() []row {
	dials := func(f *guard.Facts) { f.Source.Dials = true }
	retry := func(f *guard.Facts) { f.Order = guard.Retry }
	return []row{
		{name: "reverted, and nobody dials", facts: ended(guard.Reverted, 1, 9000*time.Hour), step: guard.Wait, phase: guard.PhaseReverted},
		{name: "reverted, and somebody asks again", facts: ended(guard.Reverted, 1, 0), with: retry, step: guard.Try, phase: guard.PhaseTrial},
		{name: "reverted, and a controller dials", facts: ended(guard.Reverted, 1, 0), with: dials, step: guard.Wait, phase: guard.PhaseReverted, next: time.Minute},
		{name: "reverted for the third time", facts: ended(guard.Reverted, 3, time.Minute), with: dials, step: guard.Wait, phase: guard.PhaseReverted, next: 3 * time.Minute},
		{name: "reverted for the hundredth time", facts: ended(guard.Reverted, 100, 0), with: dials, step: guard.Wait, phase: guard.PhaseReverted, next: time.Hour},
		{name: "reverted a pause ago", facts: ended(guard.Reverted, 1, time.Minute), with: dials, step: guard.Try, phase: guard.PhaseTrial},
		{name: "withdrawn", facts: ended(guard.Withdrawn, 1, time.Hour), with: dials, step: guard.Wait, phase: guard.PhaseReverted},
		{name: "withdrawn, and asked again", facts: ended(guard.Withdrawn, 1, time.Hour), with: retry, step: guard.Try, phase: guard.PhaseTrial},
		{name: "superseded, and wanted again", facts: ended(guard.Superseded, 1, 0), step: guard.Try, phase: guard.PhaseTrial},
		{name: "failed", facts: ended(guard.Failed, 1, 0), step: guard.Wait, phase: guard.PhaseFailed, next: 5 * time.Second},
		{name: "failed a pause ago", facts: ended(guard.Failed, 1, 5*time.Second), step: guard.Try, phase: guard.PhaseTrial},
		{name: "failed, and asked again", facts: ended(guard.Failed, 9, 0), with: retry, step: guard.Try, phase: guard.PhaseTrial},
		{name: "reverted, and other policies now", facts: ended(guard.Reverted, 1, 0), with: func(f *guard.Facts) { f.Desired.Digest = "c" }, step: guard.Try, phase: guard.PhaseTrial},
		{name: "reverted, and the old policies back", facts: ended(guard.Reverted, 1, 0), with: func(f *guard.Facts) { f.Desired.Digest = "a" }, step: guard.Wait, phase: guard.PhaseConfirmed},
	}
}
