package journey

import (
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
)

// refusedRetry is when a refused decision is taken anew: facts may have changed by themselves, and a fixed program starts with a look at every host.
const refusedRetry = 10 * time.Minute

// EventRefused is the Kubernetes event of a refused decision.
const EventRefused = "DecisionRefused"

// Refuse is the decision in the place of one that breaks invariants: nothing is done and nothing changes, except that the record says so. Broken is what Check found.
func Refuse(f Facts, dec Decision, broken []Violation, now time.Time) Decision {
	said := make([]string, 0, len(broken))
	for _, v := range broken {
		said = append(said, v.String())
	}
	wanted := "a change of the objects"
	if dec.Action != nil {
		wanted = dec.Action.Name()
	}
	if from, to := f.Host.Status.Provisioning.State, dec.Host.Status.Provisioning.State; from != to {
		wanted += " on the way from " + stateName(from) + " to " + stateName(to)
	}
	out := Decision{
		Host: f.Host.DeepCopy(), Record: *f.Record.DeepCopy(), Event: EventRefused,
		Outcome: Outcome{
			Kind: Blocked, Reason: ReasonUnsafeDecision,
			Message:     wanted + " was decided and not done, since it would break what always holds: " + strings.Join(said, "; "),
			Fix:         "nothing was done to the machine; this is a defect of Ingot: report it with this host's HostLifecycle, and see whether a later version decides otherwise",
			NextAttempt: now.Add(refusedRetry),
		},
	}
	sealRecord(&f.Record, &out, now)
	return out
}

func stateName(s metal3.ProvisioningState) string {
	if s == metal3.StateNone {
		return "no state"
	}
	return string(s)
}
