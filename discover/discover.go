// Package discover makes a host manageable: a BMC that was named becomes one whose credentials are known to work.
//
// It owns the states "", unmanaged and registering, and registration in place, when the credentials or the address of a registered host change. It refuses
// hardware and power: what a machine is made of is inspect's.
//
// Invariants: goodCredentials is written only after the BMC accepted them; credentials that it refused are not tried again before they change or the back-off is
// over (BMCs lock accounts); a host that has data of ours on its disk is never handed to another machine by editing its BMC's address.
package discover

import (
	"fmt"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

const (
	// secretRetry is how soon a missing Secret is looked for again, as in Metal3.
	secretRetry = 10 * time.Second
	// unmanagedPoll is the routine look at a host without a BMC.
	unmanagedPoll = 10 * time.Minute
)

// Begin decides for a host that nothing was done with yet, and for an unmanaged one.
func Begin(f journey.Facts, now time.Time) journey.Decision {
	d := journey.Begin(f, now)
	if c := d.Record.Disk; c != nil && c.Written && d.State() == metal3.StateNone {
		// Somebody took the status away (a restore from a backup, a tool that writes whole objects). To register it as new would wipe a system that runs.
		return d.Block(journey.ReasonUnknownState, fmt.Sprintf("the host has lost its status, and %s holds the image %s that was written for it", c.DeviceName, c.ImageURL),
			"give the status back with the annotation "+metal3.StatusAnnotation+"; or, to have the machine wiped and registered as a new one, delete the host and create it again",
			now.Add(unmanagedPoll))
	}
	if c := d.Record.Drive; c != nil && c.Boot && c.EjectedAt == nil && d.State() == metal3.StateNone {
		return d.Block(journey.ReasonUnknownState, fmt.Sprintf("the host has lost its status, and the live ISO %s was started on it", c.URL),
			"give the status back with the annotation "+metal3.StatusAnnotation+"; or, to have the machine wiped and registered as a new one, delete the host and create it again",
			now.Add(unmanagedPoll))
	}
	if d.Host.HasBMCDetails() {
		d.MoveTo(metal3.StateRegistering)
		d.Host.Status.OperationalStatus = metal3.OperationalStatusOK
		return d.Again(journey.ReasonStageChanged, "the host names a BMC and is registered")
	}
	if d.State() == metal3.StateNone {
		d.MoveTo(metal3.StateUnmanaged)
	}
	d.Host.Status.OperationalStatus = metal3.OperationalStatusDiscovered
	return d.Block(journey.ReasonNoBMC, "the host names no BMC", "set spec.bmc.address and spec.bmc.credentialsName", now.Add(unmanagedPoll))
}

// Register decides for a registering host.
func Register(f journey.Facts, now time.Time) journey.Decision {
	d := journey.Begin(f, now)
	if dec, done := verify(d, metal3.RegistrationError); !done {
		return dec
	}
	return leave(d)
}

// Current says whether the credentials and the address that were verified are still those of the host.
func Current(f journey.Facts) bool {
	good, bmc := f.Host.Status.GoodCredentials, f.Record.BMC
	if !matches(good, f) {
		return false
	}
	// A lost record is made again by a probe.
	return bmc != nil && bmc.Address == f.Host.Spec.BMC.Address &&
		bmc.CertificateVerificationDisabled == f.Host.Spec.BMC.DisableCertificateVerification && bmc.CertificatePin == f.Host.Annotations[ingot.BMCCertificateAnnotation]
}

// Renew decides for a registered host that is not Current. Nothing else is done with it until its BMC answers.
func Renew(f journey.Facts, now time.Time) journey.Decision {
	d := journey.Begin(f, now)
	t := metal3.RegistrationError
	if s := d.State(); s == metal3.StateProvisioned || s == metal3.StateExternallyProvisioned {
		t = metal3.ProvisionedRegistrationError
	}
	dec, done := verify(d, t)
	if !done {
		return dec
	}
	return d.Again(journey.ReasonObjectsChanged, "the BMC accepted the changed registration")
}

// verify tries the credentials. done is true when the BMC accepted them in the last action; what it said is then in the draft.
func verify(d *journey.Draft, t metal3.ErrorType) (dec journey.Decision, done bool) {
	if dec, waits := secretProblem(d, t); waits {
		return dec, false
	}
	if dec, failed := d.ActionFailed(t); failed {
		return dec, false
	}
	if d.Succeeded(journey.Verify{}) && d.Facts.Result.BMC != nil && triedNow(d) {
		return accept(d, t)
	}
	if dec, waits := d.RetryPending(); waits {
		return dec, false
	}
	d.Host.Status.TriedCredentials = tried(d)
	return d.Act(journey.Verify{}, journey.ReasonVerifying, fmt.Sprintf("asking the BMC at %s whether the credentials work", d.Host.Spec.BMC.Address)), false
}

// triedNow: what the BMC accepted is what the host says now. The status alone does not tell: it may name a newer Secret already while the answer is about the one before it, and a process may have died between the two.
// The action's own word of what it tried does. An answer about an address that was edited meanwhile is none about this one.
func triedNow(d *journey.Draft) bool {
	r := d.Facts.Result
	switch {
	case r.CredentialsVersion != "" && r.CredentialsVersion != d.Facts.Credentials.Version:
		return false
	case r.Generation != 0 && (r.Generation != d.Host.Generation || r.CertificatePin != d.Host.Annotations[ingot.BMCCertificateAnnotation]):
		return false
	}
	return matches(d.Host.Status.TriedCredentials, d.Facts)
}

// secretProblem ends the draft when there is nothing to try.
func secretProblem(d *journey.Draft, t metal3.ErrorType) (journey.Decision, bool) {
	c, bmc := d.Facts.Credentials, d.Host.Spec.BMC
	switch {
	case bmc.Address == "" || !c.Named:
		message := "spec.bmc needs both an address and the name of a Secret with the credentials"
		note(d, t, message)
		return d.Block(journey.ReasonNoBMC, message, "set spec.bmc.address and spec.bmc.credentialsName", d.Now.Add(unmanagedPoll)), true
	case !c.Found:
		message := fmt.Sprintf("the Secret %s with the BMC's credentials does not exist in namespace %s", bmc.CredentialsName, d.Host.Namespace)
		note(d, t, message)
		return d.Wait(journey.ReasonCredentialsMissing, message, d.Now.Add(secretRetry), time.Time{}), true
	case !c.Complete:
		message := fmt.Sprintf("the Secret %s lacks a username or a password", bmc.CredentialsName)
		note(d, t, message)
		return d.Block(journey.ReasonCredentialsIncomplete, message, "set the keys username and password of the Secret", d.Now.Add(unmanagedPoll)), true
	}
	return journey.Decision{}, false
}

// note puts an error into the status once: looking again every 10 seconds is no further error.
func note(d *journey.Draft, t metal3.ErrorType, message string) {
	if s := d.Host.Status; s.ErrorType != t || s.ErrorMessage != message {
		d.SetError(t, message)
		d.Record.Failure = nil
	}
}

// accept takes up what a successful Verify found.
func accept(d *journey.Draft, t metal3.ErrorType) (journey.Decision, bool) {
	found := d.Facts.Result.BMC.DeepCopy()
	if found.Address == "" {
		found.Address = d.Host.Spec.BMC.Address
	}
	found.CertificateVerificationDisabled = d.Host.Spec.BMC.DisableCertificateVerification
	found.CertificatePin = d.Host.Annotations[ingot.BMCCertificateAnnotation]
	if message := otherMachine(d, found.Address, found.SystemUUID); message != "" {
		return d.Fail(t, step.Failure{Kind: step.Invalid, Message: message,
			Fix: "correct spec.bmc.address; if the machine was replaced, delete the host and create it again"}), false
	}
	if d.Record.BMC == nil && d.Record.RAID == nil && d.State() == metal3.StatePreparing && d.Host.Spec.RAID != nil {
		// The record was lost, or did not come along: its volumes may have been changed since the inspection.
		d.Record.RAID = &ingot.RAIDStatus{VolumesChanged: true}
	}
	d.Record.BMC = found
	s := &d.Host.Status
	s.GoodCredentials = s.TriedCredentials
	if s.Provisioning.ID == "" {
		s.Provisioning.ID = d.UID()
	}
	if s.ErrorType == metal3.RegistrationError || s.ErrorType == metal3.ProvisionedRegistrationError {
		d.ClearError()
		s.ErrorCount = 0
	}
	if s.OperationalStatus == metal3.OperationalStatusDiscovered || s.OperationalStatus == "" {
		s.OperationalStatus = metal3.OperationalStatusOK
	}
	if f := d.Record.Failure; f != nil {
		// What failed for want of credentials may be tried at once; its count stays until it works.
		f.NextAttempt = *d.Stamp()
	}
	return journey.Decision{}, true
}

// otherMachine says that a changed address leads to another machine, where that would matter: the host has been inspected or written.
func otherMachine(d *journey.Draft, address, uuid string) string {
	before := d.Record.BMC
	if before == nil || before.Address == address || before.SystemUUID == "" || uuid == "" || before.SystemUUID == uuid {
		return ""
	}
	if s := d.State(); s == metal3.StateRegistering {
		return ""
	}
	return fmt.Sprintf("the BMC at %s is of the machine with UUID %s, this host is the machine with UUID %s", address, uuid, before.SystemUUID)
}

func matches(c metal3.CredentialsStatus, f journey.Facts) bool {
	return c.Reference != nil && c.Reference.Name == f.Host.Spec.BMC.CredentialsName && c.Version == f.Credentials.Version && f.Credentials.Found
}

func tried(d *journey.Draft) metal3.CredentialsStatus {
	return metal3.CredentialsStatus{
		Reference: &corev1.SecretReference{Name: d.Host.Spec.BMC.CredentialsName, Namespace: d.Host.Namespace},
		Version:   d.Facts.Credentials.Version,
	}
}

// leave goes on from registering. HardwareData of an earlier life of this host wins over a new inspection.
func leave(d *journey.Draft) journey.Decision {
	h := d.Host
	h.Status.Provisioning.BootMode = h.BootMode()
	if h.Status.HardwareDetails == nil && d.Facts.Hardware != nil {
		h.Status.HardwareDetails = d.Facts.Hardware.DeepCopy()
	}
	switch {
	case h.Spec.ExternallyProvisioned:
		d.MoveTo(metal3.StateExternallyProvisioned)
		return d.Again(journey.ReasonStageChanged, "the BMC answers; something else owns the disk")
	case h.NeedsHardwareInspection():
		d.MoveTo(metal3.StateInspecting)
		return d.Again(journey.ReasonStageChanged, "the BMC answers; the hardware is inspected")
	default:
		d.MoveTo(metal3.StatePreparing)
		return d.Again(journey.ReasonStageChanged, "the BMC answers; no inspection is needed")
	}
}
