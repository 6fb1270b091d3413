// Package lifecycle joins the stages to the host's whole life: which stage decides for which provisioning state, and what comes before every stage.
//
// It owns the table state -> stage and the order of what cuts across: paused, the finalizer, a status and hardware details given by annotation, firmware that is being written, deletion, detachment,
// registration after changed credentials, forced reboots, then the stage. It refuses decisions of one stage: those are in discover, inspect, prepare, provision, run
// and clean, which know nothing of each other.
//
// Plan tells the future by running Decide against an optimistic model of the world, so that it cannot disagree with it. The tests run Decide against a
// pessimistic one.
package lifecycle

import (
	"fmt"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/clean"
	"github.com/ingotmetal/ingot/discover"
	"github.com/ingotmetal/ingot/inspect"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/prepare"
	"github.com/ingotmetal/ingot/provision"
	"github.com/ingotmetal/ingot/run"
)

// rule is one thing that cuts across the stages. applies is false when it has nothing to say.
type rule func(f journey.Facts, now time.Time) (dec journey.Decision, applies bool)

// rules come before every stage, in this order.
func rules() []rule {
	return []rule{paused, holdFinalizer, restoreStatus, takeHardware, recallHardware, barred, updating, deleted, detached, registered, forceReboot}
}

// stages is the table. Every state of journey.States has a row.
func stages() map[metal3.ProvisioningState]func(journey.Facts, time.Time) journey.Decision {
	return map[metal3.ProvisioningState]func(journey.Facts, time.Time) journey.Decision{
		metal3.StateNone:                    discover.Begin,
		metal3.StateUnmanaged:               discover.Begin,
		metal3.StateRegistering:             discover.Register,
		metal3.StateMatchProfile:            toPreparing,
		metal3.StateInspecting:              inspect.Decide,
		metal3.StatePreparing:               prepare.Decide,
		metal3.StateReady:                   prepare.Offer,
		metal3.StateAvailable:               prepare.Offer,
		metal3.StateProvisioning:            provision.Decide,
		metal3.StateProvisioned:             run.Decide,
		metal3.StateExternallyProvisioned:   run.DecideExternal,
		metal3.StateDeprovisioning:          clean.Decide,
		metal3.StatePoweringOffBeforeDelete: clean.PowerOff,
		metal3.StateDeleting:                clean.Release,
	}
}

// Decide is the one entry point: all facts in, one step forward out. It never panics on objects that the API server lets through, and returns the
// objects to write even when nothing changes.
func Decide(f journey.Facts, now time.Time) journey.Decision {
	return journey.Seal(f, decide(f, now), now)
}

func decide(f journey.Facts, now time.Time) journey.Decision {
	for _, r := range rules() {
		if dec, applies := r(f, now); applies {
			return dec
		}
	}
	state := f.Host.Status.Provisioning.State
	if stage, known := stages()[state]; known {
		return stage(f, now)
	}
	return journey.Begin(f, now).Block(journey.ReasonUnknownState, fmt.Sprintf("the provisioning state %q is not known", state),
		"restore the host's status, or delete the host", now.Add(time.Minute))
}

// toPreparing leaves a state that means nothing any more.
func toPreparing(f journey.Facts, now time.Time) journey.Decision {
	d := journey.Begin(f, now)
	d.MoveTo(metal3.StatePreparing)
	return d.Again(journey.ReasonStageChanged, "the state match profile means nothing any more")
}
