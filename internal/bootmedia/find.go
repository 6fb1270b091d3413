package bootmedia

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ISO 9660 (ECMA-119): sectors of 2048 bytes, a volume descriptor in sector 16, directory records that begin with their own length.
const (
	sector           = 2048
	descriptorSector = 16
	rootRecordAt     = 156
	recordFixed      = 33 // length of a record before its name

	recordExtent, recordSize, recordFlags, recordNameSize = 2, 10, 25, 32

	flagDirectory = 0x02
	// maxDirectory bounds what is read of one directory.
	maxDirectory = 1 << 20
)

// ErrNotFound is returned by Find for a path that the ISO does not hold.
var ErrNotFound = errors.New("no such file in the ISO")

// Find says where a file stands in an ISO: its first byte and its size. The path is absolute and in the names of the Rock Ridge extension, or in ISO 9660's own
// where a name has none. The last descriptor's extent is trusted to be in one piece, as ECMA-119 §6.4 has it for files without sections.
func Find(iso io.ReaderAt, path string) (Region, error) {
	descriptor := make([]byte, sector)
	if _, err := iso.ReadAt(descriptor, descriptorSector*sector); err != nil {
		return Region{}, fmt.Errorf("read the ISO's volume descriptor: %w", err)
	}
	if descriptor[0] != 1 || string(descriptor[1:6]) != "CD001" {
		return Region{}, errors.New("not an ISO: no primary volume descriptor in sector 16")
	}
	at := recordOf(descriptor[rootRecordAt : rootRecordAt+recordFixed])
	for _, name := range strings.Split(strings.Trim(path, "/"), "/") {
		if !at.directory {
			return Region{}, fmt.Errorf("%s: %w", path, ErrNotFound)
		}
		next, err := lookup(iso, at, name)
		if err != nil {
			return Region{}, fmt.Errorf("find %s: %w", path, err)
		}
		at = next
	}
	if at.directory {
		return Region{}, fmt.Errorf("%s is a directory: %w", path, ErrNotFound)
	}
	return at.Region, nil
}

type record struct {
	Region
	directory bool
}

// recordOf decodes the fixed part of a directory record; both-endian numbers are read in their little-endian half.
func recordOf(b []byte) record {
	return record{
		Region: Region{
			Offset: int64(binary.LittleEndian.Uint32(b[recordExtent:])) * sector,
			Bytes:  int64(binary.LittleEndian.Uint32(b[recordSize:])),
		},
		directory: b[recordFlags]&flagDirectory != 0,
	}
}

func lookup(iso io.ReaderAt, dir record, name string) (record, error) {
	if dir.Bytes > maxDirectory {
		return record{}, fmt.Errorf("directory of %d bytes, at most %d are read", dir.Bytes, maxDirectory)
	}
	b := make([]byte, dir.Bytes)
	if n, err := iso.ReadAt(b, dir.Offset); n < len(b) {
		return record{}, fmt.Errorf("read directory at %d: %w", dir.Offset, err)
	}
	for i := 0; i < len(b); {
		length := int(b[i])
		if length == 0 {
			i = (i/sector + 1) * sector // a record does not cross a sector: the rest of this one is empty
			continue
		}
		if length < recordFixed || i+length > len(b) {
			return record{}, fmt.Errorf("directory at %d is broken at byte %d", dir.Offset, i)
		}
		r := b[i : i+length]
		if nameSize := int(r[recordNameSize]); recordFixed+nameSize <= length && matches(r, nameSize, name) {
			return recordOf(r), nil
		}
		i += length
	}
	return record{}, fmt.Errorf("%q: %w", name, ErrNotFound)
}

// matches compares with the Rock Ridge name if there is one, else with the ISO 9660 name without its version.
func matches(r []byte, nameSize int, name string) bool {
	isoName := string(r[recordFixed : recordFixed+nameSize])
	if long, ok := rockRidgeName(r[recordFixed+nameSize:]); ok {
		return long == name
	}
	short, _, _ := strings.Cut(isoName, ";")
	return strings.EqualFold(strings.TrimSuffix(short, "."), name)
}

// rockRidgeName reads the NM entries of a record's system use area (IEEE P1282 §4.1.4), which begins on an even byte.
func rockRidgeName(area []byte) (string, bool) {
	name, found := "", false
	for len(area) > 0 && area[0] == 0 {
		area = area[1:]
	}
	for len(area) >= 4 {
		length := int(area[2])
		if length < 4 || length > len(area) {
			break
		}
		if string(area[:2]) == "NM" && length >= 5 {
			name, found = name+string(area[5:length]), true
		}
		area = area[length:]
	}
	return name, found
}
