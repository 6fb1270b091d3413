package seeded

import (
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/step"
)

// testPattern is what a burn-in that writes leaves on the disks.
const testPattern = "test pattern"

// checkBurnIn is looked at in the moment in which an agent begins a burn-in: a machine is tested in preparation only, and its disks are written to only where they may be wiped.
func (w *world) checkBurnIn(m *machine, h *metal3.BareMetalHost, plan step.BurnInPlan) {
	if state := h.Status.Provisioning.State; state != metal3.StatePreparing {
		w.wrong("%s: a burn-in begins in state %q", m.name, state)
	}
	if plan.Writes() && h.Spec.AutomatedCleaningMode == metal3.CleaningModeDisabled {
		w.wrong("%s: a burn-in writes to disks that nobody may wipe", m.name)
	}
}

// burnsIn is the beginning of a burn-in on the machine.
func (m *machine) burnsIn(plan step.BurnInPlan) {
	if !plan.Writes() {
		return
	}
	for _, d := range m.disks {
		d.content = testPattern
	}
}

// burntIn is the result: one test of each kind, of which one may fail.
func (a *agent) burntIn(b *protocol.BurnIn) *step.Outcome {
	now := a.m.w.now()
	out := &step.Outcome{}
	add := func(asked bool, test, subject string) {
		if !asked {
			return
		}
		r := step.TestResult{Test: test, Subject: subject, Result: step.TestPassed, StartedAt: now, FinishedAt: now}
		if a.m.w.chance(a.m.w.faults.stain, "a broken part of "+a.m.name) {
			r.Result, r.Errors, r.Message, r.Fix = step.TestFailed, 1, seededFault, "replace it"
		}
		out.Tests = append(out.Tests, r)
	}
	add(b.Plan.CPUSeconds > 0, step.TestCPU, "processors")
	for _, d := range a.m.disks {
		add(b.Plan.Disk != "", step.TestDisk, d.Name)
	}
	return out
}
