package journey

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/step"
)

const (
	// busyRetry is the patience that a busy BMC gets; it is no error.
	busyRetry = 30 * time.Second
	// deletingRetry bounds the back-off of a deleted host: somebody waits for its namespace to go.
	deletingRetry = time.Minute
	// maxBusy bounds the patience: 10 minutes of nothing but "later" are a failure.
	maxBusy = 20
)

// Fail ends the draft with a failure: error into the status as Metal3 has it, counted, and tried again after the back-off, or as soon as the spec or the
// credentials change. A BMC that asks for patience gets it, and is no error before maxBusy times in a row.
func (d *Draft) Fail(t metal3.ErrorType, f step.Failure) Decision {
	count, busy := d.failures()
	if f.Kind == step.Busy && busy < maxBusy {
		d.remember("", f, busyRetry, count, busy+1)
		return d.Wait(ReasonBusy, f.Message, d.Now.Add(busyRetry), time.Time{})
	}
	if f.Kind == step.Denied {
		// What worked before does not any more: registration tries again before anything else is asked of the BMC.
		d.Host.Status.GoodCredentials = metal3.CredentialsStatus{}
	}
	d.SetError(t, f.Message)
	wait := Backoff(d.UID(), int(count)+1)
	if d.Deleting() {
		wait = min(wait, deletingRetry)
	}
	d.remember(t, f, wait, count+1, 0)
	d.Announce(failureEvents()[t])
	return d.failed()
}

// failures are the counts of this stage so far.
func (d *Draft) failures() (count, busy int32) {
	if f := d.Record.Failure; f != nil && f.Stage == string(d.State()) {
		return f.Count, f.Busy
	}
	return 0, 0
}

// Failures is how often in a row this stage failed.
func (d *Draft) Failures() int {
	count, _ := d.failures()
	return int(count)
}

// remember stores the failure, so that the wait survives a restart.
func (d *Draft) remember(t metal3.ErrorType, f step.Failure, wait time.Duration, count, busy int32) {
	d.Record.Failure = &ingot.FailureStatus{
		Stage: string(d.State()), ErrorType: string(t), Kind: string(f.Kind), Message: f.Message, Fix: f.Fix, Count: count, Busy: busy,
		At: metav1.NewTime(d.Now), NextAttempt: metav1.NewTime(d.Now.Add(wait)),
		Generation: d.Host.Generation, CredentialsVersion: d.Facts.Credentials.Version, CertificatePin: d.Host.Annotations[ingot.BMCCertificateAnnotation],
	}
	if r := d.Facts.Result; r != nil && r.Failure != nil {
		if r.Generation != 0 {
			d.Record.Failure.CertificatePin = r.CertificatePin
		}
		d.Record.Failure.Generation = cmp.Or(r.Generation, d.Record.Failure.Generation)
		d.Record.Failure.CredentialsVersion = cmp.Or(r.CredentialsVersion, d.Record.Failure.CredentialsVersion)
	}
}

// failed is the outcome of the failure that is remembered.
func (d *Draft) failed() Decision {
	f := d.Record.Failure
	o := Outcome{Kind: Wait, Message: f.Message, Fix: f.Fix, NextAttempt: f.NextAttempt.Time}
	if f.Busy > 0 {
		o.Reason = ReasonBusy
		return d.end(o)
	}
	switch step.FailureKind(f.Kind) {
	case step.Denied, step.Unsupported, step.Invalid, step.Untrusted:
		o.Kind = Blocked
		if o.Fix == "" {
			o.Fix = "correct what the message names; a change of the host or of its BMC Secret is tried at once"
		}
	default:
	}
	if f.Kind == string(step.Untrusted) {
		o.Reason = ReasonCertificateChanged
		return d.end(o)
	}
	o.Reason = failureReason(metal3.ErrorType(f.ErrorType), d.State())
	return d.end(o)
}

// RetryPending ends the draft while a failure of this stage waits for its next attempt.
func (d *Draft) RetryPending() (Decision, bool) {
	f := d.Record.Failure
	switch {
	case f == nil || f.Stage != string(d.State()):
		return Decision{}, false
	case f.Generation != d.Host.Generation, f.CredentialsVersion != d.Facts.Credentials.Version, f.CertificatePin != d.Host.Annotations[ingot.BMCCertificateAnnotation]:
		return Decision{}, false
	case !d.Now.Before(f.NextAttempt.Time), d.Deleting() && !d.Now.Before(f.At.Add(deletingRetry)):
		return Decision{}, false
	}
	if s := d.Host.Status; f.Busy == 0 && (s.ErrorMessage != f.Message || string(s.ErrorType) != f.ErrorType) {
		// The record is written before the status: a process died in between.
		d.SetError(metal3.ErrorType(f.ErrorType), f.Message)
	}
	return d.failed(), true
}

// ActionFailed ends the draft when the last action failed. A soft power-off that failed is left to package power, which turns to the hard one.
func (d *Draft) ActionFailed(t metal3.ErrorType) (Decision, bool) {
	r := d.Facts.Result
	if r == nil || r.Failure == nil {
		return Decision{}, false
	}
	if p := d.Record.PowerChange; r.Action == (SetPower{}).Name() {
		if p != nil && p.Soft {
			return Decision{}, false
		}
		t = metal3.PowerManagementError
		d.Record.PowerChange = nil
	}
	f := *r.Failure
	f.Message = fmt.Sprintf("%s: %s", r.Action, f.Message)
	return d.Fail(t, f), true
}

// SetError puts an error into the status and counts it.
func (d *Draft) SetError(t metal3.ErrorType, message string) {
	s := &d.Host.Status
	s.OperationalStatus = metal3.OperationalStatusError
	s.ErrorType, s.ErrorMessage = t, message
	s.ErrorCount++
}

// ClearError takes the error out of the status; the count ends with the next move.
func (d *Draft) ClearError() {
	s := &d.Host.Status
	s.OperationalStatus = metal3.OperationalStatusOK
	s.ErrorType, s.ErrorMessage = "", ""
	d.Record.Failure = nil
}

// Overcome clears an error of this type and its count: what failed works again.
func (d *Draft) Overcome(t metal3.ErrorType) {
	if d.Host.Status.ErrorType == t {
		d.ClearError()
		d.Host.Status.ErrorCount = 0
	}
}

func failureReason(t metal3.ErrorType, s metal3.ProvisioningState) Reason {
	switch t {
	case metal3.RegistrationError, metal3.ProvisionedRegistrationError:
		return ReasonRegistrationFailed
	case metal3.InspectionError:
		return ReasonInspectionFailed
	case metal3.PreparationError:
		return ReasonPreparationFailed
	case metal3.PowerManagementError:
		return ReasonPowerFailed
	default:
		if s == metal3.StateDeprovisioning {
			return ReasonCleaningFailed
		}
		return ReasonProvisioningFailed
	}
}

func failureEvents() map[metal3.ErrorType]string {
	return map[metal3.ErrorType]string{
		metal3.RegistrationError:            "RegistrationError",
		metal3.ProvisionedRegistrationError: "ProvisionedRegistrationError",
		metal3.InspectionError:              "InspectionError",
		metal3.PreparationError:             "PreparationError",
		metal3.ProvisioningError:            "ProvisioningError",
		metal3.PowerManagementError:         "PowerManagementError",
		metal3.ServicingError:               "ServicingError",
	}
}

// maxBackoffExponent bounds the wait at 2^9 minutes, 8 h 32 min, as in Metal3.
const maxBackoffExponent = 9

// Backoff is the wait after the count-th failure in a row, count ≥ 1: 2^count minutes less up to half of it. What is taken off depends on the host and the count
// alone, so that a hundred hosts behind one dead switch don't come back together and a decision stays a function of its facts.
func Backoff(uid string, count int) time.Duration {
	n := min(max(count, 1), maxBackoffExponent)
	full := time.Minute << n
	h := fnv.New64a()
	_, _ = h.Write([]byte(uid))
	_, _ = h.Write([]byte{byte(count), byte(count >> 8)})
	return full - time.Duration(h.Sum64()%uint64(full/2))
}
