package disk

import "unsafe"

// BufferAlignment is the alignment in memory that direct I/O asks for at most: one page.
const BufferAlignment = 4096

// Buffer gives size bytes that begin on a page boundary, so that direct I/O needs no copy.
func Buffer(size int) []byte {
	b := make([]byte, size+BufferAlignment)
	skip := 0
	if rest := int(uintptr(unsafe.Pointer(unsafe.SliceData(b))) % BufferAlignment); rest != 0 {
		skip = BufferAlignment - rest
	}
	return b[skip : skip+size : skip+size]
}

// Aligned says whether direct I/O can use b as it is.
func Aligned(b []byte) bool {
	return len(b) == 0 || uintptr(unsafe.Pointer(unsafe.SliceData(b)))%BufferAlignment == 0
}
