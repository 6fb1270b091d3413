package volume

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/step"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// roughWorld is a BMC whose answers get lost, and a controller that dies at any point.
type roughWorld struct {
	rng     *rand.Rand
	facts   journey.Facts
	now     time.Time
	storage raid.Storage
	// pending is a change that is done after left more looks, or with the next boot (onReset).
	pending func()
	left    int
	// The BMC's manners: forgets its tasks, has none, changes with the next start, loses orders, refuses names.
	forgets, mute, onReset, deaf, unnamed bool
	// made and deleted count what it did.
	made, deleted map[string]int
	boots         int
	// stale: a volume was made or deleted since the machine was inspected.
	stale bool
}

func (w *roughWorld) hit(percent int) bool { return w.rng.IntN(100) < percent }

func newRough(seed uint64) *roughWorld {
	w := &roughWorld{rng: rand.New(rand.NewPCG(seed, 1)), now: noon, made: map[string]int{}, deleted: map[string]int{},
		forgets: seed%4 == 0, mute: seed%5 == 0, onReset: seed%3 == 0, deaf: seed%7 == 0, unnamed: seed%2 == 0}
	var drives []raid.Drive
	for n := range 6 {
		drives = append(drives, raid.Drive{ID: fmt.Sprintf("d%d", n), SizeBytes: 500 << 30})
	}
	w.storage = raid.Storage{Controllers: []raid.Controller{{ID: "c", Levels: []string{"0", "1"}, Drives: drives}}}
	w.storage, _ = w.storage.With("c", raid.Made{Level: "0", Drives: []string{"d0"}})
	w.storage, _ = w.storage.With("c", raid.Made{Level: "1", Drives: []string{"d1", "d2"}})
	h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Name: "h", Namespace: "n", UID: "u", Generation: 1, Finalizers: []string{metal3.BareMetalHostFinalizer}}}
	h.Spec.BMC = metal3.BMCDetails{Address: "redfish-virtualmedia://10.0.0.5/redfish/v1/Systems/1", CredentialsName: "s"}
	h.Spec.AutomatedCleaningMode = metal3.CleaningModeMetadata
	h.Spec.RAID = &metal3.RAIDConfig{HardwareRAIDVolumes: []metal3.HardwareRAIDVolume{{Level: "1", Name: "root"}, {Level: "1"}, {Level: "0"}}}
	h.Status.Provisioning.State = metal3.StatePreparing
	w.facts = journey.Facts{Host: h, Site: journey.Site{VirtualMedia: true}}
	w.facts.Record.BMC = &ingot.BMCStatus{Address: h.Spec.BMC.Address, Capabilities: []string{"virtual-media"}}
	cleaned := metav1.NewTime(noon.Add(-time.Hour))
	w.facts.Record.CleanedAt = &cleaned
	w.boot("b0")
	return w
}

// boot has an agent in a boot, which is when what waited is done.
func (w *roughWorld) boot(id string) {
	w.now = w.now.Add(2 * time.Minute).Truncate(time.Second)
	at := metav1.NewTime(w.now)
	if w.onReset && w.pending != nil {
		w.pending()
		w.pending = nil
	}
	w.facts.Record.Boot = &ingot.BootStatus{ID: id, Purpose: ingot.PurposeAgent, Attempt: 1, StartedAt: &at, ConfirmedAt: &at, EnrolledAt: &at}
	w.facts.Window = &ingot.BootWindow{ObjectMeta: metav1.ObjectMeta{Name: id}, Spec: ingot.BootWindowSpec{Purpose: ingot.PurposeAgent, Method: ingot.MethodVirtualMedia, ClosesAt: metav1.NewTime(w.now.Add(24 * time.Hour))}}
	w.facts.Window.Status.RedeemedAt = &at
	w.facts.Power = journey.PowerReading{State: journey.PowerOn, ReadAt: w.now}
}

// pass is one look of a controller: the record is written, then the action is done, and its result may be lost in three ways.
func (w *roughWorld) pass(t *testing.T) (done bool) {
	t.Helper()
	if b := w.facts.Record.Boot; b != nil && b.EnrolledAt != nil {
		w.facts.Agent = &journey.AgentFacts{BootID: b.ID, LastSeen: w.now, Phase: step.Idle}
	}
	d := journey.Begin(w.facts, w.now)
	seen := Take(d)
	dec, failed := d.ActionFailed(metal3.PreparationError)
	if !failed {
		if dec, failed = d.RetryPending(); !failed {
			var as bool
			if dec, as = Bring(d, seen); as {
				return true
			}
		}
	}
	if broken := journey.Check(w.facts, dec); len(broken) > 0 {
		t.Fatalf("the decision breaks %v", broken)
	}
	w.facts.Record, w.facts.Result = *dec.Record.DeepCopy(), nil
	if w.hit(10) { // it dies between the two writes
		return false
	}
	w.facts.Host = dec.Host
	w.now = w.now.Add(time.Second)
	if dec.Host.Status.Provisioning.State == metal3.StateInspecting {
		w.inspected()
		return false
	}
	if at := dec.Outcome.NextAttempt; at.After(w.now) {
		w.now = at
	}
	if dec.Action == nil || w.hit(10) { // it dies between the write and the action
		return false
	}
	r := w.do(dec.Action)
	switch {
	case w.hit(10): // it dies after the action
	case w.hit(10): // the answer is lost
		w.facts.Result = &journey.ActionResult{Action: r.Action, BootID: r.BootID, Failure: &step.Failure{Kind: step.Timeout, Message: "no answer"}}
	default:
		w.facts.Result = r
	}
	return false
}

// inspected is what package inspect does.
func (w *roughWorld) inspected() {
	w.stale, w.facts.Record.RAID.VolumesChanged = false, false
	w.now = w.now.Add(time.Minute)
	w.facts.Host.Status.OperationHistory.Inspect.End = metav1.NewTime(w.now.Truncate(time.Second))
	w.facts.Host.Status.Provisioning.State = metal3.StatePreparing
	w.boots++
	w.boot(fmt.Sprintf("inspect-%d", w.boots))
}

func (w *roughWorld) do(a journey.Action) *journey.ActionResult {
	r := &journey.ActionResult{Action: a.Name()}
	switch a := a.(type) {
	case journey.OpenWindow:
		r.BootID = a.BootID
		w.boot(a.BootID)
	case journey.ReadVolumes:
		s := w.storage
		r.Storage = &s
	case journey.MakeVolume:
		r.Volume = w.order(func() {
			v := a.Volume
			for _, m := range w.storage.Controllers[0].Volumes {
				if strings.Join(m.Drives, " ") == strings.Join(v.Drives, " ") {
					return // asked for twice: it refuses
				}
			}
			w.stale = true
			w.made[v.Level+strings.Join(v.Drives, " ")]++
			if w.unnamed {
				v.Name = "Virtual Disk"
			}
			w.storage, _ = w.storage.With(a.Controller, v)
		})
	case journey.DeleteVolume:
		r.Volume = w.order(func() {
			w.stale = true
			w.deleted[a.ID]++
			w.storage = w.storage.Without(a.Controller, a.ID)
		})
	case journey.FollowVolume:
		r.Volume = &journey.VolumeReading{State: journey.UpdateDone}
		switch {
		case w.forgets:
			r.Volume.State = journey.UpdateUnknown
		case w.pending != nil && w.onReset:
			r.Volume.State = journey.UpdateWaits
		case w.pending != nil:
			r.Volume.State = journey.UpdateRuns
		}
		if w.pending != nil && !w.onReset {
			if w.left--; w.left <= 0 {
				w.pending()
				w.pending = nil
			}
		}
	}
	return r
}

func (w *roughWorld) order(do func()) *journey.VolumeReading {
	out := &journey.VolumeReading{State: journey.UpdateRuns, Ticket: "t", OnReset: w.onReset && w.hit(50)}
	switch {
	case w.deaf && w.hit(30):
		return out // it said yes and forgot
	case w.mute && !w.onReset:
		do()
		out.Ticket = ""
	default:
		w.pending, w.left = do, w.rng.IntN(3)
	}
	return out
}

// TestCrashesAnywhere: however often answers are lost and controllers die, the volumes are as asked for in the end, the one that was so from the beginning but for its name is made anew once, and the machine was
// inspected after the last change.
func TestCrashesAnywhere(t *testing.T) {
	for seed := range uint64(210) {
		w := newRough(seed)
		passes := 0
		for !w.pass(t) {
			if passes++; passes > 3000 {
				t.Fatalf("seed %d: not done after %d looks and %s: %+v, %+v", seed, passes, w.now.Sub(noon), w.facts.Record.RAID, w.facts.Record.Failure)
			}
		}
		r := w.facts.Record.RAID
		if !journey.VolumesMade(w.facts.Host, &w.facts.Record) || len(r.Volumes) != 3 || r.Volumes[0].AskedName != "root" && r.Volumes[0].Name != "root" || r.Change != nil {
			t.Fatalf("seed %d: %+v", seed, r)
		}
		if w.stale {
			t.Errorf("seed %d: the machine was not inspected after its last change", seed)
		}
		if w.facts.Record.CleanedAt != nil || w.boots == 0 {
			t.Errorf("seed %d: cleaned at %v, inspected %d times", seed, w.facts.Record.CleanedAt, w.boots)
		}
		if n := len(w.storage.Controllers[0].Volumes); n != 3 {
			t.Errorf("seed %d: the controller has %d volumes", seed, n)
		}
		for what, n := range w.made {
			if n != 1 {
				t.Errorf("seed %d: %s was made %d times", seed, what, n)
			}
		}
		if journey.RootHints(w.facts.Host, &w.facts.Record, nil).WWNWithExtension != r.Volumes[0].WWN {
			t.Errorf("seed %d: the root device is not the first volume", seed)
		}
	}
}
