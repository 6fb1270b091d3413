package lifecycle

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ingotmetal/ingot/journey"
)

// until lives on until a decision is as asked, and fails the test when that does not come.
func (w *world) until(t *testing.T, what string, is func(journey.Decision) bool) journey.Decision {
	t.Helper()
	for range maxPasses {
		dec := w.pass()
		w.compare()
		if w.wrong != "" {
			t.Fatal(w.report())
		}
		if is(dec) {
			return dec
		}
		if w.gone {
			break
		}
		w.advance(dec)
	}
	t.Fatalf("never: %s\n%s", what, w.report())
	return journey.Decision{}
}

func reason(r journey.Reason) func(journey.Decision) bool {
	return func(dec journey.Decision) bool { return dec.Outcome.Reason == r }
}

func inState(s metal3.ProvisioningState) func(journey.Decision) bool {
	return func(dec journey.Decision) bool { return dec.Host.Status.Provisioning.State == s }
}

// made is a world in which a host was brought to rest by edits.
func made(t *testing.T, names ...string) *world {
	t.Helper()
	w := newWorld(11, nil)
	for _, n := range names {
		edits()[n](w)
	}
	w.until(t, "rest", atRest)
	return w
}

func TestMissingSecretIsLookedForEveryTenSeconds(t *testing.T) {
	w := newWorld(1, nil)
	w.secret.found = false
	dec := w.until(t, "missing", reason(journey.ReasonCredentialsMissing))
	s := dec.Host.Status
	if s.ErrorType != metal3.RegistrationError || s.ErrorCount != 1 || dec.Outcome.NextAttempt.Sub(w.now) != 10*time.Second {
		t.Fatalf("%+v next %s", s, dec.Outcome.NextAttempt)
	}
	w.advance(dec)
	if again := w.pass(); again.Host.Status.ErrorCount != 1 {
		t.Fatalf("looking again counts as an error: %d", again.Host.Status.ErrorCount)
	}
	edits()["secret"](w)
	if dec := w.until(t, "inspecting", inState(metal3.StateInspecting)); dec.Host.Status.ErrorMessage != "" {
		t.Fatal(dec.Host.Status.ErrorMessage)
	}
}

func TestDeniedCredentialsAreNotTriedAgainBeforeTheyChange(t *testing.T) {
	w := newWorld(1, nil)
	w.secret.right = false
	dec := w.until(t, "denied", reason(journey.ReasonRegistrationFailed))
	if dec.Outcome.Kind != journey.Blocked || dec.Outcome.Fix == "" || dec.Host.Status.GoodCredentials.Reference != nil {
		t.Fatalf("%+v", dec.Outcome)
	}
	for range 5 {
		if dec := w.pass(); dec.Action != nil {
			t.Fatalf("tried again at once: %s", dec.Action.Name())
		}
	}
	edits()["new password"](w)
	w.until(t, "registered", inState(metal3.StateInspecting))
	if g := w.host.Status.GoodCredentials; g.Version != "2" || g.Reference.Name != "s" {
		t.Fatalf("%+v", g)
	}
}

func TestProvisionedHostWithBadCredentials(t *testing.T) {
	w := made(t, "image")
	edits()["lock out"](w)
	dec := w.until(t, "denied", reason(journey.ReasonRegistrationFailed))
	if s := dec.Host.Status; s.ErrorType != metal3.ProvisionedRegistrationError || s.Provisioning.State != metal3.StateProvisioned {
		t.Fatalf("%+v", s)
	}
	edits()["new password"](w)
	dec = w.until(t, "rest", atRest)
	if s := dec.Host.Status; s.ErrorType != "" || s.OperationalStatus != metal3.OperationalStatusOK || w.osBoots != 1 {
		t.Fatalf("%+v, %d boots", s, w.osBoots)
	}
}

// Nothing is tried again where what works is put back: no answer of the BMC takes the error away.
func TestRegistrationThatIsPutBackLeavesNoError(t *testing.T) {
	w := made(t, "image")
	edits()["no secret"](w)
	dec := w.until(t, "missing", reason(journey.ReasonCredentialsMissing))
	if s := dec.Host.Status; s.ErrorType != metal3.ProvisionedRegistrationError {
		t.Fatalf("%+v", s)
	}
	w.secret.found = true
	dec = w.until(t, "rest", atRest)
	if s := dec.Host.Status; s.ErrorType != "" || s.ErrorMessage != "" || s.OperationalStatus != metal3.OperationalStatusOK || s.ErrorCount != 0 {
		t.Fatalf("%+v", s)
	}
}

func TestAgentThatNeverCalls(t *testing.T) {
	w := newWorld(1, map[string]int{"hang": 1000})
	dec := w.until(t, "inspection error", reason(journey.ReasonInspectionFailed))
	boots := strings.Count(strings.Join(w.trace, "\n"), "journey.StartAgent]")
	if dec.Host.Status.ErrorType != metal3.InspectionError || boots != 2 || dec.Outcome.NextAttempt.IsZero() {
		t.Fatalf("%d boots, %+v", boots, dec.Outcome)
	}
	w.heal()
	w.until(t, "rest", atRest)
}

func TestWrongDigest(t *testing.T) {
	w := newWorld(1, nil)
	edits()["bad image"](w)
	dec := w.until(t, "failed", reason(journey.ReasonProvisioningFailed))
	if s := dec.Host.Status; s.ErrorType != metal3.ProvisioningError || !strings.Contains(s.ErrorMessage, "digest") || s.Provisioning.State != metal3.StateDeprovisioning {
		t.Fatalf("%+v", s)
	}
	dec = w.until(t, "available", inState(metal3.StateAvailable))
	if w.disks[0].content != "" || dec.Host.Status.ErrorMessage == "" {
		t.Fatalf("disk %q, error %q", w.disks[0].content, dec.Host.Status.ErrorMessage)
	}
	dec = w.until(t, "given up", reason(journey.ReasonImageGivenUp))
	if n := w.record.ImageFailures.Count; n != 5 || dec.Outcome.Kind != journey.Blocked {
		t.Fatalf("%d failures, %+v", n, dec.Outcome)
	}
	edits()["image"](w)
	if dec := w.until(t, "rest", atRest); dec.Host.Status.Provisioning.State != metal3.StateProvisioned || dec.Host.Status.ErrorMessage != "" || w.record.ImageFailures != nil {
		t.Fatalf("%+v", dec.Host.Status)
	}
}

func TestImageChangedWhileItIsWritten(t *testing.T) {
	for _, edit := range []string{"other image", "no image", "delete", "forced reboot"} {
		t.Run(edit, func(t *testing.T) {
			w := newWorld(1, nil)
			edits()["image"](w)
			w.until(t, "write", func(journey.Decision) bool {
				return w.record.Step != nil && w.record.Step.Kind == "write-image" && w.agent.stepID == w.record.Step.ID
			})
			edits()[edit](w)
			switch edit {
			case "delete":
				w.settle(func(journey.Decision) bool { return false })
				if !w.gone || w.disks[0].content != "" {
					t.Fatal(w.report())
				}
			case "no image":
				w.until(t, "available", func(dec journey.Decision) bool { return dec.Outcome.Reason == journey.ReasonAvailable })
				if w.disks[0].content != "" {
					t.Fatal(w.report())
				}
			default:
				w.until(t, "provisioned", func(dec journey.Decision) bool { return dec.Outcome.Reason == journey.ReasonProvisioned })
				if want := "image:" + w.host.Spec.Image.URL; w.disks[0].content != want {
					t.Fatalf("the disk holds %q", w.disks[0].content)
				}
			}
		})
	}
}

func TestHintsChangedBeforeTheWrite(t *testing.T) {
	w := newWorld(1, nil)
	edits()["image"](w)
	w.until(t, "claim", func(journey.Decision) bool { return w.record.Disk != nil })
	if w.record.Disk.SerialNumber != "A" {
		t.Fatalf("%+v", w.record.Disk)
	}
	edits()["hints"](w)
	w.until(t, "provisioned", func(dec journey.Decision) bool { return dec.Outcome.Reason == journey.ReasonProvisioned })
	if w.disks[0].content != "" || w.disks[1].content != "image:"+goodImage {
		t.Fatalf("%q, %q", w.disks[0].content, w.disks[1].content)
	}
}

func TestOnlineAndOffline(t *testing.T) {
	w := made(t, "offline")
	if w.power || w.host.Status.PoweredOn || w.host.Status.HardwareDetails == nil {
		t.Fatalf("inspected with online=false: power %v, %+v", w.power, w.host.Status)
	}
	w = made(t, "image")
	edits()["offline"](w)
	w.until(t, "off", func(dec journey.Decision) bool { return dec.Outcome.Kind == journey.Done && !dec.Host.Status.PoweredOn })
	if !strings.Contains(strings.Join(w.trace, "\n"), "turning the machine off: online is false") || w.host.Status.Provisioning.State != metal3.StateProvisioned {
		t.Fatal(w.report())
	}
	edits()["online"](w)
	w.until(t, "on", func(dec journey.Decision) bool { return dec.Outcome.Kind == journey.Done && dec.Host.Status.PoweredOn })
}

func TestReboot(t *testing.T) {
	for name, c := range map[string]struct {
		edits []string
		soft  bool
	}{
		"soft by default": {[]string{"reboot"}, true},
		"hard":            {[]string{"hard reboot"}, false},
		"with a key":      {[]string{"hold"}, true},
		"one hard is enough": {[]string{"hold", "hard reboot"},
			false},
	} {
		t.Run(name, func(t *testing.T) {
			w := made(t, "image")
			for _, e := range c.edits {
				edits()[e](w)
			}
			dec := w.until(t, "power off", func(dec journey.Decision) bool { _, ok := dec.Action.(journey.SetPower); return ok })
			if a := dec.Action.(journey.SetPower); a.Want != journey.PowerOff || a.Soft != c.soft {
				t.Fatalf("%+v", a)
			}
			if c.edits[0] == "hold" {
				w.until(t, "held", reason(journey.ReasonRebootHeld))
				if w.power {
					t.Fatal("held on")
				}
				edits()["let go"](w)
			}
			w.until(t, "rest", atRest)
			if _, left := w.host.Annotations[metal3.RebootAnnotationPrefix]; left || !w.power || w.osBoots != 2 || w.record.Reboot != nil {
				t.Fatalf("left %v, power %v, %d boots", left, w.power, w.osBoots)
			}
		})
	}
}

func TestRebootOfAMachineThatIgnoresTheSoftWay(t *testing.T) {
	w := made(t, "image")
	w.faults = map[string]int{"deaf": 1000}
	edits()["reboot"](w)
	w.until(t, "rest", func(dec journey.Decision) bool { return atRest(dec) && w.osBoots == 2 })
	if !strings.Contains(strings.Join(w.trace, "\n"), "did not shut down by itself") {
		t.Fatal(w.report())
	}
}

func TestRebootWithoutPowerOff(t *testing.T) {
	w := made(t, "image", "no power off")
	before := w.osBoots
	edits()["reboot"](w)
	w.until(t, "restart", func(dec journey.Decision) bool { _, ok := dec.Action.(journey.Restart); return ok })
	w.until(t, "rest", atRest)
	if w.osBoots != before+1 || w.host.Annotations[metal3.RebootAnnotationPrefix] != "" {
		t.Fatal(w.report())
	}
}

func TestDetach(t *testing.T) {
	w := made(t, "image")
	edits()["detach"](w)
	dec := w.until(t, "detached", func(dec journey.Decision) bool { return dec.Outcome.Kind == journey.Done })
	if s := dec.Host.Status; s.OperationalStatus != metal3.OperationalStatusDetached || !w.power || dec.Outcome.Reason != journey.ReasonDetached {
		t.Fatalf("%+v", s)
	}
	edits()["no image"](w)
	if dec := w.until(t, "rest", atRest); dec.Host.Status.Provisioning.State != metal3.StateProvisioned {
		t.Fatal("a detached host was deprovisioned")
	}
	edits()["image"](w)
	edits()["attach"](w)
	w.until(t, "verified again", func(dec journey.Decision) bool { _, ok := dec.Action.(journey.Verify); return ok })
	if dec := w.until(t, "rest", atRest); dec.Host.Status.OperationalStatus != metal3.OperationalStatusOK || w.osBoots != 1 {
		t.Fatalf("%+v", dec.Host.Status)
	}
}

func TestDeletedWhileDetached(t *testing.T) {
	w := made(t, "image")
	metav1.SetMetaDataAnnotation(&w.host.ObjectMeta, metal3.DetachedAnnotation, `{"deleteAction":"delay"}`)
	w.deleteHost()
	w.until(t, "delayed", reason(journey.ReasonDeleteDelayed))
	metav1.SetMetaDataAnnotation(&w.host.ObjectMeta, metal3.DetachedAnnotation, "x")
	w.settle(func(journey.Decision) bool { return false })
	if !w.gone || !w.power || w.disks[0].content != "image:"+goodImage {
		t.Fatalf("a detached machine was touched\n%s", w.report())
	}
}

func TestStatusAnnotation(t *testing.T) {
	w := made(t, "image")
	b, err := json.Marshal(w.host.Status)
	if err != nil {
		t.Fatal(err)
	}
	moved := newWorld(2, nil)
	moved.power, moved.machine, moved.disks = true, osRuns, w.disks
	moved.host.Spec = *w.host.Spec.DeepCopy()
	metav1.SetMetaDataAnnotation(&moved.host.ObjectMeta, metal3.StatusAnnotation, string(b))
	dec := moved.until(t, "rest", atRest)
	if s := dec.Host.Status.Provisioning.State; s != metal3.StateProvisioned || moved.disks[0].content != "image:"+goodImage || moved.hardware == nil {
		t.Fatalf("%q, %q", s, moved.disks[0].content)
	}
	if _, left := moved.host.Annotations[metal3.StatusAnnotation]; left || strings.Contains(strings.Join(moved.trace, ""), "StartAgent") {
		t.Fatal("the annotation is left, or the machine was booted")
	}
}

// CAPM3 sends the status without the hardware: the HardwareData, which is moved too, has it.
func TestStatusAnnotationWithoutHardware(t *testing.T) {
	w := made(t, "image")
	status := w.host.Status.DeepCopy()
	hardware := status.HardwareDetails
	status.HardwareDetails = nil
	b, err := json.Marshal(status)
	if err != nil {
		t.Fatal(err)
	}
	moved := newWorld(2, nil)
	moved.power, moved.machine, moved.disks, moved.hardware = true, osRuns, w.disks, hardware.DeepCopy()
	moved.host.Spec = *w.host.Spec.DeepCopy()
	metav1.SetMetaDataAnnotation(&moved.host.ObjectMeta, metal3.StatusAnnotation, string(b))
	dec := moved.until(t, "rest", atRest)
	if hardware == nil || !equality.Semantic.DeepEqual(dec.Host.Status.HardwareDetails, hardware) {
		t.Fatalf("the status has %+v, the HardwareData %+v", dec.Host.Status.HardwareDetails, hardware)
	}
	if dec.Host.Status.Provisioning.State != metal3.StateProvisioned || strings.Contains(strings.Join(moved.trace, ""), "StartAgent") {
		t.Fatalf("%q, %v", dec.Host.Status.Provisioning.State, moved.trace)
	}
}

func TestStatusAnnotationThatCannotBeRead(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":         "provisioned",
		"unknown field":   `{"provisioning":{"state":"provisioned","ID":""},"errorMessage":"","poweredOn":true,"operationalStatus":"OK","errorCount":0,"colour":"red"}`,
		"unknown state":   `{"provisioning":{"state":"flying","ID":""}}`,
		"no state":        `{"operationalStatus":"OK"}`,
		"unknown error":   `{"provisioning":{"state":"provisioned","ID":""},"errorType":"mishap"}`,
		"unknown status":  `{"provisioning":{"state":"provisioned","ID":""},"operationalStatus":"fine"}`,
		"text after it":   `{"provisioning":{"state":"provisioned","ID":""}} {}`,
		"empty":           ``,
		"another type":    `[]`,
		"wrong inner one": `{"provisioning":"provisioned"}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(1, nil)
			metav1.SetMetaDataAnnotation(&w.host.ObjectMeta, metal3.StatusAnnotation, text)
			dec := w.until(t, "blocked", func(dec journey.Decision) bool { return dec.Outcome.Kind == journey.Blocked })
			if dec.Outcome.Reason != journey.ReasonAnnotationInvalid || dec.Host.Status.Provisioning.State != metal3.StateNone {
				t.Fatalf("%+v", dec.Outcome)
			}
			w.deleteHost()
			w.settle(func(journey.Decision) bool { return false })
			if !w.gone {
				t.Fatal("it cannot be deleted")
			}
		})
	}
}

func TestHardwareDetailsAnnotation(t *testing.T) {
	w := newWorld(1, nil)
	edits()["no inspection"](w)
	edits()["no cleaning"](w)
	metav1.SetMetaDataAnnotation(&w.host.ObjectMeta, metal3.HardwareDetailsAnnotation, `{"hostname":"given","ramMebibytes":1024}`)
	w.until(t, "rest", atRest)
	if h := w.host.Status.HardwareDetails; h == nil || h.Hostname != "given" || w.hardware == nil || w.host.Annotations[metal3.HardwareDetailsAnnotation] != "" {
		t.Fatalf("%+v, %+v", h, w.hardware)
	}
	w = newWorld(1, nil)
	edits()["no inspection"](w)
	metav1.SetMetaDataAnnotation(&w.host.ObjectMeta, metal3.HardwareDetailsAnnotation, `{"colour":1}`)
	w.until(t, "blocked", reason(journey.ReasonAnnotationInvalid))
}

func TestReinspection(t *testing.T) {
	w := made(t)
	w.hardware.Hostname = "old"
	edits()["inspect"](w)
	w.until(t, "inspecting", inState(metal3.StateInspecting))
	w.until(t, "rest", atRest)
	if _, left := w.host.Annotations[metal3.InspectAnnotationPrefix]; left || w.hardware.Hostname == "old" {
		t.Fatalf("left %v, %+v", left, w.hardware)
	}
}

func TestStainedDisk(t *testing.T) {
	w := made(t, "image")
	w.faults = map[string]int{"stain": 1000}
	edits()["no image"](w)
	for range 3 {
		dec := w.until(t, "cleaning fails", reason(journey.ReasonCleaningFailed))
		if dec.Host.Status.Provisioning.State != metal3.StateDeprovisioning || w.record.CleanedAt != nil || w.record.Wipes[0].Result != "failed" {
			t.Fatalf("%+v", w.record.Wipes)
		}
		w.advance(dec)
	}
	w.deleteHost()
	dec := w.until(t, "given up", func(dec journey.Decision) bool { return dec.Event == "CleaningGivenUp" })
	if !strings.Contains(dec.Outcome.Message, "MAY STILL HOLD DATA") {
		t.Fatal(dec.Outcome.Message)
	}
	w.settle(func(journey.Decision) bool { return false })
	if !w.gone || w.power {
		t.Fatal(w.report())
	}
}

func TestDeadBMCDoesNotHoldADeletion(t *testing.T) {
	w := made(t, "image")
	w.faults = map[string]int{"unreachable": 1000}
	w.deleteHost()
	start := w.now
	w.settle(func(journey.Decision) bool { return false })
	if took := w.now.Sub(start); !w.gone || took > time.Hour {
		t.Fatalf("gone %v after %s\n%s", w.gone, took, w.report())
	}
}

func TestExternallyProvisioned(t *testing.T) {
	w := made(t, "external")
	w.disks[0].content = "image:theirs"
	edits()["image"](w)
	edits()["not external"](w)
	dec := w.until(t, "rest", atRest)
	if s := dec.Host.Status.Provisioning; s.State != metal3.StateProvisioned || s.Image.URL != goodImage || w.disks[0].content != "image:theirs" {
		t.Fatalf("%+v, %q", s, w.disks[0].content)
	}
}

// The start of the image before must not count as the live ISO's own.
func TestLiveISOAfterAnImageThatIsNotCleaned(t *testing.T) {
	w := made(t, "no cleaning", "image")
	edits()["live ISO"](w)
	w.until(t, "provisioned", func(dec journey.Decision) bool {
		return dec.Outcome.Reason == journey.ReasonProvisioned && dec.Host.Status.Provisioning.Image.IsLiveISO()
	})
	if w.cd != liveISO || w.machine != osRuns {
		t.Fatalf("the machine runs %q with %q in the drive", w.machine, w.cd)
	}
}

// What the owner mends during the last try was not tried yet.
func TestHintsMendedDuringTheLastTry(t *testing.T) {
	w := newWorld(1, nil)
	edits()["bad hints"](w)
	edits()["image"](w)
	failures := func(n int32) func(journey.Decision) bool {
		return func(journey.Decision) bool { return w.record.ImageFailures != nil && w.record.ImageFailures.Count == n }
	}
	w.until(t, "four failures", failures(4))
	w.until(t, "the last try", func(journey.Decision) bool {
		return w.record.Step != nil && w.record.Step.Kind == "choose-disk" && w.agent.stepID == w.record.Step.ID
	})
	edits()["hints"](w)
	w.until(t, "five failures", failures(5))
	w.until(t, "provisioned", func(dec journey.Decision) bool { return dec.Outcome.Reason == journey.ReasonProvisioned })
}
