package trail_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/internal/trail"
)

// TestCrashAnywhere cuts the newest file at any byte behind the head, starts again, and looks that nothing but the torn line is gone and verification holds.
func TestCrashAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// A killed process loses nothing that was handed to the system: no flush is needed, and a hundred rounds are.
		root, err := os.MkdirTemp("", "trail-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(root)
		dir := filepath.Join(root, "0")
		o := options(dir)
		o.Open = unflushed
		o.Retention.FileBytes = int64(rapid.IntRange(500, 5000).Draw(t, "fileBytes"))
		written := 0
		for life := range rapid.IntRange(1, 2).Draw(t, "lives") {
			tr := open(t, o)
			for range rapid.IntRange(0, 12).Draw(t, "entries") {
				appended(t, tr, fmt.Sprint(written))
				written++
				if rapid.IntRange(0, 5).Draw(t, "sign") == 0 {
					if err := tr.Checkpoint(); err != nil {
						t.Fatal(err)
					}
				}
			}
			next := filepath.Join(root, fmt.Sprint(life+1))
			crashed(t, o.Dir, next)
			if err := tr.Close(); err != nil {
				t.Fatal(err)
			}
			cutTail(t, next)
			o.Dir = next
		}
		tr := open(t, o)
		if err := tr.Close(); err != nil {
			t.Fatal(err)
		}
		sound(t, o.Dir)
	})
}

type neverFlushed struct{ trail.File }

func (neverFlushed) Sync() error { return nil }

func unflushed(name string) (trail.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	return neverFlushed{f}, err
}

// cutTail takes a random number of bytes from the newest file, but nothing that the head vouches for.
func cutTail(t *rapid.T, dir string) {
	file := newest(t, dir)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, _, err := trail.ReadHead(dir)
	if err != nil {
		t.Fatal(err)
	}
	keep := 0
	for at := 0; at < len(text); {
		n := bytes.IndexByte(text[at:], '\n') + 1
		if record, _, err := audit.Parse(text[at : at+n-1]); err != nil || record.Seq > head.Seq {
			break
		}
		at += n
		keep = at
	}
	if err := os.Truncate(file, int64(rapid.IntRange(keep, len(text)).Draw(t, "cut"))); err != nil {
		t.Fatal(err)
	}
}
