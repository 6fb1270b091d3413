package trail

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/internal/pki"
)

// headFile is where the head is kept, in the trail's folder. It is replaced whole, and only once what it vouches for is on the disk.
const headFile = "head.json"

func (t *Trail) writeHead(seq uint64, last audit.Hash) error {
	text, err := json.Marshal(audit.NewHead(t.o.Key, seq, last, t.o.Now()))
	if err != nil {
		return fmt.Errorf("encode the head of the audit trail: %w", err)
	}
	if err := pki.WriteFile(filepath.Join(t.o.Dir, headFile), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the head of the audit trail: %w", err)
	}
	return nil
}

// ReadHead reads the head in a folder; found is false where there is none.
func ReadHead(dir string) (h audit.Head, found bool, err error) {
	text, err := os.ReadFile(filepath.Join(dir, headFile))
	if errors.Is(err, fs.ErrNotExist) {
		return h, false, nil
	}
	if err != nil {
		return h, false, fmt.Errorf("read the head of the audit trail: %w", err)
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return h, true, fmt.Errorf("the head of the audit trail in %s is no head: %w", dir, err)
	}
	if _, err := audit.ParseHash(h.Hash); err != nil || h.Seq == 0 {
		return h, true, fmt.Errorf("the head of the audit trail in %s is no head: %w", dir, errors.Join(err, errors.New("it names no record")))
	}
	return h, true, nil
}

// end is where the files end.
type end struct {
	seq  uint64
	last audit.Hash
	// altered are whole lines after the last one that is as it was written.
	altered uint64
	// name is the newest file, size that of its whole lines, torn what follows them.
	name string
	size int64
	torn []byte
}

// findEnd looks from the newest file back for the last record that is as it was written.
func findEnd(files []Segment) (end, error) {
	var e end
	for i := len(files) - 1; i >= 0; i-- {
		text, err := os.ReadFile(files[i].Path)
		if err != nil {
			return e, fmt.Errorf("read %s: %w", files[i].Path, err)
		}
		lines, torn := splitLines(text)
		if i == len(files)-1 {
			e.name, e.torn, e.size = files[i].Path, torn, int64(len(text)-len(torn))
		} else if len(torn) > 0 {
			e.altered++
		}
		for n := len(lines) - 1; n >= 0; n-- {
			if r, h, err := audit.Parse(lines[n]); err == nil {
				e.seq, e.last = r.Seq, h
				return e, nil
			}
			e.altered++
		}
	}
	return e, nil
}

// resume goes on where the files end, and says what was not as it should be.
func (t *Trail) resume() error {
	files, err := Files(t.o.Dir)
	if err != nil {
		return err
	}
	e, err := findEnd(files)
	if err != nil {
		return err
	}
	now := t.o.Now()
	var notices []audit.Notice
	if len(e.torn) > 0 {
		n, err := t.repair(e, now)
		if err != nil {
			return err
		}
		notices = append(notices, n)
	}
	if e.altered > 0 {
		notices = append(notices, audit.Notice{Message: "lines at the end are not as they were written; they are left as they are", Count: e.altered})
	}
	t.seq, t.last = e.seq+e.altered, e.last
	if n := t.compareHead(); n != nil {
		notices = append(notices, *n)
	}
	t.synced.Store(t.seq)
	if err := t.take(e, now); err != nil {
		return err
	}
	for _, n := range notices {
		t.o.Log.Warn("the audit trail was not whole", "result", n.Message, "count", n.Count)
		if err := t.put(audit.Record{Time: now, Kind: audit.KindRepair, Notice: &n}); err != nil {
			return err
		}
	}
	start := audit.Notice{Message: "started", Writer: t.o.Writer, Version: t.o.Version}
	if err := t.write(audit.Record{Time: now, Kind: audit.KindStart, Notice: &start}); err != nil {
		return err
	}
	return t.flush(t.seq)
}

// repair takes a last line without an end away, and keeps it beside.
func (t *Trail) repair(e end, now time.Time) (audit.Notice, error) {
	sum := sha256.Sum256(e.torn)
	beside := filepath.Join(t.o.Dir, fmt.Sprintf("torn-%020d-%s.txt", e.seq+e.altered+1, now.UTC().Format("20060102T150405")))
	if err := pki.WriteFile(beside, e.torn, 0o600); err != nil {
		return audit.Notice{}, fmt.Errorf("keep the last line, which has no end: %w", err)
	}
	if err := os.Truncate(e.name, e.size); err != nil {
		return audit.Notice{}, fmt.Errorf("take the last line, which has no end, away: %w", err)
	}
	return audit.Notice{
		Message: "the last line had no end, as after a kill or a loss of power; it was taken away and is kept in " + filepath.Base(beside),
		Count:   uint64(len(e.torn)), Digest: hex.EncodeToString(sum[:]),
	}, nil
}

// compareHead holds the end against the head. Where the head is further, records are gone, and their numbers are not used again.
func (t *Trail) compareHead() *audit.Notice {
	head, found, err := ReadHead(t.o.Dir)
	switch {
	case err != nil:
		return &audit.Notice{Message: "the head cannot be read: " + audit.Text(err.Error())}
	case !found && t.seq > 0:
		return &audit.Notice{Message: "there was no head beside the files"}
	case found && head.Seq > t.seq:
		n := &audit.Notice{Message: fmt.Sprintf("the head vouches for record %d, and the files end with %d: the records between are missing", head.Seq, t.seq), Count: head.Seq - t.seq}
		hash, _ := audit.ParseHash(head.Hash)
		t.seq, t.last = head.Seq, hash
		return n
	case found && head.Seq == t.seq && head.Hash != t.last.String():
		return &audit.Notice{Message: fmt.Sprintf("the last record, %d, is another one than the head vouches for", head.Seq)}
	}
	return nil
}

// take opens the newest file, or the first one.
func (t *Trail) take(e end, now time.Time) error {
	if e.name == "" {
		return t.begin(now)
	}
	info, err := os.Stat(e.name)
	if err != nil {
		return fmt.Errorf("look at %s: %w", e.name, err)
	}
	if t.file, err = t.o.Open(e.name); err != nil {
		return fmt.Errorf("open %s: %w", e.name, err)
	}
	t.name, t.size, t.begun = e.name, e.size, info.ModTime()
	return nil
}
