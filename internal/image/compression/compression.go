// Package compression recognises how a file is packed and unpacks it as a stream.
//
// It owns the magic numbers, the bound on memory and the readers for gzip, zstd and xz. It refuses to trust a name or a content type: only the first bytes count. It
// refuses formats that it knows and cannot unpack (bzip2, lz4, zip, 7z), because an archive taken for a raw image would be written to a disk as it is.
//
// Invariants: a reader needs at most MaxWindowBytes of history; truncated input and bytes behind the end are errors; concatenated members are read as one file.
package compression

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/ingotmetal/ingot/internal/image/compression/xz"
)

// Kind is a way of packing.
type Kind string

// The kinds.
const (
	None Kind = "none"
	Gzip Kind = "gzip"
	Zstd Kind = "zstd"
	XZ   Kind = "xz"
)

// MaxWindowBytes bounds the history (window, dictionary) of a packed file. Usual files need 8 MiB at most (gzip, zstd up to -19, xz up to -6); xz -9, which Fedora CoreOS
// uses, just fits; zstd --long=27 does not.
const MaxWindowBytes = 64 << 20

// SniffBytes is how many bytes Detect needs.
const SniffBytes = 18

// ErrUnsupported: the file is packed in a way that cannot be unpacked here, or needs more memory than MaxWindowBytes.
var ErrUnsupported = errors.New("unsupported compression")

var magics = []struct {
	magic []byte
	kind  Kind
	name  string
}{
	{[]byte{0x1f, 0x8b}, Gzip, "gzip"},
	{[]byte{0x28, 0xb5, 0x2f, 0xfd}, Zstd, "zstd"},
	{[]byte{0xfd, '7', 'z', 'X', 'Z', 0}, XZ, "xz"},
	{[]byte("BZh"), "", "bzip2"},
	{[]byte{0x04, 0x22, 0x4d, 0x18}, "", "lz4"},
	{[]byte("PK\x03\x04"), "", "zip"},
	{[]byte{'7', 'z', 0xbc, 0xaf, 0x27, 0x1c}, "", "7z"},
	{[]byte{0x1f, 0x9d}, "", "compress (.Z)"},
}

// Detect tells the kind by a file's first bytes.
func Detect(head []byte) (Kind, error) {
	// A zstd file may begin with skippable frames (RFC 8878 section 3.1.2), as pzstd writes them.
	if len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18}) {
		return Zstd, nil
	}
	for _, m := range magics {
		if !bytes.HasPrefix(head, m.magic) {
			continue
		}
		if m.kind == "" {
			return "", fmt.Errorf("%w: the file is packed with %s", ErrUnsupported, m.name)
		}
		return m.kind, nil
	}
	return None, nil
}

// UnpackedSize is the least size of the unpacked file as the first bytes tell it; 0 when they do not. Only zstd says it up front, for its first frame.
func UnpackedSize(kind Kind, head []byte) int64 {
	if kind != Zstd {
		return 0
	}
	var h zstd.Header
	if err := h.Decode(head); err != nil || !h.HasFCS || h.FrameContentSize > 1<<62 {
		return 0
	}
	return int64(h.FrameContentSize)
}

// NewReader unpacks r. Closing the reader frees its goroutines and does not close r.
func NewReader(kind Kind, r io.Reader) (io.ReadCloser, error) {
	switch kind {
	case None:
		return io.NopCloser(r), nil
	case Gzip:
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		return z, nil
	case Zstd:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxWindow(MaxWindowBytes), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, fmt.Errorf("zstd: %w", err)
		}
		return zstdReader{z}, nil
	case XZ:
		return io.NopCloser(xzReader{xz.NewReader(r, MaxWindowBytes)}), nil
	}
	return nil, fmt.Errorf("%w: %q", ErrUnsupported, kind)
}

type zstdReader struct{ d *zstd.Decoder }

// Read implements io.Reader.
func (z zstdReader) Read(p []byte) (int, error) {
	n, err := z.d.Read(p)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		err = fmt.Errorf("%w: zstd with a window of more than %d MiB", ErrUnsupported, MaxWindowBytes>>20)
	}
	return n, err
}

// Close implements io.Closer.
func (z zstdReader) Close() error {
	z.d.Close()
	return nil
}

type xzReader struct{ r io.Reader }

// Read implements io.Reader.
func (x xzReader) Read(p []byte) (int, error) {
	n, err := x.r.Read(p)
	if errors.Is(err, xz.ErrUnsupported) {
		err = fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return n, err
}
