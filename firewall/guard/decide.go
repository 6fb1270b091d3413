package guard

import (
	"fmt"
	"time"
)

// Step is what the daemon does next.
type Step string

// The steps. Each is safe to do again after a crash in the middle of it.
const (
	// Wait does nothing until Next, or until a fact changes.
	Wait Step = "Wait"
	// Install writes the confirmed ruleset where none of ours rules: at boot, or after somebody flushed the tables.
	Install Step = "Install"
	// Try writes the attempt to disk, then the desired ruleset before the one that rules, until a deadline that the kernel keeps.
	Try Step = "Try"
	// Confirm writes the tried ruleset to disk as the confirmed one, then makes it permanent in the kernel.
	Confirm Step = "Confirm"
	// Abandon takes the trial and its remains out of the kernel and writes down how the attempt ended.
	Abandon Step = "Abandon"
	// Extend changes members of sets in the ruling generation: to disk first, then to the kernel.
	Extend Step = "Extend"
	// Restore writes the confirmed ruleset again, because the kernel has something else.
	Restore Step = "Restore"
	// Refuse says why the desired ruleset is not tried. Nothing is written.
	Refuse Step = "Refuse"
)

// Phase is where a host's ruleset stands, as its status says it.
type Phase string

// The phases.
const (
	// PhaseNone: there is no ruleset yet; everything passes.
	PhaseNone      Phase = "None"
	PhaseTrial     Phase = "Trial"
	PhaseConfirmed Phase = "Confirmed"
	PhaseReverted  Phase = "Reverted"
	PhaseFailed    Phase = "Failed"
)

// Decision is one step with all that a person wants to know about it.
type Decision struct {
	Step  Step
	Phase Phase
	// Version is what the step is about.
	Version Version
	// Outcome is how the attempt ended, for Abandon.
	Outcome Outcome
	Reason  string
	Fix     string
	// Since is when the reason began; Deadline when the kernel ends a trial by itself; Next when something is done without a new fact. Zero where there is none.
	Since, Deadline, Next time.Time
}

// Decide gives the next step.
func Decide(f Facts) Decision {
	if f.Kernel.Unreadable != "" {
		return Decision{Step: Wait, Phase: PhaseFailed, Reason: "the kernel's tables can't be read: " + f.Kernel.Unreadable,
			Fix: "the daemon needs CAP_NET_ADMIN and the nf_tables module; `nft list tables` says what is wrong", Next: f.Now.Add(rereadAfter)}
	}
	for _, decide := range []func(Facts) (Decision, bool){trial, remains, kernel, wanted} {
		if d, ok := decide(f); ok {
			return d
		}
	}
	return attempt(f)
}

const (
	rereadAfter = 10 * time.Second
	// unattendedFirst is the pause behind the first trial that no controller confirmed; it doubles until unattendedLast.
	unattendedFirst, unattendedLast = time.Minute, time.Hour
	// failedFirst is the pause behind the first trial that did not reach the kernel.
	failedFirst, failedLast = 5 * time.Second, 5 * time.Minute
	// restoreFirst is the pause behind the first repair. A manager that flushes all tables every minute must not be fought every second.
	restoreFirst, restoreLast = time.Second, 5 * time.Minute
)

// backOff doubles from first to last; n counts from 1.
func backOff(first, last time.Duration, n int) time.Duration {
	d := first
	for i := 1; i < n && d < last; i++ {
		d *= 2
	}
	return min(d, last)
}

// trial is for an attempt that has not ended.
func trial(f Facts) (Decision, bool) {
	a := f.Attempt
	if a.Outcome != Running {
		return Decision{}, false
	}
	end := func(o Outcome, reason, fix string) (Decision, bool) {
		return Decision{Step: Abandon, Phase: PhaseReverted, Version: a.Version, Outcome: o, Reason: reason, Fix: fix, Since: a.Began}, true
	}
	switch {
	case f.Kernel.Pending != a.Generation:
		return end(Reverted, fmt.Sprintf("generation %d was not confirmed before its trial ended: the kernel went back by itself", a.Generation), revertedFix(f))
	case !f.Now.Before(a.Deadline):
		return end(Reverted, fmt.Sprintf("generation %d was not confirmed by its deadline", a.Generation), revertedFix(f))
	case f.Order == Withdraw:
		return end(Withdrawn, "somebody withdrew it", "change the policies, or `ingot-node try` it again")
	case f.Refusal != nil:
		return end(Superseded, "it is refused by now: "+f.Refusal.Reason, f.Refusal.Fix)
	case !f.Desired.None() && f.Desired.Digest != a.Digest:
		return end(Superseded, "the policies changed while it was on trial", "")
	case f.Confirmation != nil && f.Confirmation.Generation == a.Generation && f.Confirmation.Fresh:
		return Decision{Step: Confirm, Phase: PhaseConfirmed, Version: a.Version, Reason: "confirmed over " + f.Confirmation.Over, Since: a.Began}, true
	}
	d := Decision{Step: Wait, Phase: PhaseTrial, Version: a.Version, Since: a.Began, Deadline: a.Deadline, Next: a.Deadline,
		Reason: fmt.Sprintf("generation %d is on trial until somebody confirms it over a new connection", a.Generation),
		Fix:    "open a new session on a management row and run `ingot-node confirm`"}
	if f.Source.Dials {
		d.Fix = "the controller dials a management row; `ingot-node confirm` from a new session does as well"
	}
	if f.Confirmation != nil && f.Confirmation.Generation == a.Generation {
		d.Reason = "the confirmation came over a connection that is older than the trial, which proves nothing"
	}
	return d, true
}

func revertedFix(f Facts) string {
	if f.Source.Dials {
		return "see that the controller runs and reaches a management row of this host; `ingot-node explain` says what happens to its packets"
	}
	return "run `ingot-node confirm` from a new session within the timeout; `ingot-node explain` says why a session is refused; then `ingot-node try`"
}

// remains is for what stands in the kernel without an attempt that explains it.
func remains(f Facts) (Decision, bool) {
	stray := f.Kernel.Pending != 0 && f.Kernel.Pending != f.Confirmed.Generation
	if !stray && !f.Kernel.Stale {
		return Decision{}, false
	}
	reason := "the kernel has remains of a generation that is over"
	if stray {
		reason = fmt.Sprintf("generation %d is on trial in the kernel, and nothing on disk knows of it", f.Kernel.Pending)
	}
	return Decision{Step: Abandon, Phase: phaseNow(f), Version: Version{Generation: f.Kernel.Pending}, Reason: reason, Since: f.Now}, true
}

// kernel is for a kernel that does not have what was confirmed.
func kernel(f Facts) (Decision, bool) {
	c := f.Confirmed
	if c.None() || f.Kernel.Active == c.Generation && f.Kernel.Drift == "" {
		return Decision{}, false
	}
	d := Decision{Step: Restore, Phase: PhaseConfirmed, Version: c.Version, Since: f.Now}
	switch {
	case f.Kernel.Pending == c.Generation:
		d.Step, d.Since = Confirm, c.At
		d.Reason = "the confirmation is on disk, and the kernel does not have it yet"
		return d, true
	case f.Kernel.Active == 0:
		d.Step, d.Reason = Install, fmt.Sprintf("the kernel has no ruleset of ours: generation %d was confirmed last", c.Generation)
	case f.Kernel.Active != c.Generation:
		d.Reason = fmt.Sprintf("generation %d rules, and %d was confirmed last", f.Kernel.Active, c.Generation)
	default:
		d.Reason = "the kernel's table was changed: " + f.Kernel.Drift
	}
	if due := f.Repair.At.Add(backOff(restoreFirst, restoreLast, f.Repair.Count)); f.Repair.Count > 0 && f.Now.Before(due) {
		d.Step, d.Next = Wait, due
		d.Reason += fmt.Sprintf("; it was restored %d times in a row", f.Repair.Count)
		d.Fix = "find who changes it: `nft monitor`; firewalld, ufw and `nft flush ruleset` in units are the usual ones"
	}
	return d, true
}

// wanted is for when there is nothing to try.
func wanted(f Facts) (Decision, bool) {
	d := Decision{Step: Wait, Phase: phaseNow(f), Version: f.Confirmed.Version, Since: f.Confirmed.At}
	switch {
	case f.Desired.None() && !f.Source.LostSince.IsZero():
		d.Reason = "the policies' source does not answer, the last state stays: " + f.Source.Why
		d.Since = f.Source.LostSince
	case f.Desired.None():
		d.Reason = "no policies have been read yet"
	case f.Refusal != nil:
		return Decision{Step: Refuse, Phase: PhaseFailed, Version: f.Desired, Reason: f.Refusal.Reason, Fix: f.Refusal.Fix, Since: f.Now}, true
	case f.Desired.Digest == f.Confirmed.Digest:
		d.Phase, d.Reason = PhaseConfirmed, fmt.Sprintf("generation %d is what the policies say", f.Confirmed.Generation)
		if !f.Source.LostSince.IsZero() {
			d.Reason += "; their source does not answer since then: " + f.Source.Why
			d.Since = f.Source.LostSince
		}
	default:
		return Decision{}, false
	}
	return d, true
}

// attempt is for a desired ruleset that is not the confirmed one.
func attempt(f Facts) Decision {
	a := f.Attempt
	again := a.Digest == f.Desired.Digest && f.Order != Retry
	ended := Decision{Step: Wait, Version: a.Version, Since: a.Ended}
	switch {
	case f.Change == ChangePeers && !f.Confirmed.None():
		return Decision{Step: Extend, Phase: PhaseConfirmed, Version: Version{f.Confirmed.Generation, f.Desired.Digest}, Since: f.Now,
			Reason: "only members of sets change, and no management packet is decided otherwise"}
	case again && a.Outcome == Withdrawn:
		ended.Phase, ended.Reason, ended.Fix = PhaseReverted, "somebody withdrew this ruleset", "change the policies, or `ingot-node try`"
		return ended
	case again && a.Outcome == Reverted && !f.Source.Dials:
		ended.Phase, ended.Fix = PhaseReverted, revertedFix(f)
		ended.Reason = fmt.Sprintf("generation %d was tried and nobody confirmed it", a.Generation)
		return ended
	case again && a.Outcome == Reverted:
		ended.Phase, ended.Fix = PhaseReverted, revertedFix(f)
		ended.Next = a.Ended.Add(backOff(unattendedFirst, unattendedLast, a.Count))
		ended.Reason = fmt.Sprintf("generation %d was tried %d times and the controller did not confirm it", a.Generation, a.Count)
	case again && a.Outcome == Failed:
		ended.Phase = PhaseFailed
		ended.Next = a.Ended.Add(backOff(failedFirst, failedLast, a.Count))
		ended.Reason = fmt.Sprintf("generation %d did not reach the kernel: %s", a.Generation, a.Why)
		ended.Fix = "`ingot-node status` and the journal have the kernel's words; the last confirmed ruleset stays"
	}
	if f.Now.Before(ended.Next) {
		return ended
	}
	return Decision{Step: Try, Phase: PhaseTrial, Version: f.Desired, Since: f.Now, Reason: "the policies say something else than what was confirmed"}
}

func phaseNow(f Facts) Phase {
	if f.Confirmed.None() {
		return PhaseNone
	}
	return PhaseConfirmed
}
