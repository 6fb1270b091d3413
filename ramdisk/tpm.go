package ramdisk

import (
	"fmt"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/attest"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// demand is what a boot asks of the machine's TPM. Unreadable is a decision that blocks the host until its annotations can be read.
func demand(d *journey.Draft, how ingot.BootMethod) (attest.Demand, *journey.Decision) {
	asked, err := journey.TPMDemand(d.Host, &d.Record, d.Facts.Site.TPM, how)
	if err != nil {
		dec := d.Block(journey.ReasonAnnotationInvalid, err.Error(), "correct the annotation", d.Now.Add(annotationRetry))
		return asked, &dec
	}
	return asked, nil
}

// window is the one of the boot under way, nil for none.
func window(d *journey.Draft) *ingot.BootWindow {
	if w := d.Facts.Window; w != nil && d.Record.Boot != nil && w.Name == d.Record.Boot.ID {
		return w
	}
	return nil
}

// outdated: the window of the boot under way asks for something else than what is to be asked for now, since an operator changed it. A window of an earlier release asks for nothing, and stays.
func outdated(d *journey.Draft, asked attest.Demand) bool {
	w := window(d)
	return w != nil && w.Spec.TPM != nil && *w.Spec.TPM != spec(asked)
}

// unsatisfied: the agent is at no step, and was let in for less than what is asked for now.
func unsatisfied(d *journey.Draft, asked attest.Demand) bool {
	w := window(d)
	return w != nil && w.Spec.TPM != nil && d.Record.Step == nil && !asked.Satisfies(journey.EvidenceOf(w.Status.TPM))
}

func spec(asked attest.Demand) ingot.TPMDemand {
	return ingot.TPMDemand{Use: ingot.TPMUse(asked.Policy), EndorsementKey: asked.EndorsementKey}
}

// refused says of the last agent that had this boot's token and was not let in, and what to do about it; empty for none. Whoever has the token can bring it about, so that it changes nothing
// but words.
func refused(d *journey.Draft) (message, fix string) {
	w := window(d)
	if w == nil || w.Status.Refusal == nil {
		return "", ""
	}
	r := w.Status.Refusal
	return fmt.Sprintf("; an agent was refused at %s: %s", r.At.UTC().Format("15:04:05"), r.Message), journey.RepinFix(r.EndorsementKey)
}

// identify holds the machine that the agent told of and proved at its enrolment against the host's, and remembers the first one. The agent stays: it is asked for nothing.
func identify(d *journey.Draft) *step.Failure {
	w := window(d)
	if w == nil {
		return nil
	}
	if failure := journey.OtherTPM(d.Host, &d.Record, w); failure != nil {
		return failure
	}
	if journey.KnownUUID(w.Status.SystemUUID) {
		if failure := journey.OtherMachine(d.Host, &d.Record, w.Status.SystemUUID); failure != nil {
			return failure
		}
		if d.Record.MachineUUID == "" {
			d.Record.MachineUUID = w.Status.SystemUUID
		}
	}
	d.PinTPM(w)
	return nil
}
