package lifecycle

import (
	"strings"
	"time"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// HealthText is how a machine is by its BMC, in a line; empty where the BMC did not say.
func HealthText(h *ingot.HealthStatus) string {
	if h == nil {
		return ""
	}
	text := h.Level + " since " + h.Since.UTC().Format(time.RFC3339)
	if len(h.Causes) > 0 {
		text += ": " + strings.Join(h.Causes, "; ")
	}
	return text
}
