package tracing_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/tracing"
)

var begun = time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)

func at(seconds int) metav1.Time {
	return metav1.NewTime(begun.Add(time.Duration(seconds) * time.Second))
}

func entry(stage, step string, from, to int, result string) ingot.TimelineEntry {
	e := ingot.TimelineEntry{Stage: stage, Step: step, StartedAt: at(from), Result: result}
	if to >= 0 {
		end := at(to)
		e.EndedAt = &end
	}
	return e
}

func hostIn(state metal3.ProvisioningState) *metal3.BareMetalHost {
	h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: "racks", Name: "node-1", UID: "uid-1"}}
	h.Status.Provisioning.State = state
	return h
}

// provisioning is a record in the middle of it, and provisioned the one after.
func provisioning() (was, is *ingot.HostLifecycleStatus) {
	was = &ingot.HostLifecycleStatus{
		Disk: &ingot.DiskClaim{ImageURL: "https://reader:pw@images.example/debian.raw.zst?sig=secret#x", Digest: "sha256:abc"},
		Timeline: []ingot.TimelineEntry{
			entry("available", "", 0, 100, journey.ResultOK),
			entry("provisioning", "", 100, -1, ""),
			entry("provisioning", "start-agent", 101, 130, journey.ResultOK),
			entry("provisioning", "write-image", 131, 140, journey.ResultFailed),
			entry("provisioning", "write-image", 150, 190, journey.ResultOK),
		},
	}
	was.Timeline[3].Message = "the store went away"
	is = was.DeepCopy()
	end := at(200)
	is.Timeline[1].EndedAt, is.Timeline[1].Result = &end, journey.ResultOK
	is.Timeline = append(is.Timeline, entry("provisioned", "", 200, -1, ""))
	return was, is
}

func names(spans []tracing.Span) (out []string) {
	for _, s := range spans {
		out = append(out, s.Name)
	}
	return out
}

func value(s tracing.Span, key string) string {
	i := slices.IndexFunc(s.Attributes, func(a tracing.Attribute) bool { return a.Key == key })
	if i < 0 {
		return ""
	}
	return s.Attributes[i].Value
}

func TestAProvisioningIsOneTrace(t *testing.T) {
	was, is := provisioning()
	host := hostIn(metal3.StateProvisioned)
	got := tracing.Ended(host, was, is)
	if diff := cmp.Diff([]string{"provisioning", "start-agent", "write-image", "write-image"}, names(got)); diff != "" {
		t.Fatal(diff)
	}
	root := got[0]
	for _, s := range got[1:] {
		if s.Trace != root.Trace || s.Parent != root.ID {
			t.Errorf("%s hangs elsewhere", s.Name)
		}
	}
	if !root.Start.Equal(at(100).Time) || !root.End.Equal(at(200).Time) || root.Failed || root.Parent != (tracing.SpanID{}) {
		t.Errorf("the root: %+v", root)
	}
	for key, want := range map[string]string{
		tracing.KeyHostID: "uid-1", tracing.KeyHostName: "node-1", tracing.KeyNamespace: "racks", tracing.KeyNext: "provisioned",
		tracing.KeyImage: "https://images.example/debian.raw.zst", tracing.KeyDigest: "sha256:abc", tracing.KeyStage: "provisioning",
	} {
		if got := value(root, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if s := got[2]; !s.Failed || s.Message != "the store went away" || got[3].Failed {
		t.Errorf("the try that failed: %+v", s)
	}

	// The system reports later, to a process that read the record anew.
	booted := is.DeepCopy()
	reported := at(260)
	booted.FirstBoot = &ingot.FirstBootStatus{ReportedAt: &reported, Kernel: "6.1"}
	boot := tracing.Ended(host, is, booted)
	if len(boot) != 1 || boot[0].Name != tracing.FirstBoot || boot[0].Trace != root.Trace || boot[0].Parent != root.ID || !boot[0].Start.Equal(at(200).Time) || !boot[0].End.Equal(reported.Time) {
		t.Errorf("the first boot: %+v", boot)
	}
	if again := tracing.Ended(host, booted, booted); len(again) != 0 {
		t.Errorf("told twice: %v", names(again))
	}
}

// TestIdentitiesOutliveTheProcess: the API keeps times in seconds, the process that set one knows it finer.
func TestIdentitiesOutliveTheProcess(t *testing.T) {
	was, is := provisioning()
	fine := is.DeepCopy()
	fine.Timeline[1].StartedAt = metav1.NewTime(fine.Timeline[1].StartedAt.Add(300 * time.Millisecond))
	a, b := tracing.Ended(hostIn(metal3.StateProvisioned), was, is), tracing.Ended(hostIn(metal3.StateProvisioned), was, fine)
	for i := range a {
		if a[i].Trace != b[i].Trace || a[i].ID != b[i].ID {
			t.Errorf("%s has two identities", a[i].Name)
		}
	}
	other := hostIn(metal3.StateProvisioned)
	other.UID = "uid-2"
	if c := tracing.Ended(other, was, is); c[0].Trace == a[0].Trace {
		t.Error("two hosts share a trace")
	}
}

func TestRestsMakeNoTrace(t *testing.T) {
	was := &ingot.HostLifecycleStatus{Timeline: []ingot.TimelineEntry{entry("available", "", 0, -1, "")}}
	is := was.DeepCopy()
	end := at(1000000)
	is.Timeline[0].EndedAt = &end
	is.Timeline = append(is.Timeline, entry("provisioning", "", 1000000, -1, ""))
	if got := tracing.Ended(hostIn(metal3.StateProvisioning), was, is); len(got) != 0 {
		t.Errorf("%v", names(got))
	}
}

// TestAnErrorMarksTheRoot: a stage that was left with an error is a failed one.
func TestAnErrorMarksTheRoot(t *testing.T) {
	was, is := provisioning()
	h := hostIn(metal3.StateDeprovisioning)
	h.Status.ErrorType, h.Status.ErrorMessage = metal3.ProvisioningError, "the image is bad"
	if got := tracing.Ended(h, was, is); !got[0].Failed || got[0].Message != "the image is bad" || value(got[0], tracing.KeyNext) != "deprovisioning" {
		t.Errorf("%+v", got[0])
	}
}

// TestAnyRecord: whatever stands in two records, clocks that went back and lines that were dropped included, the spans are well formed, and the same each time.
func TestAnyRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		was, is := anyRecord(t), anyRecord(t)
		host := hostIn(rapid.SampledFrom(metal3States).Draw(t, "state"))
		got := tracing.Ended(host, was, is)
		if diff := cmp.Diff(got, tracing.Ended(host, was, is)); diff != "" {
			t.Fatal(diff)
		}
		roots := map[tracing.TraceID]tracing.SpanID{}
		for _, s := range got {
			if s.End.Before(s.Start) || s.Name == "" || s.Trace == (tracing.TraceID{}) || s.ID == (tracing.SpanID{}) {
				t.Fatalf("%+v", s)
			}
			if strings.Contains(value(s, tracing.KeyImage), "secret") {
				t.Fatalf("a URL's query: %+v", s)
			}
			if s.Parent == (tracing.SpanID{}) {
				roots[s.Trace] = s.ID
			} else if root, has := roots[s.Trace]; has && root != s.Parent || !has && s.Name != tracing.FirstBoot {
				t.Fatalf("%s hangs below nothing", s.Name)
			}
		}
	})
}

var metal3States = []metal3.ProvisioningState{
	metal3.StateRegistering, metal3.StateInspecting, metal3.StatePreparing, metal3.StateAvailable, metal3.StateProvisioning, metal3.StateProvisioned, metal3.StateDeprovisioning, metal3.StateDeleting,
}

func anyRecord(t *rapid.T) *ingot.HostLifecycleStatus {
	r := &ingot.HostLifecycleStatus{Disk: &ingot.DiskClaim{ImageURL: rapid.SampledFrom([]string{"", "https://x.example/i?secret", "%"}).Draw(t, "image")}}
	for range rapid.IntRange(0, 12).Draw(t, "lines") {
		r.Timeline = append(r.Timeline, entry(
			string(rapid.SampledFrom(metal3States).Draw(t, "stage")), rapid.SampledFrom([]string{"", "write-image", "clean"}).Draw(t, "step"),
			rapid.IntRange(0, 50).Draw(t, "from"), rapid.IntRange(-1, 50).Draw(t, "to"), rapid.SampledFrom([]string{journey.ResultOK, journey.ResultFailed}).Draw(t, "result"),
		))
	}
	if rapid.Bool().Draw(t, "reported") {
		reported := at(rapid.IntRange(0, 50).Draw(t, "when"))
		r.FirstBoot = &ingot.FirstBootStatus{ReportedAt: &reported}
	}
	return r
}
