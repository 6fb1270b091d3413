package image_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha512"
	"fmt"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/image"
	"github.com/ingotmetal/ingot/step"
)

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
