package journey

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/equality"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/step"
)

// Violation is an invariant that a decision breaks.
type Violation struct {
	// Invariant is its name; Detail what was found.
	Invariant, Detail string
}

// String is the violation in one line.
func (v Violation) String() string { return v.Invariant + ": " + v.Detail }

// invariant is one rule that holds for every decision. broken is empty while it holds.
type invariant struct {
	name   string
	broken func(f Facts, dec Decision) string
}

// Check says which invariants a decision breaks. Tests and the simulation call it after every decision; the controller refuses to carry out one that breaks any (Refuse).
func Check(f Facts, dec Decision) []Violation {
	var out []Violation
	for _, i := range append(formInvariants(), safetyInvariants()...) {
		if detail := i.broken(f, dec); detail != "" {
			out = append(out, Violation{i.name, detail})
		}
	}
	return out
}

// formInvariants speak of the shape of every decision.
func formInvariants() []invariant {
	return []invariant{
		{"a move is in the table", legalMove},
		{"metadata or status, never both", func(f Facts, dec Decision) string {
			if MetadataDiffers(f.Host, dec.Host) && !equality.Semantic.DeepEqual(f.Host.Status, dec.Host.Status) {
				return "the decision changes both"
			}
			return ""
		}},
		{"an outcome is complete", completeOutcome},
		{"errors are coherent", func(_ Facts, dec Decision) string {
			s := dec.Host.Status
			switch {
			case (s.ErrorType == "") != (s.ErrorMessage == ""):
				return fmt.Sprintf("type %q with message %q", s.ErrorType, s.ErrorMessage)
			case s.ErrorType == metal3.DetachError:
				return "the CRD refuses a detach error"
			}
			return ""
		}},
		{"the record is bounded", func(_ Facts, dec Decision) string {
			if n := len(dec.Record.Timeline); n > maxTimeline {
				return fmt.Sprintf("%d timeline entries", n)
			}
			return ""
		}},
		{"paused is untouched", func(f Facts, dec Decision) string {
			if _, paused := f.Host.Annotations[metal3.PausedAnnotation]; paused && (dec.Action != nil || !equality.Semantic.DeepEqual(f.Host, dec.Host)) {
				return "a paused host is changed"
			}
			return ""
		}},
	}
}

func legalMove(f Facts, dec Decision) string {
	from, to := f.Host.Status.Provisioning.State, dec.Host.Status.Provisioning.State
	if _, restores := f.Host.Annotations[metal3.StatusAnnotation]; restores && from == metal3.StateNone {
		return ""
	}
	if CheckMove(from, to) {
		return ""
	}
	return fmt.Sprintf("from %q to %q", from, to)
}

func completeOutcome(f Facts, dec Decision) string {
	o := dec.Outcome
	switch {
	case !slices.Contains([]OutcomeKind{Wait, Act, Done, Blocked}, o.Kind):
		return fmt.Sprintf("kind %q", o.Kind)
	case !slices.Contains(Reasons(), o.Reason):
		return fmt.Sprintf("reason %q", o.Reason)
	case o.Message == "":
		return "no message"
	case (o.Kind == Act) != (dec.Action != nil):
		return fmt.Sprintf("kind %s with action %v", o.Kind, dec.Action)
	case o.Kind == Blocked && o.Fix == "":
		return "blocked without a fix: " + o.Message
	case o.Kind != Act && o.NextAttempt.IsZero() && !changes(f, dec):
		return "the next pass follows at once and nothing changed: " + o.Message
	}
	return ""
}

// changes says whether a decision moves anything but its own outcome.
func changes(f Facts, dec Decision) bool {
	before, after := f.Record, dec.Record
	before.Outcome, after.Outcome = ingot.OutcomeStatus{}, ingot.OutcomeStatus{}
	return !equality.Semantic.DeepEqual(f.Host, dec.Host) || !equality.Semantic.DeepEqual(before, after)
}

// safetyInvariants speak of disks, machines and credentials.
func safetyInvariants() []invariant {
	return []invariant{
		{"no write without a claim", writeClaimed},
		{"a step is recorded before it is handed out", stepRecorded},
		{"a step is for the host's own machine", ownMachine},
		{"a boot is recorded before it is started", bootRecorded},
		{"only a written disk is started", diskStarted},
		{"a live ISO runs only where it is wanted", isoStarted},
		{"the drive is the owner's only while the system is", driveOwned},
		{"firmware is set only to what it allows", firmwareAllowed},
		{"software RAID is made only of clean disks", raidAllowed},
		{"a host is offered with its volumes", raidOffered},
		{"volumes are changed only where nothing is lost", volumesAllowed},
		{"a machine is tested only where it may be", burnInAllowed},
		{"a host is offered with its burn-in passed", burnInPassed},
		{"firmware is updated only where it may be", updateAllowed},
		{"nothing switches a machine while its firmware is written", leftAlone},
		{"nothing is offered unless clean", offeredClean},
		{"proof needs evidence", proofBacked},
		{"a claim voids the proof", func(_ Facts, dec Decision) string {
			if dec.Record.Disk != nil && dec.Record.CleanedAt != nil {
				return "claimed and proved clean at once"
			}
			return ""
		}},
		{"provisioning names its image", func(_ Facts, dec Decision) string {
			if p := dec.Host.Status.Provisioning; p.State == metal3.StateProvisioning && p.Image.URL == "" {
				return "status.provisioning.image is empty"
			}
			return ""
		}},
		{"good credentials were verified", goodVerified},
		{"power is taken only where it may be", powerTaken},
		{"a detached machine is left alone", detachedAlone},
		{"nothing is done to a host that is not held", held},
	}
}

func writeClaimed(f Facts, dec Decision) string {
	run, ok := dec.Action.(RunStep)
	if !ok || run.Kind != step.WriteImage {
		return ""
	}
	c, image := f.Record.Disk, f.Host.Status.Provisioning.Image
	switch {
	case f.Host.Status.Provisioning.State != metal3.StateProvisioning:
		return fmt.Sprintf("in state %q", f.Host.Status.Provisioning.State)
	case c == nil || run.Claim == nil:
		return "no claim was in the record before"
	case c.StepID != run.ID || run.Claim.StepID != run.ID:
		return fmt.Sprintf("the claim is for step %s, not for %s", c.StepID, run.ID)
	case c.Written:
		return "the claim was used up"
	case *run.Claim != *c:
		return "the claim is not the recorded one"
	case image.URL == "" || f.Host.Spec.Image == nil || image.URL != f.Host.Spec.Image.URL:
		return "the status does not name the image that is asked for"
	}
	return ""
}

func stepRecorded(f Facts, dec Decision) string {
	run, ok := dec.Action.(RunStep)
	if !ok {
		return ""
	}
	s, b, a := dec.Record.Step, dec.Record.Boot, f.Agent
	switch {
	case s == nil || s.ID != run.ID || s.Kind != string(run.Kind):
		return fmt.Sprintf("%s is not the recorded step", run.ID)
	case b == nil || !strings.HasPrefix(run.ID, b.ID+"-"):
		return fmt.Sprintf("%s is of another boot", run.ID)
	case a == nil || a.BootID != b.ID:
		return "no agent of this boot is there"
	case a.Phase == step.Running && a.StepID != run.ID:
		return fmt.Sprintf("the agent is at %s", a.StepID)
	case run.Kind == step.Clean && f.Host.Spec.AutomatedCleaningMode == metal3.CleaningModeDisabled:
		return "cleaning is disabled"
	case run.Kind == step.Clean && f.Host.Status.Provisioning.State != metal3.StatePreparing && f.Host.Status.Provisioning.State != metal3.StateDeprovisioning:
		return fmt.Sprintf("cleaning in state %q", f.Host.Status.Provisioning.State)
	}
	return ""
}

func ownMachine(f Facts, dec Decision) string {
	run, ok := dec.Action.(RunStep)
	w := f.Window
	if !ok || w == nil || dec.Record.Boot == nil || w.Name != dec.Record.Boot.ID {
		return ""
	}
	if failure := cmp.Or(OtherMachine(f.Host, &f.Record, w.Status.SystemUUID), OtherTPM(f.Host, &f.Record, w)); failure != nil {
		return run.ID + ": " + failure.Message
	}
	return ""
}

func bootRecorded(f Facts, dec Decision) string {
	b := dec.Record.Boot
	switch a := dec.Action.(type) {
	case OpenWindow:
		if b == nil || b.ID != a.BootID || b.Purpose != a.Purpose {
			return "the window is for a boot that is not recorded"
		}
	case StartAgent:
		w := f.Window
		switch {
		case b == nil || b.ID != a.BootID || b.StartedAt == nil:
			return "the agent's boot is not recorded"
		case w == nil || w.Name != a.BootID:
			return "its window is not open"
		case w.Status.RedeemedAt != nil:
			return "its token was traded before"
		}
	}
	return ""
}

func diskStarted(f Facts, dec Decision) string {
	written := dec.Record.Disk != nil && dec.Record.Disk.Written
	from, to := f.Host.Status.Provisioning.State, dec.Host.Status.Provisioning.State
	drive, image := dec.Record.Drive, dec.Host.Status.Provisioning.Image
	if from == metal3.StateProvisioning && to == metal3.StateProvisioned && image.IsLiveISO() {
		if drive == nil || !drive.Boot || drive.URL != image.URL || drive.InsertedAt == nil {
			return "provisioned without the live ISO in the drive"
		}
		return ""
	}
	if from == metal3.StateProvisioning && to == metal3.StateProvisioned &&
		(!written || dec.Record.Disk.ImageURL != dec.Host.Status.Provisioning.Image.URL) {
		return "provisioned without the image on the disk"
	}
	if run, ok := dec.Action.(RunStep); ok && run.Kind == step.EnterSystem {
		if h := dec.Record.HandOver; !written || from != metal3.StateProvisioning || h == nil || h.BootID == "" || h.ReadyAt == nil || h.DiskSetAt == nil {
			return "the disk is entered without a write, or before the BMC knows of it"
		}
	}
	a, ok := dec.Action.(BootDisk)
	if !ok {
		return ""
	}
	b := dec.Record.Boot
	if !written || from != metal3.StateProvisioning || b == nil || b.ID != a.BootID || b.Purpose != ingot.PurposeFirstBoot || b.StartedAt == nil {
		return "the disk is started without a write and a recorded boot"
	}
	return ""
}

func isoStarted(f Facts, dec Decision) string {
	a, ok := dec.Action.(BootISO)
	if !ok {
		return ""
	}
	p, b, drive := f.Host.Status.Provisioning, dec.Record.Boot, dec.Record.Drive
	switch {
	case p.State != metal3.StateProvisioning || !p.Image.IsLiveISO() || p.Image.URL != a.URL:
		return "the status does not name it"
	case b == nil || b.ID != a.BootID || b.Purpose != ingot.PurposeFirstBoot || b.StartedAt == nil:
		return "its boot is not recorded"
	case drive == nil || !drive.Boot || drive.URL != a.URL:
		return "the drive is not recorded"
	case dec.Record.CleanedAt != nil:
		return "the disks count as clean while it may write to them"
	}
	return ""
}

func driveOwned(f Facts, dec Decision) string {
	var drive Drive
	switch a := dec.Action.(type) {
	case SetPower:
		drive = a.Drive
	case Restart:
		drive = a.Drive
	}
	s := f.Host.Status.Provisioning.State
	if drive.Managed && s != metal3.StateProvisioned && s != metal3.StateExternallyProvisioned {
		return fmt.Sprintf("a medium of the owner in state %q", s)
	}
	return ""
}

func offeredClean(f Facts, dec Decision) string {
	from, to := f.Host.Status.Provisioning.State, dec.Host.Status.Provisioning.State
	// A status that came by annotation is taken as it is: before the first image everything is proved.
	if from == to || from == metal3.StateNone || to != metal3.StateProvisioning && (to != metal3.StateAvailable || from == metal3.StateReady) {
		return ""
	}
	if dec.Record.CleanedAt == nil && f.Host.Spec.AutomatedCleaningMode != metal3.CleaningModeDisabled {
		return fmt.Sprintf("from %q to %q without a proved wipe", from, to)
	}
	if policy, err := Erasure(f.Host); f.Host.Spec.AutomatedCleaningMode != metal3.CleaningModeDisabled && (err != nil || policy.String() != dec.Record.CleanedErasure) {
		return fmt.Sprintf("from %q to %q with a proof of %q, while %q is asked for", from, to, dec.Record.CleanedErasure, policy)
	}
	return ""
}

func proofBacked(f Facts, dec Decision) string {
	if f.Record.CleanedAt != nil || dec.Record.CleanedAt == nil {
		return ""
	}
	a := f.Agent
	if a == nil || a.Outcome == nil || a.Outcome.Failure != nil || f.Record.Step == nil || f.Record.Step.ID != a.StepID || f.Record.Step.Kind != string(step.Clean) {
		return "no cleaning ended well in this pass"
	}
	policy := step.Erasure{}
	if a.Outcome.Erasure != nil {
		policy = *a.Outcome.Erasure
	}
	for _, w := range a.Outcome.Wipes {
		if why := policy.Proves(w); why != "" && w.Disk.Owned(a.Outcome.Owns) && !w.Disk.ReadOnly {
			return fmt.Sprintf("%s: %s", w.Disk.Name, why)
		}
	}
	if disks := InBandDisks(f.Hardware); len(a.Outcome.Wipes) < len(disks) {
		return fmt.Sprintf("%d wipes for %d disks", len(a.Outcome.Wipes), len(disks))
	}
	return ""
}

func goodVerified(f Facts, dec Decision) string {
	was, is := f.Host.Status.GoodCredentials, dec.Host.Status.GoodCredentials
	if is.Reference == nil || equality.Semantic.DeepEqual(was, is) {
		return ""
	}
	if _, restores := f.Host.Annotations[metal3.StatusAnnotation]; restores && f.Host.Status.Provisioning.State == metal3.StateNone {
		return ""
	}
	if r := f.Result; r == nil || r.Action != (Verify{}).Name() || r.Failure != nil {
		return "they became good without a verification"
	}
	return ""
}

func powerTaken(f Facts, dec Decision) string {
	a, ok := dec.Action.(SetPower)
	if !ok || a.Want != PowerOff {
		return ""
	}
	if f.Host.Spec.DisablePowerOff {
		return "power off is disabled"
	}
	switch f.Host.Status.Provisioning.State {
	case metal3.StateProvisioned, metal3.StateExternallyProvisioned:
		if f.Host.Spec.Online && dec.Record.Reboot == nil {
			return "the machine should be online"
		}
	default:
	}
	return ""
}

func detachedAlone(f Facts, dec Decision) string {
	if _, annotated := f.Host.Annotations[metal3.DetachedAnnotation]; !annotated || f.Host.Status.OperationalStatus != metal3.OperationalStatusDetached {
		return ""
	}
	switch dec.Action.(type) {
	case nil, CloseWindow, Release, SaveHardware:
		return ""
	}
	return "it is asked to " + dec.Action.Name()
}

func held(f Facts, dec Decision) string {
	if dec.Action != nil && !slices.Contains(f.Host.Finalizers, metal3.BareMetalHostFinalizer) {
		return dec.Action.Name() + " without our finalizer"
	}
	if _, release := dec.Action.(Release); dec.RemoveFinalizer && (!release || f.Host.Status.Provisioning.State != metal3.StateDeleting) {
		return "the finalizer goes before the release"
	}
	return ""
}
