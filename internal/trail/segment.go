package trail

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/audit"
)

const suffix = ".jsonl"

// Segment is one file of a trail.
type Segment struct {
	Path string
	// First is the number of its first record.
	First uint64
	Bytes int64
}

// Files are the files of a trail, oldest first. Other files in the folder are none of its.
func Files(dir string) ([]Segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list the files of the audit trail: %w", err)
	}
	var all []Segment
	for _, e := range entries {
		number, ours := strings.CutSuffix(e.Name(), suffix)
		first, err := strconv.ParseUint(number, 10, 64)
		if !ours || err != nil || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("look at %s: %w", e.Name(), err)
		}
		all = append(all, Segment{Path: filepath.Join(dir, e.Name()), First: first, Bytes: info.Size()})
	}
	slices.SortFunc(all, func(a, b Segment) int {
		switch {
		case a.First < b.First:
			return -1
		case a.First > b.First:
			return 1
		}
		return strings.Compare(a.Path, b.Path)
	})
	return all, nil
}

// due says whether the next record begins another file.
func (t *Trail) due(now time.Time) bool {
	return t.renew || t.size >= t.o.Retention.FileBytes || t.size > 0 && now.Sub(t.begun) >= t.o.Retention.FileAge
}

// begin opens the file of the next record.
func (t *Trail) begin(now time.Time) error {
	name := filepath.Join(t.o.Dir, fmt.Sprintf("%020d%s", t.seq+1, suffix))
	file, err := t.o.Open(name)
	if err != nil {
		return fmt.Errorf("begin the file %s: %w", name, err)
	}
	if err := syncDir(t.o.Dir); err != nil {
		return errors.Join(err, file.Close())
	}
	t.file, t.name, t.size, t.begun = file, name, 0, now
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open %s: %w", dir, err)
	}
	if err := d.Sync(); err != nil {
		return errors.Join(fmt.Errorf("flush %s: %w", dir, err), d.Close())
	}
	return d.Close()
}

// rotate ends the file and begins the next one. The old one is flushed first, so that a reader that sees the new one finds the old one whole.
func (t *Trail) rotate(now time.Time) error {
	err := t.file.Sync()
	if err != nil && !t.renew {
		t.renew = true
		return fmt.Errorf("flush %s before the next file: %w", t.name, err)
	}
	old := t.file
	if err := t.begin(now); err != nil {
		return err
	}
	if err == nil {
		t.raise(t.seq)
	}
	t.renew = false
	if err := old.Close(); err != nil {
		t.o.Log.Warn("a full audit file could not be closed", "err", err)
	}
	return t.retain(now)
}

// retain removes the oldest files above the limit and says so in the trail. A file that a sink has not got yet stays longer.
func (t *Trail) retain(now time.Time) error {
	files, err := Files(t.o.Dir)
	if err != nil {
		return err
	}
	sent, sinks, err := leastSent(t.o.Dir)
	if err != nil {
		return err
	}
	var total int64
	for _, f := range files {
		total += f.Bytes
	}
	var through, count uint64
	unsent := false
	for i := 0; i+1 < len(files) && total > t.o.Retention.TotalBytes; i++ {
		last := files[i+1].First - 1
		if sinks && last > sent {
			if total <= t.o.Retention.UnsentBytes {
				break
			}
			unsent = true
		}
		if err := os.Remove(files[i].Path); err != nil {
			t.o.Log.Warn("an old audit file could not be removed", "err", err)
			break
		}
		total -= files[i].Bytes
		through = last
		count++
	}
	if count == 0 {
		return nil
	}
	n := audit.Notice{Message: "the oldest files were removed: they were above the limit of what is kept", Count: count, Through: through}
	if unsent {
		n.Message += "; a sink had not got all of them"
		t.o.Log.Error("audit files were removed before a sink had got them", "record", through)
	}
	return t.put(audit.Record{Time: now, Kind: audit.KindRemoved, Notice: &n})
}
