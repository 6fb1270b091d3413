package lifecycle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
)

const maxPasses = 4000

// edits are what an owner may do to a host at any time.
func edits() map[string]func(*world) {
	spec := func(change func(*metal3.BareMetalHostSpec)) func(*world) {
		return func(w *world) {
			change(&w.host.Spec)
			w.host.Generation++
		}
	}
	annotate := func(name, value string) func(*world) {
		return func(w *world) { metav1.SetMetaDataAnnotation(&w.host.ObjectMeta, name, value) }
	}
	bare := func(name string) func(*world) { return func(w *world) { delete(w.host.Annotations, name) } }
	image := func(url, sum string) func(*world) {
		return spec(func(s *metal3.BareMetalHostSpec) {
			s.Image = &metal3.Image{URL: url, Checksum: sum, ChecksumType: metal3.SHA256}
		})
	}
	rotational := true
	return map[string]func(*world){
		"image":       image(goodImage, goodSum),
		"other image": image(otherImage, goodSum),
		"bad image":   image(goodImage, badSum),
		"ftp image":   image("ftp://x/y", goodSum),
		"live ISO": spec(func(s *metal3.BareMetalHostSpec) {
			format := "live-iso"
			s.Image = &metal3.Image{URL: liveISO, DiskFormat: &format}
		}),
		"data image":      func(w *world) { w.data = &journey.DataImageFacts{URL: dataISO} },
		"no data image":   func(w *world) { w.data = nil },
		"no image":        spec(func(s *metal3.BareMetalHostSpec) { s.Image = nil }),
		"online":          spec(func(s *metal3.BareMetalHostSpec) { s.Online = true }),
		"offline":         spec(func(s *metal3.BareMetalHostSpec) { s.Online = false }),
		"no power off":    spec(func(s *metal3.BareMetalHostSpec) { s.DisablePowerOff = true }),
		"power off":       spec(func(s *metal3.BareMetalHostSpec) { s.DisablePowerOff = false }),
		"no cleaning":     spec(func(s *metal3.BareMetalHostSpec) { s.AutomatedCleaningMode = metal3.CleaningModeDisabled }),
		"cleaning":        spec(func(s *metal3.BareMetalHostSpec) { s.AutomatedCleaningMode = metal3.CleaningModeMetadata }),
		"no inspection":   spec(func(s *metal3.BareMetalHostSpec) { s.InspectionMode = metal3.InspectionModeDisabled }),
		"fast inspection": spec(func(s *metal3.BareMetalHostSpec) { s.InspectionMode = journey.InspectionModeFast }),
		"hints": spec(func(s *metal3.BareMetalHostSpec) {
			s.RootDeviceHints = &metal3.RootDeviceHints{Rotational: &rotational}
		}),
		"bad hints": spec(func(s *metal3.BareMetalHostSpec) { s.RootDeviceHints = &metal3.RootDeviceHints{SerialNumber: "none"} }),
		"volume": spec(func(s *metal3.BareMetalHostSpec) {
			s.RAID = &metal3.RAIDConfig{HardwareRAIDVolumes: []metal3.HardwareRAIDVolume{{Level: "1"}}}
		}),
		"two volumes": spec(func(s *metal3.BareMetalHostSpec) {
			one, ten := 1, 10
			s.RAID = &metal3.RAIDConfig{HardwareRAIDVolumes: []metal3.HardwareRAIDVolume{{Level: "0", NumberOfPhysicalDisks: &one, SizeGibibytes: &ten}, {Level: "1"}}}
		}),
		"raid": spec(func(s *metal3.BareMetalHostSpec) {
			s.RAID = &metal3.RAIDConfig{HardwareRAIDVolumes: []metal3.HardwareRAIDVolume{}}
		}),
		"no raid":       spec(func(s *metal3.BareMetalHostSpec) { s.RAID = nil }),
		"pause":         annotate(metal3.PausedAnnotation, "test"),
		"resume":        bare(metal3.PausedAnnotation),
		"detach":        annotate(metal3.DetachedAnnotation, ""),
		"force detach":  annotate(metal3.DetachedAnnotation, `{"force":true}`),
		"attach":        bare(metal3.DetachedAnnotation),
		"reboot":        annotate(metal3.RebootAnnotationPrefix, ""),
		"hard reboot":   annotate(metal3.RebootAnnotationPrefix, `{"mode":"hard"}`),
		"forced reboot": annotate(metal3.RebootAnnotationPrefix, `{"mode":"hard","force":true}`),
		"hold":          annotate(metal3.RebootAnnotationPrefix+"/k", ""),
		"let go":        bare(metal3.RebootAnnotationPrefix + "/k"),
		"inspect":       annotate(metal3.InspectAnnotationPrefix, ""),
		"burn in":       annotate(ingot.BurnInAnnotation, "cpu=3m,disk=write"),
		"burn in a bit": annotate(ingot.BurnInAnnotation, "cpu=1m"),
		"no burn-in":    func(w *world) { delete(w.host.Annotations, ingot.BurnInAnnotation) },
		"lock out":      func(w *world) { w.secret.right = false; w.secret.version++ },
		"new password":  func(w *world) { w.secret.right = true; w.secret.version++ },
		"unbound":       func(w *world) { w.secret.barred = true },
		"bound":         func(w *world) { w.secret.barred = false },
		"no secret":     func(w *world) { w.secret.found = false },
		"secret":        func(w *world) { w.secret.found = true; w.secret.version++ },
		"no password":   func(w *world) { w.secret.complete = false; w.secret.version++ },
		"password":      func(w *world) { w.secret.complete = true; w.secret.version++ },
		"lose record":   func(w *world) { w.record = *new(world).record.DeepCopy() },
		"press button":  func(w *world) { w.pressedAt = w.now; w.setPower(!w.power, "somebody") },
		"other address": spec(func(s *metal3.BareMetalHostSpec) {
			s.BMC.DisableCertificateVerification = !s.BMC.DisableCertificateVerification
		}),
		"restart":        func(w *world) { w.mem = memory{} },
		"external":       external(true),
		"not external":   external(false),
		"delete":         func(w *world) { w.deleteHost() },
		"lose hardware":  func(w *world) { w.hardware = nil },
		"time goes by":   func(w *world) { w.now = w.now.Add(7 * time.Hour) },
		"a moment later": func(w *world) { w.now = w.now.Add(10 * time.Second) },
	}
}

// external sets the flag where Metal3's webhook lets it be set.
func external(want bool) func(*world) {
	return func(w *world) {
		s := w.host.Status.Provisioning.State
		if !want && s == metal3.StateExternallyProvisioned || want && (s == metal3.StateNone || s == metal3.StateAvailable) {
			w.host.Spec.ExternallyProvisioned = want
			w.host.Generation++
		}
	}
}

func (w *world) deleteHost() {
	if w.host.DeletionTimestamp == nil {
		t := metav1.NewTime(w.now)
		w.host.DeletionTimestamp = &t
		w.host.Generation++
		w.gone = len(w.host.Finalizers) == 0
	}
}

// heal ends every trouble that only a person can end.
func (w *world) heal() {
	w.faults = nil
	w.secret.found, w.secret.complete, w.secret.right, w.secret.barred = true, true, true, false
	w.secret.version++
	for _, a := range []string{metal3.PausedAnnotation, metal3.DetachedAnnotation, metal3.RebootAnnotationPrefix + "/k"} {
		delete(w.host.Annotations, a)
	}
	s := &w.host.Spec
	if b := w.record.BurnIn; b != nil && (b.Result == journey.BurnInFailed || b.Attempts > 0) || s.AutomatedCleaningMode == metal3.CleaningModeDisabled {
		delete(w.host.Annotations, ingot.BurnInAnnotation)
	}
	if w.hardware != nil && len(w.hardware.Storage) != len(w.plain()) {
		// Its volumes were changed, and whether they were may have been lost with the record: the failed cleaning says that an inspection is due.
		metav1.SetMetaDataAnnotation(&w.host.ObjectMeta, metal3.InspectAnnotationPrefix, "")
	}
	s.RAID = nil
	if s.RootDeviceHints != nil {
		s.RootDeviceHints.SerialNumber = ""
	}
	if s.Image != nil && strings.HasPrefix(s.Image.URL, "ftp") {
		s.Image = nil
	}
	w.host.Generation++
}

// advance lets time go on after a pass: to the agent's next event or the decision's next look, whatever is first.
func (w *world) advance(dec journey.Decision) {
	next := w.now.Add(100 * time.Millisecond)
	if o := dec.Outcome; o.Kind != journey.Act && !o.NextAttempt.IsZero() {
		next = o.NextAttempt
		if next.Before(w.now) {
			w.never("the next attempt %s is in the past: %s", next, o.Message)
		}
		if a := w.agent; a != nil && !a.dead {
			for _, t := range []time.Time{a.callsAt, a.endsAt} {
				if t.After(w.now) && t.Before(next) {
					next = t
				}
			}
		}
	}
	if !next.After(w.now) {
		next = w.now.Add(time.Millisecond)
	}
	w.now = next
}

// compare holds what the objects say against the truth.
func (w *world) compare() {
	p := w.host.Status.Provisioning
	if w.record.CleanedAt != nil && w.record.Step == nil {
		for _, d := range w.disks {
			if d.content != "" {
				w.never("proved clean, and %s holds %q", d.Name, d.content)
			}
		}
	}
	// What is only recorded as to be inserted stands there before the status says why.
	if d := w.record.Drive; d != nil && d.InsertedAt != nil && p.State == metal3.StateAvailable {
		w.never("available with %s in the drive", d.URL)
	}
	if p.State == metal3.StateProvisioned && p.Image.URL != "" && w.record.Disk != nil {
		if d := w.bootable(); d == nil || d.content != "image:"+p.Image.URL {
			w.never("provisioned with %s, and the disks hold %q, %q", p.Image.URL, w.disks[0].content, w.disks[1].content)
		}
	}
}

// settle runs until the host is at rest, and stays so over a few routine looks.
func (w *world) settle(until func(journey.Decision) bool) (journey.Decision, bool) {
	calm := 0
	for range maxPasses {
		if w.gone || w.wrong != "" {
			return journey.Decision{}, w.gone
		}
		dec := w.pass()
		w.compare()
		if until(dec) {
			calm++
		} else if dec.Outcome.Reason != journey.ReasonReadingPower {
			calm = 0
		}
		if calm == 4 {
			return dec, true
		}
		w.advance(dec)
	}
	return journey.Decision{}, false
}

func (w *world) report() string {
	t := w.trace
	if len(t) > 60 {
		t = t[len(t)-60:]
	}
	return w.wrong + "\n" + strings.Join(t, "\n")
}

// TestLife runs whole lives: an owner's edits at any time, crashes after any write, lost results, a BMC that refuses, agents that die, disks that stay dirty. After every
// decision journey.Check holds and the objects agree with the disks; when the trouble ends every host comes to rest where it should be; deleted, it goes.
func TestLife(t *testing.T) {
	names := slices.Sorted(maps.Keys(edits()))
	faultNames := []string{"crash", "unreachable", "busy", "internal", "half", "deaf", "hang", "death", "step", "stain"}
	rapid.Check(t, func(t *rapid.T) {
		faults := map[string]int{}
		for _, f := range faultNames {
			faults[f] = rapid.SampledFrom([]int{0, 0, 10, 50, 300}).Draw(t, f)
		}
		w := newWorld(rapid.Uint64().Draw(t, "seed"), faults)
		w.folds = rapid.Bool().Draw(t, "folds")
		script := rapid.SliceOfN(rapid.SampledFrom(names), 0, 12).Draw(t, "edits")
		for _, name := range script {
			n := rapid.IntRange(0, 60).Draw(t, "passes before "+name)
			for range n {
				if w.gone || w.wrong != "" {
					break
				}
				dec := w.pass()
				w.compare()
				w.advance(dec)
			}
			if !w.gone {
				w.note("EDIT %s", name)
				edits()[name](w)
			}
		}
		w.finishLife(t)
	})
}

// finishLife heals the world, sees the host come to rest where it should, deletes it and sees it go.
func (w *world) finishLife(t *rapid.T) {
	if !w.gone && w.wrong == "" {
		w.note("HEAL")
		w.heal()
	}
	dec, rests := w.settle(atRest)
	switch {
	case w.wrong != "":
		t.Fatal(w.report())
	case !rests:
		t.Fatalf("the host does not come to rest\n%s", w.report())
	case w.gone:
		return
	}
	if problem := w.judge(dec); problem != "" {
		t.Fatalf("%s\n%s", problem, w.report())
	}
	w.note("DELETE")
	w.deleteHost()
	w.settle(func(journey.Decision) bool { return false })
	if w.wrong != "" || !w.gone {
		t.Fatalf("the deleted host does not go\n%s", w.report())
	}
}

func atRest(dec journey.Decision) bool {
	o := dec.Outcome
	return o.Kind == journey.Done && dec.Host.DeletionTimestamp == nil || o.Reason == journey.ReasonImageGivenUp
}

// judge says why a healed host at rest is not where its spec wants it.
func (w *world) judge(dec journey.Decision) string {
	h := dec.Host
	state := h.Status.Provisioning.State
	switch {
	case dec.Outcome.Reason == journey.ReasonImageGivenUp:
		if h.Spec.Image.Checksum == goodSum || h.Spec.Image.IsLiveISO() {
			return "a good image was given up without trouble"
		}
		return ""
	case h.Spec.ExternallyProvisioned:
		return want(state, metal3.StateExternallyProvisioned)
	case h.Spec.Image != nil && (h.Spec.Online || state == metal3.StateProvisioned):
		if s := want(state, metal3.StateProvisioned); s != "" {
			return s
		}
	default:
		if s := want(state, metal3.StateAvailable); s != "" {
			return s
		}
	}
	if on := h.Spec.Online || h.Spec.DisablePowerOff; w.power != on || h.Status.PoweredOn != on {
		return fmt.Sprintf("power %v, status %v, spec %v", w.power, h.Status.PoweredOn, on)
	}
	if state == metal3.StateProvisioned && w.record.Disk != nil && w.power && w.machine != osRuns {
		return fmt.Sprintf("provisioned, and the machine runs %q", w.machine)
	}
	if live := h.Status.Provisioning.Image.IsLiveISO() && state == metal3.StateProvisioned; live && w.record.Drive != nil && w.power && (w.machine != osRuns || w.cd != h.Status.Provisioning.Image.URL) {
		return fmt.Sprintf("provisioned with a live ISO, and the machine runs %q with %q in the drive", w.machine, w.cd)
	} else if state == metal3.StateAvailable && (w.cd == liveISO || w.cd == dataISO) {
		return fmt.Sprintf("available, and %s is in the drive", w.cd)
	}
	if h.Status.ErrorMessage != "" {
		return "an error is left: " + h.Status.ErrorMessage
	}
	return ""
}

func want(have, want metal3.ProvisioningState) string {
	if have == want {
		return ""
	}
	return fmt.Sprintf("the host is %q and should be %q", have, want)
}
