package components

import (
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ingotmetal/ingot/firmware"
	"github.com/ingotmetal/ingot/journey"
)

// The conditions' reasons, as Metal3 writes them.
const (
	reasonOK      = "OK"
	reasonInvalid = "InvalidComponent"
)

// judge brings the conditions into the object: Valid says whether the spec's updates can be, with a message per update that cannot; ChangeDetected whether some were not done, and what they wait for.
func judge(o *metal3.HostFirmwareComponents, f journey.ComponentsFacts, outstanding bool, waits string) {
	valid := metav1.Condition{Type: string(metal3.HostFirmwareComponentsValid), Status: metav1.ConditionTrue, Reason: reasonOK}
	differs := metav1.Condition{Type: string(metal3.HostFirmwareComponentsChangeDetected), Status: metav1.ConditionFalse, Reason: reasonOK}
	if wrong := f.Problems(); len(wrong) > 0 {
		valid.Status, valid.Reason, valid.Message = metav1.ConditionFalse, reasonInvalid, firmware.Listed(wrong)
	}
	if outstanding {
		differs.Status, differs.Message = metav1.ConditionTrue, waits
	}
	for _, c := range []metav1.Condition{valid, differs} {
		c.ObservedGeneration = o.Generation
		meta.SetStatusCondition(&o.Status.Conditions, c)
	}
}
