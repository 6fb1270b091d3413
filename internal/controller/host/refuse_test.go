package host

import (
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// wanting is a host and a record that want a step of boot b.
func wanting(kind step.Kind) (*metal3.BareMetalHost, *ingot.HostLifecycle, journey.RunStep) {
	h := &metal3.BareMetalHost{}
	h.Annotations = map[string]string{}
	h.Spec.Image = &metal3.Image{URL: "https://i/x"}
	h.Spec.RootDeviceHints = &metal3.RootDeviceHints{SerialNumber: "A"}
	h.Status.Provisioning = metal3.ProvisionStatus{State: metal3.StateProvisioning, Image: *h.Spec.Image, RootDeviceHints: h.Spec.RootDeviceHints.DeepCopy()}
	if kind == step.ConfigureRAID {
		h.Status.Provisioning = metal3.ProvisionStatus{State: metal3.StatePreparing}
	}
	if kind == step.Clean {
		h.Status.Provisioning.State = metal3.StateDeprovisioning
	}
	claim := &ingot.DiskClaim{DeviceName: "/dev/sda", SerialNumber: "A", StepID: "b-1"}
	l := &ingot.HostLifecycle{Status: ingot.HostLifecycleStatus{
		Boot: &ingot.BootStatus{ID: "b"}, Step: &ingot.StepStatus{ID: "b-1", Kind: string(kind)}, Disk: claim,
	}}
	if kind == step.ConfigureRAID {
		l.Status.Disk, l.Status.CleanedAt = nil, &metav1.Time{Time: time.Unix(1, 0)}
	}
	return h, l, journey.RunStep{ID: "b-1", Kind: kind, Claim: claim.DeepCopy()}
}

func TestRefuseStep(t *testing.T) {
	type world = func(*metal3.BareMetalHost, *ingot.HostLifecycle)
	for name, c := range map[string]struct {
		kind step.Kind
		edit world
		// why is a part of the reason; empty: handed out.
		why string
	}{
		"write":                {step.WriteImage, func(*metal3.BareMetalHost, *ingot.HostLifecycle) {}, ""},
		"write, hints edited":  {step.WriteImage, func(h *metal3.BareMetalHost, _ *ingot.HostLifecycle) { h.Spec.RootDeviceHints.SerialNumber = "B" }, "other root device hints"},
		"write, hints cleared": {step.WriteImage, func(h *metal3.BareMetalHost, _ *ingot.HostLifecycle) { h.Spec.RootDeviceHints = nil }, "other root device hints"},
		"write, paused":        {step.WriteImage, func(h *metal3.BareMetalHost, _ *ingot.HostLifecycle) { h.Annotations[metal3.PausedAnnotation] = "" }, "paused"},
		"write, deleted": {step.WriteImage, func(h *metal3.BareMetalHost, _ *ingot.HostLifecycle) {
			h.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
		}, "being deleted"},
		"write, image changed": {step.WriteImage, func(h *metal3.BareMetalHost, _ *ingot.HostLifecycle) { h.Spec.Image.URL = "https://i/y" }, "another image"},
		"write, other boot":    {step.WriteImage, func(_ *metal3.BareMetalHost, l *ingot.HostLifecycle) { l.Status.Boot.ID = "c" }, "another boot"},
		"write, other claim":   {step.WriteImage, func(_ *metal3.BareMetalHost, l *ingot.HostLifecycle) { l.Status.Disk.SerialNumber = "B" }, "not claimed"},
		"write, detached by force": {step.WriteImage, func(h *metal3.BareMetalHost, _ *ingot.HostLifecycle) {
			h.Annotations[metal3.DetachedAnnotation] = `{"force":true}`
		}, "detached"},
		"write, to be detached after it": {step.WriteImage, func(h *metal3.BareMetalHost, _ *ingot.HostLifecycle) { h.Annotations[metal3.DetachedAnnotation] = "" }, ""},
		"wipe":                           {step.Clean, func(*metal3.BareMetalHost, *ingot.HostLifecycle) {}, ""},
		"wipe, turned off": {step.Clean, func(h *metal3.BareMetalHost, _ *ingot.HostLifecycle) {
			h.Spec.AutomatedCleaningMode = metal3.CleaningModeDisabled
		}, "cleaning is disabled"},
		"wipe while provisioning": {step.Clean, func(h *metal3.BareMetalHost, _ *ingot.HostLifecycle) {
			h.Status.Provisioning.State = metal3.StateProvisioning
		}, "nothing is wiped"},
		"RAID":                {step.ConfigureRAID, func(*metal3.BareMetalHost, *ingot.HostLifecycle) {}, ""},
		"RAID of dirty disks": {step.ConfigureRAID, func(_ *metal3.BareMetalHost, l *ingot.HostLifecycle) { l.Status.CleanedAt = nil }, "not proved to be clean"},
		"RAID beside a claim": {step.ConfigureRAID, func(_ *metal3.BareMetalHost, l *ingot.HostLifecycle) { l.Status.Disk = &ingot.DiskClaim{} }, "has an image"},
		"RAID while provisioned": {step.ConfigureRAID, func(h *metal3.BareMetalHost, _ *ingot.HostLifecycle) {
			h.Status.Provisioning.State = metal3.StateProvisioned
		}, "no RAID is changed"},
		"wipe while provisioned": {step.Clean, func(h *metal3.BareMetalHost, _ *ingot.HostLifecycle) {
			h.Status.Provisioning.State = metal3.StateProvisioned
		}, "nothing is wiped"},
	} {
		t.Run(name, func(t *testing.T) {
			h, l, a := wanting(c.kind)
			c.edit(h, l)
			if got := refuseStep(h, l, "b", a); (got == "") != (c.why == "") || !strings.Contains(got, c.why) {
				t.Fatalf("refused with %q, want %q", got, c.why)
			}
		})
	}
}

func TestRefusePower(t *testing.T) {
	agent, first := &ingot.BootStatus{ID: "b", Purpose: ingot.PurposeAgent}, &ingot.BootStatus{ID: "b", Purpose: ingot.PurposeFirstBoot}
	off := journey.SetPower{Want: journey.PowerOff}
	for name, c := range map[string]struct {
		action journey.Action
		record ingot.HostLifecycleStatus
		edit   func(*metal3.BareMetalHost)
		why    string
	}{
		"agent":                          {action: journey.StartAgent{BootID: "b"}, record: ingot.HostLifecycleStatus{Boot: agent}},
		"agent of an older boot":         {action: journey.StartAgent{BootID: "a"}, record: ingot.HostLifecycleStatus{Boot: agent}, why: "another boot"},
		"agent over the first boot":      {action: journey.StartAgent{BootID: "b"}, record: ingot.HostLifecycleStatus{Boot: first}, why: "another boot"},
		"disk":                           {action: journey.BootDisk{BootID: "b"}, record: ingot.HostLifecycleStatus{Boot: first, Disk: &ingot.DiskClaim{Written: true}}},
		"disk that is not written":       {action: journey.BootDisk{BootID: "b"}, record: ingot.HostLifecycleStatus{Boot: first, Disk: &ingot.DiskClaim{}}, why: "not written"},
		"power off":                      {action: off, record: ingot.HostLifecycleStatus{PowerChange: &ingot.PowerChange{Want: "off"}}},
		"power off that nobody wants":    {action: off, why: "no such change"},
		"power off when on is wanted":    {action: off, record: ingot.HostLifecycleStatus{PowerChange: &ingot.PowerChange{Want: "on"}}, why: "no such change"},
		"settings while it is prepared":  {action: journey.SetFirmware{}, edit: func(h *metal3.BareMetalHost) { h.Status.Provisioning.State = metal3.StatePreparing }},
		"settings while it is used":      {action: journey.SetFirmware{}, edit: func(h *metal3.BareMetalHost) { h.Status.Provisioning.State = metal3.StateProvisioned }, why: "only while it is prepared"},
		"reset that nobody wants":        {action: journey.Restart{}, why: "no reboot"},
		"paused":                         {action: off, record: ingot.HostLifecycleStatus{PowerChange: &ingot.PowerChange{Want: "off"}}, edit: func(h *metal3.BareMetalHost) { h.Annotations = map[string]string{metal3.PausedAnnotation: ""} }, why: "paused"},
		"detached while available":       {action: off, record: ingot.HostLifecycleStatus{PowerChange: &ingot.PowerChange{Want: "off"}}, edit: detach(metal3.StateAvailable), why: "detached"},
		"to be detached, on its way out": {action: off, record: ingot.HostLifecycleStatus{PowerChange: &ingot.PowerChange{Want: "off"}}, edit: detach(metal3.StatePoweringOffBeforeDelete)},
	} {
		t.Run(name, func(t *testing.T) {
			h := &metal3.BareMetalHost{}
			if c.edit != nil {
				c.edit(h)
			}
			if got := refusePower(h, &c.record, c.action); (got == "") != (c.why == "") || !strings.Contains(got, c.why) {
				t.Fatalf("refused with %q, want %q", got, c.why)
			}
		})
	}
}

func detach(s metal3.ProvisioningState) func(*metal3.BareMetalHost) {
	return func(h *metal3.BareMetalHost) {
		h.Annotations = map[string]string{metal3.DetachedAnnotation: `{"force":true}`}
		h.Status.Provisioning.State = s
	}
}

func TestMachineName(t *testing.T) {
	at := func(address, system, uuid string) ingot.BMCStatus {
		return ingot.BMCStatus{Address: address, SystemID: system, SystemUUID: uuid}
	}
	for name, c := range map[string]struct {
		a, b ingot.BMCStatus
		same bool
	}{
		"one UUID behind two names":      {at("redfish://a/", "/s/1", "4c4c4544-0001-4a10-8035-b4c04f465931"), at("redfish://10.0.0.5/", "/s/1", "4C4C4544-0001-4A10-8035-B4C04F465931"), true},
		"two UUIDs at one address":       {at("redfish://a/", "/s/1", "4c4c4544-0001-4a10-8035-b4c04f465931"), at("redfish://a/", "/s/1", "4c4c4544-0001-4a10-8035-b4c04f465932"), false},
		"no UUID, one address":           {at("redfish://a/", "/s/1", ""), at("redfish-virtualmedia+https://A:443/redfish/v1/Systems/1", "/s/1", ""), true},
		"no UUID, two systems of a BMC":  {at("redfish://a/", "/s/1", ""), at("redfish://a/", "/s/2", ""), false},
		"a UUID of zeros says nothing":   {at("redfish://a/", "/s/1", "00000000-0000-0000-0000-000000000000"), at("redfish://b/", "/s/1", "00000000-0000-0000-0000-000000000000"), false},
		"AMI's UUID says nothing either": {at("redfish://a/", "/s/1", "03000200-0400-0500-0006-000700080009"), at("redfish://b/", "/s/1", "03000200-0400-0500-0006-000700080009"), false},
	} {
		if got := machineName(c.a) == machineName(c.b); got != c.same {
			t.Errorf("%s: same is %v", name, got)
		}
	}
}
