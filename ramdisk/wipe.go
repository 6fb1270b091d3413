package ramdisk

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// Wipe cleans every disk as its host's policy says (journey.Erasure) and records the evidence. clean is true once Record.CleanedAt proves it; then the decision is empty. A proof speaks of the disks that were there:
// where an inspection since then found others, for example one that was put in while the host was available, or where the host calls other disks its own now or asks for another erasure, everything is wiped
// again.
func Wipe(d *journey.Draft, t metal3.ErrorType) (dec journey.Decision, clean bool) {
	owns, policy, err := asked(d)
	if err != nil {
		return d.Block(journey.ReasonAnnotationInvalid, err.Error(), "correct the annotation", d.Now.Add(annotationRetry)), false
	}
	if Proved(d) && len(missing(proofs(d.Record.Wipes), d.Facts.Hardware)) == 0 {
		return journey.Decision{}, true
	}
	d.Record.CleanedAt = nil
	if dec, ready := Ensure(d, t); !ready {
		return dec, false
	}
	out, dec := Run(d, step.Clean, nil)
	if out == nil {
		return dec, false
	}
	followed := step.Erasure{}
	if out.Erasure != nil {
		followed = *out.Erasure
	}
	keepEvidence(&d.Record, out.Wipes)
	failure := out.Failure
	if failure == nil {
		failure = unproved(out.Wipes, out.Owns, followed, d.Facts.Hardware)
	}
	if failure != nil {
		d.EndStep(failure.Message)
		return d.Fail(t, *failure), false
	}
	d.EndStep("")
	d.Record.CleanedAt, d.Record.CleanedOwnDisks, d.Record.CleanedErasure = d.Stamp(), journey.OwnDisksText(out.Owns), followed.String()
	journey.ForgetArrays(&d.Record)
	switch {
	case d.Record.CleanedOwnDisks != journey.OwnDisksText(owns):
		return d.Again(journey.ReasonObjectsChanged, "the host calls other disks its own than those that were wiped: the wipe begins again"), false
	case d.Record.CleanedErasure != policy.String():
		return d.Again(journey.ReasonObjectsChanged, "the host asks for another erasure than the one that was done: the wipe begins again"), false
	}
	return journey.Decision{}, true
}

// annotationRetry is when an annotation that cannot be read is read again; a change of it wakes the host at once.
const annotationRetry = time.Minute

// asked is what a host says of its disks: which are its own, and how they are erased.
func asked(d *journey.Draft) ([]step.Outside, step.Erasure, error) {
	owns, err := journey.OwnDisks(d.Host)
	if err != nil {
		return nil, step.Erasure{}, err
	}
	policy, err := journey.Erasure(d.Host)
	return owns, policy, err
}

// Proved says whether the last cleaning speaks of the disks that the host calls its own, and erased them as it asks.
func Proved(d *journey.Draft) bool {
	owns, policy, err := asked(d)
	r := d.Record
	return err == nil && r.CleanedAt != nil && r.CleanedOwnDisks == journey.OwnDisksText(owns) && r.CleanedErasure == policy.String()
}

const (
	maxWipes = 256
	// resultClean is WipeRecord.Result of a disk on which nothing was found, resultKept of one that the policy keeps, resultFailed of any other.
	resultClean, resultKept, resultFailed = "clean", "kept", "failed"
)

// unproved says why the wipes don't prove that every disk is clean, nil if they do: each was found clean after its wipe, which was of a kind that the
// policy asks for, or is kept by it, and no disk that inspection saw is missing. Read-only ones, and those outside of the machine that its host does not own, are not counted: no image can be written to them.
func unproved(wipes []step.Wipe, owns []step.Outside, policy step.Erasure, h *metal3.HardwareDetails) *step.Failure {
	var wrong []string
	for _, w := range wipes {
		if why := policy.Proves(w); why != "" && w.Disk.Owned(owns) && !w.Disk.ReadOnly {
			wrong = append(wrong, fmt.Sprintf("%s (serial %q): %s", w.Disk.Name, w.Disk.SerialNumber, why))
		}
	}
	if len(wrong) > 0 {
		return &step.Failure{Kind: step.Internal, Message: "not clean after the wipe: " + strings.Join(wrong, "; "),
			Fix: fmt.Sprintf("replace the disk; allow another way to erase it with the annotation %s; or set automatedCleaningMode to disabled to offer the host with its data on it",
				ingot.EraseAnnotation)}
	}
	if len(wipes) > maxWipes {
		return &step.Failure{Kind: step.Unsupported, Message: fmt.Sprintf("%d disks, more than the %d that can be proved clean", len(wipes), maxWipes)}
	}
	for _, s := range missing(wipes, h) {
		wrong = append(wrong, fmt.Sprintf("%s (serial %q)", s.Name, s.SerialNumber))
	}
	if len(wrong) > 0 {
		return &step.Failure{Kind: step.Internal, Message: "inspection saw disks that cleaning did not: " + strings.Join(wrong, "; "),
			Fix: "put the disks back; if they were taken out for good, or are reached over a network and not the machine's own, have the host inspected again or delete its HardwareData"}
	}
	return nil
}

// proofs are the recorded wipes that found their disk clean, or that speak of a kept one.
func proofs(records []ingot.WipeRecord) []step.Wipe {
	var out []step.Wipe
	for _, r := range records {
		if r.Result == resultClean || r.Result == resultKept {
			out = append(out, step.Wipe{Clean: r.Result == resultClean, Kept: r.Result == resultKept, Disk: step.Disk{Name: r.DeviceName, SerialNumber: r.SerialNumber, WWN: r.WWN, SizeBytes: r.SizeBytes}})
		}
	}
	return out
}

// missing lists the disks of the inspection that no wipe speaks of. One wipe speaks of one disk, since cheap ones share their serial numbers.
func missing(wipes []step.Wipe, h *metal3.HardwareDetails) []metal3.Storage {
	left := slices.Clone(wipes)
	var out []metal3.Storage
	for _, s := range journey.InBandDisks(h) {
		i := slices.IndexFunc(left, func(w step.Wipe) bool { return sameDisk(w.Disk, s) })
		if i < 0 {
			out = append(out, s)
			continue
		}
		left = slices.Delete(left, i, i+1)
	}
	return out
}

// sameDisk compares by the strongest name that both have.
func sameDisk(d step.Disk, s metal3.Storage) bool {
	switch {
	case s.WWN != "" && d.WWN != "":
		return s.WWN == d.WWN
	case s.SerialNumber != "" && d.SerialNumber != "":
		return s.SerialNumber == d.SerialNumber
	}
	return s.Name == d.Name || slices.Contains(s.AlternateNames, d.Name) || slices.Contains(d.AlternateNames, s.Name)
}
