package ship_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/internal/ship"
	"github.com/ingotmetal/ingot/internal/ship/shiptest"
	"github.com/ingotmetal/ingot/internal/trail"
)

// kept is a sink that keeps each record once, and fails as often as it is told to.
type kept struct {
	mu       sync.Mutex
	lines    []string
	last     uint64
	calls    int
	repeated int
	// fail says what becomes of a call: whether the batch is kept, and what is answered.
	fail func(call, n int) (keep bool, err error)
}

func (k *kept) Send(_ context.Context, installation string, batch []ship.Item) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls++
	keep, err := true, error(nil)
	if k.fail != nil {
		keep, err = k.fail(k.calls, len(batch))
	}
	if !keep {
		return err
	}
	if installation == "unknown" {
		return errors.New("no installation is named")
	}
	for _, i := range batch {
		if i.Record.Seq <= k.last {
			k.repeated++
			continue
		}
		k.last = i.Record.Seq
		k.lines = append(k.lines, string(i.Line))
	}
	return err
}

// TestEverythingArrives over a sink that refuses, that keeps and then loses its answer, and that takes little at once; and over restarts.
func TestEverythingArrives(t *testing.T) {
	tr := shiptest.New(t)
	k := &kept{fail: func(call, n int) (bool, error) {
		switch {
		case n > 40:
			return false, ship.ErrTooLarge
		case call%3 == 0:
			return false, errors.New("away")
		case call%5 == 0:
			return true, errors.New("the answer was lost")
		}
		return true, nil
	}}
	for range 3 {
		tr.Write(t, 150)
		tr.Run(t, k, func(context.Context) bool { return tr.Sent(t) })
	}
	tr.Whole(t, k.lines)
	if k.repeated == 0 {
		t.Error("nothing was sent twice: the lost answers were not tested")
	}
	if at, err := trail.ReadPosition(tr.Dir, "test"); err != nil || at.Failures == 0 {
		t.Errorf("the sink failed, and its position counts %d failures: %v", at.Failures, err)
	}
}

// TestKilledBetween forgets the last position, as after a kill between the sink's answer and the note of it.
func TestKilledBetween(t *testing.T) {
	tr := shiptest.New(t)
	k := &kept{}
	tr.Write(t, 20)
	tr.Run(t, k, func(context.Context) bool { return tr.Sent(t) })
	before, err := trail.ReadPosition(tr.Dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	tr.Write(t, 20)
	tr.Run(t, k, func(context.Context) bool { return tr.Sent(t) })
	if err := trail.WritePosition(tr.Dir, "test", before); err != nil {
		t.Fatal(err)
	}
	tr.Run(t, k, func(context.Context) bool { return tr.Sent(t) })
	tr.Whole(t, k.lines)
	if k.repeated < 20 {
		t.Errorf("%d records were sent again, want 20", k.repeated)
	}
}

func TestReplacedTrailIsNotSentOn(t *testing.T) {
	tr := shiptest.New(t)
	tr.Write(t, 5)
	tr.Run(t, &kept{}, func(context.Context) bool { return tr.Sent(t) })
	p, err := trail.ReadPosition(tr.Dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	p.Hash = audit.Hash{1}.String()
	if err := trail.WritePosition(tr.Dir, "test", p); err != nil {
		t.Fatal(err)
	}
	if err := ship.Run(t.Context(), shiptest.Options(tr.Dir, &kept{})); err == nil || !strings.Contains(err.Error(), "was replaced") {
		t.Errorf("a trail that was replaced: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	tr := shiptest.New(t)
	o := shiptest.Options(tr.Dir, &kept{})
	o.Name = "../x"
	if err := ship.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "small letters") {
		t.Errorf("a name with a path: %v", err)
	}
	tr.Run(t, &kept{}, func(context.Context) bool {
		// The first one has its lock once it has its position.
		if _, err := os.Stat(filepath.Join(tr.Dir, "sent-test.json")); err != nil {
			return false
		}
		if err := ship.Run(t.Context(), shiptest.Options(tr.Dir, &kept{})); err == nil || !strings.Contains(err.Error(), "another process") {
			t.Errorf("a second one: %v", err)
		}
		return true
	})
}
