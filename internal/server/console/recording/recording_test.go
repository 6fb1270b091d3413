package recording_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/console"
	"github.com/ingotmetal/ingot/internal/server/console/recording"
)

// TestWhatIsShownIsInTheFile: each event is there when the call returns, input only where it was asked for, and a full recording ends.
func TestWhatIsShownIsInTheFile(t *testing.T) {
	dir, now := t.TempDir(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s, err := recording.OpenStore(dir, 2000, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	for _, input := range []bool{false, true} {
		r, err := s.Begin(recording.Meta{Who: "alice", Target: console.Target{Kind: console.MachineKind, Namespace: "p", Name: "m"}, Input: input})
		if err != nil {
			t.Fatal(err)
		}
		text := func() string {
			all, err := os.ReadFile(filepath.Join(dir, r.ID+".cast"))
			if err != nil {
				t.Fatal(err)
			}
			return string(all)
		}
		if err := r.Output([]byte("login: \xc3")); err != nil || !strings.Contains(text(), `"o","login: "`) {
			t.Errorf("%v: %s", err, text())
		}
		if err := r.Output([]byte("\xa4")); err != nil || !strings.Contains(text(), `"o","ä"`) {
			t.Errorf("a character in two pieces: %v: %s", err, text())
		}
		if err := r.Typed([]byte("hunter2")); err != nil || strings.Contains(text(), "hunter2") != input {
			t.Errorf("input %v: %v: %s", input, err, text())
		}
		if i, err := s.Info(r.ID); err != nil || !i.Open || i.Who != "alice" || i.Target.Name != "m" {
			t.Errorf("%+v %v", i, err)
		}
		if err := r.Output([]byte(strings.Repeat("x", 3000))); err == nil || strings.Contains(text(), "xxx") {
			t.Error("a recording has no end")
		}
		if err := r.Close(); err != nil && !strings.Contains(err.Error(), "begin another") {
			t.Error(err)
		}
	}
	all, err := s.List()
	if err != nil || len(all) != 2 || all[0].Open {
		t.Errorf("%+v %v", all, err)
	}
	for _, id := range []string{"", "..", "../x", all[0].ID + "/x", strings.ToUpper(all[0].ID)} {
		if i, err := s.Info(id); err == nil {
			t.Errorf("%q is %+v", id, i)
		}
	}
	if n, err := s.Sweep(console.Keep{Count: 1}); n != 1 || err != nil {
		t.Errorf("%d removed, %v", n, err)
	}
	if all, _ := s.List(); len(all) != 1 {
		t.Errorf("%+v", all)
	}
}
