package image_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/image"
	"github.com/ingotmetal/ingot/step"
)

func TestWrongDigestLeavesTheDiskUnbootable(t *testing.T) {
	img := sparse(t, 12*mib, 3)
	for name, file := range encodings(t, img) {
		t.Run(name, func(t *testing.T) {
			s := &server{data: file}
			x := stale(t, diskBytes, 512)
			w, err := x.write(t, image.Source{URL: s.start(t) + "/disk.img", Checksum: sha([]byte("another"))}, options())
			failure(t, err, step.Invalid, "digest is wrong", sha(file), sha([]byte("another")))
			x.wantUnbootable(t)
			if w.Digest != "sha256:"+sha(file) {
				t.Errorf("digest %q is not the file's", w.Digest)
			}
		})
	}
}

func TestTruncatedFilesAreRefused(t *testing.T) {
	img := sparse(t, 12*mib, 4)
	for name, file := range encodings(t, img) {
		for _, cut := range []int{1, len(file) / 3, len(file) - 3} {
			if strings.HasPrefix(name, "qcow2") && cut == len(file)-3 {
				continue // the padding of the last cluster; the digest is what refuses it
			}
			t.Run(fmt.Sprintf("%s/%d", name, cut), func(t *testing.T) {
				s := &server{data: file[:cut]}
				x := stale(t, diskBytes, 512)
				_, err := x.write(t, image.Source{URL: s.start(t) + "/disk.img", Checksum: sha(file)}, options())
				failure(t, err, step.Invalid)
				x.wantImageOrNothing(t)
			})
		}
	}
}

func TestTooSmallDisk(t *testing.T) {
	img := sparse(t, 12*mib, 5)
	for name, file := range encodings(t, img) {
		t.Run(name, func(t *testing.T) {
			s := &server{data: file}
			x := stale(t, 10*mib, 512)
			_, err := x.write(t, image.Source{URL: s.start(t) + "/disk.img", Checksum: sha(file)}, options())
			failure(t, err, step.Invalid, "too small", fmt.Sprint(10*mib))
			if name == "raw" || strings.HasPrefix(name, "qcow2") {
				failure(t, err, step.Invalid, fmt.Sprint(12*mib))
				x.wantUntouched(t)
				return
			}
			x.wantUnbootable(t)
		})
	}
}

func TestBadSourcesTouchNothing(t *testing.T) {
	img := sparse(t, 4*mib, 8)
	qcow := encodings(t, img)["qcow2"]
	tar := append(bytes.Repeat([]byte{'f'}, 257), append([]byte("ustar\x00"), make([]byte, 4*mib)...)...)
	for name, c := range map[string]struct {
		file     []byte
		source   image.Source
		kind     step.FailureKind
		contains string
	}{
		"qcow2 as raw":     {qcow, image.Source{Format: image.Raw}, step.Invalid, "is qcow2"},
		"raw as qcow2":     {img, image.Source{Format: image.Qcow2}, step.Invalid, "not qcow2"},
		"vmdk asked for":   {img, image.Source{Format: "vmdk"}, step.Unsupported, "neither raw nor qcow2"},
		"vmdk as raw":      {append([]byte("KDMV"), img...), image.Source{Format: image.Raw}, step.Unsupported, "vmdk"},
		"vhdx":             {append([]byte("vhdxfile"), img...), image.Source{}, step.Unsupported, "vhdx"},
		"tar":              {tar, image.Source{}, step.Unsupported, "tar"},
		"bzip2":            {append([]byte("BZh9"), img...), image.Source{}, step.Unsupported, "bzip2"},
		"empty":            {nil, image.Source{}, step.Invalid, "empty"},
		"file URL":         {img, image.Source{URL: "file:///etc/passwd"}, step.Invalid, "not http"},
		"link-local":       {img, image.Source{URL: "http://169.254.169.254/latest"}, step.Invalid, "169.254"},
		"link-local IPv6":  {img, image.Source{URL: "http://[fe80::1%25eth0]/i"}, step.Invalid, "refused"},
		"no host":          {img, image.Source{URL: "http:///i"}, step.Invalid, "no host"},
		"qcow2 of garbage": {append([]byte("QFI\xfb\x00\x00\x00\x03"), make([]byte, 4096)...), image.Source{}, step.Invalid, "qcow2"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{data: c.file}
			if c.source.URL == "" {
				c.source.URL = s.start(t) + "/disk.img"
			}
			c.source.Checksum = sha(c.file)
			x := stale(t, 8*mib, 512)
			_, err := x.write(t, c.source, options())
			failure(t, err, c.kind, c.contains)
			x.wantUntouched(t)
		})
	}
}

func TestAFileThatChangesOnTheWay(t *testing.T) {
	img := sparse(t, 12*mib, 9)
	s := &server{data: img, drops: []int64{6 * mib}, changeAfter: 1}
	x := stale(t, diskBytes, 512)
	_, err := x.write(t, image.Source{URL: s.start(t) + "/disk.img", Checksum: sha(img)}, options())
	failure(t, err, step.Internal, "changed while it was read")
	x.wantUnbootable(t)
}

func TestAConnectionThatStallsIsCutAndResumed(t *testing.T) {
	img := sparse(t, 12*mib, 10)
	s := &server{data: img, stallAt: 5 * mib}
	o := options()
	o.Retry.Stall /= 10
	x := stale(t, diskBytes, 512)
	w, err := x.write(t, image.Source{URL: s.start(t) + "/disk.img", Checksum: sha(img)}, o)
	if err != nil || w.Resumes == 0 {
		t.Fatalf("%+v, %v", w, err)
	}
	x.wantImage(t, img)
}

func TestGivesUpOnAServerThatOnlyDrops(t *testing.T) {
	img := sparse(t, 12*mib, 11)
	s := &server{data: img}
	for range 50 {
		s.drops = append(s.drops, 3*mib)
	}
	x := stale(t, diskBytes, 512)
	_, err := x.write(t, image.Source{URL: s.start(t) + "/disk.img", Checksum: sha(img)}, options())
	failure(t, err, step.Unreachable, "gave up after")
	x.wantUnbootable(t)
}

func TestCancelledWriteLeavesTheDiskUnbootable(t *testing.T) {
	img := sparse(t, 12*mib, 12)
	s := &server{data: img, stallAt: 5 * mib}
	x := stale(t, diskBytes, 512)
	d, err := x.opener.Open(t.Context(), "d")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	began := false
	_, err = image.Write(ctx, image.Source{URL: s.start(t) + "/disk.img", Checksum: sha(img)}, d, options(), func(p step.Progress) {
		if p.Phase == image.PhaseWriting && !began {
			began = true
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	x.wantImageOrNothing(t)
}

// TestADamagedFileEndsTheDownload holds that a file which cannot be unpacked is refused at once, although the server keeps the connection open and sends nothing more.
func TestADamagedFileEndsTheDownload(t *testing.T) {
	file := run(t, sparse(t, 12*mib, 14), "zstd", "-c")
	copy(file[6:], bytes.Repeat([]byte{0xff}, 16)) // the first block, behind a frame header of six bytes, has a type that there is not
	s := &server{data: file, stallAt: 200 << 10}
	o := options()
	o.Retry.Stall = time.Hour
	x := stale(t, diskBytes, 512)
	_, err := x.write(t, image.Source{URL: s.start(t) + "/disk.img", Checksum: sha(file)}, o)
	failure(t, err, step.Invalid, "damaged")
	x.wantUntouched(t)
}
