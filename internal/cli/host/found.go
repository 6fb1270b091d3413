package host

import (
	"fmt"
	"strings"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/print"
)

// foundFields are what inspection found beside the HardwareData; wide shows the firmware of all components.
func foundFields(h *ingot.HardwareStatus, wide bool) []print.Field {
	if h == nil {
		return nil
	}
	var fields []print.Field
	for _, n := range h.Neighbours {
		text := fmt.Sprintf("%s at %s port %s", n.Interface, dash(strings.TrimSpace(n.SwitchName+" "+n.SwitchID)), dash(n.PortID))
		if n.VLAN > 0 {
			text += fmt.Sprintf(" VLAN %d", n.VLAN)
		}
		if n.MaxFrameBytes > 0 {
			text += fmt.Sprintf(" frames of %d bytes", n.MaxFrameBytes)
		}
		fields = append(fields, print.Field{Name: "Neighbour", Value: text})
	}
	for _, d := range h.Disks {
		fields = append(fields, print.Field{Name: "Disk speed", Value: fmt.Sprintf("%s serial %s: %s/s in order; %d reads/s of 4 KiB at random, half of them in %d µs, all but 1 in 100 in %d µs",
			d.DeviceName, dash(d.SerialNumber), print.Bytes(d.SequentialBytesPerSecond), d.RandomReadsPerSecond, d.MedianMicroseconds, d.SlowMicroseconds)})
	}
	for _, c := range h.Firmware {
		if wide {
			fields = append(fields, print.Field{Name: "Component", Value: strings.Join(strings.Fields(fmt.Sprintf("%s %s %s: %s %s", c.Kind, c.Device, c.Model, c.Version, c.Date)), " ")})
		}
	}
	return fields
}
