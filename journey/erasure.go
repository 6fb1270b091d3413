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
