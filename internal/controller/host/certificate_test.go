package host_test

import (
	"testing"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/driver/bmc/fake"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/pin"
	"github.com/ingotmetal/ingot/step"
)

// TestCertificateIsChanged: a BMC that shows another certificate than the pinned one is a reason of its own on the host, and the operator's new word is tried at once, not after the back-off.
func TestCertificateIsChanged(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.addMachine("a")
	m.bmc.FailNext(fake.Fault{Op: "connect", Kind: step.Untrusted, Times: 1000})
	w.addHostFor(m, annotate(ingot.BMCCertificateAnnotation, pin.Of([]byte("old")).String()))
	w.until("the host says that the certificate is another", func() bool {
		o := w.record("a").Status.Outcome
		// The record is written before the host.
		return o.Reason == string(journey.ReasonCertificateChanged) && o.Kind == string(journey.Blocked) && w.host("a").Status.ErrorMessage != ""
	})
	if h := w.host("a"); h.Status.ErrorMessage == "" || h.Status.GoodCredentials.Reference != nil || m.bmc.FailedLogins() != 0 {
		t.Errorf("%+v, %d failed logins", h.Status, m.bmc.FailedLogins())
	}
	m.bmc.Heal()
	next := pin.Of([]byte("new")).String()
	w.edit("a", annotate(ingot.BMCCertificateAnnotation, next))
	w.until("it is registered by the new certificate", func() bool {
		b := w.record("a").Status.BMC
		return b != nil && b.CertificatePin == next && w.host("a").Status.ErrorType == ""
	})
}
