// Package partition edits partition tables as values: reads one, moves its backup to the end of another disk, adds a partition, gives back the bytes to write.
//
// It owns GPT (UEFI specification 2.10, chapter 5) and the MBR's four entries. It refuses to write: an edit ends in patches (offset and bytes), so that the caller decides when
// a disk becomes bootable. It refuses tables that contradict themselves, and never moves or resizes a partition that exists.
//
// Invariants: an encoded GPT has right CRCs in both copies, its backup in the disk's last sector, and a protective MBR that covers the disk and keeps the boot code
// and hybrid entries of the image; encoding is deterministic.
package partition

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"unicode/utf16"
)

// The kinds of refusal, asked with errors.Is.
var (
	// ErrNone: there is no table of that kind.
	ErrNone = errors.New("no partition table")
	// ErrCorrupt: there is one and it contradicts itself.
	ErrCorrupt = errors.New("damaged partition table")
	// ErrNoRoom: the partition does not fit behind the others, or no entry is free.
	ErrNoRoom = errors.New("no room for another partition")
)

// AlignBytes is where partitions begin and end: at whole MiB.
const AlignBytes = 1 << 20

// GUID is a GUID in the mixed-endian form of the disk.
type GUID [16]byte

// LinuxFilesystem is the type of an ordinary Linux partition: 0FC63DAF-8483-4772-8E79-3D69D8477DE4.
func LinuxFilesystem() GUID {
	return GUID{0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4}
}

// EFISystem is the type of an EFI system partition: C12A7328-F81F-11D2-BA4B-00A0C93EC93B.
func EFISystem() GUID {
	return GUID{0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b}
}

// LinuxRAID is the type of a member of an array: A19D880F-05FC-4D3B-A006-743F0F84911E.
func LinuxRAID() GUID {
	return GUID{0x0f, 0x88, 0x9d, 0xa1, 0xfc, 0x05, 0x3b, 0x4d, 0xa0, 0x06, 0x74, 0x3f, 0x0f, 0x84, 0x91, 0x1e}
}

// BIOSBoot is the type of the partition that GRUB's core image lives in: 21686148-6449-6E6F-744E-656564454649.
func BIOSBoot() GUID {
	return GUID{0x48, 0x61, 0x68, 0x21, 0x49, 0x64, 0x6f, 0x6e, 0x74, 0x4e, 0x65, 0x65, 0x64, 0x45, 0x46, 0x49}
}

// DeriveGUID makes a GUID (version 8, RFC 9562) from what it names, so that the same edit gives the same bytes.
func DeriveGUID(parts ...[]byte) GUID {
	h := sha256.New()
	for _, p := range parts {
		_ = binary.Write(h, binary.LittleEndian, int64(len(p)))
		h.Write(p)
	}
	g := GUID(h.Sum(nil)[:16])
	g[7] = g[7]&0x0f | 0x80
	g[8] = g[8]&0x3f | 0x80
	return g
}

// String is the usual text of a GUID.
func (g GUID) String() string {
	le := binary.LittleEndian
	return fmt.Sprintf("%08X-%04X-%04X-%X-%X", le.Uint32(g[:]), le.Uint16(g[4:]), le.Uint16(g[6:]), g[8:10], g[10:])
}

// Span is a range of bytes of the disk.
type Span struct{ Off, Length int64 }

// End is the first byte behind the span.
func (s Span) End() int64 { return s.Off + s.Length }

// Patch is bytes that belong at an offset of the disk.
type Patch struct {
	Off  int64
	Data []byte
}

// Partition is one entry of a GPT.
type Partition struct {
	Number     int // from 1
	Type, GUID GUID
	Name       string
	Span       Span
}

// GPT is a GUID partition table.
type GPT struct {
	DiskGUID    GUID
	DiskBytes   int64
	SectorBytes int

	entrySize   int
	entries     []byte
	firstUsable int64 // LBA
	mbr         []byte
}

const (
	gptSignature = "EFI PART"
	gptHeader    = 92
	// MaxTableBytes is where the primary table must end, so that it is within the part of a disk that is written last.
	MaxTableBytes = 1 << 20
)

// NewGPT makes an empty table with 128 entries.
func NewGPT(guid GUID, diskBytes int64, sectorBytes int) *GPT {
	g := &GPT{DiskGUID: guid, DiskBytes: diskBytes, SectorBytes: sectorBytes, entrySize: 128, entries: make([]byte, 128*128)}
	g.firstUsable = 2 + g.arraySectors()
	g.mbr = make([]byte, 512)
	return g
}

// ReadGPT reads the primary table, or the backup when the primary one is missing or damaged. ErrNone when there is neither.
func ReadGPT(r io.ReaderAt, diskBytes int64, sectorBytes int) (*GPT, error) {
	g, err := readAt(r, 1, diskBytes, sectorBytes)
	if err == nil {
		return g, nil
	}
	if backup, backupErr := readAt(r, diskBytes/int64(sectorBytes)-1, diskBytes, sectorBytes); backupErr == nil {
		return backup, nil
	}
	return nil, err
}

// ReadPrimaryGPT reads the table at the beginning and no other.
func ReadPrimaryGPT(r io.ReaderAt, diskBytes int64, sectorBytes int) (*GPT, error) {
	return readAt(r, 1, diskBytes, sectorBytes)
}

func readAt(r io.ReaderAt, lba, diskBytes int64, sectorBytes int) (*GPT, error) {
	sector := int64(sectorBytes)
	head := make([]byte, sector)
	if err := readFull(r, head, lba*sector); err != nil {
		return nil, err
	}
	if string(head[:8]) != gptSignature {
		return nil, ErrNone
	}
	le := binary.LittleEndian
	size := le.Uint32(head[12:])
	if size < gptHeader || int64(size) > sector {
		return nil, fmt.Errorf("%w: a GPT header of %d bytes", ErrCorrupt, size)
	}
	check := bytes.Clone(head[:size])
	clear(check[16:20])
	if crc32.ChecksumIEEE(check) != le.Uint32(head[16:]) || int64(le.Uint64(head[24:])) != lba {
		return nil, fmt.Errorf("%w: the GPT header at sector %d has a wrong checksum or place", ErrCorrupt, lba)
	}
	g := &GPT{DiskGUID: GUID(head[56:72]), DiskBytes: diskBytes, SectorBytes: sectorBytes, firstUsable: int64(le.Uint64(head[40:]))}
	count, entrySize, at := int64(le.Uint32(head[80:])), int64(le.Uint32(head[84:])), int64(le.Uint64(head[72:]))
	switch {
	case entrySize < 128 || entrySize > 4096 || entrySize&(entrySize-1) != 0, count < 1, count*entrySize > MaxTableBytes-2*sector:
		return nil, fmt.Errorf("%w: a GPT of %d entries of %d bytes", ErrCorrupt, count, entrySize)
	case at < 2 || at > diskBytes/sector, lba == 1 && at*sector+count*entrySize > MaxTableBytes, g.firstUsable < 3 || g.firstUsable > diskBytes/sector:
		return nil, fmt.Errorf("%w: GPT entries at sector %d, first usable sector %d", ErrCorrupt, at, g.firstUsable)
	}
	g.entrySize, g.entries = int(entrySize), make([]byte, count*entrySize)
	if err := readFull(r, g.entries, at*sector); err != nil {
		return nil, err
	}
	if crc32.ChecksumIEEE(g.entries) != le.Uint32(head[88:]) {
		return nil, fmt.Errorf("%w: the GPT entries at sector %d have a wrong checksum", ErrCorrupt, at)
	}
	g.mbr = make([]byte, 512)
	if err := readFull(r, g.mbr, 0); err != nil {
		return nil, err
	}
	return g, nil
}

func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: the disk ends before byte %d", ErrNone, off+int64(len(p)))
	}
	return err
}

// Partitions lists the entries in use.
func (g *GPT) Partitions() []Partition {
	var out []Partition
	for i := 0; i*g.entrySize < len(g.entries); i++ {
		e := g.entries[i*g.entrySize:][:g.entrySize]
		if GUID(e[:16]) == (GUID{}) {
			continue
		}
		first, last := int64(binary.LittleEndian.Uint64(e[32:])), int64(binary.LittleEndian.Uint64(e[40:]))
		p := Partition{Number: i + 1, Type: GUID(e[:16]), GUID: GUID(e[16:32]), Name: name(e[56:128])}
		if first >= 0 && last >= first && last < 1<<50 {
			p.Span = Span{Off: first * int64(g.SectorBytes), Length: (last - first + 1) * int64(g.SectorBytes)}
		}
		out = append(out, p)
	}
	return out
}

func name(b []byte) string {
	var u []uint16
	for i := 0; i+1 < len(b); i += 2 {
		c := binary.LittleEndian.Uint16(b[i:])
		if c == 0 {
			break
		}
		u = append(u, c)
	}
	return string(utf16.Decode(u))
}

func (g *GPT) arraySectors() int64 {
	return (int64(len(g.entries)) + int64(g.SectorBytes) - 1) / int64(g.SectorBytes)
}

// lastUsable is the last sector before the backup table.
func (g *GPT) lastUsable() int64 { return g.DiskBytes/int64(g.SectorBytes) - 2 - g.arraySectors() }

// Usable is where partitions may be.
func (g *GPT) Usable() Span {
	return Span{Off: g.firstUsable * int64(g.SectorBytes), Length: (g.lastUsable() - g.firstUsable + 1) * int64(g.SectorBytes)}
}

// Check refuses partitions that overlap or reach out of the disk.
func (g *GPT) Check() error {
	usable, parts := g.Usable(), g.Partitions()
	for i, p := range parts {
		if p.Span.Length <= 0 || p.Span.Off < usable.Off || p.Span.End() > usable.End() {
			return fmt.Errorf("%w: partition %d is at bytes %d to %d; the disk has room from %d to %d", ErrCorrupt, p.Number, p.Span.Off, p.Span.End(), usable.Off, usable.End())
		}
		for _, q := range parts[:i] {
			if p.Span.Off < q.Span.End() && q.Span.Off < p.Span.End() {
				return fmt.Errorf("%w: partitions %d and %d overlap", ErrCorrupt, q.Number, p.Number)
			}
		}
	}
	return nil
}
