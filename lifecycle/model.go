package lifecycle

import (
	"cmp"
	"maps"
	"slices"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firmware"
	"github.com/ingotmetal/ingot/inspect"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/rootdevice"
	"github.com/ingotmetal/ingot/step"
)

// tick is how far the model's clock moves with a pass: more than the second that objects round to.
const tick = 2 * time.Second

// model is a world in which all goes well.
type model struct {
	facts journey.Facts
	now   time.Time
	gone  bool
	// settings are what the firmware was set to.
	settings map[string]string
	// flashed is the component that was updated last.
	flashed string
	// storage is what the RAID controllers have, nil while nothing was imagined of them.
	storage *raid.Storage
}

// newModel fills what the caller does not know with what is well.
func newModel(f journey.Facts, now time.Time) *model {
	f.Host, f.Record, f.Hardware = f.Host.DeepCopy(), *f.Record.DeepCopy(), f.Hardware.DeepCopy()
	m := &model{facts: f, now: now}
	s := f.Host.Status
	if f.Hardware == nil {
		m.facts.Hardware = s.HardwareDetails.DeepCopy()
	}
	if f.Power.State == journey.PowerUnknown {
		m.setPower(s.PoweredOn)
	}
	if f.Credentials == (journey.Credentials{}) && f.Host.Spec.BMC.CredentialsName != "" {
		m.facts.Credentials = journey.Credentials{Named: true, Found: true, Complete: true, Version: s.GoodCredentials.Version}
	}
	if f.Site == (journey.Site{}) {
		m.facts.Site = journey.Site{VirtualMedia: true, PXE: true}
	}
	if b := f.Record.Boot; b != nil && f.Agent == nil && b.Purpose != ingot.PurposeFirstBoot && b.StartedAt != nil {
		m.agentComes(b.ID)
	}
	if st := f.Record.Step; st != nil && m.facts.Agent != nil && m.facts.Agent.StepID != st.ID {
		m.finish(st.ID, step.Kind(st.Kind), f.Record.Disk)
	}
	m.settleAgent()
	return m
}

// settleAgent lets the agent end what it is at.
func (m *model) settleAgent() {
	a := m.facts.Agent
	if a == nil {
		return
	}
	c := *a
	m.facts.Agent = &c
	if st := m.facts.Record.Step; c.Phase == step.Running && st != nil && st.ID == c.StepID {
		m.finish(st.ID, step.Kind(st.Kind), m.facts.Record.Disk)
	}
}

// take writes a decision's objects and does its action.
func (m *model) take(dec journey.Decision) {
	m.facts.Host, m.facts.Record, m.facts.Result = dec.Host, dec.Record, nil
	m.now = m.now.Add(tick)
	if n := dec.Outcome.NextAttempt; dec.Action == nil && n.After(m.now) {
		m.now = n
	}
	if dec.Action != nil {
		m.facts.Result = m.do(dec.Action)
		m.gone = dec.RemoveFinalizer
	}
	if a := m.facts.Agent; a != nil {
		a.LastSeen = m.now
		if b := m.facts.Record.Boot; b == nil || b.ID != a.BootID {
			m.facts.Agent = nil
			m.setPower(false)
		}
	}
}

func (m *model) do(a journey.Action) *journey.ActionResult {
	r := &journey.ActionResult{Action: a.Name()}
	switch a := a.(type) {
	case journey.Verify:
		r.BMC = m.probe()
	case journey.ReadPower:
		m.setPower(m.facts.Power.State == journey.PowerOn)
	case journey.BootISO:
		r.BootID, r.Drive = a.BootID, &a.URL
		m.setPower(true)
	case journey.EjectMedium:
		r.Drive = new(string)
	case journey.SetPower:
		if a.Drive.Managed {
			r.Drive = &a.Drive.URL
		}
		m.setPower(a.Want == journey.PowerOn)
		if a.Want == journey.PowerOff {
			m.facts.Agent = nil
		}
	case journey.OpenWindow:
		r.BootID = a.BootID
		m.facts.Window = &ingot.BootWindow{ObjectMeta: metav1.ObjectMeta{Name: a.BootID}, Spec: ingot.BootWindowSpec{Purpose: a.Purpose, Method: a.Method,
			OpensAt: metav1.NewTime(m.now), ClosesAt: metav1.NewTime(m.now.Add(time.Duration(a.ClosesInSeconds) * time.Second))}}
	case journey.CloseWindow:
		m.facts.Window = nil
	case journey.StartAgent:
		r.BootID = a.BootID
		m.agentComes(a.BootID)
	case journey.RunStep:
		m.finish(a.ID, a.Kind, a.Claim)
	case journey.SetDisk:
		r.BootID = a.BootID
	case journey.BootDisk:
		r.BootID = a.BootID
		m.setPower(true)
	case journey.Restart:
		if a.Drive.Managed {
			r.Drive = &a.Drive.URL
		}
		m.setPower(true)
	case journey.ReadInventory:
		r.Inventory = &step.Inventory{NICs: []step.NIC{{Name: "1", MAC: "52:54:00:00:00:01"}}}
	case journey.ReadFirmware:
		m.readFirmware()
	case journey.SetFirmware:
		m.settings = a.Settings
	case journey.ReadComponents:
		m.readComponents()
	case journey.StartUpdate:
		m.flashed = a.Component
		r.Update = &journey.UpdateReading{State: journey.UpdateRuns, Ticket: "planned"}
	case journey.FollowUpdate:
		r.Update = &journey.UpdateReading{State: journey.UpdateDone, Ticket: "planned", Percent: 100}
	case journey.ReadVolumes, journey.MakeVolume, journey.DeleteVolume, journey.FollowVolume:
		m.volumes(a, r)
	case journey.SaveHardware:
		m.facts.Hardware = a.Hardware.DeepCopy()
	}
	return r
}

// readFirmware shows the settings that were set, or what is asked for where nothing is known of them.
func (m *model) readFirmware() {
	f := &m.facts.Firmware
	if !f.Described {
		f.Described, f.Settings, f.Current = true, map[string]firmware.Setting{}, maps.Clone(f.Wanted)
		for name := range f.Wanted {
			f.Settings[name] = firmware.Setting{}
		}
		return
	}
	f.Current = maps.Clone(f.Current)
	if f.Current == nil {
		f.Current = map[string]string{}
	}
	maps.Copy(f.Current, m.settings)
}

// readComponents shows another version of what was updated, and of what is asked for some version where nothing is known of it.
func (m *model) readComponents() {
	f := &m.facts.Components
	f.Current = slices.Clone(f.Current)
	if !f.Read {
		for _, u := range f.Wanted {
			f.Current = append(f.Current, firmware.Component{Name: u.Component, Version: "now"})
		}
	}
	f.Read = true
	for i := range f.Current {
		if f.Current[i].Name == m.flashed {
			f.Current[i].Version += " and later"
		}
	}
}

func (m *model) setPower(on bool) {
	m.facts.Power = journey.PowerReading{State: journey.PowerOff, ReadAt: m.now}
	if on {
		m.facts.Power.State = journey.PowerOn
	}
}

func (m *model) agentComes(boot string) {
	m.setPower(true)
	m.facts.Agent = &journey.AgentFacts{BootID: boot, LastSeen: m.now, Phase: step.Idle}
}

// probe is what a BMC says that can do everything.
func (m *model) probe() *ingot.BMCStatus {
	if b := m.facts.Record.BMC; b != nil {
		out := b.DeepCopy()
		out.Address = m.facts.Host.Spec.BMC.Address
		return out
	}
	return &ingot.BMCStatus{Address: m.facts.Host.Spec.BMC.Address, Capabilities: []string{"power", "boot-once", "virtual-media", "inventory"}}
}

// finish is a step that went as well as the known hardware lets it.
func (m *model) finish(id string, kind step.Kind, claim *ingot.DiskClaim) {
	a := m.facts.Agent
	if a == nil {
		return
	}
	a.StepID, a.WantedID, a.Phase, a.Outcome = id, id, step.Finished, m.outcome(kind, claim)
}

func (m *model) outcome(kind step.Kind, claim *ingot.DiskClaim) *step.Outcome {
	disks := m.disks()
	switch kind {
	case step.Inspect:
		return &step.Outcome{Inventory: &step.Inventory{Disks: disks, CPU: step.CPU{Architecture: m.facts.Host.Spec.Architecture}}}
	case step.ChooseDisk:
		if policy, err := journey.Erasure(m.facts.Host); err == nil {
			for i := range disks {
				disks[i].Kept = policy.Keeps(disks[i])
			}
		}
		hints := journey.RootHints(m.facts.Host, &m.facts.Record, m.facts.Host.Spec.RootDeviceHints)
		if arrays := m.arrays(); len(arrays) > 0 {
			if disks = append(disks, arrays...); hints == nil {
				hints = &rootdevice.Hints{SerialNumber: arrays[0].SerialNumber}
			}
		}
		d, failure := rootdevice.Choose(disks, hints, 0)
		if failure != nil {
			return &step.Outcome{Failure: failure}
		}
		return &step.Outcome{Disk: &d}
	case step.BurnIn:
		return &step.Outcome{Tests: []step.TestResult{{Test: step.TestCPU, Result: step.TestPassed}}}
	case step.Clean:
		return m.cleaned(disks)
	case step.ConfigureRAID:
		return m.arrayed(disks)
	case step.WriteImage:
		out := &step.Outcome{Written: &step.Written{}}
		if claim != nil {
			out.Disk = &step.Disk{Name: claim.DeviceName, SerialNumber: claim.SerialNumber, WWN: claim.WWN, SizeBytes: claim.SizeBytes}
		}
		return out
	case step.LoadSystem:
		return &step.Outcome{Loaded: &step.Loaded{}}
	default:
		return &step.Outcome{}
	}
}

// cleaned is a cleaning whose first method works on every disk.
func (m *model) cleaned(disks []step.Disk) *step.Outcome {
	// A policy that cannot be read stops the host before it gets here.
	policy, _ := journey.Erasure(m.facts.Host)
	out := &step.Outcome{Erasure: &policy}
	did := map[step.Method]string{step.EraseSecurely: step.DidNVMeSanitize}
	for _, d := range disks {
		w := step.Wipe{Disk: d, Method: step.DidKeep, Kept: true, StartedAt: m.now, FinishedAt: m.now}
		if methods, keep := policy.For(d); keep == "" {
			w.Method, w.Kept, w.Clean = cmp.Or(did[methods[0]], string(methods[0])), false, true
		}
		out.Wipes = append(out.Wipes, w)
	}
	return out
}

// disks are the known ones. Before the first inspection, and after one out of band, one is imagined that every hint fits.
func (m *model) disks() []step.Disk {
	if m.storage != nil {
		if disks := m.volumeDisks(); len(disks) > 0 {
			return disks
		}
	}
	if h := m.facts.Hardware; h != nil && (m.facts.Host.Spec.InspectionMode != journey.InspectionModeFast || len(inspect.Disks(h)) > 0) {
		return inspect.Disks(h)
	}
	return []step.Disk{imagined(m.facts.Host.Spec.RootDeviceHints)}
}

func imagined(h *metal3.RootDeviceHints) step.Disk {
	d := step.Disk{Name: "/dev/sda", SizeBytes: 1 << 40}
	if h == nil {
		return d
	}
	if h.DeviceName != "" {
		d.Name = h.DeviceName
	}
	d.HCTL, d.Model, d.Vendor, d.SerialNumber = h.HCTL, h.Model, h.Vendor, h.SerialNumber
	d.WWN, d.WWNWithExtension, d.WWNVendorExtension = h.WWN, h.WWNWithExtension, h.WWNVendorExtension
	d.SizeBytes = max(d.SizeBytes, int64(h.MinSizeGigabytes)<<30)
	d.Rotational = h.Rotational != nil && *h.Rotational
	return d
}
