package lifecycle

import (
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/ingotmetal/ingot/journey"
)

// TestEveryStateHasItsConditions is the table state × condition of a healthy host, by reason; a "+" is true.
func TestEveryStateHasItsConditions(t *testing.T) {
	types := []string{metal3.ManageableCondition, metal3.AvailableForProvisioningCondition, metal3.ProvisionedCondition, metal3.ReadyCondition, metal3.ProgressingCondition, metal3.HealthyCondition}
	rows := map[metal3.ProvisioningState][]string{
		metal3.StateUnmanaged:               {"NotManaged", "NotManageableReason", "NotProvisioned", "NotProvisioned", "NotProgressing", "?Unknown"},
		metal3.StateRegistering:             {"Registering", "NotManageableReason", "NotProvisioned", "NotProvisioned", "+Registering", "?Unknown"},
		metal3.StateInspecting:              {"+Manageable", "Inspecting", "NotProvisioned", "NotProvisioned", "+Inspecting", "?Unknown"},
		metal3.StatePreparing:               {"+Manageable", "NotAvailable", "NotProvisioned", "NotProvisioned", "+Preparing", "?Unknown"},
		metal3.StateAvailable:               {"+Manageable", "+Available", "NotProvisioned", "NotProvisioned", "NotProgressing", "?Unknown"},
		metal3.StateProvisioning:            {"+Manageable", "NotAvailable", "Provisioning", "Provisioning", "+Provisioning", "?Unknown"},
		metal3.StateProvisioned:             {"+Manageable", "NotAvailable", "+Provisioned", "+Provisioned", "NotProgressing", "?Unknown"},
		metal3.StateExternallyProvisioned:   {"+Manageable", "NotAvailable", "+Provisioned", "+Provisioned", "NotProgressing", "?Unknown"},
		metal3.StateDeprovisioning:          {"+Manageable", "NotAvailable", "NotProvisioned", "NotProvisioned", "+Deprovisioning", "?Unknown"},
		metal3.StatePoweringOffBeforeDelete: {"+Manageable", "NotAvailable", "NotProvisioned", "NotProvisioned", "+PoweringOffBeforeDelete", "?Unknown"},
		metal3.StateDeleting:                {"+Manageable", "NotAvailable", "NotProvisioned", "NotProvisioned", "+Deleting", "?Unknown"},
	}
	for state, want := range rows {
		t.Run(string(state), func(t *testing.T) {
			f := at(state)
			if state == metal3.StateUnmanaged {
				f.Host.Spec.BMC = metal3.BMCDetails{}
			}
			dec := Decide(f, noon)
			if dec.Host.Status.Provisioning.State != state {
				t.Fatalf("it moved to %q", dec.Host.Status.Provisioning.State)
			}
			for i, name := range types {
				if got := conditionText(dec, name); got != want[i] {
					t.Errorf("%s is %q, want %q", name, got, want[i])
				}
			}
		})
	}
}

func conditionText(dec journey.Decision, name string) string {
	c := meta.FindStatusCondition(dec.Host.Status.Conditions, name)
	if c == nil {
		return ""
	}
	switch c.Status {
	case "True":
		return "+" + c.Reason
	case "Unknown":
		return "?" + c.Reason
	default:
		return c.Reason
	}
}
