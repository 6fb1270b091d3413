package journey

import (
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firmware"
	"github.com/ingotmetal/ingot/step"
)

// written is a host right before its image is written, and the decision that hands the write out: nothing is wrong with it.
func written() (Facts, Decision) {
	h := hostIn(metal3.StateProvisioning)
	h.Spec.Image = &metal3.Image{URL: "http://i"}
	h.Status.Provisioning.Image = *h.Spec.Image
	claim := &ingot.DiskClaim{DeviceName: "/dev/sda", StepID: "b-1-write-image"}
	at := metav1.NewTime(noon)
	record := ingot.HostLifecycleStatus{Boot: &ingot.BootStatus{ID: "b", Purpose: ingot.PurposeAgent, StartedAt: &at}, Disk: claim}
	f := Facts{Host: h, Record: *record.DeepCopy(), Agent: &AgentFacts{BootID: "b", Phase: step.Idle, LastSeen: noon}}
	record.Step = &ingot.StepStatus{ID: claim.StepID, Kind: string(step.WriteImage)}
	return f, Decision{Host: h.DeepCopy(), Record: record, Action: RunStep{ID: claim.StepID, Kind: step.WriteImage, Claim: claim.DeepCopy()},
		Outcome: Outcome{Kind: Act, Reason: ReasonStepStarting, Message: "m"}}
}

// TestCheckFindsEachViolation breaks each invariant in a decision that is otherwise right.
func TestCheckFindsEachViolation(t *testing.T) {
	act := func(dec *Decision, a Action) { dec.Action = a }
	clean := metav1.NewTime(noon)
	cases := map[string]struct {
		invariant string
		wrong     func(*Facts, *Decision)
	}{
		"illegal move": {"a move is in the table", func(_ *Facts, d *Decision) { d.Host.Status.Provisioning.State = metal3.StateAvailable }},
		"metadata and status": {"metadata or status, never both", func(_ *Facts, d *Decision) {
			d.Host.Labels = map[string]string{"a": ""}
			d.Host.Status.PoweredOn = true
		}},
		"unknown kind":        {"an outcome is complete", func(_ *Facts, d *Decision) { d.Outcome.Kind = "maybe" }},
		"unknown reason":      {"an outcome is complete", func(_ *Facts, d *Decision) { d.Outcome.Reason = "Because" }},
		"no message":          {"an outcome is complete", func(_ *Facts, d *Decision) { d.Outcome.Message = "" }},
		"act without action":  {"an outcome is complete", func(_ *Facts, d *Decision) { d.Action = nil }},
		"blocked without fix": {"an outcome is complete", func(_ *Facts, d *Decision) { d.Outcome.Kind, d.Action = Blocked, nil }},
		"busy loop":           {"an outcome is complete", func(f *Facts, d *Decision) { d.Outcome.Kind, d.Action, d.Record = Wait, nil, f.Record }},
		"error without type":  {"errors are coherent", func(_ *Facts, d *Decision) { d.Host.Status.ErrorMessage = "m" }},
		"detach error": {"errors are coherent", func(_ *Facts, d *Decision) {
			d.Host.Status.ErrorMessage, d.Host.Status.ErrorType = "m", metal3.DetachError
		}},
		"long timeline":            {"the record is bounded", func(_ *Facts, d *Decision) { d.Record.Timeline = make([]ingot.TimelineEntry, maxTimeline+1) }},
		"paused":                   {"paused is untouched", func(f *Facts, _ *Decision) { f.Host.Annotations = map[string]string{metal3.PausedAnnotation: ""} }},
		"write in another state":   {"no write without a claim", func(f *Facts, _ *Decision) { f.Host.Status.Provisioning.State = metal3.StateProvisioned }},
		"write without claim":      {"no write without a claim", func(f *Facts, _ *Decision) { f.Record.Disk = nil }},
		"claim of another step":    {"no write without a claim", func(f *Facts, _ *Decision) { f.Record.Disk.StepID = "b-0-write-image" }},
		"claim used up":            {"no write without a claim", func(f *Facts, _ *Decision) { f.Record.Disk.Written = true }},
		"another disk":             {"no write without a claim", func(f *Facts, _ *Decision) { f.Record.Disk.DeviceName = "/dev/sdb" }},
		"another image":            {"no write without a claim", func(f *Facts, _ *Decision) { f.Host.Spec.Image.URL = "http://j" }},
		"step not recorded":        {"a step is recorded before it is handed out", func(_ *Facts, d *Decision) { d.Record.Step = nil }},
		"step of another boot":     {"a step is recorded before it is handed out", func(_ *Facts, d *Decision) { d.Record.Boot.ID = "c" }},
		"no agent":                 {"a step is recorded before it is handed out", func(f *Facts, _ *Decision) { f.Agent = nil }},
		"agent at another step":    {"a step is recorded before it is handed out", func(f *Facts, _ *Decision) { f.Agent.Phase, f.Agent.StepID = step.Running, "x" }},
		"cleaning where disabled":  {"a step is recorded before it is handed out", func(f *Facts, d *Decision) { cleaning(f, d, metal3.CleaningModeDisabled) }},
		"cleaning in provisioning": {"a step is recorded before it is handed out", func(f *Facts, d *Decision) { cleaning(f, d, metal3.CleaningModeMetadata) }},
		"another machine's agent": {"a step is for the host's own machine", func(f *Facts, _ *Decision) {
			f.Record.MachineUUID = "4c4c4544-0034-4a10-8035-b4c04f465931"
			f.Window = window("b", nil)
			f.Window.Status.SystemUUID = "4c4c4544-0034-4a10-8035-b4c04f465932"
		}},
		"window of no boot":              {"a boot is recorded before it is started", func(_ *Facts, d *Decision) { act(d, OpenWindow{BootID: "x"}) }},
		"boot without window":            {"a boot is recorded before it is started", func(_ *Facts, d *Decision) { act(d, StartAgent{BootID: "b"}) }},
		"boot with a traded token":       {"a boot is recorded before it is started", func(f *Facts, d *Decision) { act(d, StartAgent{BootID: "b"}); f.Window = window("b", &clean) }},
		"boot not recorded":              {"a boot is recorded before it is started", func(f *Facts, d *Decision) { act(d, StartAgent{BootID: "c"}); f.Window = window("c", nil) }},
		"start of an unwritten one":      {"only a written disk is started", func(_ *Facts, d *Decision) { act(d, BootDisk{BootID: "b"}) }},
		"provisioned, not written":       {"only a written disk is started", func(_ *Facts, d *Decision) { d.Host.Status.Provisioning.State = metal3.StateProvisioned }},
		"live ISO that nobody asked for": {"a live ISO runs only where it is wanted", func(_ *Facts, d *Decision) { act(d, BootISO{BootID: "b", URL: "http://a/live.iso"}) }},
		"live ISO beside a proof": {"a live ISO runs only where it is wanted", func(f *Facts, d *Decision) {
			format := "live-iso"
			f.Host.Status.Provisioning.Image = metal3.Image{URL: "http://a/live.iso", DiskFormat: &format}
			d.Record.Boot = &ingot.BootStatus{ID: "b", Purpose: ingot.PurposeFirstBoot, StartedAt: &clean}
			d.Record.Drive, d.Record.CleanedAt = &ingot.DriveStatus{URL: "http://a/live.iso", Boot: true}, &clean
			act(d, BootISO{BootID: "b", URL: "http://a/live.iso"})
		}},
		"live ISO that is not in the drive": {"only a written disk is started", func(_ *Facts, d *Decision) {
			format := "live-iso"
			d.Host.Status.Provisioning.State = metal3.StateProvisioned
			d.Host.Status.Provisioning.Image.DiskFormat = &format
			d.Record.Drive = &ingot.DriveStatus{URL: d.Host.Status.Provisioning.Image.URL, Boot: true}
		}},
		"data image in the agent's time": {"the drive is the owner's only while the system is", func(_ *Facts, d *Decision) {
			act(d, SetPower{Want: PowerOn, Drive: Drive{Managed: true, URL: "http://a/data.iso"}})
		}},
		"firmware of a machine in use": {"firmware is set only to what it allows", func(f *Facts, d *Decision) {
			d.Record.BMC = &ingot.BMCStatus{Capabilities: []string{CapabilityBIOS}}
			f.Firmware.Wanted = map[string]string{"Sriov": "Enabled"}
			act(d, SetFirmware{Settings: map[string]string{"Sriov": "Enabled"}})
		}},
		"firmware update of a machine in use": {"firmware is updated only where it may be", func(f *Facts, d *Decision) {
			updating(f, d)
			f.Host.Status.Provisioning.State = metal3.StateProvisioned
		}},
		"firmware update while the disk is written": {"firmware is updated only where it may be", func(f *Facts, d *Decision) {
			updating(f, d)
			d.Record.Step = &ingot.StepStatus{ID: "b-1-write-image", Kind: string(step.WriteImage)}
		}},
		"firmware update that is not recorded":  {"firmware is updated only where it may be", func(f *Facts, d *Decision) { updating(f, d); d.Record.Components = nil }},
		"firmware update that nobody asked for": {"firmware is updated only where it may be", func(f *Facts, d *Decision) { updating(f, d); f.Components.Wanted = nil }},
		"firmware update that was done":         {"firmware is updated only where it may be", func(f *Facts, d *Decision) { updating(f, d); f.Components.Applied = f.Components.Wanted }},
		"firmware update by a wrong URL":        {"firmware is updated only where it may be", func(f *Facts, d *Decision) { updating(f, d); f.Components.Wanted[0].URL = "file:///etc" }},
		"firmware update of a deleted host":     {"firmware is updated only where it may be", func(f *Facts, d *Decision) { updating(f, d); f.Host.DeletionTimestamp = &clean }},
		"reset while firmware is written": {"nothing switches a machine while its firmware is written", func(f *Facts, d *Decision) {
			updating(f, d)
			f.Record.Components = d.Record.Components
			act(d, StartAgent{BootID: "b"})
		}},
		"RAID beside a claim": {"software RAID is made only of clean disks", func(f *Facts, d *Decision) { arraying(f, d); d.Record.Disk = &ingot.DiskClaim{} }},
		"RAID of dirty disks": {"software RAID is made only of clean disks", func(f *Facts, d *Decision) { arraying(f, d); d.Record.CleanedAt = nil }},
		"RAID under an image": {"software RAID is made only of clean disks", func(f *Facts, d *Decision) { arraying(f, d); f.Host.Status.Provisioning.Image.URL = "http://i" }},
		"RAID in use": {"software RAID is made only of clean disks", func(f *Facts, d *Decision) {
			arraying(f, d)
			f.Host.Status.Provisioning.State = metal3.StateProvisioned
		}},
		"RAID unasked":                               {"software RAID is made only of clean disks", func(f *Facts, d *Decision) { arraying(f, d); f.Host.Spec.RAID = nil }},
		"volume of a machine in use":                 {"volumes are changed only where nothing is lost", func(f *Facts, d *Decision) { volume(f, d); f.Host.Status.Provisioning.State = metal3.StateProvisioned }},
		"volume of a host somebody else provisioned": {"volumes are changed only where nothing is lost", func(f *Facts, d *Decision) { volume(f, d); f.Host.Spec.ExternallyProvisioned = true }},
		"volume under an image":                      {"volumes are changed only where nothing is lost", func(f *Facts, d *Decision) { volume(f, d); f.Host.Status.Provisioning.Image.URL = "http://i" }},
		"volume of a claimed disk":                   {"volumes are changed only where nothing is lost", func(f *Facts, d *Decision) { volume(f, d); d.Record.Disk = &ingot.DiskClaim{} }},
		"volume where cleaning is off": {"volumes are changed only where nothing is lost", func(f *Facts, d *Decision) {
			volume(f, d)
			f.Host.Spec.AutomatedCleaningMode = metal3.CleaningModeDisabled
		}},
		"volume beside a proof":        {"volumes are changed only where nothing is lost", func(f *Facts, d *Decision) { volume(f, d); d.Record.CleanedAt = &clean }},
		"volume of a deleted host":     {"volumes are changed only where nothing is lost", func(f *Facts, d *Decision) { volume(f, d); f.Host.DeletionTimestamp = &clean }},
		"volume that nobody asked for": {"volumes are changed only where nothing is lost", func(f *Facts, d *Decision) { volume(f, d); f.Host.Spec.RAID = nil }},
		"volume that is not recorded":  {"volumes are changed only where nothing is lost", func(f *Facts, d *Decision) { volume(f, d); d.Record.RAID.Change = nil }},
		"another volume":               {"volumes are changed only where nothing is lost", func(f *Facts, d *Decision) { volume(f, d); d.Record.RAID.Change.Volume.ID = "w" }},
		"volume that was asked for":    {"volumes are changed only where nothing is lost", func(f *Facts, d *Decision) { volume(f, d); d.Record.RAID.Change.AcceptedAt = &clean }},
		"two volumes at a time":        {"volumes are changed only where nothing is lost", func(f *Facts, d *Decision) { volume(f, d); f.Record.RAID = d.Record.RAID }},
		"volume under a step":          {"volumes are changed only where nothing is lost", func(f *Facts, d *Decision) { volume(f, d); d.Record.Step = &ingot.StepStatus{Kind: string(step.Clean)} }},
		"offered with other volumes": {"a host is offered with its volumes", func(f *Facts, d *Decision) {
			volume(f, d)
			d.Host.Spec.RAID, d.Host.Status.Provisioning.State, d.Record.RAID.Change = f.Host.Spec.RAID, metal3.StateAvailable, nil
		}},
		"offered without RAID": {"a host is offered with its volumes", func(f *Facts, d *Decision) {
			arraying(f, d)
			d.Host.Spec.RAID, d.Host.Status.Provisioning.State = f.Host.Spec.RAID, metal3.StateAvailable
		}},
		"burn-in unasked":         {"a machine is tested only where it may be", func(f *Facts, d *Decision) { burning(f, d); f.Host.Annotations = nil }},
		"burn-in of another wish": {"a machine is tested only where it may be", func(f *Facts, d *Decision) { burning(f, d); d.Record.BurnIn.Request = "cpu=1s" }},
		"burn-in of a machine in use": {"a machine is tested only where it may be", func(f *Facts, d *Decision) {
			burning(f, d)
			f.Host.Status.Provisioning.State = metal3.StateProvisioned
		}},
		"burn-in of a deleted host":         {"a machine is tested only where it may be", func(f *Facts, d *Decision) { burning(f, d); f.Host.DeletionTimestamp = &clean }},
		"disks written that count as clean": {"a machine is tested only where it may be", func(f *Facts, d *Decision) { burning(f, d); d.Record.CleanedAt = &clean }},
		"disks written beside a claim":      {"a machine is tested only where it may be", func(f *Facts, d *Decision) { burning(f, d); d.Record.Disk = &ingot.DiskClaim{} }},
		"disks written, never cleaned": {"a machine is tested only where it may be", func(f *Facts, d *Decision) {
			burning(f, d)
			f.Host.Spec.AutomatedCleaningMode = metal3.CleaningModeDisabled
		}},
		"offered untested": {"a host is offered with its burn-in passed", func(f *Facts, d *Decision) {
			burning(f, d)
			d.Host.Annotations, d.Host.Status.Provisioning.State = f.Host.Annotations, metal3.StateAvailable
		}},
		"offered dirty": {"nothing is offered unless clean", func(f *Facts, d *Decision) {
			f.Host.Status.Provisioning.State, d.Host.Status.Provisioning.State = metal3.StateDeprovisioning, metal3.StateAvailable
		}},
		"proof from nowhere": {"proof needs evidence", func(_ *Facts, d *Decision) { d.Record.CleanedAt = &clean; d.Record.Disk = nil }},
		"proof beside claim": {"a claim voids the proof", func(_ *Facts, d *Decision) { d.Record.CleanedAt = &clean }},
		"no image in status": {"provisioning names its image", func(_ *Facts, d *Decision) { d.Host.Status.Provisioning.Image.URL = "" }},
		"unverified": {"good credentials were verified", func(_ *Facts, d *Decision) {
			d.Host.Status.GoodCredentials.Reference = &corev1.SecretReference{Name: "s"}
		}},
		"forbidden power off": {"power is taken only where it may be", func(f *Facts, d *Decision) { f.Host.Spec.DisablePowerOff = true; act(d, SetPower{Want: PowerOff}) }},
		"power off while online": {"power is taken only where it may be", func(f *Facts, d *Decision) {
			f.Host.Status.Provisioning.State, f.Host.Spec.Online = metal3.StateProvisioned, true
			act(d, SetPower{Want: PowerOff})
		}},
		"detached": {"a detached machine is left alone", func(f *Facts, _ *Decision) {
			f.Host.Status.OperationalStatus = metal3.OperationalStatusDetached
			f.Host.Annotations = map[string]string{metal3.DetachedAnnotation: ""}
		}},
		"no finalizer":    {"nothing is done to a host that is not held", func(f *Facts, _ *Decision) { f.Host.Finalizers = nil }},
		"early finalizer": {"nothing is done to a host that is not held", func(_ *Facts, d *Decision) { d.RemoveFinalizer = true }},
	}
	covered := map[string]bool{}
	for name, c := range cases {
		covered[c.invariant] = true
		t.Run(name, func(t *testing.T) {
			f, dec := written()
			if v := Check(f, dec); len(v) != 0 {
				t.Fatalf("the decision was wrong before: %v", v)
			}
			c.wrong(&f, &dec)
			for _, v := range Check(f, dec) {
				if v.Invariant == c.invariant {
					return
				}
			}
			t.Fatalf("not found; found %v", Check(f, dec))
		})
	}
	for _, i := range append(formInvariants(), safetyInvariants()...) {
		if !covered[i.name] {
			t.Errorf("no case breaks %q", i.name)
		}
	}
}

// volume is the deletion of a volume that is in order.
func volume(f *Facts, d *Decision) {
	f.Host.Status.Provisioning.State, f.Host.Status.Provisioning.Image = metal3.StatePreparing, metal3.Image{}
	f.Host.Spec.RAID, f.Host.Spec.AutomatedCleaningMode = &metal3.RAIDConfig{HardwareRAIDVolumes: []metal3.HardwareRAIDVolume{}}, metal3.CleaningModeMetadata
	d.Host = f.Host.DeepCopy()
	d.Record.Disk, d.Record.CleanedAt, d.Record.Step = nil, nil, nil
	d.Record.RAID = &ingot.RAIDStatus{Change: &ingot.RAIDChange{Delete: true, Volume: ingot.RAIDVolume{Controller: "c", ID: "v"}}}
	d.Action = DeleteVolume{Controller: "c", ID: "v"}
	if broken := volumesAllowed(*f, *d); broken != "" {
		panic("the deletion is not in order to begin with: " + broken)
	}
}

func cleaning(f *Facts, d *Decision, mode metal3.AutomatedCleaningMode) {
	f.Host.Spec.AutomatedCleaningMode = mode
	d.Record.Step = &ingot.StepStatus{ID: "b-1-clean", Kind: string(step.Clean)}
	d.Action = RunStep{ID: "b-1-clean", Kind: step.Clean}
}

func window(name string, redeemed *metav1.Time) *ingot.BootWindow {
	return &ingot.BootWindow{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: ingot.BootWindowSpec{ClosesAt: metav1.NewTime(noon.Add(time.Hour))},
		Status: ingot.BootWindowStatus{RedeemedAt: redeemed}}
}

// updating makes the decision a firmware update that may be.
func updating(f *Facts, d *Decision) {
	f.Host.Status.Provisioning.State = metal3.StatePreparing
	u := firmware.Update{Component: "bios", URL: "https://files/bios-2.bin"}
	f.Components = ComponentsFacts{Wanted: []firmware.Update{u}, Read: true, Current: []firmware.Component{{Name: "bios", Version: "1"}}}
	d.Record.BMC = &ingot.BMCStatus{Capabilities: []string{CapabilityComponents}}
	d.Record.Components = &ingot.ComponentsStatus{Updates: []ingot.UpdateStatus{{Component: u.Component, URL: u.URL, AskedAt: metav1.NewTime(noon)}}}
	d.Record.Step = nil
	d.Action = StartUpdate{Component: u.Component, URL: u.URL}
}

// TestUpdateAllowed: what updating makes breaks nothing, nor does it at the start of a provisioned machine whose owner allows it.
func TestUpdateAllowed(t *testing.T) {
	f, d := written()
	updating(&f, &d)
	if why := updateAllowed(f, d); why != "" {
		t.Error(why)
	}
	f.Host.Status.Provisioning.State, f.Policy.Updates, f.Power.State, d.Record.Servicing = metal3.StateProvisioned, true, PowerOff, &ingot.ServicingStatus{}
	if why := updateAllowed(f, d); why != "" {
		t.Error(why)
	}
	f.Power.State = PowerOn
	if updateAllowed(f, d) == "" {
		t.Error("a running machine's firmware is updated")
	}
}

// arraying makes the decision one that hands out the making of software RAID: nothing is wrong with it.
func arraying(f *Facts, d *Decision) {
	clean := metav1.NewTime(noon)
	f.Host.Spec.RAID = &metal3.RAIDConfig{SoftwareRAIDVolumes: []metal3.SoftwareRAIDVolume{{Level: "1"}}}
	f.Host.Status.Provisioning.State, f.Host.Status.Provisioning.Image = metal3.StatePreparing, metal3.Image{}
	f.Record.CleanedAt, f.Record.Disk, d.Record.Disk, d.Record.CleanedAt = &clean, nil, nil, &clean
	d.Record.Step.Kind = string(step.ConfigureRAID)
	d.Action = RunStep{ID: d.Record.Step.ID, Kind: step.ConfigureRAID}
}

// burning is a burn-in that writes to the disks, as it may be.
func burning(f *Facts, d *Decision) {
	const wish = "disk=write"
	f.Host.Annotations = map[string]string{ingot.BurnInAnnotation: wish}
	f.Host.Spec.AutomatedCleaningMode = metal3.CleaningModeMetadata
	f.Host.Status.Provisioning.State, f.Host.Status.Provisioning.Image = metal3.StatePreparing, metal3.Image{}
	d.Record.Disk, d.Record.CleanedAt, d.Record.BurnIn = nil, nil, &ingot.BurnInStatus{Request: wish}
	d.Action, d.Outcome.Kind = RunStep{ID: "b-1-burn-in", Kind: step.BurnIn}, Act
}

// TestABurnInMayBe: what the cases of TestCheckFindsEachViolation begin with breaks nothing of its own.
func TestABurnInMayBe(t *testing.T) {
	f, dec := written()
	burning(&f, &dec)
	if why := burnInAllowed(f, dec); why != "" {
		t.Error(why)
	}
}
