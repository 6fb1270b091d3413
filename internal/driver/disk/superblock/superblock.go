// Package superblock reads and writes what makes disks an array to Linux: md's superblock of version 1 (linux/raid/md_p.h, struct mdp_superblock_1).
//
// It owns the bytes. It refuses devices, and every array that it does not make is only read as far as is needed to start it: which array, which level, which place. It writes version 1.2, 4 KiB
// from the member's beginning, as mdadm does by default; it reads 1.0 (near the end) and 1.1 (at the beginning) as well.
//
// Invariants: an encoded superblock has a right checksum and one block; Parse never reads outside of what it was given, and refuses a wrong checksum.
package superblock

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
)

const (
	// Bytes is the place of one superblock, with the roles of all members.
	Bytes = 4096
	// Offset12 is where version 1.2 has it.
	Offset12 = 4096

	magic      = 0xa92b4efc
	sector     = 512
	rolesAt    = 256
	maxMembers = (Bytes - rolesAt) / 2
	nameBytes  = 32
	// roleFaulty and above are no place in the array.
	roleFaulty = 0xfffd
	// nearTwo is raid10's layout: two copies, near each other.
	nearTwo = 0x102
)

// The levels as md numbers them.
const (
	RAID0  = 0
	RAID1  = 1
	RAID10 = 10
)

// UUID is an array's.
type UUID [16]byte

// String is as mdadm writes it: four groups of eight digits.
func (u UUID) String() string {
	h := hex.EncodeToString(u[:])
	return strings.Join([]string{h[:8], h[8:16], h[16:24], h[24:]}, ":")
}

// Super is one member's superblock.
type Super struct {
	Array UUID
	// Device is the member's own.
	Device UUID
	// Name is at most 31 bytes.
	Name string
	// CreatedAt in seconds since 1970.
	CreatedAt uint64
	Level     int
	// Members is how many the array has; Role is this one's place from 0, -1 for a spare or a faulty one.
	Members, Role int
	// ChunkBytes is 0 for a level that does not stripe.
	ChunkBytes int64
	// DataOffset is where the array's data begin in the member; DataBytes how much it has.
	DataOffset, DataBytes int64
	// Minor is the version behind "1.".
	Minor int
	// Events grows with each change of the array: of members that differ, the highest is right.
	Events uint64
}

// ErrNone: there is no superblock.
var ErrNone = errors.New("no md superblock of version 1")

// Encode makes the block of version 1.2. Members of a new array that mirror each other are not in step yet, so that the kernel brings them into step.
func (s Super) Encode() ([]byte, error) {
	switch {
	case s.Members < 1 || s.Members > maxMembers || s.Role < 0 || s.Role >= s.Members:
		return nil, fmt.Errorf("member %d of %d in an array", s.Role, s.Members)
	case len(s.Name) >= nameBytes:
		return nil, fmt.Errorf("the name %q has more than %d bytes", s.Name, nameBytes-1)
	case s.DataOffset < Offset12+Bytes || s.DataOffset%sector != 0 || s.DataBytes < 1<<20 || s.DataBytes%sector != 0 || s.ChunkBytes%sector != 0:
		return nil, fmt.Errorf("%d bytes of data at %d in chunks of %d", s.DataBytes, s.DataOffset, s.ChunkBytes)
	}
	b, le := make([]byte, Bytes), binary.LittleEndian
	le.PutUint32(b[0:], magic)
	le.PutUint32(b[4:], 1)
	copy(b[16:], s.Array[:])
	copy(b[32:], s.Name)
	le.PutUint64(b[64:], s.CreatedAt&(1<<40-1))
	le.PutUint32(b[72:], uint32(s.Level))
	if s.Level == RAID10 {
		le.PutUint32(b[76:], nearTwo)
	}
	le.PutUint64(b[80:], uint64(s.DataBytes/sector))
	le.PutUint32(b[88:], uint32(s.ChunkBytes/sector))
	le.PutUint32(b[92:], uint32(s.Members))
	le.PutUint64(b[128:], uint64(s.DataOffset/sector))
	le.PutUint64(b[136:], uint64(s.DataBytes/sector))
	le.PutUint64(b[144:], Offset12/sector)
	le.PutUint32(b[160:], uint32(s.Role))
	copy(b[168:], s.Device[:])
	le.PutUint64(b[192:], s.CreatedAt&(1<<40-1))
	le.PutUint64(b[200:], s.Events)
	if s.Level == RAID0 {
		// Nothing to bring into step.
		le.PutUint64(b[208:], math.MaxUint64)
	}
	le.PutUint32(b[220:], uint32(s.Members))
	for i := range s.Members {
		le.PutUint16(b[rolesAt+2*i:], uint16(i))
	}
	le.PutUint32(b[216:], sum(b, s.Members))
	return b, nil
}

// sum is the checksum over the superblock and its roles, the checksum itself as 0.
func sum(b []byte, roles int) uint32 {
	var total uint64
	size := rolesAt + 2*roles
	at := 0
	for ; at+4 <= size; at += 4 {
		if at != 216 {
			total += uint64(binary.LittleEndian.Uint32(b[at:]))
		}
	}
	if size-at == 2 {
		total += uint64(binary.LittleEndian.Uint16(b[at:]))
	}
	return uint32(total) + uint32(total>>32)
}

// Parse reads a block.
func Parse(b []byte) (Super, error) {
	le := binary.LittleEndian
	if len(b) < Bytes || le.Uint32(b) != magic || le.Uint32(b[4:]) != 1 {
		return Super{}, ErrNone
	}
	roles := le.Uint32(b[220:])
	if roles > maxMembers || le.Uint32(b[216:]) != sum(b, int(roles)) {
		return Super{}, fmt.Errorf("%w: a damaged one", ErrNone)
	}
	s := Super{
		Name: strings.TrimRight(string(b[32:32+nameBytes]), "\x00"), CreatedAt: le.Uint64(b[64:]) & (1<<40 - 1), Level: int(int32(le.Uint32(b[72:]))),
		Members: int(le.Uint32(b[92:])), ChunkBytes: int64(le.Uint32(b[88:])) * sector, Events: le.Uint64(b[200:]), Role: -1,
	}
	copy(s.Array[:], b[16:])
	copy(s.Device[:], b[168:])
	offset, data := le.Uint64(b[128:]), le.Uint64(b[136:])
	if offset > 1<<50 || data > 1<<50 || s.Members < 0 || s.Members > maxMembers {
		return Super{}, fmt.Errorf("%w: one with impossible sizes", ErrNone)
	}
	s.DataOffset, s.DataBytes = int64(offset)*sector, int64(data)*sector
	if n := le.Uint32(b[160:]); n < roles {
		if role := le.Uint16(b[rolesAt+2*n:]); role < roleFaulty && int(role) < s.Members {
			s.Role = int(role)
		}
	}
	return s, nil
}

// Find looks for a superblock in a disk or partition of a size.
func Find(r io.ReaderAt, size int64) (Super, error) {
	// Version 1.0 is at least 8 KiB before the end, at a multiple of 4 KiB.
	for minor, at := range [...]int64{(size/sector - 16) &^ 7 * sector, 0, Offset12} {
		if at < 0 || at+Bytes > size {
			continue
		}
		b := make([]byte, Bytes)
		if _, err := r.ReadAt(b, at); err != nil {
			return Super{}, err
		}
		s, err := Parse(b)
		if err != nil {
			continue
		}
		if where := int64(binary.LittleEndian.Uint64(b[144:])); where != at/sector {
			// A copy of another device's, or of an array inside of this one.
			continue
		}
		s.Minor = minor
		return s, nil
	}
	return Super{}, ErrNone
}
