package partition

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"unicode/utf16"
)

// AddAt adds a partition at a place that is free.
func (g *GPT) AddAt(kind GUID, label string, span Span) (Partition, error) {
	sector := int64(g.SectorBytes)
	if span.Off%sector != 0 || span.Length%sector != 0 || span.Length <= 0 {
		return Partition{}, fmt.Errorf("%w: %d bytes at %d are not whole sectors", ErrNoRoom, span.Length, span.Off)
	}
	slot := -1
	for i := 0; i*g.entrySize < len(g.entries) && slot < 0; i++ {
		if GUID(g.entries[i*g.entrySize:][:16]) == (GUID{}) {
			slot = i
		}
	}
	if slot < 0 {
		return Partition{}, fmt.Errorf("%w: all %d entries of the GPT are used", ErrNoRoom, len(g.entries)/g.entrySize)
	}
	e := g.entries[slot*g.entrySize:][:g.entrySize]
	before := bytes.Clone(e)
	clear(e)
	guid := DeriveGUID(g.DiskGUID[:], []byte(label), []byte{byte(slot)})
	copy(e, kind[:])
	copy(e[16:], guid[:])
	binary.LittleEndian.PutUint64(e[32:], uint64(span.Off/sector))
	binary.LittleEndian.PutUint64(e[40:], uint64(span.End()/sector-1))
	for i, c := range utf16.Encode([]rune(label)) {
		if i < 36 {
			binary.LittleEndian.PutUint16(e[56+2*i:], c)
		}
	}
	if err := g.Check(); err != nil {
		copy(e, before)
		return Partition{}, fmt.Errorf("%w: %w", ErrNoRoom, err)
	}
	return Partition{Number: slot + 1, Type: kind, GUID: guid, Name: label, Span: span}, nil
}

// AddAtEnd adds a partition of at least size bytes as near to the disk's end as alignment allows.
func (g *GPT) AddAtEnd(kind GUID, label string, size int64) (Partition, error) {
	span := endSpan(g.Usable().End(), size)
	return g.AddAt(kind, label, span)
}

// endSpan aligns both ends to whole MiB.
func endSpan(end, size int64) Span {
	length := (size + AlignBytes - 1) / AlignBytes * AlignBytes
	return Span{Off: end/AlignBytes*AlignBytes - length, Length: length}
}

// Resize makes the table one of another disk, with its backup at that disk's end.
func (g *GPT) Resize(diskBytes int64) error {
	before := g.DiskBytes
	g.DiskBytes = diskBytes
	if err := g.Check(); err != nil {
		g.DiskBytes = before
		return err
	}
	return nil
}

// SetBootCode puts the code of a boot loader into the protective MBR (its first 440 bytes).
func (g *GPT) SetBootCode(code []byte) { copy(g.mbr[:440], code) }

// Encode gives the protective MBR with the primary table, and the backup table.
func (g *GPT) Encode() []Patch {
	sector := int64(g.SectorBytes)
	total, array := g.DiskBytes/sector, g.arraySectors()
	primary := make([]byte, sector*(2+array))
	copy(primary, g.protectiveMBR())
	copy(primary[sector:], g.header(1, total-1, 2))
	copy(primary[2*sector:], g.entries)
	backup := make([]byte, sector*(array+1))
	copy(backup, g.entries)
	copy(backup[sector*array:], g.header(total-1, 1, total-1-array))
	return []Patch{{Off: 0, Data: primary}, {Off: (total - 1 - array) * sector, Data: backup}}
}

func (g *GPT) header(here, other, entries int64) []byte {
	le := binary.LittleEndian
	h := make([]byte, gptHeader)
	copy(h, gptSignature)
	le.PutUint32(h[8:], 0x00010000)
	le.PutUint32(h[12:], gptHeader)
	le.PutUint64(h[24:], uint64(here))
	le.PutUint64(h[32:], uint64(other))
	le.PutUint64(h[40:], uint64(g.firstUsable))
	le.PutUint64(h[48:], uint64(g.lastUsable()))
	copy(h[56:], g.DiskGUID[:])
	le.PutUint64(h[72:], uint64(entries))
	le.PutUint32(h[80:], uint32(len(g.entries)/g.entrySize))
	le.PutUint32(h[84:], uint32(g.entrySize))
	le.PutUint32(h[88:], crc32.ChecksumIEEE(g.entries))
	le.PutUint32(h[16:], crc32.ChecksumIEEE(h))
	return h
}

// protectiveMBR keeps boot code and hybrid entries, and makes the entry of type 0xEE cover the disk up to 2^32 sectors.
func (g *GPT) protectiveMBR() []byte {
	m := bytes.Clone(g.mbr)
	slot := -1
	for i := range 4 {
		if m[446+16*i+4] == 0xee {
			slot = i
			break
		}
	}
	if slot < 0 {
		slot = 0
		clear(m[446:510])
		m[446+4] = 0xee
	}
	e := m[446+16*slot:][:16]
	binary.LittleEndian.PutUint32(e[8:], 1)
	copy(e[1:4], []byte{0, 2, 0})
	copy(e[5:8], []byte{0xff, 0xff, 0xff})
	length := g.DiskBytes/int64(g.SectorBytes) - 1
	if hybrid(m, slot) {
		// In a hybrid MBR the 0xEE entry guards only the table itself; it is left as the image has it.
		copy(e, g.mbr[446+16*slot:][:16])
	} else {
		binary.LittleEndian.PutUint32(e[12:], uint32(min(length, 0xffffffff)))
	}
	m[510], m[511] = 0x55, 0xaa
	return m
}

func hybrid(m []byte, protective int) bool {
	for i := range 4 {
		if i != protective && m[446+16*i+4] != 0 {
			return true
		}
	}
	return false
}
