package qcow2

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

// Bits of L1 and L2 entries.
const (
	offsetMask     = 0x00ff_ffff_ffff_fe00 // bits 9 to 55
	maxOffset      = 1 << 56
	bitCopied      = 1 << 63
	bitCompressed  = 1 << 62
	bitZero        = 1 << 0
	l1Reserved     = ^uint64(offsetMask | bitCopied)
	l2ReservedBits = ^uint64(offsetMask | bitCopied | bitZero)
)

type kind uint8

const (
	tableL1 kind = iota
	tableL2
	data
	packed
	verify // bytes that were read ahead; they must be the same in the stream
)

// extent is a part of the file that is wanted. Its guest offset is where its data belongs, or for tables the first byte of the disk that the table maps.
type extent struct {
	host, guest, length int64
	kind                kind
}

// parseL1 gives the L2 tables. A table named twice would map one set of clusters to two places, which no writer does.
func (d *Decoder) parseL1(b []byte) ([]extent, error) {
	var tables []extent
	perTable := d.h.ClusterBytes() * d.h.l2Entries()
	for i := range d.h.L1Entries {
		e := binary.BigEndian.Uint64(b[i*8:])
		if e == 0 {
			continue
		}
		if e&l1Reserved != 0 {
			return nil, fmt.Errorf("%w: L1 entry %d is %#x", ErrCorrupt, i, e)
		}
		host := int64(e & offsetMask)
		if host == 0 {
			continue
		}
		if err := d.place(host, d.h.ClusterBytes()); err != nil || d.isTable(host) {
			err = cmp.Or(err, fmt.Errorf("%w: an L2 table in the L1 table", ErrCorrupt))
			return nil, fmt.Errorf("L1 entry %d: %w", i, err)
		}
		tables = append(tables, extent{host: host, guest: i * perTable, length: d.h.ClusterBytes(), kind: tableL2})
	}
	hosts := make([]int64, len(tables))
	for i, t := range tables {
		hosts[i] = t.host
	}
	slices.Sort(hosts)
	if len(slices.Compact(hosts)) != len(tables) {
		return nil, fmt.Errorf("%w: two L1 entries share an L2 table", ErrCorrupt)
	}
	d.tables = hosts
	return tables, nil
}

// isTable says whether the cluster at host belongs to the L1 table or, once that is read, is an L2 table. Nothing else may be there.
func (d *Decoder) isTable(host int64) bool {
	host -= host % d.h.ClusterBytes()
	if host >= d.h.L1Offset && host < d.h.L1Offset+d.h.L1Entries*8 {
		return true
	}
	_, found := slices.BinarySearch(d.tables, host)
	return found
}

// parseL2 gives the data that an L2 table maps, neighbours in both file and disk merged.
func (d *Decoder) parseL2(b []byte, guest int64) ([]extent, error) {
	var out []extent
	cluster := d.h.ClusterBytes()
	for i := range d.h.l2Entries() {
		at := guest + i*cluster
		if at >= d.h.VirtualBytes {
			break
		}
		e := binary.BigEndian.Uint64(b[i*8:])
		x, err := d.entry(e, at)
		if err != nil {
			return nil, fmt.Errorf("the cluster of byte %d: %w", at, err)
		}
		if x.length == 0 {
			continue
		}
		if n := len(out); x.kind == data && n > 0 {
			last := &out[n-1]
			if last.kind == data && last.host+last.length == x.host && last.guest+last.length == x.guest {
				last.length += x.length
				continue
			}
		}
		out = append(out, x)
	}
	return out, nil
}

// entry reads one L2 entry; length 0 means that the cluster is zero.
func (d *Decoder) entry(e uint64, guest int64) (extent, error) {
	cluster := d.h.ClusterBytes()
	if e&bitCompressed != 0 {
		if e&bitCopied != 0 {
			return extent{}, fmt.Errorf("%w: entry %#x", ErrCorrupt, e)
		}
		// Bits 0 to x-1 are the offset, x to 61 the number of further sectors of 512 bytes.
		x := 62 - (d.h.ClusterBits - 8)
		host := int64(e & (1<<x - 1))
		sectors := int64(e>>x&(1<<(62-x)-1)) + 1
		length := sectors*512 - host%512
		if host < cluster || d.isTable(host) || (d.fileBytes >= 0 && host >= d.fileBytes) || host+length > maxOffset {
			return extent{}, fmt.Errorf("%w: compressed data at %d of a file of %d bytes", ErrCorrupt, host, d.fileBytes)
		}
		return extent{host: host, guest: guest, length: length, kind: packed}, nil
	}
	if e&l2ReservedBits != 0 || (d.h.Version == 2 && e&bitZero != 0) {
		return extent{}, fmt.Errorf("%w: entry %#x", ErrCorrupt, e)
	}
	host := int64(e & offsetMask)
	if e&bitZero != 0 || host == 0 {
		return extent{}, nil
	}
	if err := d.place(host, 1); err != nil {
		return extent{}, err
	}
	if d.isTable(host) {
		return extent{}, fmt.Errorf("%w: data in the table at %d", ErrCorrupt, host)
	}
	return extent{host: host, guest: guest, length: cluster, kind: data}, nil
}

// place checks where a cluster is in the file; least is how many bytes of it must be there (the last data cluster may be cut off where the file ends).
func (d *Decoder) place(host, least int64) error {
	cluster := d.h.ClusterBytes()
	if host%cluster != 0 || host < cluster || (d.fileBytes >= 0 && host > d.fileBytes-least) {
		return fmt.Errorf("%w: a cluster at %d of a file of %d bytes", ErrCorrupt, host, d.fileBytes)
	}
	return nil
}
