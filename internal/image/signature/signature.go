// Package signature looks for what makes bytes on a disk mean something to an operating system: partition tables, file systems, RAID and volume managers, encryption, swap.
//
// It owns the places and magic numbers. It refuses to interpret further, and it errs to the side of finding: a magic number without the checksum behind it counts, since its purpose is to
// prove that nothing is left. Sources: libblkid's superblock probes (util-linux), the UEFI specification, the on-disk format documents of each system.
//
// Invariant: Probe reads and never writes; places outside of the volume are skipped.
package signature

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// Found is one signature.
type Found struct {
	// Kind names what was found, for example "gpt" or "ext".
	Kind string
	// Off is where its magic number is, in bytes from the beginning of the disk.
	Off int64
}

type magic struct {
	kind string
	// off is from the volume's beginning, or from its end when negative.
	off   int64
	bytes string
}

const (
	kib = int64(1) << 10
	mib = int64(1) << 20
	gib = int64(1) << 30
)

// magics are the signatures with a fixed place.
var magics = []magic{
	{"boot sector", 510, "\x55\xaa"},
	{"gpt", 512, "EFI PART"}, {"gpt", 4096, "EFI PART"}, {"gpt backup", -512, "EFI PART"}, {"gpt backup", -4096, "EFI PART"},
	{"ext", 1080, "\x53\xef"}, {"f2fs", 1024, "\x10\x20\xf5\xf2"}, {"xfs", 0, "XFSB"}, {"squashfs", 0, "hsqs"},
	{"btrfs", 64*kib + 64, "_BHRfS_M"}, {"btrfs mirror", 64*mib + 64, "_BHRfS_M"}, {"btrfs mirror", 256*gib + 64, "_BHRfS_M"},
	{"vfat", 54, "FAT12   "}, {"vfat", 54, "FAT16   "}, {"vfat", 82, "FAT32   "}, {"exfat", 3, "EXFAT   "}, {"ntfs", 3, "NTFS    "},
	{"iso9660", 32*kib + 1, "CD001"}, {"udf", 32*kib + 1, "BEA01"}, {"udf", 34*kib + 1, "NSR0"}, {"config-2", 32*kib + 40, "config-2"},
	{"lvm", 0, "LABELONE"}, {"lvm", 512, "LABELONE"}, {"lvm", 1024, "LABELONE"}, {"lvm", 1536, "LABELONE"},
	{"luks", 0, "LUKS\xba\xbe"}, {"bcache", 4096 + 24, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"},
	{"bluestore", 0, "bluestore block device"},
	{"mdraid 1.1", 0, "\xfc\x4e\x2b\xa9"}, {"mdraid 1.2", 4096, "\xfc\x4e\x2b\xa9"},
	{"imsm", -1024, "Intel Raid ISM Cfg Sig. "}, {"ddf", -512, "\xde\x11\xde\x11"},
	{"swap", 4*kib - 10, "SWAPSPACE2"}, {"swap", 8*kib - 10, "SWAPSPACE2"}, {"swap", 16*kib - 10, "SWAPSPACE2"}, {"swap", 64*kib - 10, "SWAPSPACE2"},
	{"swap", 4*kib - 10, "SWAP-SPACE"},
	// The second header of LUKS2 is at one of nine places, by the size of the metadata.
	{"luks2 second", 16 * kib, "SKUL\xba\xbe"}, {"luks2 second", 32 * kib, "SKUL\xba\xbe"}, {"luks2 second", 64 * kib, "SKUL\xba\xbe"},
	{"luks2 second", 128 * kib, "SKUL\xba\xbe"}, {"luks2 second", 256 * kib, "SKUL\xba\xbe"}, {"luks2 second", 512 * kib, "SKUL\xba\xbe"},
	{"luks2 second", mib, "SKUL\xba\xbe"}, {"luks2 second", 2 * mib, "SKUL\xba\xbe"}, {"luks2 second", 4 * mib, "SKUL\xba\xbe"},
}

// HeadBytes and TailBytes are how far from a volume's ends the signatures reach, without the mirrors of btrfs.
const (
	HeadBytes = 8 << 20
	TailBytes = 2 << 20
)

// Mirrors are the places of btrfs's further superblocks, 4 KiB each.
func Mirrors() []int64 { return []int64{64 * mib, 256 * gib} }

// Probe looks at the volume of size bytes that begins at off: a whole disk, or a partition.
func Probe(r io.ReaderAt, off, size int64) ([]Found, error) {
	var out []Found
	buf := make([]byte, 32)
	for _, m := range magics {
		at := m.off
		if at < 0 {
			at += size
		}
		ok, err := is(r, buf, off, size, at, m.bytes)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, Found{m.kind, off + at})
		}
	}
	for _, probe := range []func(io.ReaderAt, int64, int64) ([]Found, error){mdraidEnd, zfs} {
		found, err := probe(r, off, size)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// is compares bytes at a place of the volume.
func is(r io.ReaderAt, buf []byte, off, size, at int64, want string) (bool, error) {
	if at < 0 || at+int64(len(want)) > size {
		return false, nil
	}
	n, err := r.ReadAt(buf[:len(want)], off+at)
	if n == len(want) {
		return string(buf[:n]) == want, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return false, nil
	}
	return false, err
}

// mdraidEnd looks for superblocks at the end: version 1.0 at least 8 KiB before it, aligned to 4 KiB; version 0.90 in the last whole 64 KiB but one, in either byte order.
func mdraidEnd(r io.ReaderAt, off, size int64) ([]Found, error) {
	var out []Found
	buf := make([]byte, 4)
	for _, p := range []struct {
		kind string
		at   int64
		want string
	}{
		{"mdraid 1.0", (size/512 - 16) &^ 7 * 512, "\xfc\x4e\x2b\xa9"},
		{"mdraid 0.90", size&^(64*kib-1) - 64*kib, "\xfc\x4e\x2b\xa9"},
		{"mdraid 0.90", size&^(64*kib-1) - 64*kib, "\xa9\x2b\x4e\xfc"},
	} {
		ok, err := is(r, buf, off, size, p.at, p.want)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, Found{p.kind, off + p.at})
		}
	}
	return out, nil
}

// zfs looks for uberblocks: the second half of each of four labels of 256 KiB, two at each end (rounded down to whole labels), one uberblock each KiB.
func zfs(r io.ReaderAt, off, size int64) ([]Found, error) {
	const label, magic = 256 * kib, 0x00bab10c
	end := size &^ (label - 1)
	var out []Found
	buf := make([]byte, label/2)
	for _, at := range []int64{0, label, end - 2*label, end - label} {
		if at < 0 || at+label > size {
			continue
		}
		n, err := r.ReadAt(buf, off+at+label/2)
		if n < len(buf) && err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		for i := 0; i+8 <= n; i += 1 << 10 {
			if binary.LittleEndian.Uint64(buf[i:]) == magic || binary.BigEndian.Uint64(buf[i:]) == magic {
				out = append(out, Found{"zfs", off + at + label/2 + int64(i)})
				break
			}
		}
	}
	return out, nil
}

// Zeros says whether a range reads as zero; the second result is the first byte that does not.
func Zeros(r io.ReaderAt, off, length int64) (bool, int64, error) {
	buf, zeros := make([]byte, mib), make([]byte, mib)
	for length > 0 {
		n := min(length, mib)
		if m, err := r.ReadAt(buf[:n], off); int64(m) < n {
			return false, off, errors.Join(err, io.ErrUnexpectedEOF)
		}
		if !bytes.Equal(buf[:n], zeros[:n]) {
			for i, b := range buf[:n] {
				if b != 0 {
					return false, off + int64(i), nil
				}
			}
		}
		off, length = off+n, length-n
	}
	return true, 0, nil
}
