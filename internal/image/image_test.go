package image_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/driver/disk/filebacked"
	"github.com/ingotmetal/ingot/internal/image"
	"github.com/ingotmetal/ingot/internal/image/partition"
	"github.com/ingotmetal/ingot/step"
)

const (
	mib       = 1 << 20
	diskBytes = 24 * mib
)

// run runs a real tool; its absence fails the test.
func run(t testing.TB, stdin []byte, command ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Stdin = bytes.NewReader(stdin)
	var errText strings.Builder
	cmd.Stderr = &errText
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v (packages qemu-utils gdisk fdisk gzip xz-utils zstd): %v: %s", command, err, errText.String())
	}
	return out
}

// sparse is a disk image of random extents between zeros, with a GPT and one partition.
func sparse(t testing.TB, size int64, seed uint64) []byte {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, size)
	for at := int64(mib); at < size-mib; {
		n := min(r.Int64N(400<<10)+1, size-mib-at)
		if r.IntN(2) == 0 {
			for i := at; i < at+n; i++ {
				b[i] = byte(r.Uint32())
			}
		}
		at += n
	}
	g := partition.NewGPT(partition.DeriveGUID([]byte{byte(seed)}), size, 512)
	g.SetBootCode(bytes.Repeat([]byte{0xeb}, 440))
	if _, err := g.AddAt(partition.LinuxFilesystem(), "root", partition.Span{Off: mib, Length: size - 2*mib}); err != nil {
		t.Fatal(err)
	}
	for _, p := range g.Encode() {
		copy(b[p.Off:], p.Data)
	}
	return b
}

// target is a disk full of old bytes, with an old GPT of its own that must not survive.
type target struct {
	path   string
	opener *filebacked.Machine
}

func stale(t testing.TB, size int64, sector int) target {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	old := bytes.Repeat([]byte("STALE.OS"), int(size/8))
	g := partition.NewGPT(partition.DeriveGUID([]byte("old")), size, sector)
	for _, p := range g.Encode() {
		copy(old[p.Off:], p.Data)
	}
	if err := os.WriteFile(path, old, 0o600); err != nil {
		t.Fatal(err)
	}
	return target{path, &filebacked.Machine{Disks: map[string]filebacked.Spec{"d": {Path: path, SectorBytes: sector}}, Direct: true}}
}

func (x target) write(t testing.TB, source image.Source, o image.Options) (step.Written, error) {
	t.Helper()
	d, err := x.opener.Open(t.Context(), "d")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	return image.Write(t.Context(), source, d, o, nil)
}

func (x target) bytes(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(x.path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wantImage holds that the disk has the image in each byte, with the table moved to the disk's end.
func (x target) wantImage(t testing.TB, img []byte) {
	t.Helper()
	got := x.bytes(t)
	want := bytes.Clone(got)
	copy(want, img)
	g, err := partition.ReadPrimaryGPT(bytes.NewReader(img), int64(len(got)), 512)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range g.Encode() {
		copy(want[p.Off:], p.Data)
	}
	if i := firstDifference(got, want); i >= 0 {
		t.Fatalf("byte %d is %#x, want %#x", i, got[i], want[i])
	}
	if int64(len(got)) >= int64(len(img)) && len(img) > 0 {
		if out := run(t, nil, "sgdisk", "-v", x.path); !strings.Contains(string(out), "No problems found") {
			t.Fatalf("sgdisk -v: %s", out)
		}
	}
}

func firstDifference(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

// wantUnbootable holds that neither the first nor the last MiB has anything in it.
func (x target) wantUnbootable(t testing.TB) {
	t.Helper()
	b := x.bytes(t)
	zeros := make([]byte, mib)
	if !bytes.Equal(b[:mib], zeros) || !bytes.Equal(b[len(b)-mib:], zeros) {
		t.Error("the disk still has something in its first or last MiB")
	}
}

func (x target) wantUntouched(t testing.TB) {
	t.Helper()
	b := x.bytes(t)
	if !bytes.Contains(b[:4096], []byte("EFI PART")) || !bytes.Equal(b[2*mib:2*mib+8], []byte("STALE.OS")) {
		t.Error("the disk was changed")
	}
}

func sha(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

func failure(t testing.TB, err error, kind step.FailureKind, contains ...string) {
	t.Helper()
	var f *step.Failure
	if !errors.As(err, &f) {
		t.Fatalf("error %v is no *step.Failure", err)
	}
	if f.Kind != kind {
		t.Errorf("kind %s, want %s: %s", f.Kind, kind, f.Message)
	}
	for _, c := range contains {
		if !strings.Contains(f.Message, c) {
			t.Errorf("message %q lacks %q", f.Message, c)
		}
	}
}

// encodings are all the ways in which one disk image is packed, by real tools.
func encodings(t testing.TB, img []byte) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	raw := filepath.Join(dir, "raw")
	if err := os.WriteFile(raw, img, 0o600); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"raw": img}
	for name, options := range map[string][]string{
		"qcow2":              {},
		"qcow2 v2":           {"-o", "compat=0.10"},
		"qcow2 compressed":   {"-c"},
		"qcow2 zstd":         {"-c", "-o", "compression_type=zstd"},
		"qcow2 4K clusters":  {"-o", "cluster_size=4096"},
		"qcow2 2M clusters":  {"-c", "-o", "cluster_size=2M"},
		"qcow2 preallocated": {"-o", "preallocation=metadata"},
	} {
		out := filepath.Join(dir, "out")
		run(t, nil, append(append([]string{"qemu-img", "convert", "-O", "qcow2"}, options...), raw, out)...)
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = b
	}
	for name, command := range map[string]string{"gzip": "gzip -1c", "zstd": "zstd -c", "xz": "xz -0c"} {
		files["raw "+name] = run(t, img, strings.Fields(command)...)
		files["qcow2 in "+name] = run(t, files["qcow2"], strings.Fields(command)...)
	}
	return files
}

func TestEveryFormatReachesTheDiskWholeOverEveryKindOfConnection(t *testing.T) {
	img := sparse(t, 12*mib, 7)
	for name, file := range encodings(t, img) {
		n := int64(len(file))
		for how, s := range map[string]*server{
			"plain":                  {},
			"no ranges":              {noRanges: true},
			"no size":                {noSize: true},
			"no size, no ranges":     {noSize: true, noRanges: true},
			"drops":                  {drops: []int64{0, 1, 100, n / 3, n / 2, n - 1}},
			"drops without ranges":   {noRanges: true, drops: []int64{1, n / 2, n - 1}},
			"drops without an ETag":  {noTag: true, drops: []int64{n / 2, n - 2}},
			"drops without a length": {noSize: true, drops: []int64{n / 2}},
		} {
			t.Run(name+"/"+how, func(t *testing.T) {
				s.data = file
				x := stale(t, diskBytes, 512)
				wantDrops := len(s.drops)
				w, err := x.write(t, image.Source{URL: s.start(t) + "/disk.img", Checksum: sha(file)}, options())
				if err != nil {
					t.Fatal(err)
				}
				x.wantImage(t, img)
				if w.Digest != "sha256:"+sha(file) || w.ImageBytes != int64(len(img)) || w.DownloadedBytes < n {
					t.Errorf("written %+v", w)
				}
				if wantDrops > 0 && w.Resumes == 0 {
					t.Errorf("%d drops and no resume", wantDrops)
				}
			})
		}
	}
}

func TestSectorsOf4096(t *testing.T) {
	img := make([]byte, 12*mib-512)
	copy(img[2*mib:], bytes.Repeat([]byte("data"), 5000))
	copy(img[len(img)-600:], bytes.Repeat([]byte("end"), 200))
	for name, file := range encodings(t, img) {
		t.Run(name, func(t *testing.T) {
			s := &server{data: file}
			x := stale(t, diskBytes, 4096)
			if _, err := x.write(t, image.Source{URL: s.start(t) + "/i", Checksum: sha(file)}, options()); err != nil {
				t.Fatal(err)
			}
			got := x.bytes(t)
			if i := firstDifference(got[:len(img)+512], append(bytes.Clone(img), make([]byte, 512)...)); i >= 0 {
				t.Errorf("byte %d differs", i)
			}
		})
	}
	gpt512 := sparse(t, 12*mib, 1)
	s := &server{data: gpt512}
	x := stale(t, diskBytes, 4096)
	_, err := x.write(t, image.Source{URL: s.start(t) + "/i", Checksum: sha(gpt512)}, options())
	failure(t, err, step.Invalid, "sectors of 512", "sectors of 4096")
	x.wantUnbootable(t)
}

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

// wantImageOrNothing: refused before the first byte, or unbootable.
func (x target) wantImageOrNothing(t testing.TB) {
	t.Helper()
	if b := x.bytes(t); bytes.Contains(b[:4096], []byte("EFI PART")) {
		x.wantUntouched(t)
		return
	}
	x.wantUnbootable(t)
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

func TestChecksums(t *testing.T) {
	img := sparse(t, 4*mib, 6)
	m5, s5 := fmt.Sprintf("%x", md5.Sum(img)), fmt.Sprintf("%x", sha512.Sum512(img))
	s := &server{data: img, extra: map[string]string{
		"/gnu": sha([]byte("x")) + "  other.img\n" + sha(img) + "  disk.img\n", "/bsd": "SHA512 (disk.img) = " + s5 + "\n", "/bare": m5 + "\n",
		"/wrong": sha([]byte("x")) + "  disk.img\n", "/none": sha(img) + "  another.img\n", "/html": "<html></html>", "/big": strings.Repeat("x", 5<<20),
	}}
	base := s.start(t)
	for _, c := range []struct {
		sum, typ, want string
	}{
		{sha(img), "sha256", ""}, {s5, "", ""}, {m5, "auto", ""},
		{base + "/gnu", "", ""}, {base + "/bsd", "sha512", ""}, {base + "/bare", "md5", ""},
		{base + "/wrong", "", "digest is wrong"}, {base + "/none", "", "none of the sums file's"}, {base + "/html", "", "none of the sums file's"},
		{base + "/big", "", "too large"}, {"", "", "none is given"}, {"zz", "", "not hexadecimal"}, {m5, "sha256", "is md5 and not sha256"}, {m5, "sha1", "none of md5"},
		{"http://169.254.169.254/sums", "", "refused"},
	} {
		x := stale(t, 8*mib, 512)
		_, err := x.write(t, image.Source{URL: base + "/disk.img", Checksum: c.sum, ChecksumType: c.typ}, options())
		if c.want == "" {
			if err != nil {
				t.Errorf("%q %q: %v", c.sum, c.typ, err)
				continue
			}
			x.wantImage(t, img)
			continue
		}
		failure(t, err, step.Invalid, c.want)
		x.wantImageOrNothing(t)
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
