package image_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/image"
	"github.com/ingotmetal/ingot/step"
)

// watched fails a test when the disk gets a boot sector or table before the download is complete.
type watched struct {
	disk.Disk
	writes func(off int64, p []byte)
	erase  error
}

func (w watched) WriteAt(p []byte, off int64) (int, error) {
	w.writes(off, p)
	return w.Disk.WriteAt(p, off)
}

func (w watched) Erase(how disk.Erasure, off, length int64) error {
	if how == disk.Unmap && w.erase != nil {
		return w.erase
	}
	return w.Disk.Erase(how, off, length)
}

func TestTheTableComesLastOfAll(t *testing.T) {
	img := sparse(t, 12*mib, 13)
	s := &server{data: img}
	x := stale(t, diskBytes, 512)
	d, err := x.opener.Open(t.Context(), "d")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	verified, order := false, []string{}
	w := watched{Disk: d, erase: &disk.Error{Op: "unmap", Disk: "d", Kind: disk.ErrUnsupported}, writes: func(off int64, p []byte) {
		zero := bytes.Equal(p, make([]byte, len(p)))
		inTable := off < mib || off+int64(len(p)) > diskBytes-mib
		switch {
		case inTable && !zero && !verified:
			t.Errorf("%d bytes at %d before the digest was checked", len(p), off)
		case inTable && !zero:
			order = append(order, fmt.Sprint(off))
		}
	}}
	_, err = image.Write(t.Context(), image.Source{URL: s.start(t) + "/disk.img", Checksum: sha(img)}, w, options(), func(p step.Progress) {
		verified = verified || p.Phase == image.PhaseFinishing
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(order) == 0 || order[len(order)-1] != "0" {
		t.Errorf("order of the table's writes %v, want the boot sector last", order)
	}
	x.wantImage(t, img)
}
