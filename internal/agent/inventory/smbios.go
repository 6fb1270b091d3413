package inventory

import "encoding/binary"

// InstalledMemory adds up the memory devices (type 17) of SMBIOS tables (DSP0134 §7.18), in bytes. 0 when they say nothing.
func InstalledMemory(tables []byte) int64 {
	const (
		memoryDevice = 17
		endOfTable   = 127
		sizeOffset   = 0x0C
		bigOffset    = 0x1C
		unknown      = 0xFFFF
		seeExtended  = 0x7FFF
		inKiB        = 0x8000
	)
	var total int64
	for len(tables) >= 4 {
		kind, length := tables[0], int(tables[1])
		if length < 4 || length > len(tables) {
			return total
		}
		s := tables[:length]
		if kind == memoryDevice && length >= sizeOffset+2 {
			size := binary.LittleEndian.Uint16(s[sizeOffset:])
			switch {
			case size == 0 || size == unknown:
			case size == seeExtended && length >= bigOffset+4:
				total += int64(binary.LittleEndian.Uint32(s[bigOffset:])&^(1<<31)) << 20
			case size&inKiB != 0:
				total += int64(size&^inKiB) << 10
			default:
				total += int64(size) << 20
			}
		}
		if kind == endOfTable {
			return total
		}
		tables = afterStrings(tables[length:])
	}
	return total
}

// afterStrings skips a structure's texts, which end with two NULs (DSP0134 §6.1.3).
func afterStrings(b []byte) []byte {
	for i := 0; i+1 < len(b); i++ {
		if b[i] == 0 && b[i+1] == 0 {
			return b[i+2:]
		}
	}
	return nil
}
