package ramdisk

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

func TestEvidenceIsKept(t *testing.T) {
	at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	a := step.Disk{Name: "/dev/sda", SerialNumber: "A"}
	good := step.Wipe{Disk: a, Method: step.DidATASecure, Asked: []step.Method{step.EraseSecurely, step.EraseOverwrite}, Clean: true, Bytes: 7, StartedAt: at, FinishedAt: at.Add(time.Hour),
		Verification: "read", Answer: strings.Repeat("é", maxWords)}
	bad := step.Wipe{Disk: a, Method: "overwrite", Message: "a sector cannot be written"}
	var r ingot.HostLifecycleStatus
	keepEvidence(&r, []step.Wipe{good, {Disk: step.Disk{SerialNumber: "K"}, Method: step.DidKeep, Kept: true, Message: "why"}})
	w := r.Wipes[0]
	if w.Result != "clean" || w.Asked != "secure-erase,overwrite" || w.Bytes != 7 || w.Verification != "read" || len(w.Answer) > maxWords || !w.FinishedAt.Equal(&metav1.Time{Time: at.Add(time.Hour)}) {
		t.Errorf("%+v", w)
	}
	if k := r.Wipes[1]; k.Result != "kept" || k.Message != "why" || len(r.EarlierWipes) != 0 {
		t.Errorf("%+v, earlier %+v", k, r.EarlierWipes)
	}
	for range 10 {
		keepEvidence(&r, []step.Wipe{bad})
	}
	if len(r.EarlierWipes) != 2 || len(r.Wipes) != 1 || r.Wipes[0].Result != "failed" {
		t.Errorf("after ten failures of one kind: %d earlier ones, now %+v", len(r.EarlierWipes), r.Wipes)
	}
	for i := range 2 * maxEarlier {
		keepEvidence(&r, []step.Wipe{{Disk: a, Method: "overwrite", Message: fmt.Sprint(i)}})
	}
	if n := len(r.EarlierWipes); n != maxEarlier || r.EarlierWipes[n-1].Message != fmt.Sprint(2*maxEarlier-2) {
		t.Errorf("%d earlier ones, the last %+v", n, r.EarlierWipes[n-1])
	}
}

// A host is offered only with a proof of what it asks for now.
func TestAProofIsOfThePolicy(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	at := metav1.NewTime(now)
	for name, c := range map[string]struct {
		erase, disks, proved string
		want                 bool
	}{
		"nothing asked":              {"", "", "", true},
		"metadata is the default":    {"metadata", "", "", true},
		"as asked":                   {"secure-erase, overwrite", "", "secure-erase,overwrite", true},
		"more is asked now":          {"overwrite", "", "", false},
		"less is asked now":          {"", "", "overwrite", false},
		"the other way round":        {"overwrite,secure-erase", "", "secure-erase,overwrite", false},
		"one was kept":               {"", "serial:K=keep", "metadata;serial:K=keep", true},
		"one was kept and no longer": {"", "", "metadata;serial:K=keep", false},
		"nobody knows":               {"burn", "", "", false},
	} {
		f := preparing(ingot.HostLifecycleStatus{CleanedAt: &at, CleanedErasure: c.proved}, nil)
		f.Host.Annotations = map[string]string{ingot.EraseAnnotation: c.erase, ingot.EraseDisksAnnotation: c.disks}
		if got := Proved(journey.Begin(f, now)); got != c.want {
			t.Errorf("%s: proved is %v", name, got)
		}
		dec, clean := Wipe(journey.Begin(f, now), metal3.PreparationError)
		if clean != c.want || c.erase == "burn" && dec.Outcome.Reason != journey.ReasonAnnotationInvalid {
			t.Errorf("%s: clean is %v, %+v", name, clean, dec.Outcome)
		}
	}
}

func TestTimeForAnErasure(t *testing.T) {
	disks := func(n int, size int64) *metal3.HardwareDetails {
		h := &metal3.HardwareDetails{}
		for range n {
			h.Storage = append(h.Storage, metal3.Storage{Name: "/dev/sda", SizeBytes: metal3.Capacity(size)})
		}
		return h
	}
	slow := step.Erasure{Methods: []step.Method{step.EraseSecurely, step.EraseOverwrite}}
	hour := time.Hour
	for name, c := range map[string]struct {
		policy step.Erasure
		h      *metal3.HardwareDetails
		least  time.Duration
		most   time.Duration
	}{
		"metadata":           {step.Erasure{}, disks(24, 20<<40), hour, hour},
		"discard":            {step.Erasure{Methods: []step.Method{step.EraseDiscard}}, disks(1, 20<<40), hour, hour},
		"a small disk":       {slow, disks(1, 1<<30), 12 * hour, 13 * hour},
		"a disk of 20 TiB":   {slow, disks(1, 20<<40), 200 * hour, 220 * hour},
		"five take two goes": {slow, disks(5, 20<<40), 390 * hour, 430 * hour},
		"nothing is known":   {slow, nil, 40 * hour, 60 * hour},
	} {
		if got := cleanTimeout(c.policy, c.h); got < c.least || got > c.most {
			t.Errorf("%s: %s", name, got)
		}
	}
}
