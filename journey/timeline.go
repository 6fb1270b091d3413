package journey

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// maxTimeline bounds HostLifecycle.status.timeline; the CRD has the same bound.
const maxTimeline = 64

// The results of a timeline entry.
const (
	ResultOK          = "ok"
	ResultFailed      = "failed"
	ResultInterrupted = "interrupted"
)

// beginEntry notes that something began. An open entry of the same name goes on; of two steps only one is at work, so that an open one
// of another name was interrupted. Entries without a step are the stages themselves.
func beginEntry(r *ingot.HostLifecycleStatus, stage, step string, now time.Time) {
	for i := range r.Timeline {
		e := &r.Timeline[i]
		if e.EndedAt != nil || (e.Step == "") != (step == "") {
			continue
		}
		if e.Step == step && e.Stage == stage {
			return
		}
		closeEntry(e, ResultInterrupted, "", now)
	}
	r.Timeline = append(r.Timeline, ingot.TimelineEntry{Stage: stage, Step: step, StartedAt: metav1.NewTime(now)})
	if extra := len(r.Timeline) - maxTimeline; extra > 0 {
		r.Timeline = append([]ingot.TimelineEntry(nil), r.Timeline[extra:]...)
	}
}

// endEntry closes the open entry of a step; none is no error, since what began before a crash may be lost.
func endEntry(r *ingot.HostLifecycleStatus, step, result, message string, now time.Time) {
	for i := len(r.Timeline) - 1; i >= 0; i-- {
		if e := &r.Timeline[i]; e.EndedAt == nil && e.Step == step {
			closeEntry(e, result, message, now)
			return
		}
	}
}

func closeEntry(e *ingot.TimelineEntry, result, message string, now time.Time) {
	end := metav1.NewTime(now)
	e.EndedAt, e.Result, e.Message = &end, result, message
}

// inTimeline says whether an action is worth a line: readings, windows and what only writes objects are not.
func inTimeline(a Action) bool {
	switch a.(type) {
	case ReadFirmware, ReadComponents, FollowUpdate, ReadVolumes, FollowVolume, ReadPower, OpenWindow, CloseWindow, SaveHardware:
		return false
	default:
		return true
	}
}

// EndVolume closes the line of the change of a volume that was under way.
func (d *Draft) EndVolume(deleted bool, failure string) {
	name, result := MakeVolume{}.Name(), ResultOK
	if deleted {
		name = DeleteVolume{}.Name()
	}
	if failure != "" {
		result = ResultFailed
	}
	endEntry(&d.Record, name, result, failure, d.Now)
}

// EndUpdate closes the line of the firmware update that was under way.
func (d *Draft) EndUpdate(failure string) {
	result := ResultOK
	if failure != "" {
		result = ResultFailed
	}
	endEntry(&d.Record, StartUpdate{}.Name(), result, failure, d.Now)
}
