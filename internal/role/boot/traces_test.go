package boot

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/tracing"
)

// TestAMediumIsOneSpan: a BMC reads in thousands of pieces; what is told is told once, when it is over.
func TestAMediumIsOneSpan(t *testing.T) {
	var told []tracing.Span
	s := newSpans(func(more []tracing.Span) { told = append(told, more...) })
	begun := time.Unix(1_800_000_000, 0)
	for i := range 1000 {
		at := begun.Add(time.Duration(i) * time.Millisecond)
		s.tell(tracing.Served{Boot: "a", Server: serverMedia, Client: "10.0.0.5", Bytes: 2048, Requests: 1, Start: at, End: at.Add(time.Millisecond)})
	}
	s.tell(tracing.Served{Boot: "b", Server: serverMedia, Bytes: 1, Requests: 1, Start: begun, End: begun})
	if len(told) != 0 {
		t.Fatalf("%d spans of media that are still read", len(told))
	}
	s.over("a")
	s.over("a")
	if len(told) != 1 || told[0].End.Sub(told[0].Start) != time.Second {
		t.Fatalf("told: %+v", told)
	}
	if !slices.Contains(told[0].Attributes, tracing.Attribute{Key: tracing.KeyBytes, Value: "2048000"}) || !slices.Contains(told[0].Attributes, tracing.Attribute{Key: tracing.KeyRequests, Value: "1000"}) {
		t.Errorf("it says %v", told[0].Attributes)
	}
	s.tell(tracing.Served{Boot: "b", Server: "tftp", Start: begun, End: begun})
	if len(told) != 2 {
		t.Error("a file's transfer is told when it ends")
	}
	s.over("")
	if len(told) != 3 {
		t.Error("the role ended, and a medium was not told")
	}
}

// TestOverWhenNothingIsServedAnyMore: with the token's trade, and with the window.
func TestOverWhenNothingIsServedAnyMore(t *testing.T) {
	f, index := newTestFeed()
	over := map[string]int{}
	f.over = func(boot string) { over[boot]++ }
	p, w, s := parts()
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	w.Spec.TraceParent = parent
	for _, o := range []any{p, s, w} {
		f.OnAdd(o, false)
	}
	if e := index.ByBoot(w.Name); e == nil || e.Trace.String() != parent {
		t.Fatalf("in the index: %+v", e)
	}
	if len(over) != 0 {
		t.Fatalf("over: %v", over)
	}
	redeemed := w.DeepCopy()
	redeemed.Status.RedeemedAt, redeemed.ResourceVersion = &w.Spec.OpensAt, "next"
	f.OnUpdate(w, redeemed)
	if over[w.Name] != 1 {
		t.Errorf("after the trade: %v", over)
	}
	f.OnDelete(redeemed)
	if got := slices.Collect(maps.Values(over)); !slices.Equal(got, []int{2}) {
		t.Errorf("after the window: %v", over)
	}
	bad := w.DeepCopy()
	bad.Name, bad.Spec.TraceParent = "other", "nonsense"
	if _, err := entryOf(bad, f.tokens[s.Name]); err == nil || !strings.Contains(err.Error(), "traceParent") {
		t.Errorf("a traceparent that is none: %v", err)
	}
}
