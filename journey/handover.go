package journey

import (
	"fmt"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// HandOver is how a host's machine is to come from the agent to its system (ingot.HandOverAnnotation). A word that is not known means the firmware's way, which always works, and is told.
func HandOver(h *metal3.BareMetalHost) (ingot.HandOverMethod, error) {
	text := h.Annotations[ingot.HandOverAnnotation]
	switch m := ingot.HandOverMethod(strings.ToLower(strings.TrimSpace(text))); m {
	case "", ingot.HandOverByReboot:
		return ingot.HandOverByReboot, nil
	case ingot.HandOverByKexec:
		return m, nil
	}
	return ingot.HandOverByReboot, fmt.Errorf("the annotation %s has %q, which is neither %s nor %s", ingot.HandOverAnnotation, text, ingot.HandOverByKexec, ingot.HandOverByReboot)
}
