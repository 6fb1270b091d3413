// Package provision puts an image on a machine's disk and starts the machine from it.
//
// It owns the state provisioning: agent, disk, claim, write, start; or the start of a live ISO, which has no disk. It refuses the first boot's report (run) and the cleaning after a failure (clean): any step that
// fails sends the host to deprovisioning, so that no half-written disk stays behind.
//
// The order is the safety. The agent names the one disk that the hints mean; the claim on it is in the record, bound to the ID of the one step that may use it, before that
// step is handed out; a new boot chooses anew, and another disk than the one that was claimed is a failure, since the first may be half written. After the write the
// machine is turned off and seen off before it is started from its disk, so that a lost answer never cuts into the new system's first boot.
//
// Invariants: status.provisioning.image is set throughout; CleanedAt is void from the claim on; provisioned is reached only with Disk.Written.
package provision

import (
	"fmt"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/ramdisk"
	"github.com/ingotmetal/ingot/rootdevice"
	"github.com/ingotmetal/ingot/step"
)

// secretRetry is how soon a missing Secret is looked for again.
const secretRetry = 10 * time.Second

// Decide decides for a provisioning host.
func Decide(f journey.Facts, now time.Time) journey.Decision {
	d := journey.Begin(f, now)
	if why := cancelled(d.Host); why != "" {
		d.MoveTo(metal3.StateDeprovisioning)
		return d.Again(journey.ReasonStageChanged, why)
	}
	if dec, failed := d.ActionFailed(metal3.ProvisioningError); failed {
		return dec
	}
	if dec, waits := d.RetryPending(); waits {
		return dec
	}
	if live(d.Host) {
		return startLive(d)
	}
	if d.Record.Disk != nil && d.Record.Disk.Written {
		return startSystem(d)
	}
	return write(d)
}

// cancelled says why the image that is being written is no longer wanted, empty if it is. As in Metal3 the URL alone counts.
func cancelled(h *metal3.BareMetalHost) string {
	switch want, have := h.Spec.Image, h.Status.Provisioning.Image; {
	case have.URL == "":
		return "the status names no image"
	case want == nil || want.URL == "":
		return "the image was cleared"
	case want.URL != have.URL:
		return "another image is asked for"
	case journey.Method(h) != deployed(h):
		return "the custom deploy method was changed"
	case want.IsLiveISO() != have.IsLiveISO():
		return "the image is asked for in another format, which is started in another way"
	}
	return ""
}

// deployed is the custom deploy method that is at work; empty for none.
func deployed(h *metal3.BareMetalHost) string {
	if c := h.Status.Provisioning.CustomDeploy; c != nil {
		return c.Method
	}
	return ""
}

// write brings the image to the disk.
func write(d *journey.Draft) journey.Decision {
	if f := journey.CheckDeploy(d.Host, d.Facts.Layout); f != nil {
		return fail(d, *f)
	}
	if p := d.Facts.Secrets.Problem(); p != "" {
		return d.Wait(journey.ReasonSecretUnusable, p, d.Now.Add(secretRetry), time.Time{})
	}
	if dec, ready := ramdisk.Ensure(d, metal3.ProvisioningError); !ready {
		return dec
	}
	c := d.Record.Disk
	switch {
	case !usable(d, c):
		return choose(d)
	case !takenUp(d) && newHints(d):
		return d.Again(journey.ReasonObjectsChanged, "the root device hints were changed: the disk is chosen again")
	case d.Record.Step == nil && takeImage(d.Host):
		return d.Again(journey.ReasonObjectsChanged, "the status says what will be written")
	}
	out, dec := ramdisk.Run(d, step.WriteImage, c)
	switch {
	case out == nil:
		return dec
	case out.Failure != nil:
		d.EndStep(out.Failure.Message)
		return fail(d, *out.Failure)
	case out.Written == nil:
		message := "the agent ended the write without saying what it wrote"
		d.EndStep(message)
		return fail(d, step.Failure{Kind: step.Internal, Message: message})
	}
	d.EndStep("")
	c.Written, c.ImageURL, c.Digest = true, d.Host.Status.Provisioning.Image.URL, out.Written.Digest
	return d.Again(journey.ReasonObjectsChanged, "the image is on the disk and its digest is right")
}

// usable says whether a claim stands for the step at work or for the next one. Any other was made in an earlier boot, or its step's end was seen by a process that died.
func usable(d *journey.Draft, c *ingot.DiskClaim) bool {
	switch s := d.Record.Step; {
	case c == nil || !ramdisk.OfBoot(d, c.StepID):
		return false
	case s != nil:
		return s.ID == c.StepID
	default:
		return c.StepID == ramdisk.NextStepID(d, step.WriteImage)
	}
}

// takenUp says whether the agent is at the write, so that nothing about it can be changed any more.
func takenUp(d *journey.Draft) bool {
	return d.Record.Step != nil && d.Agent().StepID == d.Record.Step.ID
}

// newHints voids a claim that was made for other hints than the host has now. The disk stays in the record: if an earlier boot began to write to it, it may not be
// left for another one.
func newHints(d *journey.Draft) bool {
	p := &d.Host.Status.Provisioning
	if equality.Semantic.DeepEqual(p.RootDeviceHints, d.Host.Spec.RootDeviceHints) {
		return false
	}
	p.RootDeviceHints = d.Host.Spec.RootDeviceHints.DeepCopy()
	d.DropStep()
	d.Record.Disk.StepID = ""
	return true
}

// takeImage puts into the status what the host asks for at this moment, so that a checksum corrected since is taken up. It says whether there was a difference.
func takeImage(h *metal3.BareMetalHost) bool {
	p := &h.Status.Provisioning
	if equality.Semantic.DeepEqual(p.Image, *h.Spec.Image) {
		return false
	}
	p.Image = *h.Spec.Image.DeepCopy()
	return true
}

// choose asks the agent for the disk and claims it for the write step that comes next.
func choose(d *journey.Draft) journey.Decision {
	out, dec := ramdisk.Run(d, step.ChooseDisk, nil)
	if out == nil {
		return dec
	}
	failure := out.Failure
	if failure == nil && out.Disk == nil {
		failure = &step.Failure{Kind: step.Internal, Message: "the agent chose no disk and named no reason"}
	}
	if failure == nil {
		failure = otherDisk(d.Record.Disk, *out.Disk)
	}
	if failure == nil {
		failure = outside(d, *out.Disk)
	}
	if failure != nil {
		d.EndStep(failure.Message)
		return fail(d, *failure)
	}
	d.EndStep("")
	claim(d, *out.Disk)
	return d.Again(journey.ReasonObjectsChanged, fmt.Sprintf("the image goes to %s", describe(*out.Disk)))
}

// outside is a failure when the disk is not the machine's own, and its host does not say so either.
func outside(d *journey.Draft, disk step.Disk) *step.Failure {
	owns, err := journey.OwnDisks(d.Host)
	if err != nil {
		return &step.Failure{Kind: step.Invalid, Message: err.Error(), Fix: "correct the annotation"}
	}
	if disk.Owned(owns) {
		return kept(d, disk)
	}
	return &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("%s is not the machine's own (%s): nothing is written to it", describe(disk), disk.Outside()),
		Fix: fmt.Sprintf("name another disk in spec.rootDeviceHints; or set the annotation %s to %q if no other machine uses such disks", ingot.OwnDisksAnnotation, disk.Outside())}
}

// kept is a failure when the host keeps what is on the disk, and its hints don't name it by a number of its own.
func kept(d *journey.Draft, disk step.Disk) *step.Failure {
	policy, err := journey.Erasure(d.Host)
	if err != nil {
		return &step.Failure{Kind: step.Invalid, Message: err.Error(), Fix: "correct the annotation"}
	}
	if disk.Kept = policy.Keeps(disk); !disk.Kept {
		return nil
	}
	if _, refused := rootdevice.Choose([]step.Disk{disk}, Hints(d.Host.Spec.RootDeviceHints), 0, step.Outsides()...); refused == nil {
		return nil
	}
	return &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("the host keeps what is on %s: nothing is written to it", describe(disk)),
		Fix: fmt.Sprintf("name another disk in spec.rootDeviceHints; or name this one's serial number there, and it is overwritten; or take its rule out of the annotation %s", ingot.EraseDisksAnnotation)}
}

func claim(d *journey.Draft, disk step.Disk) {
	d.Record.CleanedAt, d.Record.HandOver = nil, nil
	d.Record.Disk = &ingot.DiskClaim{
		DeviceName: disk.Name, SerialNumber: disk.SerialNumber, WWN: disk.WWN, SizeBytes: disk.SizeBytes,
		StepID: ramdisk.NextStepID(d, step.WriteImage), Layout: d.Facts.Layout.Name,
	}
}

// otherDisk is a failure when an earlier boot claimed another disk, which may be half written.
func otherDisk(before *ingot.DiskClaim, now step.Disk) *step.Failure {
	if before == nil || same(*before, now) {
		return nil
	}
	return &step.Failure{Kind: step.Internal, Message: fmt.Sprintf("the hints now mean %s, while %s (serial %q, WWN %q) may hold a part of the image",
		describe(now), before.DeviceName, before.SerialNumber, before.WWN), Fix: "none needed: all disks are cleaned and provisioning starts again"}
}

func same(c ingot.DiskClaim, d step.Disk) bool {
	switch {
	case c.SizeBytes != d.SizeBytes:
		return false
	case c.WWN != "" || d.WWN != "":
		return c.WWN == d.WWN
	case c.SerialNumber != "" || d.SerialNumber != "":
		return c.SerialNumber == d.SerialNumber
	}
	return c.DeviceName == d.Name
}

func describe(d step.Disk) string {
	return fmt.Sprintf("%s (serial %q, WWN %q, %d bytes)", d.Name, d.SerialNumber, d.WWN, d.SizeBytes)
}

// tried is the generation of the host that failed. What the owner changed while it was being provisioned was not tried yet.
func tried(d *journey.Draft) int64 {
	if g := d.Record.ImageGeneration; g != 0 {
		return g
	}
	return d.Host.Generation
}

// fail counts the image's failure and gives the disk back to cleaning. The error stays visible until the image is tried again or changed.
func fail(d *journey.Draft, f step.Failure) journey.Decision {
	key := journey.ImageKey(d.Host)
	n := d.Record.ImageFailures
	if n == nil || n.Image != key {
		n = &ingot.ImageFailures{Image: key}
	}
	n.Count++
	n.NextAttempt = metav1.NewTime(d.Now.Add(journey.Backoff(d.UID(), int(n.Count))))
	n.Generation, n.Message = tried(d), f.Message
	d.Record.ImageFailures = n
	d.SetError(metal3.ProvisioningError, f.Message)
	d.Host.Status.ErrorCount = int(n.Count)
	d.MoveWithError(metal3.StateDeprovisioning)
	d.Announce("ProvisioningError")
	dec := d.Again(journey.ReasonProvisioningFailed, f.Message)
	dec.Outcome.Fix = f.Fix
	return dec
}
