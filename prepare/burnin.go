package prepare

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/ramdisk"
	"github.com/ingotmetal/ingot/step"
)

const (
	// maxBurnIns is how often a burn-in is begun that the machine does not live through.
	maxBurnIns = 3
	// burnInLook is when a host with a failed burn-in, or with an annotation that cannot be read, is looked at again; a change of the annotation wakes it at once.
	burnInLook = 10 * time.Minute
	// maxTests bounds the record, as the CRD does, and maxSaid and maxSummary each text of it.
	maxTests   = 320
	maxSaid    = 1024
	maxSummary = 4096
)

// burnIn has the machine tested where its host asks for it, once for each wish. passed is true when it passed, or nobody asks; then the decision is empty.
//
// It comes before the cleaning, so that what a test writes to a disk is wiped like everything else. A part that failed is not tested again by itself: the host waits for a person.
func burnIn(d *journey.Draft) (dec journey.Decision, passed bool) {
	if s := d.Record.Step; s != nil && s.Kind != string(step.BurnIn) {
		// The agent is at the disks; a host that asks for a burn-in meanwhile comes back here before it is offered.
		return journey.Decision{}, true
	}
	plan, err := journey.BurnIn(d.Host)
	if err != nil {
		return d.Block(journey.ReasonAnnotationInvalid, err.Error(), "correct the annotation, or remove it", d.Now.Add(burnInLook)), false
	}
	if plan.Empty() {
		dropBurnIn(d)
		return journey.Decision{}, true
	}
	switch d.Record.BurnIn.Result {
	case journey.BurnInPassed:
		return journey.Decision{}, true
	case journey.BurnInFailed:
		return failedBurnIn(d), false
	}
	if plan.Writes() && d.Host.Spec.AutomatedCleaningMode == metal3.CleaningModeDisabled {
		return d.Block(journey.ReasonBurnInFailed, "the burn-in asks for disk=write, which loses what is on the disks, and automatedCleaningMode is disabled",
			"set spec.automatedCleaningMode to metadata, or ask for disk=read", d.Now.Add(burnInLook)), false
	}
	return runBurnIn(d, plan)
}

// takeBurnIn takes up what the host asks for now. Another wish ends the wait after a failure of the last one.
func takeBurnIn(d *journey.Draft) {
	plan, err := journey.BurnIn(d.Host)
	if err != nil || withdrawBurnIn(d) || plan.Empty() {
		return
	}
	if r := d.Record.BurnIn; r == nil || r.Withdrawn || r.Request != plan.String() {
		d.Record.BurnIn = &ingot.BurnInStatus{Request: plan.String(), StartedAt: *d.Stamp()}
		dropBurnIn(d)
		forgetFailedBurnIn(d)
	}
}

// runBurnIn has the agent do it and takes the result.
func runBurnIn(d *journey.Draft, plan step.BurnInPlan) (dec journey.Decision, passed bool) {
	r := d.Record.BurnIn
	if plan.Writes() {
		d.Record.CleanedAt = nil
	}
	if s := d.Record.Step; (s == nil || s.Kind != string(step.BurnIn)) && r.Attempts >= maxBurnIns {
		r.Result, r.FinishedAt = journey.BurnInFailed, d.Stamp()
		r.Message = fmt.Sprintf("the machine did not live through the burn-in %d times: its agent fell silent, or the machine was restarted, each time before the end", r.Attempts)
		r.Fix = "see the BMC's event log and the host's console log for what happened to the machine at those times; test less at a time to find the part"
		return failedBurnIn(d), false
	}
	if dec, ready := ramdisk.Ensure(d, metal3.PreparationError); !ready {
		return dec, false
	}
	if s := d.Record.Step; s == nil || s.Kind != string(step.BurnIn) || !ramdisk.OfBoot(d, s.ID) {
		r.Attempts++
	}
	out, dec := ramdisk.Run(d, step.BurnIn, nil)
	if out == nil {
		return dec, false
	}
	failure := out.Failure
	if failure == nil && len(out.Tests) == 0 {
		failure = &step.Failure{Kind: step.Internal, Message: "the agent ended the burn-in without a result"}
	}
	if failure != nil {
		// It was not done, which says nothing of the machine.
		d.EndStep(failure.Message)
		r.Attempts = 0
		return d.Fail(metal3.PreparationError, *failure), false
	}
	takeTests(d, out.Tests)
	if r.Result == journey.BurnInFailed {
		d.EndStep(r.Message)
		return failedBurnIn(d), false
	}
	d.EndStep("")
	return journey.Decision{}, true
}

// takeTests makes the record of the tests.
func takeTests(d *journey.Draft, tests []step.TestResult) {
	r := d.Record.BurnIn
	r.Result, r.FinishedAt, r.Tests = journey.BurnInPassed, d.Stamp(), nil
	var failed, fixes []string
	for _, t := range tests {
		if outcome(t.Result) == string(step.TestFailed) {
			failed = append(failed, strings.TrimSpace(fmt.Sprintf("%s %s", t.Test, part(t)))+": "+t.Message)
			fixes = append(fixes, t.Fix)
		}
		if len(r.Tests) < maxTests {
			r.Tests = append(r.Tests, ingot.BurnInTest{
				Test: t.Test, Subject: t.Subject, SerialNumber: t.Serial, Result: outcome(t.Result), StartedAt: told(d, t.StartedAt), FinishedAt: told(d, t.FinishedAt),
				Bytes: t.Bytes, BytesPerSecond: t.BytesPerSecond, SlowestMicroseconds: t.SlowestMicroseconds, MaxCelsius: int32(t.MaxCelsius), Throttled: t.Throttled, Errors: t.Errors,
				Message: cut(t.Message, maxSaid), Fix: cut(t.Fix, maxSaid),
			})
		}
	}
	if len(failed) > 0 {
		r.Result = journey.BurnInFailed
		r.Message = cut(fmt.Sprintf("%d of %d tests of the machine failed: %s", len(failed), len(tests), strings.Join(failed, "; ")), maxSummary)
		r.Fix = cut(fixes[0], maxSaid)
	}
}

// told is a time of the agent's. One that it left out is now: the API server takes no record without it, and the host would never come to rest.
func told(d *journey.Draft, t time.Time) metav1.Time {
	if t.IsZero() {
		return *d.Stamp()
	}
	return metav1.NewTime(t)
}

func part(t step.TestResult) string {
	if t.Serial == "" {
		return t.Subject
	}
	return fmt.Sprintf("%s (%s)", t.Subject, t.Serial)
}

// outcome holds the agent's word to the list: what is none of it is a failure.
func outcome(o step.TestOutcome) string {
	switch o {
	case step.TestPassed, step.TestSkipped:
		return string(o)
	default:
		return string(step.TestFailed)
	}
}

func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "")
}

// failedBurnIn keeps the host from being offered until its owner asks for something else.
func failedBurnIn(d *journey.Draft) journey.Decision {
	r := d.Record.BurnIn
	message := "burn-in failed: " + r.Message
	if s := d.Host.Status; s.ErrorType != metal3.PreparationError || s.ErrorMessage != message {
		d.SetError(metal3.PreparationError, message)
		d.Announce("BurnInFailed")
	}
	fix := cmp.Or(r.Fix, "replace the part that failed")
	return d.Block(journey.ReasonBurnInFailed, message, fix+"; then remove the annotation "+ingot.BurnInAnnotation+" and set it again to have the machine tested anew, or remove it to offer the host as it is",
		d.Now.Add(burnInLook))
}

// withdrawBurnIn notes that nobody asks for a burn-in any more, and says whether that is news. The results are kept.
func withdrawBurnIn(d *journey.Draft) bool {
	plan, err := journey.BurnIn(d.Host)
	r := d.Record.BurnIn
	if err != nil || !plan.Empty() || r == nil || r.Withdrawn {
		return false
	}
	r.Withdrawn = true
	forgetFailedBurnIn(d)
	return true
}

// forgetFailedBurnIn takes the error of a failed burn-in away, and the wait after one that could not be done.
func forgetFailedBurnIn(d *journey.Draft) {
	if d.Host.Status.ErrorType == metal3.PreparationError {
		d.Overcome(metal3.PreparationError)
	}
}

// dropBurnIn gives a burn-in at work up whose wish is over. The boot is given up with it, since that is what ends it on the machine.
func dropBurnIn(d *journey.Draft) {
	a, s := d.Agent(), d.Record.Step
	testing := a != nil && a.Phase == step.Running && strings.HasSuffix(a.StepID, "-"+string(step.BurnIn))
	switch {
	case testing:
		d.DropBoot()
	case s != nil && s.Kind == string(step.BurnIn):
		d.DropStep()
	}
}
