package host

import (
	"context"
	"errors"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/host/volumes"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/lifecycle"
)

// justNow is how long a record that was written by this process needs no second look.
const justNow = 2 * time.Second

// refuseAction says why an action that changes a machine's power or what it boots may not be done any more, empty when it may. Between the decision and a free hand minutes can pass, and a
// process that was stopped for a while may have been replaced: host and record are read from the API server itself, at this moment. Where the API server took the record from this process
// just now, it was the leader's and nothing else asks for another action: then the watch's word is enough. Readings are always let through.
func (r *Reconciler) refuseAction(ctx context.Context, key types.NamespacedName, uid types.UID, a journey.Action) string {
	switch a.(type) {
	case journey.StartAgent, journey.BootDisk, journey.SetDisk, journey.BootISO, journey.EjectMedium, journey.SetPower, journey.SetFirmware, journey.StartUpdate, journey.Restart, journey.MakeVolume, journey.DeleteVolume:
	default:
		return ""
	}
	from := client.Reader(r.live)
	_, makes := a.(journey.MakeVolume)
	_, deletes := a.(journey.DeleteVolume)
	// What a volume held does not come back: for these the API server itself is asked, whoever wrote the record.
	if since := r.now().Sub(r.memories.snapshot(key, uid).wroteAt); since >= 0 && since < justNow && !makes && !deletes {
		from = r.cached
	}
	host, record, err := readBoth(ctx, from, key, uid)
	switch {
	case errors.Is(err, errNotNow):
		return err.Error()
	case err != nil:
		return "host and record could not be read right before it: " + err.Error()
	}
	return refusePower(host, &record.Status, a)
}

func refusePower(host *metal3.BareMetalHost, record *ingot.HostLifecycleStatus, a journey.Action) string {
	if _, paused := host.Annotations[metal3.PausedAnnotation]; paused {
		return "the host is paused"
	}
	// A host that is on its way out is past the question.
	if host.Status.Provisioning.State != metal3.StatePoweringOffBeforeDelete && lifecycle.DetachWanted(host) {
		return "the host is detached"
	}
	switch a := a.(type) {
	case journey.StartAgent:
		if b := record.Boot; b == nil || b.ID != a.BootID || b.Purpose == ingot.PurposeFirstBoot {
			return "the host is at another boot"
		}
	case journey.BootDisk:
		if b := record.Boot; b == nil || b.ID != a.BootID || b.Purpose != ingot.PurposeFirstBoot || record.Disk == nil || !record.Disk.Written {
			return "the host is at another boot, or its disk is not written"
		}
	case journey.SetDisk:
		if b := record.Boot; b == nil || b.ID != a.BootID || record.Disk == nil || !record.Disk.Written {
			return "the host is at another boot, or its disk is not written"
		}
	case journey.BootISO:
		if b := record.Boot; b == nil || b.ID != a.BootID || host.Spec.Image == nil || host.Spec.Image.URL != a.URL || host.Status.Provisioning.Image.URL != a.URL {
			return "the host is at another boot, or asks for another image"
		}
	case journey.EjectMedium:
		if s := host.Status.Provisioning.State; s != metal3.StateDeprovisioning && s != metal3.StatePoweringOffBeforeDelete {
			return "the host is not deprovisioning any more"
		}
	case journey.SetFirmware:
		if s := host.Status.Provisioning.State; s != metal3.StatePreparing && (s != metal3.StateProvisioned || record.Servicing == nil) {
			return "the host is " + string(s) + ", and settings are changed only while it is prepared or serviced"
		}
	case journey.StartUpdate:
		return refuseUpdate(host, record, a)
	case journey.MakeVolume, journey.DeleteVolume:
		return volumes.Refuse(host, record, a)
	case journey.SetPower:
		if c := record.PowerChange; c == nil || c.Want != string(a.Want) {
			return "no such change of power is wanted any more"
		}
	case journey.Restart:
		if record.Reboot == nil {
			return "no reboot is wanted any more"
		}
	}
	return ""
}

func refuseUpdate(host *metal3.BareMetalHost, record *ingot.HostLifecycleStatus, a journey.StartUpdate) string {
	u := journey.Writing(record)
	switch s := host.Status.Provisioning.State; {
	case u == nil || u.Component != a.Component || u.URL != a.URL || u.AcceptedAt != nil:
		return "no such update is wanted any more"
	case !host.DeletionTimestamp.IsZero():
		return "the host is being deleted"
	case s != metal3.StatePreparing && (s != metal3.StateProvisioned || record.Servicing == nil):
		return "the host is " + string(s) + ", and firmware is updated only while it is prepared or serviced"
	}
	return ""
}
