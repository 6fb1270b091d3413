package clean

import (
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// TestOfferedOnlyAsAsked: a host leaves deprovisioning only with the evidence that its policy asks for, of every disk that was known.
func TestOfferedOnlyAsAsked(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	at := metav1.NewTime(now.Add(-time.Minute))
	a, k := step.Disk{Name: "/dev/sda", SerialNumber: "A"}, step.Disk{Name: "/dev/sdb", SerialNumber: "K"}
	did := func(d step.Disk, how string) step.Wipe { return step.Wipe{Disk: d, Method: how, Clean: true} }
	kept := step.Wipe{Disk: k, Method: step.DidKeep, Kept: true}
	secure := &step.Erasure{Methods: []step.Method{step.EraseSecurely, step.EraseOverwrite}}
	keep := &step.Erasure{Methods: secure.Methods, Disks: []step.DiskRule{{SerialNumber: "K", Keep: true}}}
	for name, c := range map[string]struct {
		erase, disks string
		// followed is the policy that the agent was given.
		followed *step.Erasure
		wipes    []step.Wipe
		failure  *step.Failure
		// want is the state afterwards; says is a part of the error or of the outcome.
		want metal3.ProvisioningState
		says string
	}{
		"metadata":                         {"", "", nil, []step.Wipe{did(a, step.DidMetadata), did(k, step.DidDiscardAndMetadata)}, nil, metal3.StateAvailable, "found clean"},
		"as asked":                         {"secure-erase,overwrite", "", secure, []step.Wipe{did(a, step.DidNVMeFormat), did(k, step.DidOverwrite)}, nil, metal3.StateAvailable, "found clean"},
		"one by metadata only":             {"secure-erase,overwrite", "", secure, []step.Wipe{did(a, step.DidNVMeFormat), did(k, step.DidMetadata)}, nil, metal3.StateDeprovisioning, "is asked for"},
		"one is kept":                      {"secure-erase,overwrite", "serial:K=keep", keep, []step.Wipe{did(a, step.DidATASecure), kept}, nil, metal3.StateAvailable, "found clean"},
		"one is kept, and nobody asked":    {"secure-erase,overwrite", "", secure, []step.Wipe{did(a, step.DidATASecure), kept}, nil, metal3.StateDeprovisioning, "should have been erased"},
		"one was erased that is kept":      {"secure-erase,overwrite", "serial:K=keep", keep, []step.Wipe{did(a, step.DidATASecure), did(k, step.DidATASecure)}, nil, metal3.StateDeprovisioning, "should have been kept"},
		"the policy changed on the way":    {"overwrite", "", nil, []step.Wipe{did(a, step.DidMetadata), did(k, step.DidMetadata)}, nil, metal3.StateDeprovisioning, "another erasure"},
		"an agent that forgets its policy": {"secure-erase,overwrite", "", nil, []step.Wipe{did(a, step.DidMetadata), did(k, step.DidMetadata)}, nil, metal3.StateDeprovisioning, "another erasure"},
		"a disk is missing":                {"secure-erase,overwrite", "", secure, []step.Wipe{did(a, step.DidOverwrite)}, nil, metal3.StateDeprovisioning, "/dev/sdb"},
		"the step failed": {"secure-erase", "", &step.Erasure{Methods: secure.Methods[:1]}, []step.Wipe{{Disk: a, Method: "secure-erase", Message: "frozen"}, did(k, step.DidNVMeFormat)},
			&step.Failure{Kind: step.Internal, Message: "1 of 2 disks"}, metal3.StateDeprovisioning, "1 of 2 disks"},
		"a policy that nobody can read": {"burn", "", nil, nil, nil, metal3.StateDeprovisioning, "burn"},
	} {
		t.Run(name, func(t *testing.T) {
			h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Name: "h", Namespace: "n", UID: "u", Finalizers: []string{metal3.BareMetalHostFinalizer},
				Annotations: map[string]string{ingot.EraseAnnotation: c.erase, ingot.EraseDisksAnnotation: c.disks}}}
			h.Spec.BMC.Address, h.Spec.BootMACAddress = "redfish://10.0.0.5/", "52:54:00:00:00:01"
			h.Status.Provisioning.State = metal3.StateDeprovisioning
			f := journey.Facts{
				Host: h, Site: journey.Site{PXE: true},
				Hardware: &metal3.HardwareDetails{Storage: []metal3.Storage{{Name: a.Name, SerialNumber: "A"}, {Name: k.Name, SerialNumber: "K"}}},
				Agent:    &journey.AgentFacts{BootID: "b", StepID: "b-1-clean", Phase: step.Finished, LastSeen: now, Outcome: &step.Outcome{Wipes: c.wipes, Failure: c.failure, Erasure: c.followed}},
				Record: ingot.HostLifecycleStatus{
					Boot: &ingot.BootStatus{ID: "b", Purpose: ingot.PurposeAgent, Steps: 1, StartedAt: &at, ConfirmedAt: &at, EnrolledAt: &at},
					Step: &ingot.StepStatus{ID: "b-1-clean", Kind: string(step.Clean), StartedAt: at},
				},
			}
			dec := Decide(f, now)
			s := dec.Host.Status
			if s.Provisioning.State != c.want || !strings.Contains(s.ErrorMessage+dec.Outcome.Message, c.says) {
				t.Fatalf("%q, error %q, %+v; want %q and %q", s.Provisioning.State, s.ErrorMessage, dec.Outcome, c.want, c.says)
			}
			if len(dec.Record.Wipes) != len(c.wipes) {
				t.Errorf("evidence %+v", dec.Record.Wipes)
			}
			if v := journey.Check(f, dec); len(v) > 0 {
				t.Errorf("breaks %v", v)
			}
		})
	}
}
