package journey

import (
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// OutcomeKind is the closed set of what a decision can come to.
type OutcomeKind string

// The outcomes.
const (
	// Wait: nothing to do until something happens; Reason says what, NextAttempt when to look again at the latest. With a zero
	// NextAttempt only the objects change in this pass, and the next one follows at once.
	Wait OutcomeKind = "wait"
	// Act: do Decision.Action now, then decide again.
	Act OutcomeKind = "step"
	// Done: the host is where it should be; NextAttempt is the next routine look.
	Done OutcomeKind = "done"
	// Blocked: a person must change something; Fix says what.
	Blocked OutcomeKind = "blocked"
)

// Outcome is a decision in words.
type Outcome struct {
	Kind OutcomeKind
	// Reason is one of the Reason constants.
	Reason Reason
	// Message is the reason for people; Fix what they can do.
	Message, Fix string
	// Deadline is when the wait counts as failed; zero for none.
	Deadline time.Time
	// NextAttempt is when to decide again at the latest; zero: at once (with an action: as soon as it ended).
	NextAttempt time.Time
}

// Decision is one step forward. Host and Record are the objects to write (copies, changed or not) before Action is done.
//
// The order of writing is part of the contract: Record, then Host's metadata and spec (finalizer, annotations), then Host's status, then Action, then the
// finalizer's removal. A conflict or an error ends the pass, and the next one starts from the objects as they are: every prefix of this order is a
// state that decisions go on from. No decision changes Host's metadata or spec and its status at once.
type Decision struct {
	Host    *metal3.BareMetalHost
	Record  ingot.HostLifecycleStatus
	Outcome Outcome
	// Action is what to do now; nil unless Outcome.Kind is Act.
	Action Action
	// Event, when not empty, is published as a Kubernetes event of that reason with Outcome.Message.
	Event string
	// RemoveFinalizer: the host may vanish; written after the action succeeded or when there is none.
	RemoveFinalizer bool
}

// Reason is a wait or a block in one CamelCase word for programs; the constants are the closed list.
type Reason string
