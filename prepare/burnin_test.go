package prepare

import (
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

const wish = "cpu=10m0s,memory=1pass,disk=sample"

// asked is a clean host, with its agent, that asks for a burn-in.
func asked(text string) journey.Facts {
	f := settledFacts()
	f.Firmware.Wanted = nil
	f.Host.Spec.AutomatedCleaningMode = metal3.CleaningModeMetadata
	f.Host.Annotations = map[string]string{ingot.BurnInAnnotation: text}
	f.Record.CleanedAt = before(time.Minute)
	return f
}

// at puts the agent at a burn-in.
func at(f *journey.Facts, phase step.Phase, o *step.Outcome) {
	const id = "b-1-burn-in"
	f.Record.Step = &ingot.StepStatus{ID: id, Kind: string(step.BurnIn), StartedAt: *before(time.Minute)}
	if f.Record.BurnIn == nil {
		f.Record.BurnIn = &ingot.BurnInStatus{Request: wish, StartedAt: *before(time.Minute), Attempts: 1}
	}
	f.Agent.StepID, f.Agent.Phase, f.Agent.Outcome = id, phase, o
}

func TestBurnIn(t *testing.T) {
	good := step.TestResult{Test: step.TestCPU, Subject: "4 processors", Result: step.TestPassed, Bytes: 7, MaxCelsius: 60, StartedAt: noon, FinishedAt: noon}
	bad := step.TestResult{Test: step.TestMemory, Subject: "64 MiB", Result: step.TestFailed, Errors: 1, Message: "physical address 0x10: wrong", Fix: "replace the module"}
	done := func(result string) func(f *journey.Facts) {
		return func(f *journey.Facts) {
			f.Record.BurnIn = &ingot.BurnInStatus{Request: wish, Result: result, Message: "memory: wrong", Fix: "replace it", StartedAt: *before(time.Hour)}
		}
	}
	for name, c := range map[string]struct {
		annotation string
		edit       func(*journey.Facts)
		// action is the decision's, empty for none; says a part of its message, reason its reason where not empty.
		action, says string
		reason       journey.Reason
		// clean: the proof stands. result and attempts are the record's.
		clean    bool
		result   string
		attempts int32
	}{
		"asked for":         {"cpu=10m,memory=1pass,disk=sample", nil, "burn-in", "handing", "", true, "", 1},
		"not asked for":     {"", nil, "", "to spec", "", true, "", 0},
		"not readable":      {"cpu=forever", nil, "", "whole seconds", journey.ReasonAnnotationInvalid, true, "", 0},
		"runs":              {wish, func(f *journey.Facts) { at(f, step.Running, nil) }, "", "the agent is at burn-in", journey.ReasonStepRunning, true, "", 1},
		"passed":            {wish, func(f *journey.Facts) { at(f, step.Finished, &step.Outcome{Tests: []step.TestResult{good}}) }, "", "to spec", "", true, "passed", 1},
		"failed":            {wish, func(f *journey.Facts) { at(f, step.Finished, &step.Outcome{Tests: []step.TestResult{good, bad}}) }, "", "1 of 2 tests of the machine failed: memory 64 MiB: physical address 0x10: wrong", journey.ReasonBurnInFailed, true, "failed", 1},
		"passed before":     {wish, done("passed"), "", "to spec", "", true, "passed", 0},
		"failed before":     {wish, done("failed"), "", "burn-in failed: memory: wrong", journey.ReasonBurnInFailed, true, "failed", 0},
		"another wish":      {"cpu=1m", done("failed"), "burn-in", "handing", "", true, "", 1},
		"another, at work":  {"cpu=1m", func(f *journey.Facts) { at(f, step.Running, nil) }, "open boot window", "opening", "", true, "", 0},
		"the same, renewed": {wish, func(f *journey.Facts) { done("passed")(f); f.Record.BurnIn.Withdrawn = true }, "burn-in", "handing", "", true, "", 1},
		"withdrawn":         {"", done("failed"), "", "to spec", "", true, "failed", 0},
		"withdrawn at work": {"", func(f *journey.Facts) { at(f, step.Running, nil) }, "", "to spec", "", true, "", 1},
		"could not be done": {wish, func(f *journey.Facts) {
			at(f, step.Finished, &step.Outcome{Failure: &step.Failure{Kind: step.Internal, Message: "no memory is free"}})
		}, "", "no memory is free", journey.ReasonPreparationFailed, true, "", 0},
		"without a result": {wish, func(f *journey.Facts) { at(f, step.Finished, &step.Outcome{}) }, "", "without a result", journey.ReasonPreparationFailed, true, "", 0},
		"a word nobody knows": {wish, func(f *journey.Facts) {
			at(f, step.Finished, &step.Outcome{Tests: []step.TestResult{{Test: step.TestCPU, Result: "fine"}}})
		}, "", "1 of 1 tests", journey.ReasonBurnInFailed, true, "failed", 1},
		"died three times": {wish, func(f *journey.Facts) {
			f.Record.BurnIn = &ingot.BurnInStatus{Request: wish, Attempts: 3, StartedAt: *before(time.Hour)}
		}, "", "did not live through", journey.ReasonBurnInFailed, true, "failed", 3},
		"died twice": {wish, func(f *journey.Facts) {
			f.Record.BurnIn = &ingot.BurnInStatus{Request: wish, Attempts: 2, StartedAt: *before(time.Hour)}
		}, "burn-in", "handing", "", true, "", 3},
		"writes": {"disk=write", nil, "burn-in", "handing", "", false, "", 1},
		"wrote, passed": {"disk=write", func(f *journey.Facts) {
			done("passed")(f)
			f.Record.BurnIn.Request, f.Record.CleanedAt = "disk=write", nil
		}, "clean", "handing", "", false, "passed", 0},
		"writes, and nothing is cleaned": {"disk=write", func(f *journey.Facts) { f.Host.Spec.AutomatedCleaningMode = metal3.CleaningModeDisabled }, "", "automatedCleaningMode is disabled",
			journey.ReasonBurnInFailed, true, "", 0},
		"reads, and nothing is cleaned": {"disk=read", func(f *journey.Facts) { f.Host.Spec.AutomatedCleaningMode = metal3.CleaningModeDisabled }, "burn-in", "handing", "", true, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := asked(c.annotation)
			if c.edit != nil {
				c.edit(&f)
			}
			dec := Decide(f, noon)
			if broken := journey.Check(f, dec); len(broken) > 0 {
				t.Errorf("the decision breaks %v", broken)
			}
			action, r := "", dec.Record.BurnIn
			if dec.Action != nil {
				action = dec.Action.Name()
			}
			if r == nil {
				r = &ingot.BurnInStatus{}
			}
			if action != c.action || !strings.Contains(dec.Outcome.Message, c.says) || c.reason != "" && dec.Outcome.Reason != c.reason {
				t.Errorf("%q (%s, %s), want %q (%s, %s)", action, dec.Outcome.Message, dec.Outcome.Reason, c.action, c.says, c.reason)
			}
			if (dec.Record.CleanedAt != nil) != c.clean || r.Result != c.result || r.Attempts != c.attempts || r.Withdrawn != (c.annotation == "" && c.edit != nil) {
				t.Errorf("clean since %v, record %+v", dec.Record.CleanedAt, r)
			}
			if ended := name == "withdrawn at work" || name == "another, at work"; ended && dec.Record.Boot != nil && dec.Record.Boot.ID == f.Agent.BootID {
				t.Error("the agent is left at its burn-in")
			}
			offered := dec.Host.Status.Provisioning.State == metal3.StateAvailable
			if offered != (c.says == "to spec") || c.reason == journey.ReasonBurnInFailed && (dec.Outcome.Kind != journey.Blocked || dec.Outcome.Fix == "") {
				t.Errorf("offered %v with %+v", offered, dec.Outcome)
			}
		})
	}
}

// TestAFailedBurnInEndsWithItsWish: an error and a wait of it are over when something else is asked for, although the spec did not change.
func TestAFailedBurnInEndsWithItsWish(t *testing.T) {
	f := asked(wish)
	at(&f, step.Finished, &step.Outcome{Failure: &step.Failure{Kind: step.Internal, Message: "no memory is free"}})
	dec := Decide(f, noon)
	if dec.Host.Status.ErrorType != metal3.PreparationError || dec.Record.Failure == nil {
		t.Fatalf("a burn-in that could not be done leaves %+v", dec.Host.Status)
	}
	f.Host, f.Record = dec.Host, dec.Record
	if dec = Decide(f, noon.Add(time.Second)); dec.Action != nil || dec.Outcome.Reason != journey.ReasonPreparationFailed {
		t.Errorf("the wait is not kept: %+v", dec.Outcome)
	}
	f.Host.Annotations[ingot.BurnInAnnotation] = "cpu=1m"
	if dec = Decide(f, noon.Add(time.Second)); dec.Action == nil || dec.Action.Name() != "burn-in" || dec.Host.Status.ErrorType != "" {
		t.Errorf("another wish is not taken up: %+v, %+v", dec.Outcome, dec.Host.Status)
	}
}

// TestAvailableHostsAreTested: a wish leads an available host back, its withdrawal is noted, and a wish that was done leads nowhere.
func TestAvailableHostsAreTested(t *testing.T) {
	for name, c := range map[string]struct {
		annotation string
		record     *ingot.BurnInStatus
		back       bool
	}{
		"nothing":    {"", nil, false},
		"asked for":  {wish, nil, true},
		"unreadable": {"gpu=1", nil, true},
		"done":       {wish, &ingot.BurnInStatus{Request: wish, Result: journey.BurnInPassed}, false},
		"another":    {"cpu=1m", &ingot.BurnInStatus{Request: wish, Result: journey.BurnInPassed}, true},
		"renewed":    {wish, &ingot.BurnInStatus{Request: wish, Result: journey.BurnInPassed, Withdrawn: true}, true},
		"withdrawn":  {"", &ingot.BurnInStatus{Request: wish, Result: journey.BurnInPassed}, false},
	} {
		f := asked(c.annotation)
		f.Host.Status.Provisioning.State, f.Record.BurnIn = metal3.StateAvailable, c.record
		dec := Offer(f, noon)
		if broken := journey.Check(f, dec); len(broken) > 0 {
			t.Errorf("%s: the decision breaks %v", name, broken)
		}
		if back := dec.Host.Status.Provisioning.State == metal3.StatePreparing; back != c.back {
			t.Errorf("%s: back %v (%s)", name, back, dec.Outcome.Message)
		}
		if r := dec.Record.BurnIn; r != nil && r.Withdrawn != (c.annotation == "" || name == "renewed") {
			t.Errorf("%s: the record is %+v", name, r)
		}
	}
}
