package lifecycle

import (
	"fmt"
	"time"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// HandOverText is a hand-over in a line; empty for none.
func HandOverText(h *ingot.HandOverStatus) string {
	switch {
	case h == nil:
		return ""
	case h.Method == ingot.HandOverByReboot:
		return "reboot, although kexec was asked for: " + h.Reason
	case h.EnteredAt != nil:
		return fmt.Sprintf("kexec into %s at %s", h.Kernel, h.EnteredAt.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("kexec, %s is ready", h.Kernel)
}
