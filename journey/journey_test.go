package journey

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/step"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func hostIn(s metal3.ProvisioningState) *metal3.BareMetalHost {
	h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Name: "h", Namespace: "n", UID: "u", Generation: 1, Finalizers: []string{metal3.BareMetalHostFinalizer}}}
	h.Status.Provisioning.State = s
	return h
}

func TestMoves(t *testing.T) {
	legal := map[[2]metal3.ProvisioningState]bool{}
	for _, m := range Moves() {
		pair := [2]metal3.ProvisioningState{m.From, m.To}
		switch {
		case !KnownState(m.From) || !KnownState(m.To) || m.When == "" || m.From == m.To:
			t.Errorf("bad row %+v", m)
		case legal[pair]:
			t.Errorf("%q to %q stands twice", m.From, m.To)
		}
		legal[pair] = true
	}
	for _, from := range States() {
		for _, to := range States() {
			if CheckMove(from, to) != (from == to || legal[[2]metal3.ProvisioningState{from, to}]) {
				t.Errorf("%q to %q", from, to)
			}
		}
		if from != metal3.StateDeleting && !leadsTo(from, metal3.StateDeleting) {
			t.Errorf("%q cannot be deleted", from)
		}
	}
	for _, to := range []metal3.ProvisioningState{metal3.StateAvailable, metal3.StateProvisioned, metal3.StateExternallyProvisioned} {
		if !leadsTo(metal3.StateNone, to) {
			t.Errorf("no way to %q", to)
		}
	}
	for _, m := range [][2]metal3.ProvisioningState{{metal3.StateProvisioned, metal3.StateAvailable}, {metal3.StateProvisioned, metal3.StateProvisioning},
		{metal3.StateExternallyProvisioned, metal3.StateDeprovisioning}, {metal3.StateProvisioning, metal3.StateAvailable}, {metal3.StateDeleting, metal3.StateNone}} {
		if CheckMove(m[0], m[1]) {
			t.Errorf("%q to %q must not be", m[0], m[1])
		}
	}
}

func leadsTo(from, to metal3.ProvisioningState) bool {
	seen := []metal3.ProvisioningState{from}
	for i := 0; i < len(seen); i++ {
		for _, m := range Moves() {
			if m.From == seen[i] && !slices.Contains(seen, m.To) {
				seen = append(seen, m.To)
			}
		}
	}
	return slices.Contains(seen, to)
}

func TestBackoff(t *testing.T) {
	for count := range 20 {
		full := time.Minute << min(max(count, 1), 9)
		spread := map[time.Duration]bool{}
		for i := range 50 {
			uid := fmt.Sprintf("host-%d", i)
			got := Backoff(uid, count)
			if got > full || got <= full/2 || got != Backoff(uid, count) {
				t.Fatalf("count %d: %s of %s", count, got, full)
			}
			spread[got] = true
		}
		if len(spread) < 40 {
			t.Errorf("count %d: 50 hosts share %d waits", count, len(spread))
		}
	}
	if Backoff("u", 1000) > 8*time.Hour+32*time.Minute {
		t.Error("beyond 8 h 32 min")
	}
}

func TestReasonsAreClosed(t *testing.T) {
	seen := map[Reason]bool{}
	for _, r := range Reasons() {
		if r == "" || seen[r] || strings.ContainsAny(string(r), " -_") {
			t.Errorf("reason %q", r)
		}
		seen[r] = true
	}
}

func TestTimelineIsBounded(t *testing.T) {
	d := Begin(Facts{Host: hostIn(metal3.StateInspecting)}, noon)
	for i := range 200 {
		beginEntry(&d.Record, "inspecting", fmt.Sprint(i), noon.Add(time.Duration(i)*time.Second))
	}
	if len(d.Record.Timeline) != maxTimeline || d.Record.Timeline[maxTimeline-1].Step != "199" {
		t.Fatalf("%d entries", len(d.Record.Timeline))
	}
	open := 0
	for _, e := range d.Record.Timeline {
		if e.EndedAt == nil {
			open++
		} else if e.Result != ResultInterrupted {
			t.Fatalf("%+v", e)
		}
	}
	if open != 1 {
		t.Fatalf("%d steps at once", open)
	}
	beginEntry(&d.Record, "inspecting", "199", noon)
	if len(d.Record.Timeline) != maxTimeline {
		t.Fatal("an open entry began twice")
	}
	endEntry(&d.Record, "199", ResultFailed, "why", noon)
	if e := d.Record.Timeline[maxTimeline-1]; e.Result != ResultFailed || e.Message != "why" {
		t.Fatalf("%+v", e)
	}
}

func TestFail(t *testing.T) {
	for name, c := range map[string]struct {
		kind  step.FailureKind
		want  OutcomeKind
		count int
	}{
		"unreachable waits": {step.Unreachable, Wait, 1}, "timeout waits": {step.Timeout, Wait, 1}, "internal waits": {step.Internal, Wait, 1},
		"denied blocks": {step.Denied, Blocked, 1}, "unsupported blocks": {step.Unsupported, Blocked, 1}, "invalid blocks": {step.Invalid, Blocked, 1},
		"busy is no error": {step.Busy, Wait, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := Facts{Host: hostIn(metal3.StateInspecting)}
			d := Begin(f, noon)
			dec := Seal(f, d.Fail(metal3.InspectionError, step.Failure{Kind: c.kind, Message: "m"}), noon)
			if dec.Outcome.Kind != c.want || dec.Host.Status.ErrorCount != c.count || !dec.Outcome.NextAttempt.After(noon) || dec.Outcome.Message != "m" {
				t.Fatalf("%+v, count %d", dec.Outcome, dec.Host.Status.ErrorCount)
			}
			next := Begin(Facts{Host: dec.Host, Record: dec.Record}, noon.Add(time.Second))
			again, waits := next.RetryPending()
			if !waits || again.Outcome.Message != "m" || again.Host.Status.ErrorCount != c.count {
				t.Fatalf("not remembered: %+v", again.Outcome)
			}
		})
	}
}

func TestRetryPendingEnds(t *testing.T) {
	f := Facts{Host: hostIn(metal3.StateInspecting), Credentials: Credentials{Version: "1"}}
	d := Begin(f, noon)
	failed := d.Fail(metal3.InspectionError, step.Failure{Kind: step.Timeout, Message: "m"})
	for name, c := range map[string]struct {
		edit func(*Facts, *time.Time)
		want bool
	}{
		"nothing changed":    {func(*Facts, *time.Time) {}, true},
		"the wait is over":   {func(_ *Facts, now *time.Time) { *now = failed.Outcome.NextAttempt }, false},
		"the spec changed":   {func(f *Facts, _ *time.Time) { f.Host.Generation++ }, false},
		"the secret changed": {func(f *Facts, _ *time.Time) { f.Credentials.Version = "2" }, false},
		"another stage":      {func(f *Facts, _ *time.Time) { f.Host.Status.Provisioning.State = metal3.StatePreparing }, false},
		"deleted, a minute on": {func(f *Facts, now *time.Time) {
			f.Host.DeletionTimestamp = &metav1.Time{Time: noon}
			*now = noon.Add(61 * time.Second)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			now := noon.Add(time.Second)
			g := Facts{Host: failed.Host.DeepCopy(), Record: failed.Record, Credentials: f.Credentials}
			c.edit(&g, &now)
			if _, waits := Begin(g, now).RetryPending(); waits != c.want {
				t.Fatalf("waits %v", waits)
			}
		})
	}
}

func TestBusyForEverIsAFailure(t *testing.T) {
	f := Facts{Host: hostIn(metal3.StateInspecting)}
	for i := range maxBusy + 1 {
		dec := Begin(f, noon).Fail(metal3.InspectionError, step.Failure{Kind: step.Busy, Message: "later"})
		if isError := dec.Host.Status.ErrorCount > 0; isError != (i == maxBusy) {
			t.Fatalf("after %d: error %v", i, isError)
		}
		f.Host, f.Record = dec.Host, dec.Record
	}
}

func TestSeal(t *testing.T) {
	f := Facts{Host: hostIn(metal3.StateAvailable)}
	d := Begin(f, noon)
	d.Host.Annotations = map[string]string{"a": "b"}
	d.Host.Status.ErrorMessage = "lost"
	dec := Seal(f, d.Again(ReasonObjectsChanged, "m"), noon)
	if dec.Host.Status.ErrorMessage != "" || len(dec.Host.Status.Conditions) != 0 || dec.Host.Annotations["a"] != "b" {
		t.Fatal("metadata and status changed at once")
	}
	first := Seal(f, Begin(f, noon).Done(ReasonAvailable, "m", noon.Add(time.Minute)), noon)
	if first.Host.Status.LastUpdated == nil || first.Record.Outcome.Since == nil || first.Record.Outcome.NextAttempt != nil {
		t.Fatalf("%+v", first.Record.Outcome)
	}
	g := Facts{Host: first.Host, Record: first.Record}
	later := noon.Add(time.Hour)
	second := Seal(g, Begin(g, later).Done(ReasonAvailable, "m", later.Add(time.Minute)), later)
	if !second.Record.Outcome.Since.Time.Equal(noon) || !second.Host.Status.LastUpdated.Time.Equal(noon) {
		t.Fatalf("a routine look writes: %+v", second.Record.Outcome)
	}
	glance := Seal(g, Begin(g, later).Act(ReadPower{}, ReasonReadingPower, "m"), later)
	if !equality.Semantic.DeepEqual(glance.Record, first.Record) || !equality.Semantic.DeepEqual(glance.Host, first.Host) {
		t.Fatalf("a power reading writes: %+v", glance.Record.Outcome)
	}
}

func TestConditions(t *testing.T) {
	status := func(edit func(*metal3.BareMetalHostStatus), s metal3.ProvisioningState) *metal3.BareMetalHostStatus {
		out := &metal3.BareMetalHostStatus{OperationalStatus: metal3.OperationalStatusOK}
		out.Provisioning.State = s
		if edit != nil {
			edit(out)
		}
		return out
	}
	failing := func(e metal3.ErrorType) func(*metal3.BareMetalHostStatus) {
		return func(s *metal3.BareMetalHostStatus) {
			s.OperationalStatus, s.ErrorType = metal3.OperationalStatusError, e
		}
	}
	for name, c := range map[string]struct {
		status *metal3.BareMetalHostStatus
		// want is Manageable, Available, Provisioned, Ready, Progressing, Healthy as T, F or U and its reason.
		want string
	}{
		"unmanaged":        {status(nil, metal3.StateUnmanaged), "F:NotManaged F:NotManageableReason F:NotProvisioned F:NotProvisioned F:NotProgressing U:Unknown"},
		"registering":      {status(nil, metal3.StateRegistering), "F:Registering F:NotManageableReason F:NotProvisioned F:NotProvisioned T:Registering U:Unknown"},
		"bad credentials":  {status(failing(metal3.RegistrationError), metal3.StateRegistering), "F:RegistrationFailed F:NotManageableReason F:NotProvisioned F:Error T:Registering U:Unknown"},
		"inspecting":       {status(nil, metal3.StateInspecting), "T:Manageable F:Inspecting F:NotProvisioned F:NotProvisioned T:Inspecting U:Unknown"},
		"preparing":        {status(nil, metal3.StatePreparing), "T:Manageable F:NotAvailable F:NotProvisioned F:NotProvisioned T:Preparing U:Unknown"},
		"available":        {status(nil, metal3.StateAvailable), "T:Manageable T:Available F:NotProvisioned F:NotProvisioned F:NotProgressing U:Unknown"},
		"available, error": {status(failing(metal3.ProvisioningError), metal3.StateAvailable), "T:Manageable F:NotAvailable F:NotProvisioned F:Error F:NotProgressing U:Unknown"},
		"provisioning":     {status(nil, metal3.StateProvisioning), "T:Manageable F:NotAvailable F:Provisioning F:Provisioning T:Provisioning U:Unknown"},
		"provisioned":      {status(nil, metal3.StateProvisioned), "T:Manageable F:NotAvailable T:Provisioned T:Provisioned F:NotProgressing U:Unknown"},
		"no power":         {status(failing(metal3.PowerManagementError), metal3.StateProvisioned), "F:PowerFailure F:NotManageableReason T:Provisioned F:Error F:NotProgressing U:Unknown"},
		"detached": {status(func(s *metal3.BareMetalHostStatus) { s.OperationalStatus = metal3.OperationalStatusDetached }, metal3.StateProvisioned),
			"F:Detached F:NotManageableReason T:Provisioned F:Detached F:NotProgressing U:Unknown"},
		"deprovisioning": {status(nil, metal3.StateDeprovisioning), "T:Manageable F:NotAvailable F:NotProvisioned F:NotProvisioned T:Deprovisioning U:Unknown"},
		"deleting":       {status(nil, metal3.StateDeleting), "T:Manageable F:NotAvailable F:NotProvisioned F:NotProvisioned T:Deleting U:Unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, x := range deriveConditions(c.status, nil) {
				got = append(got, string(x.status[0])+":"+x.reason)
			}
			if strings.Join(got, " ") != c.want {
				t.Fatalf("got  %s\nwant %s", strings.Join(got, " "), c.want)
			}
		})
	}
}

func TestConditionTimesMoveWithTheStatusOnly(t *testing.T) {
	h := hostIn(metal3.StateInspecting)
	setConditions(h, nil, noon)
	h.Status.Provisioning.State = metal3.StatePreparing
	setConditions(h, nil, noon.Add(time.Hour))
	for _, c := range h.Status.Conditions {
		if !c.LastTransitionTime.Time.Equal(noon) {
			t.Errorf("%s moved, its status did not", c.Type)
		}
	}
	h.Status.Provisioning.State = metal3.StateAvailable
	setConditions(h, nil, noon.Add(2*time.Hour))
	for _, c := range h.Status.Conditions {
		moved := c.LastTransitionTime.Time.Equal(noon.Add(2 * time.Hour))
		if want := c.Type == metal3.AvailableForProvisioningCondition || c.Type == metal3.ProgressingCondition; moved != want {
			t.Errorf("%s moved: %v", c.Type, moved)
		}
	}
	if len(h.Status.Conditions) != 6 {
		t.Errorf("%d conditions", len(h.Status.Conditions))
	}
}

func TestOperationHistory(t *testing.T) {
	d := Begin(Facts{Host: hostIn(metal3.StateRegistering)}, noon)
	d.MoveTo(metal3.StateInspecting)
	e := Begin(Facts{Host: d.Host, Record: d.Record}, noon.Add(time.Minute))
	e.MoveTo(metal3.StatePreparing)
	m := e.Host.Status.OperationHistory.Inspect
	if m.Duration() != time.Minute || !m.Start.Time.Equal(noon) {
		t.Fatalf("%+v", m)
	}
}

// TestBeginTakesUpResults: what the last action came to is in the record, whatever the stage does with it.
func TestBeginTakesUpResults(t *testing.T) {
	boot := func() ingot.HostLifecycleStatus {
		at := metav1.NewTime(noon.Add(-time.Minute))
		return ingot.HostLifecycleStatus{Boot: &ingot.BootStatus{ID: "b", Purpose: ingot.PurposeAgent, StartedAt: &at}}
	}
	f := Facts{Host: hostIn(metal3.StateInspecting), Record: boot(), Result: &ActionResult{Action: StartAgent{}.Name(), BootID: "b"}}
	if d := Begin(f, noon); d.Record.Boot.ConfirmedAt == nil || !d.Host.Status.PoweredOn {
		t.Error("a start that went well is not confirmed")
	}
	f.Result.BootID = "another"
	if d := Begin(f, noon); d.Record.Boot.ConfirmedAt != nil {
		t.Error("another boot's result is taken")
	}
	f.Result = &ActionResult{Action: StartAgent{}.Name(), BootID: "b", Failure: &step.Failure{Kind: step.Internal}}
	if d := Begin(f, noon); d.Record.Boot.StartedAt != nil {
		t.Error("a start that failed still counts as begun")
	}
	f.Result = nil
	f.Power = PowerReading{State: PowerOff, ReadAt: noon.Add(-2 * time.Minute)}
	f.Host.Status.PoweredOn = true
	if d := Begin(f, noon); d.Power().State != PowerUnknown || !d.Host.Status.PoweredOn {
		t.Error("a reading from before the boot is believed")
	}
	f.Agent = &AgentFacts{BootID: "b", LastSeen: noon}
	if d := Begin(f, noon); d.Record.Boot.EnrolledAt == nil {
		t.Error("the agent's first word is not noted")
	}
	f.Agent.BootID = "old"
	if d := Begin(f, noon); d.Record.Boot.EnrolledAt != nil || d.Agent() != nil {
		t.Error("an old boot's agent is taken for this one's")
	}
}
