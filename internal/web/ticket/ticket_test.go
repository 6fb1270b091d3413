package ticket

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestATicketIsGoodOnceAndInTime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tickets")
	now := time.Now()
	code, err := Write(dir, []byte("cert"), []byte("key"), now)
	if err != nil {
		t.Fatal(err)
	}
	var taken atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			got, err := Take(dir, code, now.Add(Life-time.Second))
			switch {
			case err == nil && string(got.CertPEM) == "cert" && string(got.KeyPEM) == "key":
				taken.Add(1)
			case !errors.Is(err, ErrNone):
				t.Errorf("a second taker: %v", err)
			}
		})
	}
	all.Wait()
	if taken.Load() != 1 {
		t.Errorf("taken %d times, want once", taken.Load())
	}
	late, err := Write(dir, nil, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Take(dir, late, now.Add(Life)); !errors.Is(err, ErrNone) {
		t.Errorf("taken after its time: %v", err)
	}
	if _, err := Take(dir, "../../etc/passwd", now); !errors.Is(err, ErrNone) {
		t.Errorf("a code that is none: %v", err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestWhatIsOverIsRemoved(t *testing.T) {
	dir := t.TempDir()
	if _, err := Write(dir, nil, nil, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(dir, nil, nil, time.Now().Add(2*Life)); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("%d tickets, want the new one only (%v)", len(left), err)
	}
}
