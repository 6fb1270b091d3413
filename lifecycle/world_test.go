package lifecycle

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/rootdevice"
	"github.com/ingotmetal/ingot/step"
)

// world is a tiny model of everything that a decision touches: API server, BMC, machine, agent, disks and the process that decides, each of which may fail. Its
// truth (what is on which disk, who is running) is kept apart from what the objects say, so that the two can be compared.
type world struct {
	now  time.Time
	rand *rand.Rand
	// folds: decisions are folded, as the controller does.
	folds bool
	// faults in permille, by name; 0 once the world is healed.
	faults map[string]int

	// The API server.
	host     *metal3.BareMetalHost
	gone     bool
	record   ingot.HostLifecycleStatus
	hardware *metal3.HardwareDetails
	window   *ingot.BootWindow
	data     *journey.DataImageFacts
	secret   struct {
		// barred: the partition role may not read it.
		found, complete, right, barred bool

		version int
	}

	// storage is what its RAID controller has.
	storage raid.Storage

	// The machine.
	power   bool
	disks   []*simDisk
	machine running
	// cd is what is in the virtual drive; fromCD: the machine boots from it.
	cd     string
	fromCD bool
	agent  *simAgent
	// pressedAt is when somebody pressed the power button.
	pressedAt time.Time
	// osBoots counts the starts of the image since it was written.
	osBoots int

	// The process.
	mem memory

	// trace is what happened, for failures.
	trace []string
	// wrong is the first thing that must never be.
	wrong string
	// dhcp: the site serves addresses.
	dhcp bool
}

type simDisk struct {
	step.Disk
	content string
}

// running is what the machine runs.
type running string

const (
	nothing   running = ""
	agentRuns running = "agent"
	osRuns    running = "os"
	hangs     running = "hangs"
)

// simAgent is the agent's program.
type simAgent struct {
	boot     string
	callsAt  time.Time
	enrolled bool
	dead     bool
	stepID   string
	kind     step.Kind
	claim    *ingot.DiskClaim
	hints    *rootdevice.Hints
	image    metal3.Image
	endsAt   time.Time
	outcome  *step.Outcome
}

// memory is what the process knows and may lose.
type memory struct {
	power  journey.PowerReading
	media  string
	result *journey.ActionResult
	wanted string
	// seen: the agent called since the process started.
	seen bool
}

const (
	goodImage  = "http://images/debian.raw.zst"
	otherImage = "http://images/other.qcow2"
	goodSum    = "aa"
	badSum     = "bb"
	liveISO    = "http://images/live.iso"
	dataISO    = "http://images/data.iso"
)

func newWorld(seed uint64, faults map[string]int) *world {
	w := &world{now: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC), rand: rand.New(rand.NewPCG(seed, 7)), faults: faults, dhcp: seed%2 == 0}
	w.host = &metal3.BareMetalHost{
		ObjectMeta: metav1.ObjectMeta{Name: "h", Namespace: "n", UID: "0d9a", Generation: 1},
		Spec: metal3.BareMetalHostSpec{Online: true, BMC: metal3.BMCDetails{Address: "redfish-virtualmedia://10.0.0.5/redfish/v1/Systems/1", CredentialsName: "s"},
			AutomatedCleaningMode: metal3.CleaningModeMetadata},
	}
	w.storage = controller()
	w.secret.found, w.secret.complete, w.secret.right, w.secret.version = true, true, true, 1
	w.disks = []*simDisk{
		{step.Disk{Name: "/dev/sda", SerialNumber: "A", WWN: "wa", SizeBytes: 100 << 30}, "somebody's data"},
		{step.Disk{Name: "/dev/sdb", SerialNumber: "B", WWN: "wb", SizeBytes: 200 << 30, Rotational: true}, "more data"},
	}
	return w
}

// fault rolls the dice of one kind of fault.
func (w *world) fault(name string) bool { return w.rand.IntN(1000) < w.faults[name] }

func (w *world) note(format string, args ...any) {
	w.trace = append(w.trace, w.now.Format("02 15:04:05.0 ")+fmt.Sprintf(format, args...))
}

func (w *world) never(format string, args ...any) {
	if w.wrong == "" {
		w.wrong = fmt.Sprintf(format, args...)
	}
	w.note("WRONG: "+format, args...)
}

// facts are what the process would gather now.
func (w *world) facts() journey.Facts {
	w.live()
	f := journey.Facts{
		Host: w.host.DeepCopy(), Record: *w.record.DeepCopy(), Hardware: w.hardware.DeepCopy(), DataImage: w.data, Power: w.mem.power, Media: w.mem.media, Result: w.mem.result,
		Credentials: journey.Credentials{Named: w.host.Spec.BMC.CredentialsName != "", Found: w.secret.found, Complete: w.secret.complete,
			Forbidden: w.secret.barred, Version: fmt.Sprint(w.secret.version)},
		Window: w.window.DeepCopy(), Site: journey.Site{Name: "sim", VirtualMedia: true, PXE: w.dhcp, BootDeadline: 5 * time.Minute},
	}
	if !w.secret.found || w.secret.barred {
		f.Credentials.Found, f.Credentials.Complete, f.Credentials.Version = false, false, ""
	}
	if a := w.agent; a != nil && a.enrolled && w.mem.seen && w.record.Boot != nil && w.record.Boot.ID == a.boot {
		last := w.now
		if a.dead {
			last = a.endsAt
		}
		f.Agent = &journey.AgentFacts{BootID: a.boot, LastSeen: last, StepID: a.stepID, Phase: step.Idle, Outcome: a.outcome, WantedID: w.mem.wanted}
		switch {
		case a.outcome != nil:
			f.Agent.Phase = step.Finished
		case a.stepID != "":
			f.Agent.Phase = step.Running
			f.Agent.Progress = &step.Progress{Phase: "working", DoneBytes: 1, UpdatedAt: w.now}
		}
	}
	return f
}

// pass is one pass of the controller; a crash may end it after any write. It returns the decision.
func (w *world) pass() journey.Decision {
	dec := w.decision()
	o := dec.Outcome
	w.note("%-14s %s %s: %s [%T]", dec.Host.Status.Provisioning.State, o.Kind, o.Reason, o.Message, dec.Action)
	w.record = roundTrip(dec.Record)
	if w.crash("after the record") {
		return dec
	}
	meta := w.host.DeepCopy()
	meta.ObjectMeta, meta.Spec = *dec.Host.ObjectMeta.DeepCopy(), *dec.Host.Spec.DeepCopy()
	w.host = meta
	if w.crash("after the metadata") {
		return dec
	}
	w.host.Status = roundTrip(dec.Host.Status)
	if w.crash("after the status") {
		return dec
	}
	w.mem.result = nil
	if dec.Action != nil {
		r := w.do(dec.Action)
		if w.crash("after the action") {
			return dec
		}
		w.mem.result = r
		if dec.RemoveFinalizer && r.Failure == nil {
			w.gone = true
		}
	}
	return dec
}

func (w *world) crash(where string) bool {
	if !w.fault("crash") {
		return false
	}
	w.note("the process dies %s", where)
	w.mem = memory{}
	return true
}

// do carries an action out.
func (w *world) do(a journey.Action) *journey.ActionResult {
	r := &journey.ActionResult{Action: a.Name()}
	switch a := a.(type) {
	case journey.OpenWindow:
		r.BootID = a.BootID
		if w.window == nil || w.window.Name != a.BootID {
			w.window = &ingot.BootWindow{ObjectMeta: metav1.ObjectMeta{Name: a.BootID}, Spec: ingot.BootWindowSpec{Purpose: a.Purpose, Method: a.Method,
				OpensAt: metav1.NewTime(w.now), ClosesAt: metav1.NewTime(w.now.Add(time.Duration(a.ClosesInSeconds) * time.Second))}}
		}
	case journey.CloseWindow:
		w.window = nil
	case journey.SaveHardware:
		w.hardware = roundTripPointer(a.Hardware)
	case journey.RunStep:
		w.mem.wanted = a.ID
		w.take(a)
	case journey.Release:
		w.window, w.agent = nil, nil
	default:
		if w.secret.barred {
			w.never("%s without the right to read the credentials", a.Name())
		}
		r.Generation, r.CredentialsVersion = w.host.Generation, fmt.Sprint(w.secret.version)
		r.Failure = w.bmcFault()
		if r.Failure == nil || w.fault("half") {
			w.bmc(a, r)
		}
	}
	return r
}

// bmcFault is how a BMC refuses.
func (w *world) bmcFault() *step.Failure {
	switch {
	case !w.secret.found || !w.secret.complete || !w.secret.right:
		return &step.Failure{Kind: step.Denied, Message: "401"}
	case w.fault("unreachable"):
		return &step.Failure{Kind: step.Unreachable, Message: "no route"}
	case w.fault("busy"):
		return &step.Failure{Kind: step.Busy, Message: "503"}
	case w.fault("internal"):
		return &step.Failure{Kind: step.Internal, Message: "500"}
	}
	return nil
}

// bmc is the BMC doing what it is told.
func (w *world) bmc(a journey.Action, r *journey.ActionResult) {
	switch a := a.(type) {
	case journey.Verify:
		r.BMC = &ingot.BMCStatus{Driver: "redfish", SystemUUID: "u", Address: w.host.Spec.BMC.Address, Capabilities: []string{"power", "virtual-media", "inventory"}}
		r.Power = w.reading()
	case journey.ReadInventory:
		r.Inventory = &step.Inventory{NICs: []step.NIC{{Name: "1", MAC: "52:54:00:00:00:01"}}, Disks: []step.Disk{{SerialNumber: "A", SizeBytes: 100 << 30}, {SerialNumber: "BEHIND-RAID"}}}
	case journey.ReadVolumes, journey.MakeVolume, journey.DeleteVolume, journey.FollowVolume:
		w.volumes(a, r)
	case journey.ReadPower:
		r.Power, w.mem.media = w.reading(), w.cd
	case journey.BootISO:
		r.BootID = a.BootID
		w.drive(journey.Drive{Managed: true, URL: a.URL, Boot: true}, r)
		w.setPower(false, "boot live ISO")
		w.setPower(true, "boot live ISO")
	case journey.EjectMedium:
		w.drive(journey.Drive{Managed: true}, r)
	case journey.SetPower:
		w.drive(a.Drive, r)
		if !a.Soft || !w.fault("deaf") {
			w.setPower(a.Want == journey.PowerOn, "BMC")
		}
		r.Power = w.reading()
	case journey.Restart:
		w.drive(a.Drive, r)
		w.setPower(false, "reset")
		w.setPower(true, "reset")
	case journey.StartAgent:
		r.BootID = a.BootID
		w.bootAgent(a.BootID)
	case journey.BootDisk:
		r.BootID = a.BootID
		if w.power && !w.host.Spec.DisablePowerOff && !w.pressedAt.After(w.mem.power.ReadAt) {
			w.never("the machine was on when it was started from its disk")
		}
		w.setPower(false, "boot from disk")
		w.setPower(true, "boot from disk")
	}
	if r.Power != nil {
		w.mem.power = *r.Power
	}
}

// drive does what the owner wants of the virtual CD drive.
func (w *world) drive(want journey.Drive, r *journey.ActionResult) {
	if !want.Managed {
		return
	}
	if state := w.host.Status.Provisioning.State; state == metal3.StateAvailable || state == metal3.StatePreparing || state == metal3.StateInspecting {
		w.never("a medium of the owner in state %s", state)
	}
	w.cd, w.fromCD, w.mem.media, r.Drive = want.URL, want.Boot, want.URL, &want.URL
}

func (w *world) reading() *journey.PowerReading {
	s := journey.PowerOff
	if w.power {
		s = journey.PowerOn
	}
	return &journey.PowerReading{State: s, ReadAt: w.now}
}

func (w *world) setPower(on bool, by string) {
	if on == w.power {
		return
	}
	w.note("   power %v by %s", on, by)
	w.power, w.machine, w.agent = on, nothing, nil
	if on && w.fromCD && w.cd != "" {
		// A live system does with the disks what it likes.
		w.machine, w.disks[0].content = osRuns, "data of the live system"
		return
	}
	if d := w.bootable(); on && d != nil {
		w.machine = osRuns
		w.osBoots++
	}
}

func (w *world) bootAgent(boot string) {
	w.fromCD = false
	w.setPower(false, "boot agent")
	w.power, w.machine = true, agentRuns
	w.cd, w.fromCD = "medium of "+boot, false
	w.agent = &simAgent{boot: boot, callsAt: w.now.Add(30 * time.Second)}
	if w.fault("hang") {
		w.machine, w.agent = hangs, nil
	}
}

// bootable is the disk with a whole image.
func (w *world) bootable() *simDisk {
	i := slices.IndexFunc(w.disks, func(d *simDisk) bool { return strings.HasPrefix(d.content, "image:") })
	if i < 0 {
		return nil
	}
	return w.disks[i]
}

// live lets the agent's time pass up to now.
func (w *world) live() {
	a := w.agent
	if a == nil || a.dead || w.now.Before(a.callsAt) {
		return
	}
	if !a.enrolled {
		win := w.window
		if win == nil || win.Name != a.boot || win.Status.RedeemedAt != nil || w.now.After(win.Spec.ClosesAt.Time) {
			w.note("   the agent of %s is turned away", a.boot)
			w.machine, w.agent = hangs, nil
			return
		}
		a.enrolled = true
		t := metav1.NewTime(w.now)
		win.Status.RedeemedAt = &t
	}
	w.mem.seen = true
	if w.record.Boot == nil || w.record.Boot.ID != a.boot {
		w.note("   the agent of %s is superseded", a.boot)
		w.setPower(false, "agent")
		return
	}
	if a.stepID != "" && a.outcome == nil && !w.now.Before(a.endsAt) {
		a.outcome = w.finish(a)
	}
	if w.fault("death") {
		w.note("   the agent dies")
		a.dead, a.endsAt, w.machine = true, w.now, hangs
	}
}

// take is the agent taking up a step.
func (w *world) take(run journey.RunStep) {
	a := w.agent
	if a == nil || a.dead || !a.enrolled || a.stepID == run.ID {
		return
	}
	if a.stepID != "" && a.outcome == nil {
		w.never("the agent is given %s while it is at %s", run.ID, a.stepID)
	}
	durations := map[step.Kind]time.Duration{step.Inspect: 10 * time.Second, step.ChooseDisk: time.Second, step.Clean: 20 * time.Second, step.BurnIn: 3 * time.Minute, step.WriteImage: 2 * time.Minute}
	a.stepID, a.kind, a.claim, a.outcome, a.endsAt = run.ID, run.Kind, run.Claim, nil, w.now.Add(durations[run.Kind])
	a.hints = journey.RootHints(w.host, &w.record, w.host.Spec.RootDeviceHints)
	if run.Kind == step.WriteImage {
		a.image = *w.host.Status.Provisioning.Image.DeepCopy()
		w.beginWrite(run.Claim)
	}
}

// beginWrite spoils the claimed disk, and checks that it is one that the hints allow.
func (w *world) beginWrite(c *ingot.DiskClaim) {
	for _, d := range w.disks {
		if d.SerialNumber == c.SerialNumber {
			if h := w.host.Spec.RootDeviceHints; h != nil && h.Rotational != nil && *h.Rotational != d.Rotational {
				w.never("the image goes to %s, which the hints exclude", d.Name)
			}
			d.content = "part of " + w.host.Status.Provisioning.Image.URL
			w.osBoots = 0
			return
		}
	}
	w.never("a write to a disk that is not there: %+v", *c)
}

// finish is the end of a step.
func (w *world) finish(a *simAgent) *step.Outcome {
	if w.fault("step") {
		return &step.Outcome{Failure: &step.Failure{Kind: step.Internal, Message: "the step broke"}}
	}
	switch a.kind {
	case step.Inspect:
		return &step.Outcome{Inventory: &step.Inventory{CPU: step.CPU{Architecture: "x86_64", Count: 2}, MemoryBytes: 1 << 30, Disks: w.plain(),
			NICs: []step.NIC{{Name: "eth0", MAC: "52:54:00:00:00:01", Addresses: []string{"10.0.0.9/24"}}}}}
	case step.ChooseDisk:
		d, failure := rootdevice.Choose(w.plain(), a.hints, 0)
		if failure != nil {
			return &step.Outcome{Failure: failure}
		}
		return &step.Outcome{Disk: &d}
	case step.Clean:
		return w.cleaned()
	case step.BurnIn:
		return w.tested()
	default:
		return w.written(a)
	}
}

// tested is a burn-in, which loses what is on the disks where it writes.
func (w *world) tested() *step.Outcome {
	r := step.TestResult{Test: step.TestCPU, Result: step.TestPassed}
	if w.fault("stain") {
		r.Result, r.Message = step.TestFailed, "a wrong result"
	}
	if plan, err := journey.BurnIn(w.host); err == nil && plan.Writes() {
		for _, d := range w.disks {
			d.content = "a pattern"
		}
	}
	return &step.Outcome{Tests: []step.TestResult{r}}
}

func (w *world) cleaned() *step.Outcome {
	out := &step.Outcome{}
	for _, d := range w.disks {
		wipe := step.Wipe{Disk: d.Disk, Method: "metadata", StartedAt: w.now, FinishedAt: w.now, Clean: true}
		if w.fault("stain") {
			wipe.Clean, wipe.Message = false, "a signature is left"
		} else {
			d.content = ""
		}
		out.Wipes = append(out.Wipes, wipe)
	}
	return out
}

func (w *world) written(a *simAgent) *step.Outcome {
	if a.image.Checksum != goodSum {
		return &step.Outcome{Failure: &step.Failure{Kind: step.Invalid, Message: "the digest is wrong"}}
	}
	for _, d := range w.disks {
		if d.SerialNumber == a.claim.SerialNumber {
			d.content = "image:" + a.image.URL
			return &step.Outcome{Disk: &d.Disk, Written: &step.Written{Digest: "sha256:" + goodSum}}
		}
	}
	return &step.Outcome{Failure: &step.Failure{Kind: step.Invalid, Message: "the claimed disk is gone"}}
}
