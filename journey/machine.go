package journey

import (
	"fmt"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/step"
)

// OtherMachine is a failure when an agent answers from another machine than the host's: its system UUID (SMBIOS type 1) is not the one that the host's agent had when it was
// first let in, or not the one that the BMC reports. Nil where they agree, or where one of them says nothing.
//
// The BMC is only asked where the machine was found by its MAC address: a virtual medium was inserted by that very BMC, and many BMCs report a UUID of their own.
func OtherMachine(h *metal3.BareMetalHost, r *ingot.HostLifecycleStatus, agent string) *step.Failure {
	if differ(agent, r.MachineUUID) {
		return &step.Failure{
			Kind:    step.Invalid,
			Message: fmt.Sprintf("the agent answers from the machine with UUID %s, and this host is the machine with UUID %s: nothing is done to it", agent, r.MachineUUID),
			Fix:     "correct the BMC's address or spec.bootMACAddress; where the machine was replaced, or got another mainboard, delete the host and create it again",
		}
	}
	scheme, _, _ := strings.Cut(strings.ToLower(h.Spec.BMC.Address), ":")
	if b := r.BMC; b != nil && !strings.Contains(scheme, "virtualmedia") && differ(agent, b.SystemUUID) {
		return &step.Failure{
			Kind: step.Invalid,
			Message: fmt.Sprintf("the agent answers from the machine with UUID %s, and the BMC at %s is of the machine with UUID %s: nothing is done to it",
				agent, h.Spec.BMC.Address, b.SystemUUID),
			Fix: "delete the host and create it with its own spec.bootMACAddress; if the BMC reports a wrong UUID, use a virtual media address, which needs no MAC",
		}
	}
	return nil
}

// KnownUUID says whether a UUID tells machines apart: it is one, and was set.
func KnownUUID(uuid string) bool { return digits(uuid) != "" }

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
