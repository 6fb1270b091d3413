package tracing

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"slices"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
)

// TraceID and SpanID are of the sizes that W3C Trace Context (§3.2.2.3, §3.2.2.4) gives them.
type (
	TraceID [16]byte
	SpanID  [8]byte
)

// Span is one thing that was done, from when to when.
type Span struct {
	Trace  TraceID
	ID     SpanID
	Parent SpanID // all zero for a root
	// Name is the stage's, the step's, or FirstBoot.
	Name       string
	Start, End time.Time
	// Failed, and with what message. A root failed where the host went on with an error.
	Failed     bool
	Message    string
	Attributes []Attribute
}

// Attribute is one fact of a span. Its keys are below.
type Attribute struct{ Key, Value string }

// The attributes' keys. Those of OpenTelemetry's semantic conventions have its names.
const (
	KeyHostID    = "host.id"   // the BareMetalHost's UID
	KeyHostName  = "host.name" // its name
	KeyNamespace = "k8s.namespace.name"
	KeyStage     = "ingot.stage"
	// KeyNext is the stage that followed.
	KeyNext = "ingot.stage.next"
	// KeyResult is ok, failed or interrupted, as in the record's timeline.
	KeyResult = "ingot.result"
	// KeyImage is the image's URL without user and query, KeyDigest what was written.
	KeyImage  = "ingot.image.url"
	KeyDigest = "ingot.image.digest"
	KeyKernel = "ingot.first_boot.kernel"
)

// FirstBoot is the name of the span from the end of provisioning to the installed system's own report.
const FirstBoot = "first boot"

// work are the stages that are work. The others are rests, which may last for years.
var work = []metal3.ProvisioningState{
	metal3.StateRegistering, metal3.StateMatchProfile, metal3.StateInspecting, metal3.StatePreparing, metal3.StateProvisioning, metal3.StateDeprovisioning, metal3.StatePoweringOffBeforeDelete,
}

// Ended are the spans that ended between two states of a host's record, a root before what is below it; none for most writes. Host is as it was written with the later one.
func Ended(host *metal3.BareMetalHost, was, is *ingot.HostLifecycleStatus) []Span {
	var all []Span
	for i := range is.Timeline {
		stage := &is.Timeline[i]
		if isStage(stage) && stage.EndedAt != nil && open(was, stage) {
			all = append(all, stageSpans(host, is, i)...)
		}
	}
	if reported(is) && !reported(was) {
		all = append(all, firstBoot(host, is)...)
	}
	return all
}

// isStage: entries without a step are the stages themselves.
func isStage(e *ingot.TimelineEntry) bool {
	return e.Step == "" && slices.Contains(work, metal3.ProvisioningState(e.Stage))
}

// open says whether the record did not know yet that the stage ended: its entry had no end, or was not there.
func open(was *ingot.HostLifecycleStatus, stage *ingot.TimelineEntry) bool {
	return !slices.ContainsFunc(was.Timeline, func(e ingot.TimelineEntry) bool {
		return e.Step == "" && e.Stage == stage.Stage && seconds(e.StartedAt) == seconds(stage.StartedAt) && e.EndedAt != nil
	})
}

func reported(r *ingot.HostLifecycleStatus) bool {
	return r.FirstBoot != nil && r.FirstBoot.ReportedAt != nil
}

// stageSpans are those of the stage at an index of the timeline, and of its steps, which stand between it and the next stage.
func stageSpans(host *metal3.BareMetalHost, r *ingot.HostLifecycleStatus, at int) []Span {
	stage := &r.Timeline[at]
	root := spanOf(host, stage, stage, 0)
	root.Parent, root.Name = SpanID{}, stage.Stage
	root.Attributes = append(root.Attributes, about(host)...)
	all := []Span{root}
	for i := at + 1; i < len(r.Timeline) && r.Timeline[i].Step != ""; i++ {
		if e := &r.Timeline[i]; e.EndedAt != nil {
			all = append(all, spanOf(host, stage, e, i-at))
		}
	}
	if next := host.Status.Provisioning.State; string(next) != stage.Stage {
		all[0].Attributes = append(all[0].Attributes, Attribute{KeyNext, string(next)})
	}
	if host.Status.ErrorType != "" {
		all[0].Failed, all[0].Message = true, host.Status.ErrorMessage
	}
	if stage.Stage == string(metal3.StateProvisioning) {
		all[0].Attributes = append(all[0].Attributes, written(r)...)
	}
	return all
}

// firstBoot is the installed system's way to its own report, below the provisioning that installed it; none where the timeline is that long that it dropped that.
func firstBoot(host *metal3.BareMetalHost, r *ingot.HostLifecycleStatus) []Span {
	for i := len(r.Timeline) - 1; i >= 0; i-- {
		stage := &r.Timeline[i]
		if !isStage(stage) || stage.Stage != string(metal3.StateProvisioning) {
			continue
		}
		// A quick system reports before its host is provisioned: what it took then is all within the stage, and known no better.
		begun := stage.StartedAt
		if stage.EndedAt != nil {
			begun = *stage.EndedAt
		}
		s := Span{
			Trace: traceOf(host, stage), ID: spanID(host, stage, FirstBoot, 0), Parent: rootOf(host, stage), Name: FirstBoot,
			Start: begun.Time, End: notBefore(begun.Time, r.FirstBoot.ReportedAt.Time), Attributes: about(host),
		}
		if r.FirstBoot.Kernel != "" {
			s.Attributes = append(s.Attributes, Attribute{KeyKernel, r.FirstBoot.Kernel})
		}
		return []Span{s}
	}
	return nil
}

// spanOf is the span of an ended entry of the timeline, the n-th of its stage.
func spanOf(host *metal3.BareMetalHost, stage, e *ingot.TimelineEntry, n int) Span {
	id := rootOf(host, stage)
	if n > 0 {
		id = spanID(host, stage, e.Step, n)
	}
	return Span{
		Trace: traceOf(host, stage), ID: id, Parent: rootOf(host, stage), Name: e.Step,
		Start: e.StartedAt.Time, End: notBefore(e.StartedAt.Time, e.EndedAt.Time),
		Failed: e.Result == journey.ResultFailed, Message: e.Message,
		Attributes: []Attribute{{KeyStage, e.Stage}, {KeyResult, e.Result}},
	}
}

// about is whose span it is.
func about(host *metal3.BareMetalHost) []Attribute {
	return []Attribute{{KeyHostID, string(host.UID)}, {KeyHostName, host.Name}, {KeyNamespace, host.Namespace}}
}

// written is the image that a provisioning wrote.
func written(r *ingot.HostLifecycleStatus) []Attribute {
	if r.Disk == nil || r.Disk.ImageURL == "" {
		return nil
	}
	out := []Attribute{{KeyImage, bare(r.Disk.ImageURL)}}
	if r.Disk.Digest != "" {
		out = append(out, Attribute{KeyDigest, r.Disk.Digest})
	}
	return out
}

// bare is a URL without what may hold credentials; empty where it is none.
func bare(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

func notBefore(start, end time.Time) time.Time {
	if end.Before(start) {
		return start // the clock was set back
	}
	return end
}

// seconds is a time as the API keeps it. A time that this process has just set is finer, and the same.
func seconds(t metav1.Time) int64 { return t.Unix() }

func traceOf(host *metal3.BareMetalHost, stage *ingot.TimelineEntry) (id TraceID) {
	copy(id[:], digest(host, stage, "trace", 0))
	return id
}

func rootOf(host *metal3.BareMetalHost, stage *ingot.TimelineEntry) SpanID {
	return spanID(host, stage, "", 0)
}

func spanID(host *metal3.BareMetalHost, stage *ingot.TimelineEntry, name string, n int) (id SpanID) {
	copy(id[:], digest(host, stage, "span "+name, n))
	return id
}

// digest is what identities are cut from. All of a digest is never zero, and neither are the parts of it that are used, but by a chance of 2^-64.
func digest(host *metal3.BareMetalHost, stage *ingot.TimelineEntry, name string, n int) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d\x00%s\x00%d", host.UID, stage.Stage, seconds(stage.StartedAt), name, n))
	return sum[:]
}
