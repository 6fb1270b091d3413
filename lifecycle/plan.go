package lifecycle

import (
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/journey"
)

const (
	// maxPlanPasses bounds a plan: a whole life is under 80 passes.
	maxPlanPasses = 300
	// maxPlanWaits is how many looks in a row may bring nothing new before the plan ends with what is awaited.
	maxPlanWaits = 5
)

// PlannedStep is one thing that would happen.
type PlannedStep struct {
	// Stage is the provisioning state that it happens in.
	Stage string `json:"stage"`
	// Action is the name of what is done, empty for a change of the objects alone, and for the end.
	Action string `json:"action,omitempty"`
	// What is the same for people.
	What string `json:"what"`
	// End says how the plan ends, on its last step only: done, blocked or wait. Fix is what a person can do about a block.
	End journey.OutcomeKind `json:"end,omitempty"`
	Fix string              `json:"fix,omitempty"`
}

// Plan says what would happen next if everything went well and nobody edited the host: Decide is run against a world in which the BMC obeys, the agent comes and every
// step succeeds. Facts that the caller does not have (power, credentials, agent) are taken to be well. A plan that cannot work for what the host asks for, as with hints that
// match none of its known disks, shows the failure.
func Plan(f journey.Facts, now time.Time) []PlannedStep {
	m := newModel(f, now)
	var out []PlannedStep
	waits := 0
	for range maxPlanPasses {
		before := m.facts.Host.Status.Provisioning.State
		dec := Decide(m.facts, m.now)
		s := PlannedStep{Stage: string(dec.Host.Status.Provisioning.State), What: dec.Outcome.Message}
		if dec.Action != nil {
			s.Action = dec.Action.Name()
		}
		progress := dec.Action != nil || dec.Outcome.NextAttempt.IsZero()
		if progress {
			waits = 0
		} else {
			waits++
		}
		over := dec.Outcome.Kind == journey.Done || dec.Outcome.Kind == journey.Blocked || waits > maxPlanWaits
		if over {
			s.End, s.Fix = dec.Outcome.Kind, dec.Outcome.Fix
			return append(out, s)
		}
		if worthTelling(before, dec) {
			out = append(out, s)
		}
		if m.take(dec); m.gone {
			out[len(out)-1].End = journey.Done
			return out
		}
	}
	return out
}

// worthTelling leaves out readings, and changes of the objects that are no move.
func worthTelling(before metal3.ProvisioningState, dec journey.Decision) bool {
	switch dec.Action.(type) {
	case nil:
		return before != dec.Host.Status.Provisioning.State
	case journey.ReadPower:
		return false
	}
	return true
}
