package sim_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/ingotmetal/ingot/test/sim/site"
)

// checkDisks: every machine's first disk holds the image, no other disk holds anything, and no disk ever had two writers at a time.
func checkDisks(t *testing.T, s *site.Site) {
	t.Helper()
	for _, overlap := range s.Lab.Journal.Overlaps() {
		t.Error(overlap)
	}
	for _, m := range s.Lab.State().Machines {
		for i, d := range m.Disks {
			if i == 0 {
				checkImage(t, s, m.Name, d.Path)
				continue
			}
			if n := contentOf(t, d.Path); n != 0 {
				t.Errorf("machine %s: disk %s, which the hints exclude, holds data in %d blocks", m.Name, d.SerialNumber, n)
			}
		}
	}
}

// checkImage compares the disk with the image, but for its partition tables: the backup table moves to the disk's end and the config drive gets a place.
func checkImage(t *testing.T, s *site.Site, machine, path string) {
	t.Helper()
	const tables = 1 << 20
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := make([]byte, len(s.ImageRaw)-2*tables)
	if _, err := f.ReadAt(got, tables); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, s.ImageRaw[tables:len(s.ImageRaw)-tables]) {
		t.Errorf("machine %s: its disk does not hold the image", machine)
	}
}

// contentOf counts the 64 KiB blocks of a file that are not zero.
func contentOf(t *testing.T, path string) (blocks int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const block = 64 << 10
	zero, b := make([]byte, block), make([]byte, block)
	for at := int64(0); ; {
		// Only what is allocated is read: disks are sparse files of 8 GiB.
		next, err := f.Seek(at, seekData)
		if err != nil {
			return blocks
		}
		n, err := f.ReadAt(b, next)
		if n > 0 && !bytes.Equal(b[:n], zero[:n]) {
			blocks++
		}
		if errors.Is(err, io.EOF) {
			return blocks
		}
		if err != nil {
			t.Fatal(err)
		}
		at = next + int64(n)
	}
}

// seekData is Linux's SEEK_DATA.
const seekData = 3
