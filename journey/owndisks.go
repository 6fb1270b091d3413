package journey

import (
	"fmt"
	"slices"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/step"
)

// OwnDisks are the kinds of disks outside of its machine that a host says are its own (ingot.OwnDisksAnnotation), sorted, each once. A word that is not known is an error: it may
// have been meant to spare a disk, or to have it wiped.
func OwnDisks(h *metal3.BareMetalHost) ([]step.Outside, error) {
	text, ok := h.Annotations[ingot.OwnDisksAnnotation]
	if !ok || strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var owns []step.Outside
	for word := range strings.SplitSeq(text, ",") {
		o := step.Outside(strings.ToLower(strings.TrimSpace(word)))
		if !slices.Contains(step.Outsides(), o) {
			return nil, fmt.Errorf("the annotation %s has %q, which is none of %v", ingot.OwnDisksAnnotation, word, step.Outsides())
		}
		owns = append(owns, o)
	}
	slices.Sort(owns)
	return slices.Compact(owns), nil
}

// OwnDisksText is the list in one word, as it is kept with a proof.
func OwnDisksText(owns []step.Outside) string {
	words := make([]string, 0, len(owns))
	for _, o := range owns {
		words = append(words, string(o))
	}
	return strings.Join(words, ",")
}

// Benchmark says whether a host asks for its disks to be measured when it is inspected (ingot.BenchmarkAnnotation). A word that is not known is an error.
func Benchmark(h *metal3.BareMetalHost) (bool, error) {
	switch text := strings.TrimSpace(h.Annotations[ingot.BenchmarkAnnotation]); text {
	case "":
		return false, nil
	case "disks":
		return true, nil
	default:
		return false, fmt.Errorf("the annotation %s has %q, which is not \"disks\"", ingot.BenchmarkAnnotation, text)
	}
}
