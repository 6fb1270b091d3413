package qcow2

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// HeaderBytes is how many bytes of a file ParseHeader wants; the header extensions are within them in every file that is accepted.
const HeaderBytes = 512

// Magic is how every qcow2 file begins.
const Magic = "QFI\xfb"

// The kinds of refusal, asked with errors.Is.
var (
	// ErrCorrupt: the file contradicts itself or the format.
	ErrCorrupt = errors.New("damaged qcow2 image")
	// ErrUnsupported: the file is well formed and needs something that is not read here.
	ErrUnsupported = errors.New("unsupported qcow2 image")
)

// Limits of what is read. They bound memory: a file beyond them is refused before the first byte is written.
const (
	maxClusters    = 1 << 26 // one bit each: 8 MiB; 4 TiB with 64 KiB clusters
	maxL1Entries   = 1 << 19 // 4 MiB; 256 TiB with 64 KiB clusters
	maxExtents     = 1 << 19 // 16 MiB
	minClusterBits = 9
	maxClusterBits = 21
)

// Incompatible features (docs/interop/qcow2.txt of QEMU, header bytes 72 to 79).
const (
	featureDirty       = 1 << 0
	featureCorrupt     = 1 << 1
	featureDataFile    = 1 << 2
	featureCompression = 1 << 3
	featureExtendedL2  = 1 << 4
)

// Header is what of a file's header decides how it is read.
type Header struct {
	Version int
	// VirtualBytes is the size of the disk that the file holds.
	VirtualBytes int64
	ClusterBits  uint
	L1Offset     int64
	// L1Entries counts the entries that VirtualBytes needs; the file may have more.
	L1Entries int64
	// Zstd: compressed clusters are zstd frames, else raw deflate.
	Zstd bool
}

// ClusterBytes is the size of a cluster.
func (h Header) ClusterBytes() int64 { return 1 << h.ClusterBits }

// l2Entries is the number of entries in an L2 table.
func (h Header) l2Entries() int64 { return h.ClusterBytes() / 8 }

// ParseHeader reads and judges a header. b is the beginning of the file, HeaderBytes of it or all if it is shorter.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < 72 || string(b[:4]) != Magic {
		return Header{}, fmt.Errorf("%w: it does not begin with a qcow2 header", ErrCorrupt)
	}
	be := binary.BigEndian
	h := Header{Version: int(be.Uint32(b[4:])), ClusterBits: uint(be.Uint32(b[20:]))}
	size, l1Offset := be.Uint64(b[24:]), be.Uint64(b[40:])
	switch {
	case h.Version != 2 && h.Version != 3:
		return Header{}, fmt.Errorf("%w: version %d", ErrUnsupported, h.Version)
	case be.Uint64(b[8:]) != 0:
		return Header{}, fmt.Errorf("%w: it has a backing file, and an image must be whole", ErrUnsupported)
	case be.Uint32(b[32:]) != 0:
		return Header{}, fmt.Errorf("%w: it is encrypted", ErrUnsupported)
	case be.Uint32(b[60:]) != 0:
		return Header{}, fmt.Errorf("%w: it holds snapshots", ErrUnsupported)
	case h.ClusterBits < minClusterBits || h.ClusterBits > maxClusterBits:
		return Header{}, fmt.Errorf("%w: clusters of 2^%d bytes", ErrCorrupt, h.ClusterBits)
	case size == 0 || size > 1<<62 || size%512 != 0:
		return Header{}, fmt.Errorf("%w: a disk of %d bytes", ErrCorrupt, size)
	}
	h.VirtualBytes, h.L1Offset = int64(size), int64(l1Offset)
	if err := h.features(b); err != nil {
		return Header{}, err
	}
	return h, h.geometry(be.Uint32(b[36:]))
}

// geometry checks the sizes against each other and the limits.
func (h *Header) geometry(l1Size uint32) error {
	cluster := h.ClusterBytes()
	if (h.VirtualBytes-1)>>h.ClusterBits >= maxClusters {
		return fmt.Errorf("%w: a disk of %d bytes in clusters of %d is more than %d clusters", ErrUnsupported, h.VirtualBytes, cluster, maxClusters)
	}
	perTable := cluster * h.l2Entries()
	h.L1Entries = (h.VirtualBytes + perTable - 1) / perTable
	switch {
	case h.L1Entries > maxL1Entries:
		return fmt.Errorf("%w: an L1 table of %d entries", ErrUnsupported, h.L1Entries)
	case int64(l1Size) < h.L1Entries:
		return fmt.Errorf("%w: the L1 table has %d entries, a disk of %d bytes needs %d", ErrCorrupt, l1Size, h.VirtualBytes, h.L1Entries)
	case h.L1Offset < cluster || h.L1Offset%cluster != 0 || h.L1Offset > maxOffset:
		return fmt.Errorf("%w: the L1 table is at %d", ErrCorrupt, h.L1Offset)
	}
	return nil
}

// features reads what version 3 added.
func (h *Header) features(b []byte) error {
	if h.Version == 2 {
		return h.extensions(b, 72)
	}
	if len(b) < 104 {
		return fmt.Errorf("%w: its header is cut off", ErrCorrupt)
	}
	bits, length := binary.BigEndian.Uint64(b[72:]), int(binary.BigEndian.Uint32(b[100:]))
	switch {
	case bits&featureCorrupt != 0:
		return fmt.Errorf("%w: it is marked as corrupt", ErrCorrupt)
	case bits&featureDataFile != 0:
		return fmt.Errorf("%w: its data is in another file", ErrUnsupported)
	case bits&featureExtendedL2 != 0:
		return fmt.Errorf("%w: it has subclusters (extended_l2)", ErrUnsupported)
	case bits&^uint64(featureDirty|featureCompression) != 0:
		return fmt.Errorf("%w: unknown features %#x", ErrUnsupported, bits)
	case length < 104 || length%8 != 0 || length > HeaderBytes || length > len(b):
		return fmt.Errorf("%w: a header of %d bytes", ErrCorrupt, length)
	}
	if bits&featureCompression != 0 {
		if length < 112 || b[104] > 1 {
			return fmt.Errorf("%w: an unknown kind of compression", ErrUnsupported)
		}
		h.Zstd = b[104] == 1
	}
	return h.extensions(b, length)
}

// extensions looks for those that would change what the data mean. Each is a type, a length and data padded to eight bytes; type 0 ends them.
func (h *Header) extensions(b []byte, at int) error {
	for at+8 <= len(b) && int64(at) < h.ClusterBytes() {
		kind, length := binary.BigEndian.Uint32(b[at:]), binary.BigEndian.Uint32(b[at+4:])
		switch kind {
		case 0:
			return nil
		case 0x0537be77:
			return fmt.Errorf("%w: it is encrypted", ErrUnsupported)
		case 0x44415441:
			return fmt.Errorf("%w: its data is in another file", ErrUnsupported)
		}
		if length > HeaderBytes {
			// Long ones exist (feature names, bitmaps); nothing behind them matters, since each bit that could has been judged.
			return nil
		}
		at += 8 + int(length+7)/8*8
	}
	return nil
}
