package ramdisk

import (
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

const (
	// maxEarlier bounds the evidence of earlier cleanings; the CRD has the same bound.
	maxEarlier = 64
	// maxWords bounds what a disk or a check says, as the CRD does.
	maxWords = 1024
)

// keepEvidence takes up the evidence of a cleaning, whatever it came to; what was there goes to the earlier ones. A failure that repeats itself is kept once, with its last time: a
// disk that fails every few minutes would else push out what was proved before.
func keepEvidence(r *ingot.HostLifecycleStatus, wipes []step.Wipe) {
	now := evidence(wipes)
	for _, before := range r.Wipes {
		repeated := false
		for _, w := range now {
			repeated = repeated || sameFailure(before, w)
		}
		if !repeated {
			r.EarlierWipes = append(r.EarlierWipes, before)
		}
	}
	if n := len(r.EarlierWipes); n > maxEarlier {
		r.EarlierWipes = append([]ingot.WipeRecord(nil), r.EarlierWipes[n-maxEarlier:]...)
	}
	r.Wipes = now
}

func sameFailure(a, b ingot.WipeRecord) bool {
	return a.Result == resultFailed && b.Result == resultFailed && a.DeviceName == b.DeviceName && a.SerialNumber == b.SerialNumber && a.WWN == b.WWN &&
		a.Method == b.Method && a.Message == b.Message
}

// evidence is the record of a cleaning. The record is bounded as the CRD bounds it.
func evidence(wipes []step.Wipe) []ingot.WipeRecord {
	out := make([]ingot.WipeRecord, 0, len(wipes))
	for _, w := range wipes[:min(len(wipes), maxWipes)] {
		r := ingot.WipeRecord{
			DeviceName: w.Disk.Name, SerialNumber: w.Disk.SerialNumber, WWN: w.Disk.WWN, SizeBytes: w.Disk.SizeBytes, Method: w.Method, Asked: methodList(w.Asked),
			StartedAt: metav1.NewTime(w.StartedAt), FinishedAt: metav1.NewTime(w.FinishedAt), Bytes: w.Bytes,
			Verification: bounded(w.Verification), Answer: bounded(w.Answer), Result: resultFailed, Message: w.Message,
		}
		switch {
		case w.Kept:
			r.Result = resultKept
		case w.Clean:
			r.Result = resultClean
		}
		out = append(out, r)
	}
	return out
}

func methodList(methods []step.Method) string {
	words := make([]string, 0, len(methods))
	for _, m := range methods {
		words = append(words, string(m))
	}
	return strings.Join(words, ",")
}

func bounded(s string) string {
	if len(s) <= maxWords {
		return s
	}
	return strings.ToValidUTF8(s[:maxWords], "")
}

const (
	// slowRate is what a disk must erase at the least, in bytes a second, for its erasure not to be given up: a third of what a spinning disk does at its slow end.
	slowRate = 30 << 20
	// disksAtOnce is how many the agent erases at the same time.
	disksAtOnce = 4
	// unknownSize is taken for a disk where nothing is known of any.
	unknownSize = 4 << 40
	// slowBase is what an erasure gets in any case: the firmware of a disk says of some small ones that they take hours.
	slowBase = 12 * time.Hour
)

// cleanTimeout is how long cleaning may take. With metadata and discards that is what every other step has; where whole disks are erased it goes by the disks that are known.
func cleanTimeout(policy step.Erasure, h *metal3.HardwareDetails) time.Duration {
	if !policy.Slow() {
		return timeouts()[step.Clean]
	}
	largest, count := int64(unknownSize), 1
	if disks := journey.InBandDisks(h); len(disks) > 0 {
		largest, count = 0, len(disks)
		for _, s := range disks {
			largest = max(largest, int64(s.SizeBytes))
		}
	}
	rounds := (count + disksAtOnce - 1) / disksAtOnce
	return slowBase + time.Duration(rounds)*time.Duration(largest/slowRate)*time.Second
}

// timeout is how long a step may take on this host.
func timeout(d *journey.Draft, kind step.Kind) time.Duration {
	switch kind {
	case step.BurnIn:
		// An annotation that cannot be read blocked the host before.
		if plan, err := journey.BurnIn(d.Host); err == nil {
			return burnInTimeout(plan, d.Facts.Hardware)
		}
	case step.Clean:
		if _, policy, err := asked(d); err == nil {
			return cleanTimeout(policy, d.Facts.Hardware)
		}
	case step.Inspect:
		if d.Host.Annotations[ingot.BenchmarkAnnotation] != "" {
			return timeouts()[kind] + benchmarkTime*time.Duration(max(len(journey.InBandDisks(d.Facts.Hardware)), unknownDisks))
		}
	default:
	}
	return timeouts()[kind]
}

const (
	// benchmarkTime is what a disk may take to be measured, unknownDisks how many a machine is taken to have that was never inspected.
	benchmarkTime = time.Minute
	unknownDisks  = 64
	// burnInBase is for what comes beside the tests: links are listened to, other machines measure the network.
	burnInBase = 2 * time.Hour
	// memoryRate is what is tested of the memory in a second at the least, with all patterns of a pass, and unknownMemory what a machine is taken to have that was never inspected.
	memoryRate    = 100 << 20
	unknownMemory = 1 << 40
)

// burnInTimeout is how long a burn-in may take.
func burnInTimeout(p step.BurnInPlan, h *metal3.HardwareDetails) time.Duration {
	out := burnInBase + time.Duration(p.CPUSeconds+p.NetworkSeconds)*time.Second
	memory := int64(unknownMemory)
	if h != nil && h.RAMMebibytes > 0 {
		memory = int64(h.RAMMebibytes) << 20
	}
	out += time.Duration(p.MemoryPasses) * time.Duration(memory/memoryRate) * time.Second
	whole := cleanTimeout(step.Erasure{Methods: []step.Method{step.EraseOverwrite}}, h)
	switch p.Disk {
	case step.DiskRead:
		out += whole
	case step.DiskWrite:
		out += 2 * whole
	case step.DiskSample:
	}
	return out
}
