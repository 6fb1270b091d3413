package guard

import "time"

// Version is a ruleset and the number by which its contents are known in the kernel.
type Version struct {
	// Generation is never used twice for different contents; 0 is none.
	Generation uint32
	// Digest is of the ruleset with its generation left out: the same policies give the same digest.
	Digest string
}

// None says whether there is no such ruleset.
func (v Version) None() bool { return v.Digest == "" }

// Facts are all that a decision depends on.
type Facts struct {
	Now time.Time
	// Desired is what the policies compile to now; none while no source has answered. Its Generation counts only where it is that of an attempt.
	Desired Version
	// Refusal is why Desired may not even be tried; nil if it may.
	Refusal *Refusal
	// Change is how Desired differs from what was confirmed.
	Change Change
	// Confirmed is what the disk has: the ruleset that was confirmed last, since when.
	Confirmed Confirmed
	Kernel    Kernel
	// Attempt is the latest trial, written to disk before it began; the zero value is none.
	Attempt Attempt
	// Confirmation is what was heard of the running trial; nil is nothing.
	Confirmation *Confirmation
	// Order is what a person asked for since the last step.
	Order Order
	// Source is where policies come from.
	Source Source
	// Repair is the latest repair.
	Repair Repair
}

// Refusal is why a ruleset may not be applied at all.
type Refusal struct{ Reason, Fix string }

// Change is how a wanted ruleset differs from the confirmed one.
type Change uint8

// The changes.
const (
	// ChangeRules is any change of rules: it needs a trial.
	ChangeRules Change = iota
	// ChangePeers is members of sets only, where the model decides every management packet as before: it needs no trial. A new peer must not wait for
	// anybody, nor must the revocation of one.
	ChangePeers
)

// Confirmed is the ruleset that was confirmed last.
type Confirmed struct {
	Version
	At time.Time
	// By says over what it was confirmed.
	By string
}

// Kernel is what the kernel has of ours.
type Kernel struct {
	// Unreadable is why nothing is known; empty where the rest holds.
	Unreadable string
	// Active is the generation that rules, and Pending the one on trial before it; 0 is none. With no generation everything passes.
	Active, Pending uint32
	// Drift is what differs between the active generation and what was written, in words; empty where nothing does.
	Drift string
	// Stale says that there are remains of generations that nothing leads to any more.
	Stale bool
}

// Outcome is how an attempt ended.
type Outcome string

// The outcomes.
const (
	// Running is a trial that has not ended.
	Running Outcome = "Running"
	// Kept was confirmed.
	Kept Outcome = "Confirmed"
	// Reverted was not confirmed before its deadline.
	Reverted Outcome = "Reverted"
	// Superseded was ended because the policies changed.
	Superseded Outcome = "Superseded"
	// Withdrawn was ended by a person.
	Withdrawn Outcome = "Withdrawn"
	// Failed did not reach the kernel.
	Failed Outcome = "Failed"
)

// Attempt is one trial of a ruleset.
type Attempt struct {
	Version
	Began, Deadline time.Time
	// Ended is when Outcome became other than Running.
	Ended   time.Time
	Outcome Outcome
	// Count is how often this digest was tried in a row, from 1.
	Count int
	// Why says more about a failure.
	Why string
}

// Confirmation is somebody's word that a generation leaves a way in.
type Confirmation struct {
	Generation uint32
	// Fresh says that it came over a connection that began after the trial did; a person at the console counts as one.
	Fresh bool
	// Over says what came in: "192.0.2.7 on row 9.1", "controller", "console".
	Over string
}

// Order is a person's.
type Order uint8

// The orders.
const (
	NoOrder Order = iota
	// Retry tries a ruleset that was reverted before.
	Retry
	// Withdraw ends the trial.
	Withdraw
)

// Source is where policies come from.
type Source struct {
	// LostSince is when it stopped to answer; zero while it answers.
	LostSince time.Time
	// Why it doesn't.
	Why string
	// Dials says that a controller dials back by itself: then a ruleset that was not confirmed is tried again later.
	Dials bool
}

// Repair is the latest time that the confirmed ruleset was written again because the kernel had something else.
type Repair struct {
	At time.Time
	// Count is how many there were in a row.
	Count int
}
