package filebacked_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/ingotmetal/ingot/internal/driver/disk/disktest"
	"github.com/ingotmetal/ingot/internal/driver/disk/filebacked"
)

func TestContract(t *testing.T) {
	for _, c := range []struct {
		name   string
		sector int
		direct bool
	}{
		{"buffered 512", 512, false}, {"direct 512", 512, true}, {"direct 4096", 4096, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "disk")
			if err := filebacked.Create(path, 32<<20); err != nil {
				t.Fatal(err)
			}
			m := &filebacked.Machine{Disks: map[string]filebacked.Spec{"/dev/sda": {Path: path, SectorBytes: c.sector}}, Direct: c.direct}
			disktest.Run(t, disktest.Subject{Opener: m, Name: "/dev/sda", Missing: "/dev/sdb"})
		})
	}
}

type journal struct{ lines []string }

func (j *journal) OpenedForWrite(name string) { j.lines = append(j.lines, "open "+name) }
func (j *journal) Closed(name string)         { j.lines = append(j.lines, "close "+name) }

func TestObserverHearsOpenAndClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk")
	if err := filebacked.Create(path, 1<<20); err != nil {
		t.Fatal(err)
	}
	j := &journal{}
	m := &filebacked.Machine{Disks: map[string]filebacked.Spec{"a": {Path: path}}, Observer: j}
	d, err := m.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Open(t.Context(), "a"); err == nil {
		t.Fatal("a second writer was let in")
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err == nil {
		t.Fatal("closing twice went unnoticed")
	}
	if want := []string{"open a", "close a"}; !slices.Equal(j.lines, want) {
		t.Errorf("observer heard %q, want %q", j.lines, want)
	}
}
