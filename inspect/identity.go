package inspect

import (
	"fmt"
	"strings"

	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// otherMachine is a failure when the agent answers from another machine than the BMC's. A virtual medium was inserted by that BMC, so the question is only asked where the machine was
// found by its MAC address; and only where both UUIDs say something.
func otherMachine(d *journey.Draft, agent string) *step.Failure {
	b := d.Record.BMC
	scheme, _, _ := strings.Cut(strings.ToLower(d.Host.Spec.BMC.Address), ":")
	if b == nil || strings.Contains(scheme, "virtualmedia") || !differ(agent, b.SystemUUID) {
		return nil
	}
	return &step.Failure{
		Kind: step.Invalid,
		Message: fmt.Sprintf("the agent answers from the machine with UUID %s, and the BMC at %s is of the machine with UUID %s: nothing is done to it",
			agent, d.Host.Spec.BMC.Address, b.SystemUUID),
		Fix: "delete the host and create it with its own spec.bootMACAddress; if the BMC reports a wrong UUID, use a virtual media address, which needs no MAC",
	}
}

// differ: two UUIDs are known and are not of one machine. SMBIOS stores the first three fields with their low byte first (DSP0134, System UUID), and some BMCs pass them on like that.
func differ(a, b string) bool {
	x, y := digits(a), digits(b)
	return x != "" && y != "" && x != y && x != swapped(y)
}

// digits are the 32 hex digits of a UUID, empty for what is none or was never set.
func digits(uuid string) string {
	d := strings.ToLower(strings.ReplaceAll(uuid, "-", ""))
	if len(d) != 32 || strings.Trim(d, "0123456789abcdef") != "" || strings.Trim(d, d[:1]) == "" {
		return ""
	}
	return d
}

// swapped turns the bytes of the first three fields round.
func swapped(d string) string {
	var out strings.Builder
	for _, field := range []string{d[:8], d[8:12], d[12:16]} {
		for i := len(field); i > 0; i -= 2 {
			out.WriteString(field[i-2 : i])
		}
	}
	return out.String() + d[16:]
}
