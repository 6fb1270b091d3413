package journey

import (
	"slices"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/health"
)

// InspectionModeFast asks the BMC alone what the machine is made of: seconds, and no boot. Metal3 has the mode since after v0.13.2 of its API, so that the value is in our CRD and not in its constants.
const InspectionModeFast metal3.InspectionMode = "fast"

// InBandDisks are the disks that a system on the machine saw. A BMC lists drives, which have no device name: one behind a RAID controller is no disk of that system at all, so that none
// of them can be held against what the agent wipes.
func InBandDisks(h *metal3.HardwareDetails) []metal3.Storage {
	if h == nil {
		return nil
	}
	var out []metal3.Storage
	for _, s := range h.Storage {
		if s.Name != "" {
			out = append(out, s)
		}
	}
	return out
}

// FillArchitecture writes spec.architecture where the owner left it open, as Metal3 does, and says whether it did.
func (d *Draft) FillArchitecture(h *metal3.HardwareDetails) bool {
	if d.Host.Spec.Architecture != "" || h == nil || h.CPU.Arch == "" {
		return false
	}
	d.Host.Spec.Architecture = h.CPU.Arch
	return true
}

// CapabilityEvents is the word in HostLifecycle.status.bmc.capabilities for a BMC that sends events.
const CapabilityEvents = "events"

// takeHealth takes up how the machine is. A reading without details changes the level, and not the causes of a level that stays.
func (d *Draft) takeHealth() {
	r := d.Facts.Result
	if r == nil || r.Health == nil {
		return
	}
	v, was := health.Judge(*r.Health), d.Record.Health
	if v.Level == health.Unknown {
		return // the last word stands until there is another one
	}
	next := &ingot.HealthStatus{Level: string(v.Level), Causes: v.Causes, Since: *d.Stamp()}
	if was != nil && was.Level == next.Level {
		if !r.Health.Detailed || slices.Equal(was.Causes, next.Causes) {
			return
		}
		next.Since = was.Since
	}
	d.Record.Health = next
}

// healthyCondition is Metal3's, which says nothing of a machine whose BMC is not reached.
func healthyCondition(manageable condition, h *ingot.HealthStatus) condition {
	c := condition{name: metal3.HealthyCondition, reason: metal3.UnknownHealthReason, status: metav1.ConditionUnknown}
	if manageable.status != metav1.ConditionTrue || h == nil {
		return c
	}
	c.message = strings.Join(h.Causes, "; ")
	switch health.Level(h.Level) {
	case health.OK:
		c.status, c.reason = metav1.ConditionTrue, metal3.HealthyReason
	case health.Warning:
		c.status, c.reason = metav1.ConditionFalse, metal3.WarningHealthReason
	case health.Critical:
		c.status, c.reason = metav1.ConditionFalse, metal3.CriticalHealthReason
	default:
	}
	return c
}
