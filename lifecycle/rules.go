package lifecycle

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/discover"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/update"
)

// holdFinalizer puts our finalizer on the host before anything is done with its machine, so that it cannot vanish while the machine is ours.
func holdFinalizer(f journey.Facts, now time.Time) (journey.Decision, bool) {
	has := slices.Contains(f.Host.Finalizers, metal3.BareMetalHostFinalizer)
	d := journey.Begin(f, now)
	switch {
	case d.Deleting() && !has:
		return d.Done(journey.ReasonGone, "the host was let go", now.Add(pausedPoll)), true
	case has || d.Deleting():
		return journey.Decision{}, false
	}
	d.Host.Finalizers = append(d.Host.Finalizers, metal3.BareMetalHostFinalizer)
	return d.Again(journey.ReasonObjectsChanged, "the host is held until its machine is let go"), true
}

// barredRetry bounds the wait for the right to read Secrets; who hears of the right earlier looks earlier.
const barredRetry = 10 * time.Second

// barred waits while this role may not read Secrets in the host's namespace. Nothing of it is an error of the host, and nothing is asked of a BMC without the credentials that its host names. A detached host needs
// none, nor does one that is deleted before its BMC was ever asked: its Secret was not taken hold of.
func barred(f journey.Facts, now time.Time) (journey.Decision, bool) {
	d := journey.Begin(f, now)
	s := &f.Host.Status
	if !f.Credentials.Forbidden || DetachWanted(f.Host) || s.OperationalStatus == metal3.OperationalStatusDetached {
		return journey.Decision{}, false
	}
	switch {
	case d.Deleting() && s.TriedCredentials.Reference == nil && s.GoodCredentials.Reference == nil:
		return journey.Decision{}, false
	case !d.Deleting() && (d.State() == metal3.StateNone || d.State() == metal3.StateUnmanaged):
		return journey.Decision{}, false
	}
	return d.WaitOn(journey.Outcome{
		Reason:  journey.ReasonNamespaceNotBound,
		Message: fmt.Sprintf("the partition role may not read Secrets in namespace %s yet; the controller role (ingot controller) gives it that right where there are hosts", f.Host.Namespace),
		Fix: fmt.Sprintf("without a controller role: kubectl create rolebinding %[1]s --clusterrole=%[1]s --group=%[2]s --namespace=%[3]s",
			"ingot:partition:host-namespaces", "ingot:partition", f.Host.Namespace),
		NextAttempt: now.Add(barredRetry),
	}), true
}

// deleted sends a deleted host on its way out, and lets the stage of that way decide.
func deleted(f journey.Facts, now time.Time) (journey.Decision, bool) {
	d := journey.Begin(f, now)
	if !d.Deleting() {
		return journey.Decision{}, false
	}
	state := d.State()
	if state == metal3.StateDeleting || state == metal3.StatePoweringOffBeforeDelete {
		return stages()[state](f, now), true
	}
	if a, detach := detachWanted(f.Host); detach {
		if a.DeleteAction == metal3.DetachedDeleteActionDelay {
			return d.Wait(journey.ReasonDeleteDelayed, "deleted while detached; its deletion waits until it is attached again", now.Add(pausedPoll), time.Time{}), true
		}
		return move(d, metal3.StateDeleting, "deleted while detached: its machine is left as it is")
	}
	switch state {
	case metal3.StateNone, metal3.StateUnmanaged, metal3.StateRegistering:
		return move(d, metal3.StateDeleting, "deleted; nothing was done with its machine yet")
	case metal3.StateProvisioning, metal3.StateProvisioned:
		return move(d, metal3.StateDeprovisioning, "deleted; its machine is cleaned first")
	case metal3.StateDeprovisioning:
		return stages()[state](f, now), true
	default:
		return move(d, metal3.StatePoweringOffBeforeDelete, "deleted; its machine is turned off first")
	}
}

func move(d *journey.Draft, to metal3.ProvisioningState, why string) (journey.Decision, bool) {
	d.MoveTo(to)
	return d.Again(journey.ReasonStageChanged, why), true
}

// DetachWanted says whether the host is to be detached now, so that its machine is no longer ours to touch.
func DetachWanted(h *metal3.BareMetalHost) bool {
	_, wanted := detachWanted(h)
	return wanted
}

// detachWanted says whether the detached annotation is in force: at rest always, elsewhere only with force. A value that is no JSON means the defaults.
func detachWanted(h *metal3.BareMetalHost) (metal3.DetachedAnnotationArguments, bool) {
	var a metal3.DetachedAnnotationArguments
	text, ok := h.Annotations[metal3.DetachedAnnotation]
	if !ok {
		return a, false
	}
	if json.Unmarshal([]byte(text), &a) != nil {
		a = metal3.DetachedAnnotationArguments{}
	}
	switch h.Status.Provisioning.State {
	case metal3.StateProvisioned, metal3.StateExternallyProvisioned, metal3.StateAvailable, metal3.StateReady:
		return a, true
	default:
		// A host that is detached already stays so: its machine is not ours to touch.
		return a, a.Force || h.Status.OperationalStatus == metal3.OperationalStatusDetached
	}
}

// detached leaves the machine of a detached host alone: its window is closed, its power stays. When the annotation goes, the BMC is verified again before anything else.
func detached(f journey.Facts, now time.Time) (journey.Decision, bool) {
	_, wanted := detachWanted(f.Host)
	is := f.Host.Status.OperationalStatus == metal3.OperationalStatusDetached
	d := journey.Begin(f, now)
	switch {
	case !wanted && !is:
		return journey.Decision{}, false
	case !wanted:
		d.ClearError()
		return d.Again(journey.ReasonObjectsChanged, "the host is attached again"), true
	case !is:
		d.ClearError()
		s := &d.Host.Status
		s.OperationalStatus, s.ErrorCount = metal3.OperationalStatusDetached, 0
		s.GoodCredentials = metal3.CredentialsStatus{}
		d.Announce("Detached")
		return d.Again(journey.ReasonDetached, "the host is detached"), true
	}
	closed := d.Facts.Result != nil && d.Facts.Result.Action == (journey.CloseWindow{}).Name()
	if d.Facts.Window != nil && !closed {
		return d.Act(journey.CloseWindow{}, journey.ReasonClosingWindow, "the host is detached"), true
	}
	return d.Done(journey.ReasonDetached, "detached: its machine is left alone", now.Add(pausedPoll)), true
}

// registered verifies the BMC of a registered host again when its credentials or its address changed. An error that is left of an earlier trial goes once they are those that work: that they do is in
// the record, which is written before the host's status, and an owner may have put back what he changed.
func registered(f journey.Facts, now time.Time) (journey.Decision, bool) {
	switch f.Host.Status.Provisioning.State {
	case metal3.StateNone, metal3.StateUnmanaged, metal3.StateRegistering, metal3.StatePoweringOffBeforeDelete, metal3.StateDeleting:
		return journey.Decision{}, false
	default:
	}
	if !journey.KnownState(f.Host.Status.Provisioning.State) {
		return journey.Decision{}, false
	}
	if !discover.Current(f) {
		return discover.Renew(f, now), true
	}
	switch f.Host.Status.ErrorType {
	case metal3.RegistrationError, metal3.ProvisionedRegistrationError:
		d := journey.Begin(f, now)
		d.Overcome(f.Host.Status.ErrorType)
		return d.Again(journey.ReasonObjectsChanged, "the BMC's address and credentials are those that work"), true
	default:
		return journey.Decision{}, false
	}
}

// forceReboot starts the agent's boot over when a reboot annotation with force asks for it in a stage that works with the agent; an agent
// that is superseded turns its machine off. The boot is dropped in the record before
// the annotation goes, so that a crash in between repeats it and never forgets it.
func forceReboot(f journey.Facts, now time.Time) (journey.Decision, bool) {
	switch f.Host.Status.Provisioning.State {
	case metal3.StateInspecting, metal3.StatePreparing, metal3.StateReady, metal3.StateAvailable, metal3.StateProvisioning, metal3.StateDeprovisioning:
	default:
		return journey.Decision{}, false
	}
	if c := f.Record.Disk; c != nil && c.Written {
		return journey.Decision{}, false
	}
	d := journey.Begin(f, now)
	forced := false
	for name, value := range f.Host.Annotations {
		if isReboot(name) && hasForce(value) {
			delete(d.Host.Annotations, name)
			forced = true
		}
	}
	if !forced {
		return journey.Decision{}, false
	}
	d.DropBoot()
	return d.Again(journey.ReasonObjectsChanged, "a forced reboot was asked for: the agent is booted again"), true
}

func isReboot(name string) bool {
	return name == metal3.RebootAnnotationPrefix || strings.HasPrefix(name, metal3.RebootAnnotationPrefix+"/")
}

func hasForce(value string) bool {
	var a metal3.RebootAnnotationArguments
	return json.Unmarshal([]byte(value), &a) == nil && a.Force
}

// updating lets a BMC that writes firmware end that, whatever else is asked of the host: a machine that is switched or restarted in the middle of it may never start again. It is bounded (update.Limit).
func updating(f journey.Facts, now time.Time) (journey.Decision, bool) {
	if journey.Writing(&f.Record) == nil {
		return journey.Decision{}, false
	}
	return update.Follow(f, now), true
}
