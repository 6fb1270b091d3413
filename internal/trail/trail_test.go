package trail_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/internal/trail"
)

var key = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, ed25519.SeedSize))

// failer is what *testing.T and *rapid.T both are.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

func retention() audit.Retention {
	return audit.Retention{FileBytes: 64 << 20, FileAge: time.Hour, TotalBytes: 1 << 40, UnsentBytes: 1 << 40}
}

func options(dir string) trail.Options {
	return trail.Options{Dir: dir, Key: key, Retention: retention(), Writer: "w", Version: "test", Now: time.Now, Log: slog.New(slog.DiscardHandler)}
}

func open(t failer, o trail.Options) *trail.Trail {
	t.Helper()
	tr, err := trail.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func closed(t failer, tr *trail.Trail) {
	t.Helper()
	if err := tr.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func entry(name string) *audit.Request {
	return &audit.Request{ID: name, Stage: audit.StageDone, User: "alice", Verb: "update", Object: &audit.Object{Resource: "hosts", Name: name}, Code: 200}
}

func appended(t failer, tr *trail.Trail, names ...string) {
	t.Helper()
	for _, n := range names {
		if err := tr.Append(entry(n), audit.NeedWritten); err != nil {
			t.Fatal(err)
		}
	}
}

// records are those in a folder, whatever their state.
func records(t failer, dir string) []audit.Record {
	t.Helper()
	r := trail.NewReader(dir, 0)
	defer func() { _ = r.Close() }()
	var all []audit.Record
	for {
		line, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if record, _, err := audit.Parse(line.Text); err == nil {
			all = append(all, record)
		}
	}
}

func names(all []audit.Record) string {
	var out []string
	for _, r := range all {
		if r.Request != nil {
			out = append(out, r.Request.ID)
		}
	}
	return strings.Join(out, " ")
}

func verify(t failer, dir string) audit.Report {
	t.Helper()
	keys := audit.Keys{}
	keys.Add(key.Public().(ed25519.PublicKey))
	report, err := trail.Verify(dir, &audit.Verifier{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func sound(t failer, dir string) audit.Report {
	t.Helper()
	r := verify(t, dir)
	for _, f := range r.Findings {
		t.Errorf("verification: %s", f)
	}
	return r
}

// crashed copies a folder as a killed process leaves it.
func crashed(t failer, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func newest(t failer, dir string) string {
	t.Helper()
	files, err := trail.Files(dir)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", dir, err)
	}
	return files[len(files)-1].Path
}

func TestGoesOnOverRestarts(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		tr := open(t, options(dir))
		appended(t, tr, fmt.Sprint("a", i), fmt.Sprint("b", i))
		if err := tr.Close(); err != nil {
			t.Fatal(err)
		}
		if err := tr.Append(entry("late"), audit.NeedNothing); !errors.Is(err, trail.ErrClosed) {
			t.Errorf("an entry after the end: %v", err)
		}
	}
	if got := names(records(t, dir)); got != "a0 b0 a1 b1 a2 b2" {
		t.Errorf("the entries are %s", got)
	}
	if r := sound(t, dir); r.SignedThrough < r.Last-1 || r.Repairs != 0 || r.Checkpoints != 6 {
		t.Errorf("report %+v", r)
	}
}

func TestSecondWriterIsRefused(t *testing.T) {
	dir := t.TempDir()
	tr := open(t, options(dir))
	defer closed(t, tr)
	if _, err := trail.Open(options(dir)); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second writer: %v", err)
	}
}

// TestTornLineIsRepairedAndTold cuts the file at each byte of its last line.
func TestTornLineIsRepairedAndTold(t *testing.T) {
	dir := t.TempDir()
	tr := open(t, options(dir))
	defer closed(t, tr)
	appended(t, tr, "a", "b")
	whole, err := os.ReadFile(newest(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	begin := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
	for cut := begin + 1; cut < len(whole); cut += 37 {
		copied := t.TempDir()
		crashed(t, dir, copied)
		if err := os.Truncate(newest(t, copied), int64(cut)); err != nil {
			t.Fatal(err)
		}
		again := open(t, options(copied))
		appended(t, again, "c")
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
		r := sound(t, copied)
		if got := names(records(t, copied)); got != "a c" || r.Repairs != 1 {
			t.Errorf("cut at %d: the entries are %s, %d repairs are told", cut, got, r.Repairs)
		}
		beside, err := filepath.Glob(filepath.Join(copied, "torn-*"))
		if err != nil || len(beside) != 1 {
			t.Fatalf("cut at %d: the torn line is kept in %v: %v", cut, beside, err)
		}
		if kept, err := os.ReadFile(beside[0]); err != nil || !bytes.Equal(kept, whole[begin:cut]) {
			t.Errorf("cut at %d: what was torn is kept as %q: %v", cut, kept, err)
		}
	}
}

// TestCutAndAlteredEndsAreTold: what no crash does is left as it is and found by verification, also after the next start.
func TestCutAndAlteredEndsAreTold(t *testing.T) {
	dir := t.TempDir()
	tr := open(t, options(dir))
	appended(t, tr, "a", "b", "c")
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		edit  func(text []byte) []byte
		fault audit.Fault
		told  string
	}{
		"the last three lines are cut": {func(text []byte) []byte {
			lines := bytes.SplitAfter(text, []byte("\n"))
			return bytes.Join(lines[:len(lines)-4], nil)
		}, audit.Missing, "the records between are missing"},
		"everything is cut":        {func([]byte) []byte { return nil }, audit.Missing, "the records between are missing"},
		"the last line is altered": {func(text []byte) []byte { return append(text[:len(text)-10], []byte("000000000\n")...) }, audit.Altered, "not as they were written"},
	} {
		t.Run(name, func(t *testing.T) {
			copied := t.TempDir()
			crashed(t, dir, copied)
			text, err := os.ReadFile(newest(t, copied))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(newest(t, copied), c.edit(text), 0o600); err != nil {
				t.Fatal(err)
			}
			again := open(t, options(copied))
			appended(t, again, "d")
			if err := again.Close(); err != nil {
				t.Fatal(err)
			}
			r := verify(t, copied)
			if len(r.Findings) == 0 || r.Findings[0].Fault != c.fault {
				t.Errorf("findings %v, want %s first", r.Findings, c.fault)
			}
			told := false
			for _, record := range records(t, copied) {
				told = told || record.Kind == audit.KindRepair && strings.Contains(record.Notice.Message, c.told)
			}
			if !told {
				t.Errorf("the trail does not say %q", c.told)
			}
		})
	}
}

func TestFilesAreCutAndRemoved(t *testing.T) {
	dir := t.TempDir()
	o := options(dir)
	o.Retention.FileBytes, o.Retention.TotalBytes, o.Retention.UnsentBytes = 2000, 10_000, 20_000
	tr := open(t, o)
	for i := range 60 {
		appended(t, tr, fmt.Sprint("n", i))
	}
	// A sink that has nothing yet keeps files from being removed, up to the second limit.
	if err := trail.WritePosition(dir, "sink", trail.Position{}); err != nil {
		t.Fatal(err)
	}
	before := bytesIn(t, dir)
	for i := range 15 {
		appended(t, tr, fmt.Sprint("m", i))
	}
	if now := bytesIn(t, dir); now <= before || now <= o.Retention.TotalBytes {
		t.Errorf("%d bytes are kept for the sink, before it %d", now, before)
	}
	for i := range 100 {
		appended(t, tr, fmt.Sprint("o", i))
	}
	if now := bytesIn(t, dir); now > o.Retention.UnsentBytes+2*o.Retention.FileBytes {
		t.Errorf("%d bytes are kept, limit %d", now, o.Retention.UnsentBytes)
	}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	r := sound(t, dir)
	if r.First < 20 || r.RemovedThrough < r.First-1 {
		t.Errorf("it begins with %d, removed through %d", r.First, r.RemovedThrough)
	}
	all := records(t, dir)
	if all[len(all)-1].Seq-all[0].Seq+1 != uint64(len(all)) {
		t.Error("numbers are missing between the files")
	}
	if !strings.Contains(fmt.Sprint(notices(all)), "a sink had not got all of them") {
		t.Errorf("that a sink lost some is not told: %v", notices(all))
	}
}

func notices(all []audit.Record) (out []string) {
	for _, r := range all {
		if r.Notice != nil {
			out = append(out, r.Notice.Message)
		}
	}
	return out
}

func bytesIn(t *testing.T, dir string) (n int64) {
	t.Helper()
	files, err := trail.Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		n += f.Bytes
	}
	return n
}

func TestFilesAreCutByAge(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	o := options(dir)
	o.Now = func() time.Time { return now }
	tr := open(t, o)
	appended(t, tr, "a")
	now = now.Add(2 * time.Hour)
	appended(t, tr, "b")
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	if files, err := trail.Files(dir); err != nil || len(files) != 2 {
		t.Errorf("%d files, want 2: %v", len(files), err)
	}
	sound(t, dir)
}

// TestReaderFollows reads beside the writer, over the ends of files.
func TestReaderFollows(t *testing.T) {
	dir := t.TempDir()
	o := options(dir)
	o.Retention.FileBytes = 3000
	tr := open(t, o)
	defer closed(t, tr)
	const n = 200
	done := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() {
		r := trail.NewReader(dir, 0)
		defer func() { _ = r.Close() }()
		v, got := audit.Verifier{}, 0
		for got < n {
			line, err := r.Next()
			if errors.Is(err, io.EOF) {
				if ctx.Err() != nil {
					done <- fmt.Errorf("%d of %d entries were read", got, n)
					return
				}
				continue
			}
			if err != nil {
				done <- err
				return
			}
			v.Add(line.File, line.Number, line.Text)
			if record, _, err := audit.Parse(line.Text); err == nil && record.Request != nil {
				got++
			}
		}
		if report := v.End(); len(report.Findings) > 0 {
			done <- fmt.Errorf("read beside the writer: %v", report.Findings)
			return
		}
		done <- nil
	}()
	for i := range n {
		appended(t, tr, fmt.Sprint(i))
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	r := trail.NewReader(dir, 150)
	defer func() { _ = r.Close() }()
	line, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	if record, _, err := audit.Parse(line.Text); err != nil || record.Seq > 150 || record.Seq < 100 {
		t.Errorf("reading from 150 begins with %d: %v", record.Seq, err)
	}
}

func TestKeyStays(t *testing.T) {
	dir := t.TempDir()
	made, err := trail.OpenKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := trail.OpenKey(dir)
	if err != nil || !again.Equal(made) {
		t.Errorf("a second start has another key: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, trail.PublicFile))
	if err != nil {
		t.Fatal(err)
	}
	if public, err := audit.ParseKey(text); err != nil || !public.Equal(made.Public()) {
		t.Errorf("the public key is another one: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, trail.KeyFile), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := trail.OpenKey(dir); err == nil {
		t.Error("a broken key is taken or replaced")
	}
}
