package filebacked_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/driver/disk/filebacked"
	"github.com/ingotmetal/ingot/internal/image/array"
	"github.com/ingotmetal/ingot/internal/image/partition"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/step"
)

const arrayDiskBytes = 4 << 30

func fourDisks(t *testing.T) (*filebacked.Machine, []step.Disk) {
	t.Helper()
	m := &filebacked.Machine{Disks: map[string]filebacked.Spec{}}
	var disks []step.Disk
	for i := range 4 {
		path := filepath.Join(t.TempDir(), "disk")
		if err := filebacked.Create(path, arrayDiskBytes); err != nil {
			t.Fatal(err)
		}
		d := step.Disk{Name: fmt.Sprintf("/dev/sd%c", 'a'+i), SerialNumber: fmt.Sprint(i), SizeBytes: arrayDiskBytes, SectorBytes: 512}
		m.Disks[d.Name] = filebacked.Spec{Path: path}
		disks = append(disks, d)
	}
	return m, disks
}

// TestArraysKeepWhatIsWritten: each level over four disks keeps its data over a restart of the machine, mirrors without a disk of theirs too.
func TestArraysKeepWhatIsWritten(t *testing.T) {
	m, disks := fourDisks(t)
	now := func() time.Time { return time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC) }
	for _, level := range []string{raid.Striped, raid.Mirrored, raid.MirroredStripes} {
		a := filebacked.NewArrays(m, partition.Places)
		plan, refused := raid.Layout([]raid.Volume{{Level: raid.Mirrored, SizeBytes: 1 << 30}, {Level: level}}, disks, raid.Owner{})
		if refused != nil {
			t.Fatal(refused)
		}
		made, err := array.Maker{Disks: a, Arrays: a, Host: "h", Now: now, Report: func(step.Progress) {}}.Make(t.Context(), plan)
		if err != nil {
			t.Fatal(err)
		}
		content := bytes.Repeat([]byte("what is written to an array "), 1<<17)[:3<<20]
		const at = 700 << 10
		write(t, a, made[1].Name, content, at)
		if _, err := a.Open(t.Context(), "/dev/sda"); !errors.Is(err, disk.ErrBusy) {
			t.Errorf("a member was opened: %v", err)
		}
		for without, want := range map[string]bool{"": true, "/dev/sdc": level == raid.Mirrored} {
			again := filebacked.NewArrays(m, partition.Places)
			got, found := read(t, again, disks, without, made[1].UUID, len(content), at)
			if found != want || found && !bytes.Equal(got, content) {
				t.Errorf("level %s without %q: found %v, want %v, or other bytes", level, without, found, want)
			}
		}
		for _, r := range made {
			if err := a.Stop(t.Context(), r.Name); err != nil {
				t.Error(err)
			}
		}
		if err := a.Stop(t.Context(), made[0].Name); !errors.Is(err, disk.ErrNotFound) {
			t.Errorf("stopped twice: %v", err)
		}
	}
}

func write(t *testing.T, a *filebacked.Arrays, name string, content []byte, at int64) {
	t.Helper()
	d, err := a.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Open(t.Context(), name); !errors.Is(err, disk.ErrBusy) {
		t.Errorf("opened twice: %v", err)
	}
	if err := a.Stop(t.Context(), name); !errors.Is(err, disk.ErrBusy) {
		t.Errorf("stopped while it was open: %v", err)
	}
	if _, err := d.WriteAt(content, at); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Flush(), d.Close()); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, a *filebacked.Arrays, disks []step.Disk, without, uuid string, length int, at int64) ([]byte, bool) {
	t.Helper()
	var names []string
	for _, d := range disks {
		if d.Name != without {
			names = append(names, d.Name)
		}
	}
	running, err := a.Assemble(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range running {
		if r.UUID != uuid {
			continue
		}
		d, err := a.Open(t.Context(), r.Name)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, length)
		if _, err := d.ReadAt(got, at); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		return got, true
	}
	return nil, false
}
