package prepare

import (
	"fmt"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/power"
	"github.com/ingotmetal/ingot/ramdisk"
	"github.com/ingotmetal/ingot/update"
)

// maxImageFailures is how often in a row one image may fail on a host before a person must look.
const maxImageFailures = 5

// Offer decides for an available host.
func Offer(f journey.Facts, now time.Time) journey.Decision {
	d := journey.Begin(f, now)
	update.Take(d)
	if dec, leaves := leave(d); leaves {
		return dec
	}
	if d.Host.NeedsProvisioning() {
		return demand(d)
	}
	forgetImage(d)
	if dec, failed := d.ActionFailed(metal3.PowerManagementError); failed {
		return dec
	}
	if dec, waits := d.RetryPending(); waits {
		return dec
	}
	return rest(d)
}

// inspectionAsked: a person asks for a new inspection, and none is disabled.
func inspectionAsked(h *metal3.BareMetalHost) bool {
	annotation, asked := h.Annotations[metal3.InspectAnnotationPrefix]
	return asked && annotation != metal3.InspectAnnotationValueDisabled && !h.InspectionDisabled() //nolint:staticcheck // hosts made before spec.inspectionMode say it by the annotation
}

// leave goes to another state where the host asks for something else than an image.
func leave(d *journey.Draft) (journey.Decision, bool) {
	switch {
	case d.State() == metal3.StateReady:
		d.MoveTo(metal3.StateAvailable)
		return d.Again(journey.ReasonStageChanged, "the state's old name is replaced"), true
	case d.Host.Spec.ExternallyProvisioned:
		// The proof goes when the host is that, and not while it is still offered.
		d.MoveTo(metal3.StateExternallyProvisioned)
		return d.Again(journey.ReasonStageChanged, "the host was declared externally provisioned"), true
	case inspectionAsked(d.Host):
		d.Host.Status.HardwareDetails = nil
		d.MoveTo(metal3.StateInspecting)
		return d.Again(journey.ReasonStageChanged, "a new inspection was asked for"), true
	case withdrawBurnIn(d):
		return d.Again(journey.ReasonObjectsChanged, "the burn-in is not asked for any more"), true
	case differs(d.Host) || !journey.BurnInDone(d.Host, &d.Record) || settingsDiffer(d) || updatesDiffer(d) || raidDiffers(d):
		d.MoveTo(metal3.StatePreparing)
		return d.Again(journey.ReasonStageChanged, "the host asks for other settings"), true
	}
	return journey.Decision{}, false
}

// demand begins provisioning, with a cleaning before it where none is proved, unless the image cannot work, or failed too often or too lately.
func demand(d *journey.Draft) journey.Decision {
	if dec, waits := imageFailed(d); waits {
		return dec
	}
	if dec, wrong := unusable(d); wrong {
		return dec
	}
	if !ramdisk.Proved(d) && d.Host.Spec.AutomatedCleaningMode != metal3.CleaningModeDisabled {
		// Its status came by annotation, its record was lost, it calls other disks its own now, or cleaning was disabled when it became available: its next user must not find the last one's disks.
		d.MoveTo(metal3.StatePreparing)
		return d.Again(journey.ReasonStageChanged, "an image is asked for and nothing proves that the disks are clean: they are wiped first")
	}
	begin(d)
	return d.Again(journey.ReasonStageChanged, fmt.Sprintf("the image %s is asked for", d.Host.Spec.Image.URL))
}

// imageFailed ends the draft while the image that is asked for waits for its next attempt, or gets none.
func imageFailed(d *journey.Draft) (journey.Decision, bool) {
	n := d.Record.ImageFailures
	if n == nil || n.Image != journey.ImageKey(d.Host) {
		forgetImage(d)
		return journey.Decision{}, false
	}
	message := fmt.Sprintf("the image failed %d times in a row: %s", n.Count, n.Message)
	switch {
	case n.Generation != d.Host.Generation:
		// The owner changed something: one more try, whatever the count.
		return journey.Decision{}, false
	case n.Count >= maxImageFailures:
		return d.Block(journey.ReasonImageGivenUp, message, "correct spec.image or the root device hints; each change of the spec is tried once", d.Now.Add(power.PollEvery)), true
	case d.Now.Before(n.NextAttempt.Time):
		return d.Wait(journey.ReasonProvisioningFailed, message, n.NextAttempt.Time, time.Time{}), true
	}
	return journey.Decision{}, false
}

// unusable ends the draft when the image or a Secret cannot be used as they are.
func unusable(d *journey.Draft) (journey.Decision, bool) {
	f := journey.CheckDeploy(d.Host, d.Facts.Layout)
	if f == nil {
		f = journey.NoLiveISO(d.Host.Spec.Image, &d.Record)
	}
	if f != nil {
		note(d, f.Message)
		return d.Block(journey.ReasonImageInvalid, f.Message, f.Fix, d.Now.Add(power.PollEvery)), true
	}
	secrets := d.Facts.Secrets
	if d.Host.Spec.Image.IsLiveISO() {
		// No config drive goes with it.
		secrets = journey.SecretFacts{PreprovisioningNetworkData: secrets.PreprovisioningNetworkData}
	}
	if p := secrets.Problem(); p != "" {
		note(d, p)
		return d.Wait(journey.ReasonSecretUnusable, p, d.Now.Add(secretRetry), time.Time{}), true
	}
	return journey.Decision{}, false
}

// secretRetry is how soon a missing Secret is looked for again.
const secretRetry = 10 * time.Second

// note puts a provisioning error into the status once.
func note(d *journey.Draft, message string) {
	if s := d.Host.Status; s.ErrorType != metal3.ProvisioningError || s.ErrorMessage != message {
		d.SetError(metal3.ProvisioningError, message)
	}
}

func begin(d *journey.Draft) {
	d.MoveTo(metal3.StateProvisioning)
	d.Record.Disk = nil
	d.Record.FirstBoot = nil
	d.Record.ImageGeneration = d.Host.Generation
	p := &d.Host.Status.Provisioning
	p.Image = *d.Host.Spec.Image.DeepCopy()
	p.CustomDeploy = d.Host.Spec.CustomDeploy.DeepCopy()
	p.BootMode = d.Host.BootMode()
}

// forgetImage: another image, or none, ends what was said of the last one.
func forgetImage(d *journey.Draft) {
	if d.Host.Status.ErrorType == metal3.ProvisioningError || d.Record.ImageFailures != nil {
		d.Record.ImageFailures = nil
		d.Record.Failure = nil
		d.Overcome(metal3.ProvisioningError)
	}
}

// rest keeps an available host as its owner wants it: off, or on, with the agent for as long as it is there.
func rest(d *journey.Draft) journey.Decision {
	agent := ramdisk.Alive(d)
	if d.Host.Spec.Online || d.Host.Spec.DisablePowerOff {
		if dec, aligned := power.Align(d, power.Want{State: journey.PowerOn, Why: "online is true"}); !aligned {
			return dec
		}
		if dec, waits := ramdisk.Returning(d); waits {
			return dec
		}
		if !agent {
			if dec, closes := closeWindow(d); closes {
				return dec
			}
		}
		next := power.Next(d)
		if agent {
			next = d.Now.Add(power.PollEvery) // an agent that falls silent is noticed by looking
		}
		return d.Done(journey.ReasonAvailable, "available; "+agentMessage(agent), next)
	}
	// Whatever runs is the agent or a machine without a system: there is nobody to shut down softly.
	if dec, aligned := power.Align(d, power.Want{State: journey.PowerOff, Why: "online is false"}); !aligned {
		return dec
	}
	if dec, closes := closeWindow(d); closes {
		return dec
	}
	return d.Done(journey.ReasonAvailable, "available and off", power.Next(d))
}

// closeWindow ends a boot whose agent is not there any more.
func closeWindow(d *journey.Draft) (journey.Decision, bool) {
	booted := d.Record.Boot != nil
	if booted {
		d.DropBoot()
	}
	switch {
	case d.Facts.Window != nil && !d.Succeeded(journey.CloseWindow{}):
		return d.Act(journey.CloseWindow{}, journey.ReasonClosingWindow, "the agent is not needed any more"), true
	case booted:
		return d.Again(journey.ReasonObjectsChanged, "the agent's boot is over"), true
	}
	return journey.Decision{}, false
}

func agentMessage(alive bool) string {
	if alive {
		return "the agent stays for the first image"
	}
	return "no agent runs, the first image boots one"
}
