package trail_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/internal/trail"
)

// full is a disk with so much room. What does not fit is written in part, as a file system does.
type full struct {
	trail.File
	room *int
	sync *error
}

func (f full) Write(p []byte) (int, error) {
	n := min(len(p), *f.room)
	if _, err := f.File.Write(p[:n]); err != nil {
		return 0, err
	}
	*f.room -= n
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func (f full) Sync() error {
	if err := *f.sync; err != nil {
		return err
	}
	return f.File.Sync()
}

func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	room, failing := 1<<20, error(nil)
	o := options(dir)
	o.Open = func(name string) (trail.File, error) {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		return full{f, &room, &failing}, err
	}
	tr := open(t, o)
	appended(t, tr, "a")
	room = 100
	for _, need := range []audit.Need{audit.NeedWritten, audit.NeedDurable} {
		if err := tr.Append(entry("refused"), need); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s on a full disk: %v", need, err)
		}
		room = 50
	}
	room = 10
	for range 3 {
		if err := tr.Append(entry("lost"), audit.NeedNothing); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("on a full disk: %v", err)
		}
	}
	if tr.Lost() != 3 {
		t.Errorf("%d entries are counted as lost, want 3", tr.Lost())
	}
	room = 1 << 20
	appended(t, tr, "b")
	// A flush that fails says nothing of what was written: the next record goes to another file.
	failing = syscall.EIO
	if err := tr.Append(entry("unflushed"), audit.NeedDurable); !errors.Is(err, syscall.EIO) {
		t.Errorf("a flush that fails: %v", err)
	}
	failing = nil
	if err := tr.Append(entry("c"), audit.NeedDurable); err != nil {
		t.Error(err)
	}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	if r := sound(t, dir); r.Lost != 3 {
		t.Errorf("the trail tells of %d lost entries, want 3", r.Lost)
	}
	if got := names(records(t, dir)); got != "a b unflushed c" {
		t.Errorf("the entries are %s", got)
	}
	if files, err := trail.Files(dir); err != nil || len(files) != 2 {
		t.Errorf("%d files, want 2: %v", len(files), err)
	}
}

func TestManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	var flushes int
	var mu sync.Mutex
	o := options(dir)
	o.Open = func(name string) (trail.File, error) {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		return counted{f, func() { mu.Lock(); flushes++; mu.Unlock() }}, err
	}
	o.Retention.FileBytes = 20_000
	tr := open(t, o)
	var wg sync.WaitGroup
	for w := range 32 {
		wg.Go(func() {
			for i := range 20 {
				if err := tr.Append(entry(fmt.Sprint(w, "-", i)), audit.NeedDurable); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	sound(t, dir)
	if n := len(strings.Fields(names(records(t, dir)))); n != 640 {
		t.Errorf("%d entries, want 640", n)
	}
	if flushes > 640 {
		t.Errorf("%d flushes for 640 entries of 32 at once", flushes)
	}
}

type counted struct {
	trail.File
	flush func()
}

func (c counted) Sync() error {
	c.flush()
	return c.File.Sync()
}
