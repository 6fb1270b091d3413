// Package ramdisk is the agent's presence on a machine: how a stage gets an agent there, hands it a step and takes the outcome once.
//
// It owns the boot of the agent (method, window, deadline, one more try) and the life of a step. It refuses to know why a stage wants the agent, and power: a
// machine that is to be off is package power's. The stages inspect, prepare, provision and clean share it, so that an agent which one of them booted serves the
// next: Ensure hands over a running one before it boots a new one.
//
// Invariants: what is about to happen is in the record before the action is asked for (Boot.StartedAt, Step.ID); a window whose token was traded is never booted
// from again; a step ID begins with its boot's ID and is never used twice; an agent that is at something we don't know is never given more work: it is superseded by
// a new boot, which power-cycles the machine first.
package ramdisk

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

const (
	// defaultBootDeadline covers the self-test of a large server (up to 10 minutes) and the download of the ramdisk through a slow BMC.
	defaultBootDeadline = 20 * time.Minute
	// windowSlack keeps the window open for the address renewals of a running agent.
	windowSlack = time.Hour
	// firstWord is how long after its enrolment an agent is not yet called silent.
	firstWord = 10 * time.Second
	// agentSilence is how long an agent that called before may be silent: it calls at least every 30 seconds, and a new partition process must be
	// found by it first.
	agentSilence = 3 * time.Minute
	// maxBoots bounds the boots in a row of one stage before it counts as a failure: about one boot in 200 hangs in emulated firmware.
	maxBoots = 2
	// reoffer is how soon a step that the agent did not take up is offered again.
	reoffer = 5 * time.Second
)

// Ensure gets an agent that is ready for a step. ready is false while there is none: then the decision says what is done about it.
func Ensure(d *journey.Draft, t metal3.ErrorType) (dec journey.Decision, ready bool) {
	how, failure := chooseMethod(d)
	if failure != nil {
		return d.Fail(t, *failure), false
	}
	asked, unreadable := demand(d, how)
	if unreadable != nil {
		return *unreadable, false
	}
	switch b := d.Record.Boot; {
	case b == nil || b.Purpose == ingot.PurposeFirstBoot:
		return newBoot(d, how, 1), false
	case alive(d) && foreign(d), alive(d) && unsatisfied(d, asked), turnedOff(d):
		return newBoot(d, how, 1), false
	case alive(d):
		b.SilentSince = nil
		if failure := identify(d); failure != nil {
			return d.Fail(t, *failure), false
		}
		return journey.Decision{}, true
	case called(d):
		return waitForReturn(d, how, t), false
	case outdated(d, asked):
		return newBoot(d, how, b.Attempt), false
	case b.StartedAt == nil:
		return start(d, how), false
	default:
		return waitForAgent(d, how, t), false
	}
}

// Alive says whether an agent of the boot under way is there.
func Alive(d *journey.Draft) bool { return alive(d) }

// alive: the agent called within agentSilence.
func alive(d *journey.Draft) bool {
	a := d.Agent()
	return a != nil && d.Now.Sub(a.LastSeen) < agentSilence
}

// turnedOff: the agent's machine was seen off since its last word. It does not come back by itself.
func turnedOff(d *journey.Draft) bool {
	a, p := d.Agent(), d.Facts.Power
	return a != nil && p.State == journey.PowerOff && p.ReadAt.After(a.LastSeen)
}

// called: the agent of this boot traded its token at some time, so that the medium is of no use any more.
func called(d *journey.Draft) bool {
	if d.Record.Boot.EnrolledAt != nil {
		return true
	}
	w := d.Facts.Window
	return w != nil && w.Name == d.Record.Boot.ID && w.Status.RedeemedAt != nil
}

// foreign: the agent is at a step that we did not ask for, or no longer want (a write that was cancelled).
func foreign(d *journey.Draft) bool {
	a, s := d.Agent(), d.Record.Step
	return a.Phase == step.Running && (s == nil || s.ID != a.StepID)
}

// newBoot names a boot and opens its window.
func newBoot(d *journey.Draft, how ingot.BootMethod, attempt int32) journey.Decision {
	previous := ""
	if d.Record.Boot != nil {
		previous = d.Record.Boot.ID
	}
	d.DropBoot()
	d.Record.Boot = &ingot.BootStatus{ID: NewBootID(d, previous), Purpose: ingot.PurposeAgent, Attempt: attempt}
	return openWindow(d, how)
}

// NewBootID names a boot: unique in the host's life and among hosts, usable as an object's name. It is no secret.
func NewBootID(d *journey.Draft, previous string) string {
	h := sha256.New()
	h.Write([]byte(d.UID() + "\x00" + previous + "\x00"))
	var at [8]byte
	binary.BigEndian.PutUint64(at[:], uint64(d.Now.UnixNano()))
	h.Write(at[:])
	return "boot-" + hex.EncodeToString(h.Sum(nil))[:20]
}

func openWindow(d *journey.Draft, how ingot.BootMethod) journey.Decision {
	b := d.Record.Boot
	asked, unreadable := demand(d, how)
	if unreadable != nil {
		return *unreadable
	}
	return d.Act(journey.OpenWindow{
		BootID: b.ID, Purpose: ingot.PurposeAgent, Method: how, ClosesInSeconds: int64((bootDeadline(d) + windowSlack) / time.Second), TPM: spec(asked),
	}, journey.ReasonOpeningWindow, fmt.Sprintf("opening the boot window for the agent by %s, boot %d of %d", how, b.Attempt, maxBoots))
}

// start tells the machine to boot once the window is seen open.
func start(d *journey.Draft, how ingot.BootMethod) journey.Decision {
	b := d.Record.Boot
	switch w := d.Facts.Window; {
	case w == nil || w.Name != b.ID:
		if d.Succeeded(journey.OpenWindow{}) {
			// It was made and is not in the cache yet.
			return d.Wait(journey.ReasonOpeningWindow, "the boot window was made and is not seen yet", d.Now.Add(reoffer), time.Time{})
		}
		return openWindow(d, how)
	case d.Now.Add(bootDeadline(d)).After(w.Spec.ClosesAt.Time):
		return newBoot(d, how, b.Attempt)
	}
	b.StartedAt = d.Stamp()
	b.ConfirmedAt = nil
	return startAgent(d, how)
}

func startAgent(d *journey.Draft, how ingot.BootMethod) journey.Decision {
	return d.Act(journey.StartAgent{BootID: d.Record.Boot.ID, Method: how, Mode: agentMode(d.Host)},
		journey.ReasonBootingAgent, fmt.Sprintf("telling the machine to boot the agent by %s", how))
}

// agentMode is the firmware mode for the agent: its boot chain is not signed, so that secure boot is turned on only for the image.
func agentMode(h *metal3.BareMetalHost) metal3.BootMode {
	if m := h.BootMode(); m != metal3.UEFISecureBoot {
		return m
	}
	return metal3.UEFI
}

// waitForAgent waits for the first word of a machine that was told to boot.
func waitForAgent(d *journey.Draft, how ingot.BootMethod, t metal3.ErrorType) journey.Decision {
	b := d.Record.Boot
	deadline := b.StartedAt.Add(bootDeadline(d))
	switch w := d.Facts.Window; {
	case w == nil || w.Name != b.ID:
		// It was closed meanwhile (a detached host's is): the agent of this boot would not be let in, and without it the machine may boot whatever is on its disk.
		return newBoot(d, how, b.Attempt)
	case !d.Now.Before(deadline):
		message, _ := refused(d)
		return missed(d, how, t, fmt.Sprintf("the agent did not call within %s of the boot by %s%s", bootDeadline(d), how, message))
	case b.ConfirmedAt == nil:
		// This process does not know whether the last one got through to the BMC. The token was not traded, so the same boot can be asked for again.
		return startAgent(d, how)
	}
	message, fix := refused(d)
	return d.WaitOn(journey.Outcome{
		Reason: journey.ReasonWaitingForAgent, NextAttempt: deadline, Deadline: deadline, Fix: fix,
		Message: fmt.Sprintf("the machine boots the agent by %s, boot %d of %d; waiting for its first word%s", how, b.Attempt, maxBoots, message),
	})
}

// waitForReturn waits for an agent that called before: the partition process may be new, or the machine is gone.
func waitForReturn(d *journey.Draft, how ingot.BootMethod, t metal3.ErrorType) journey.Decision {
	if dec, waits := Returning(d); waits {
		return dec
	}
	return missed(d, how, t, fmt.Sprintf("the agent stopped calling for %s", agentSilence))
}

// Returning ends the draft while an agent that called before may still come back: after a restart of the partition role it takes a moment to call.
func Returning(d *journey.Draft) (journey.Decision, bool) {
	b := d.Record.Boot
	if b == nil || b.Purpose == ingot.PurposeFirstBoot || !called(d) {
		return journey.Decision{}, false
	}
	if alive(d) {
		b.SilentSince = nil
		return journey.Decision{}, false
	}
	if b.SilentSince == nil {
		b.SilentSince = d.Stamp()
	}
	deadline := b.SilentSince.Add(agentSilence)
	if !d.Now.Before(deadline) {
		return journey.Decision{}, false
	}
	what := "the agent called before and does not now; waiting for it to come back"
	if e := b.EnrolledAt; e != nil && d.Now.Sub(e.Time) < firstWord {
		what = "the agent was let in; waiting for its first word"
	}
	return d.Wait(journey.ReasonAgentSilent, what, deadline, deadline), true
}

// missed boots once more, or counts a failure; after it the boots count from 1.
func missed(d *journey.Draft, how ingot.BootMethod, t metal3.ErrorType, what string) journey.Decision {
	if a := d.Record.Boot.Attempt; a < maxBoots {
		return newBoot(d, how, a+1)
	}
	_, fix := refused(d)
	d.DropBoot()
	return d.Fail(t, step.Failure{Kind: step.Timeout, Message: fmt.Sprintf("%s, %d boots in a row", what, maxBoots),
		Fix: cmp.Or(fix, "look at the machine's console (ingot host console-log): its boot order, its network or its BMC's virtual media may not work")})
}

func bootDeadline(d *journey.Draft) time.Duration {
	if s := d.Facts.Site.BootDeadline; s > 0 {
		return s
	}
	return defaultBootDeadline
}
