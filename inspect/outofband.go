package inspect

import (
	"slices"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// canInventory is the capability's name in BMCStatus.Capabilities.
const canInventory = "inventory"

// outOfBand takes the hardware from the BMC. An agent that runs is not asked, and goes on running.
//
// The BMC's answer is a fact of one pass only. A process that dies after it was saved asks again, which is cheaper than keeping it.
func outOfBand(d *journey.Draft) journey.Decision {
	if b := d.Record.BMC; b != nil && !slices.Contains(b.Capabilities, canInventory) {
		return d.Fail(metal3.InspectionError, step.Failure{Kind: step.Unsupported, Message: "the BMC has no inventory to inspect the machine by (spec.inspectionMode fast)",
			Fix: "set spec.inspectionMode to agent, or use a Redfish address"})
	}
	switch r := d.Facts.Result; {
	case d.Succeeded(journey.SaveHardware{}) && d.Facts.Hardware != nil:
		return leave(d, d.Facts.Hardware)
	case d.Succeeded(journey.ReadInventory{}) && r.Inventory != nil:
		h := HardwareDetails(*r.Inventory)
		if equality.Semantic.DeepEqual(d.Facts.Hardware, &h) {
			return leave(d, &h)
		}
		return d.Act(journey.SaveHardware{Hardware: &h}, journey.ReasonSavingHardware, "saving what the BMC says")
	}
	return d.Act(journey.ReadInventory{}, journey.ReasonReadingInventory, "asking the BMC what the machine is made of")
}
