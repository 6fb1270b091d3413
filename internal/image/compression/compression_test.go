package compression_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/image/compression"
)

// pack runs a real packer.
func pack(t testing.TB, data []byte, command ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Stdin = bytes.NewReader(data)
	var errText strings.Builder
	cmd.Stderr = &errText
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v (packages gzip, xz-utils, zstd): %v: %s", command, err, errText.String())
	}
	return out
}

func sample(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	p := make([]byte, n)
	for i := 0; i < n; i += 4096 {
		if r.IntN(3) > 0 {
			for j := i; j < min(i+4096, n); j++ {
				p[j] = byte(r.IntN(16))
			}
		}
	}
	return p
}

func TestUnpacksWhatThePackersMake(t *testing.T) {
	data := sample(900<<10 + 17)
	for _, command := range []string{
		"gzip -c", "gzip -1c", "zstd -c", "zstd -19 -c", "zstd -1 --no-check -c", "xz -c", "xz -0c", "xz -9c", "xz --check=crc32 -c", "xz --check=sha256 -c",
		"xz --check=none -c", "xz --block-size=500000 -c", "xz -T2 --block-size=400000 -c", "cat",
	} {
		t.Run(command, func(t *testing.T) {
			for _, size := range []int{0, 1, len(data)} {
				packed := pack(t, data[:size], strings.Fields(command)...)
				if got, err := unpack(packed); err != nil || !bytes.Equal(got, data[:size]) {
					t.Fatalf("%d bytes: got %d bytes, %v", size, len(got), err)
				}
				if command == "cat" {
					continue
				}
				twice := append(bytes.Clone(packed), packed...)
				if got, err := unpack(twice); err != nil || len(got) != 2*size {
					t.Errorf("two members of %d bytes: got %d bytes, %v", size, len(got), err)
				}
			}
		})
	}
}

func unpack(packed []byte) ([]byte, error) {
	kind, err := compression.Detect(packed)
	if err != nil {
		return nil, err
	}
	r, err := compression.NewReader(kind, bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func TestTruncatedAndDamagedFilesAreErrors(t *testing.T) {
	data := sample(60 << 10)
	for _, command := range []string{"gzip -c", "zstd -c", "xz -c", "xz --check=sha256 -c"} {
		packed := pack(t, data, strings.Fields(command)...)
		for cut := 1; cut < len(packed); cut += 1 + len(packed)/41 {
			if kind, _ := compression.Detect(packed[:cut]); kind == compression.None {
				continue
			}
			if got, err := unpack(packed[:cut]); err == nil {
				t.Fatalf("%s cut after %d of %d bytes: %d bytes and no error", command, cut, len(packed), len(got))
			}
		}
		for at := 20; at < len(packed); at += 1 + len(packed)/41 {
			damaged := bytes.Clone(packed)
			damaged[at] ^= 0x40
			if got, err := unpack(damaged); err == nil && !bytes.Equal(got, data) {
				t.Fatalf("%s with byte %d flipped: wrong content and no error", command, at)
			}
		}
		if _, err := unpack(append(bytes.Clone(packed), "trailing garbage"...)); err == nil {
			t.Errorf("%s with garbage behind it: no error", command)
		}
	}
}

func TestRefusesWhatNeedsTooMuchMemoryOrIsUnknown(t *testing.T) {
	data := sample(1 << 20)
	big := make([]byte, 70<<20)
	for name, packed := range map[string][]byte{
		"zstd --long=27": pack(t, big, "zstd", "--long=27", "-c"),
		"xz of 128 MiB":  pack(t, data, "xz", "--lzma2=dict=128MiB", "-c"),
		"xz with x86":    pack(t, data, "xz", "--x86", "--lzma2", "-c"),
		"bzip2":          []byte("BZh91AY&SY and more"),
		"zip":            []byte("PK\x03\x04 and much more"),
	} {
		if _, err := unpack(packed); !errors.Is(err, compression.ErrUnsupported) {
			t.Errorf("%s: %v; want ErrUnsupported", name, err)
		}
	}
}

func TestUnpackedSize(t *testing.T) {
	data := sample(1 << 20)
	file := t.TempDir() + "/f"
	pack(t, data, "tee", file)
	if got := compression.UnpackedSize(compression.Zstd, pack(t, nil, "zstd", "-c", file)); got != int64(len(data)) {
		t.Errorf("zstd of a file: %d, want %d", got, len(data))
	}
	if got := compression.UnpackedSize(compression.Zstd, pack(t, data, "zstd", "-c")); got != 0 {
		t.Errorf("zstd of a stream: %d, want 0 for unknown", got)
	}
}

// FuzzUnpack holds that any bytes end in data or an error, with bounded output for the input.
func FuzzUnpack(f *testing.F) {
	data := sample(20 << 10)
	for _, command := range []string{"gzip -c", "zstd -c", "xz -c", "xz --check=sha256 --block-size=5000 -c"} {
		packed := pack(f, data, strings.Fields(command)...)
		f.Add(packed)
		f.Add(packed[:len(packed)/2])
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		kind, err := compression.Detect(packed)
		if err != nil {
			return
		}
		r, err := compression.NewReader(kind, bytes.NewReader(packed))
		if err != nil {
			return
		}
		defer r.Close()
		_, _ = io.Copy(io.Discard, io.LimitReader(r, 8<<20))
	})
}
