package journey

import (
	"fmt"
	"slices"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/step"
)

const (
	// keepWord in a disk's rule leaves the disk as it is.
	keepWord = "keep"
	// maxDiskRules bounds the rules; a machine has fewer disks than that.
	maxDiskRules = 256
	// maxNumberLength bounds a serial number or WWN; the longest that a disk can have is an NVMe NQN of 223 bytes.
	maxNumberLength = 223
)

// Erasure is how a host's disks are to be erased (ingot.EraseAnnotation, ingot.EraseDisksAnnotation). A word that is not known is an error, as is a disk that is named twice: it may have
// been meant to spare a disk, or to have it erased.
func Erasure(h *metal3.BareMetalHost) (step.Erasure, error) {
	var e step.Erasure
	if text := strings.TrimSpace(h.Annotations[ingot.EraseAnnotation]); text != "" {
		methods, err := eraseMethods(text)
		if err != nil {
			return step.Erasure{}, fmt.Errorf("the annotation %s: %w", ingot.EraseAnnotation, err)
		}
		e.Methods = methods
	}
	for text := range strings.SplitSeq(h.Annotations[ingot.EraseDisksAnnotation], ";") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		r, err := diskRule(text)
		if err == nil && slices.ContainsFunc(e.Disks, func(o step.DiskRule) bool { return sameName(o, r) }) {
			err = fmt.Errorf("the disk of %q has two rules", text)
		}
		if err == nil && len(e.Disks) == maxDiskRules {
			err = fmt.Errorf("more than %d rules", maxDiskRules)
		}
		if err != nil {
			return step.Erasure{}, fmt.Errorf("the annotation %s: %w", ingot.EraseDisksAnnotation, err)
		}
		e.Disks = append(e.Disks, r)
	}
	slices.SortFunc(e.Disks, func(a, b step.DiskRule) int { return strings.Compare(a.String(), b.String()) })
	return e, nil
}

func sameName(a, b step.DiskRule) bool {
	return strings.EqualFold(a.SerialNumber, b.SerialNumber) && strings.EqualFold(a.WWN, b.WWN)
}

// diskRule reads "serial:S4EMNX0R=keep" or "wwn:0x5000c500a1b2c3d4=secure-erase,overwrite".
func diskRule(text string) (step.DiskRule, error) {
	kind, rest, named := strings.Cut(text, ":")
	at := strings.LastIndex(rest, "=")
	if !named || at < 0 {
		return step.DiskRule{}, fmt.Errorf("%q is not of the form serial:NUMBER=METHODS or wwn:NUMBER=METHODS", text)
	}
	var r step.DiskRule
	number := strings.TrimSpace(rest[:at])
	if number == "" || len(number) > maxNumberLength {
		return step.DiskRule{}, fmt.Errorf("%q names no disk: its number is empty or longer than %d characters", text, maxNumberLength)
	}
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "serial":
		r.SerialNumber = number
	case "wwn":
		r.WWN = number
	default:
		return step.DiskRule{}, fmt.Errorf("%q begins neither with serial: nor with wwn: as it must", text)
	}
	if strings.EqualFold(strings.TrimSpace(rest[at+1:]), keepWord) {
		r.Keep = true
		return r, nil
	}
	methods, err := eraseMethods(rest[at+1:])
	r.Methods = methods
	return r, err
}

func eraseMethods(text string) ([]step.Method, error) {
	var out []step.Method
	for word := range strings.SplitSeq(text, ",") {
		m := step.Method(strings.ToLower(strings.TrimSpace(word)))
		if !slices.Contains(step.Methods(), m) {
			return nil, fmt.Errorf("%q is none of %v", word, step.Methods())
		}
		if slices.Contains(out, m) {
			return nil, fmt.Errorf("%q is named twice", m)
		}
		out = append(out, m)
	}
	return out, nil
}

// BurnIn is which tests of its machine a host asks for (ingot.BurnInAnnotation).
func BurnIn(h *metal3.BareMetalHost) (step.BurnInPlan, error) {
	p, err := step.ParseBurnIn(h.Annotations[ingot.BurnInAnnotation])
	if err != nil {
		return step.BurnInPlan{}, fmt.Errorf("the annotation %s: %w", ingot.BurnInAnnotation, err)
	}
	return p, nil
}

// The results of a burn-in.
const (
	BurnInPassed = "passed"
	BurnInFailed = "failed"
)

// BurnInDone says whether what a host asks to be tested was tested and found well. Nothing asked for is done; what cannot be read is not.
func BurnInDone(h *metal3.BareMetalHost, r *ingot.HostLifecycleStatus) bool {
	p, err := BurnIn(h)
	if err != nil || p.Empty() {
		return err == nil
	}
	b := r.BurnIn
	return b != nil && b.Request == p.String() && !b.Withdrawn && b.Result == BurnInPassed
}

// RefuseBurnIn says why a host's machine may not be tested now, empty when it may. A test that writes to disks has the place and the conditions of a cleaning.
func RefuseBurnIn(h *metal3.BareMetalHost, r *ingot.HostLifecycleStatus) string {
	p, err := BurnIn(h)
	state := h.Status.Provisioning
	switch {
	case err != nil:
		return err.Error()
	case state.State != metal3.StatePreparing:
		return fmt.Sprintf("the host is %q, where no machine is tested", state.State)
	case !h.DeletionTimestamp.IsZero():
		return "the host is being deleted"
	case r.BurnIn == nil || r.BurnIn.Withdrawn || p.String() != r.BurnIn.Request:
		return "the host asks for another burn-in, or for none"
	case !p.Writes():
		return ""
	case h.Spec.AutomatedCleaningMode == metal3.CleaningModeDisabled:
		return "cleaning is disabled, and with it every test that writes to a disk"
	case state.Image.URL != "" || r.Disk != nil:
		return "the host has an image on a disk"
	case r.CleanedAt != nil:
		return "its disks count as clean, which they are not after a test that writes to them"
	}
	return ""
}

func burnInAllowed(f Facts, dec Decision) string {
	if run, ok := dec.Action.(RunStep); ok && run.Kind == step.BurnIn {
		return RefuseBurnIn(f.Host, &dec.Record)
	}
	return ""
}

// burnInPassed: a host whose owner asks for tests is offered only with a machine that passed them.
func burnInPassed(f Facts, dec Decision) string {
	if f.Host.Status.Provisioning.State == metal3.StatePreparing && dec.Host.Status.Provisioning.State == metal3.StateAvailable && !BurnInDone(dec.Host, &dec.Record) {
		return "the burn-in that it asks for was not passed"
	}
	return ""
}
