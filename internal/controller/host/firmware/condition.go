package firmware

import (
	"context"
	"fmt"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/firmware"
	"github.com/ingotmetal/ingot/journey"
)

// The conditions' reasons, as Metal3 writes them.
const (
	reasonSuccess = "Success"
	reasonWrong   = "ConfigurationError"
)

// Judge writes the conditions that the object should have, where it has others: Valid says whether the spec's settings can be, with a message per setting that cannot; ChangeDetected
// whether they differ from what is in force. Before the settings were read there are none. waits is what changes of this host wait for, empty for nothing.
func (k *Keeper) Judge(ctx context.Context, o *metal3.HostFirmwareSettings, f journey.FirmwareFacts, waits string) error {
	if o == nil || !f.Described || !o.DeletionTimestamp.IsZero() {
		return nil
	}
	next := o.DeepCopy()
	if !judge(next, f, waits) {
		return nil
	}
	if err := k.client.Status().Patch(ctx, next, client.MergeFrom(o)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("write the conditions of HostFirmwareSettings: %w", err)
	}
	return nil
}

// judge brings the conditions into the object, and says whether that changed it.
func judge(o *metal3.HostFirmwareSettings, f journey.FirmwareFacts, waits string) (changed bool) {
	for _, c := range conditions(f, waits) {
		c.ObservedGeneration = o.Generation
		moved := meta.SetStatusCondition(&o.Status.Conditions, c)
		changed = changed || moved
	}
	return changed
}

func conditions(f journey.FirmwareFacts, waits string) []metav1.Condition {
	valid := metav1.Condition{Type: string(metal3.FirmwareSettingsValid), Status: metav1.ConditionTrue, Reason: reasonSuccess}
	differs := metav1.Condition{Type: string(metal3.FirmwareSettingsChangeDetected), Status: metav1.ConditionFalse, Reason: reasonSuccess}
	if wrong := f.Problems(); len(wrong) > 0 {
		valid.Status, valid.Reason, valid.Message = metav1.ConditionFalse, reasonWrong, firmware.Listed(wrong)
	}
	if len(f.Differing()) > 0 {
		differs.Status, differs.Message = metav1.ConditionTrue, waits
	}
	return []metav1.Condition{valid, differs}
}
