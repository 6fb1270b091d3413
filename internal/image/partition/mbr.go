package partition

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// MBR is the partition table of a master boot record. Logical partitions are found by their container only.
type MBR struct {
	DiskBytes   int64
	SectorBytes int
	sector      []byte // the first 512 bytes
}

// ReadMBR reads sector 0. ErrNone where it is no MBR: no signature, no entry, an entry that is none (a FAT boot sector ends in the same two bytes), or a protective one.
func ReadMBR(r io.ReaderAt, diskBytes int64, sectorBytes int) (*MBR, error) {
	m := &MBR{DiskBytes: diskBytes, SectorBytes: sectorBytes, sector: make([]byte, 512)}
	if err := readFull(r, m.sector, 0); err != nil {
		return nil, err
	}
	if m.sector[510] != 0x55 || m.sector[511] != 0xaa {
		return nil, ErrNone
	}
	used := 0
	for i := range 4 {
		e := m.entry(i)
		switch {
		case e[0]&0x7f != 0, e[4] == 0xee:
			return nil, ErrNone
		case e[4] != 0:
			used++
		}
	}
	if used == 0 {
		return nil, ErrNone
	}
	return m, nil
}

func (m *MBR) entry(i int) []byte { return m.sector[446+16*i:][:16] }

// Extended says whether the type is a container of logical partitions.
func extended(kind byte) bool { return kind == 0x05 || kind == 0x0f || kind == 0x85 }

// Spans lists where the primary partitions are, containers among them.
func (m *MBR) Spans() []Span {
	var out []Span
	for i := range 4 {
		if e := m.entry(i); e[4] != 0 {
			out = append(out, m.span(e, 0))
		}
	}
	return out
}

func (m *MBR) span(e []byte, base int64) Span {
	sector := int64(m.SectorBytes)
	return Span{
		Off:    base + int64(binary.LittleEndian.Uint32(e[8:]))*sector,
		Length: int64(binary.LittleEndian.Uint32(e[12:])) * sector,
	}
}

// maxLogical bounds the chain of logical partitions, which a damaged or hostile table can make endless.
const maxLogical = 128

// Logical follows the chain of each container and lists the logical partitions; it stops where the chain leaves the container or the disk.
func (m *MBR) Logical(r io.ReaderAt) []Span {
	var out []Span
	for i := range 4 {
		e := m.entry(i)
		if !extended(e[4]) {
			continue
		}
		container := m.span(e, 0)
		at := container.Off
		for range maxLogical {
			ebr := make([]byte, 512)
			if at < container.Off || at >= min(container.End(), m.DiskBytes) || readFull(r, ebr, at) != nil || ebr[510] != 0x55 || ebr[511] != 0xaa {
				break
			}
			if s := m.span(ebr[446:462], at); s.Length > 0 && s.End() <= m.DiskBytes {
				out = append(out, s)
			}
			next := m.span(ebr[462:478], container.Off)
			if !extended(ebr[466]) || next.Off <= at {
				break
			}
			at = next.Off
		}
	}
	return out
}

// AddAtEnd adds a primary partition of at least size bytes at the end of what an MBR can address (2^32 sectors) or of the disk.
func (m *MBR) AddAtEnd(kind byte, size int64) (Span, error) {
	sector := int64(m.SectorBytes)
	span := endSpan(min(m.DiskBytes, sector<<32), size)
	if span.Off < AlignBytes {
		return Span{}, fmt.Errorf("%w: the disk has %d bytes", ErrNoRoom, m.DiskBytes)
	}
	slot := -1
	for i := range 4 {
		e := m.entry(i)
		if e[4] == 0 {
			if slot < 0 {
				slot = i
			}
			continue
		}
		if p := m.span(e, 0); p.Off < span.End() && span.Off < p.End() {
			return Span{}, fmt.Errorf("%w: partition %d ends at byte %d, the new one would begin at %d", ErrNoRoom, i+1, p.End(), span.Off)
		}
	}
	if slot < 0 {
		return Span{}, fmt.Errorf("%w: all four entries of the MBR are used", ErrNoRoom)
	}
	e := m.entry(slot)
	clear(e)
	copy(e[1:4], []byte{0xfe, 0xff, 0xff}) // beyond what cylinder, head and sector can say
	e[4] = kind
	copy(e[5:8], []byte{0xfe, 0xff, 0xff})
	binary.LittleEndian.PutUint32(e[8:], uint32(span.Off/sector))
	binary.LittleEndian.PutUint32(e[12:], uint32(span.Length/sector))
	return span, nil
}

// Encode gives the boot sector.
func (m *MBR) Encode() []Patch { return []Patch{{Off: 0, Data: bytes.Clone(m.sector)}} }
