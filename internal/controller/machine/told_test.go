package machine

import (
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// The write of a status can fail after the Secrets are written. What the next look takes from memory brings the status along: a machine that is installed is never told again.
func TestWhatWasToldLatelyBringsItsStatusAlong(t *testing.T) {
	machine := func(request string) *ingot.Machine {
		return &ingot.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: "edge", UID: types.UID("u")}, Status: ingot.MachineStatus{InstallRequest: request}}
	}
	h, now := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{UID: types.UID("h")}}, time.Unix(1_000_000, 0)
	var x memory
	told := machine("again")
	told.Status.SSHHostKey, told.Status.NICs = "ssh-ed25519 new", []ingot.MachineNICStatus{{Network: "web/inside", MACAddress: "02:00:00:00:00:01"}}
	x.note(told, h, []string{partNetworkData}, now)

	lost := machine("again")
	lost.Status.SSHHostKey = "ssh-ed25519 old"
	if parts, lately := x.lately(lost, h, now, time.Minute); !lately || len(parts) != 1 || lost.Status.SSHHostKey != "ssh-ed25519 new" || len(lost.Status.NICs) != 1 || lost.Status.NICs[0].Network != "web/inside" {
		t.Errorf("%v, %v, %+v", parts, lately, lost.Status)
	}
	other := machine("once more")
	other.Status.SSHHostKey = "ssh-ed25519 old"
	if _, lately := x.lately(other, h, now, time.Minute); lately || other.Status.SSHHostKey != "ssh-ed25519 old" {
		t.Errorf("another installation is told from memory: %+v", other.Status)
	}
}
