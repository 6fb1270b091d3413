// Package shiptest gives tests of sinks a trail to send, and looks whether all of it arrived.
//
// It owns both; it refuses to know a sink.
package shiptest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/internal/ship"
	"github.com/ingotmetal/ingot/internal/trail"
)

// Trail is one that a test writes.
type Trail struct {
	*trail.Trail
	Dir     string
	written int
}

// New opens a trail for one test. Its files are small, so that there are many.
func New(t testing.TB) *Trail {
	t.Helper()
	dir := t.TempDir()
	tr, err := trail.Open(trail.Options{
		Dir: dir, Key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{5}, ed25519.SeedSize)), Writer: "w", Version: "test", Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Retention: audit.Retention{FileBytes: 8 << 10, FileAge: time.Hour, TotalBytes: 1 << 30, UnsentBytes: 2 << 30},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Trail{Trail: tr, Dir: dir}
}

// Write appends so many entries.
func (tr *Trail) Write(t testing.TB, n int) {
	t.Helper()
	for range n {
		tr.written++
		r := audit.Request{
			ID: fmt.Sprint("request-", tr.written), Stage: audit.StageDone, User: "alice", ImpersonatedBy: "root", Verb: "update", From: "10.0.0.7", Code: 200,
			Object: &audit.Object{Group: "metal3.io", Resource: "baremetalhosts", Namespace: "n", Name: "it's \"ü\"\x00"},
		}
		if err := tr.Append(&r, audit.NeedWritten); err != nil {
			t.Fatal(err)
		}
	}
}

// Run sends the trail until the test has its wish, and fails where the sending ends by itself.
func (tr *Trail) Run(t testing.TB, sink ship.Sink, until func(ctx context.Context) bool) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	defer stop()
	sending, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- ship.Run(sending, Options(tr.Dir, sink)) }()
	for !until(ctx) {
		select {
		case err := <-ended:
			t.Fatalf("the sending ended by itself: %v", err)
		case <-ctx.Done():
			t.Fatal("what was waited for did not come within three minutes")
		case <-time.After(20 * time.Millisecond):
		}
	}
	end()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// Options are quick ones.
func Options(dir string, sink ship.Sink) ship.Options {
	return ship.Options{Dir: dir, Name: "test", Sink: sink, Log: slog.New(slog.DiscardHandler), Pause: 10 * time.Millisecond, First: 10 * time.Millisecond, Most: 100 * time.Millisecond, Now: time.Now}
}

// Sent says whether the sink has confirmed everything that is written now.
func (tr *Trail) Sent(t testing.TB) bool {
	t.Helper()
	p, err := trail.ReadPosition(tr.Dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	return p.Seq == tr.Last(t)
}

// Last is the number of the last record.
func (tr *Trail) Last(t testing.TB) uint64 {
	t.Helper()
	var last uint64
	err := trail.Follow(t.Context(), tr.Dir, 1, false, func(line trail.Line) error {
		r, _, err := audit.Parse(line.Text)
		last = r.Seq
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return last
}

// Whole verifies lines that a sink kept, in order, up to the end of the trail.
func (tr *Trail) Whole(t testing.TB, lines []string) {
	t.Helper()
	v := audit.Verifier{}
	for i, l := range lines {
		v.Add("sink", i+1, []byte(l))
	}
	r := v.End()
	for _, f := range r.Findings {
		t.Errorf("what arrived: %s", f)
	}
	if r.Last != tr.Last(t) || r.First != 1 {
		t.Errorf("records %d to %d arrived, want 1 to %d", r.First, r.Last, tr.Last(t))
	}
}
