package burnin

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// partBytes is one piece of what is held: small enough for all processors to share the work, and to look for the end between two pieces.
	partBytes = 16 << 20
	// spareBytes and a thirty-second of what is free stay with the kernel and the agent, whose own limit is 160 MiB.
	spareBytes = 128 << 20
	spareShare = 32
)

// HoldFree takes the memory that is free, at most limit bytes (0: all of it but what the running system needs), and locks it, so that each word stays where it is.
func HoldFree(limit int64) func(context.Context) (Area, error) {
	return func(ctx context.Context) (Area, error) {
		free, err := freeBytes("/proc/meminfo")
		if err != nil {
			return Area{}, err
		}
		size := free - spareBytes - free/spareShare
		if limit > 0 {
			size = min(size, limit)
		}
		if size < partBytes {
			return Area{}, fmt.Errorf("%d MiB are free, too few to test any of them: the system needs %d", free>>20, (spareBytes+free/spareShare)>>20)
		}
		return hold(ctx, size)
	}
}

func hold(ctx context.Context, size int64) (Area, error) {
	var maps [][]byte
	a := Area{Release: func() error {
		var err error
		for _, m := range maps {
			err = errors.Join(err, unix.Munmap(m))
		}
		return err
	}}
	a.Name = func(part, word int) string { return physical(uintptr(unsafe.Pointer(&a.Parts[part][word]))) }
	for held := int64(0); held+partBytes <= size; held += partBytes {
		if err := context.Cause(ctx); err != nil {
			return Area{}, errors.Join(err, a.Release())
		}
		m, err := unix.Mmap(-1, 0, partBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_LOCKED|unix.MAP_POPULATE)
		if err != nil && len(maps) > 0 {
			break // less was free than the kernel had said
		}
		if err != nil {
			return Area{}, fmt.Errorf("lock %d MiB of memory: %w", partBytes>>20, err)
		}
		maps = append(maps, m)
		a.Parts = append(a.Parts, unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(m))), len(m)/8))
	}
	return a, nil
}

// freeBytes is MemAvailable (Documentation/filesystems/proc.rst).
func freeBytes(file string) (int64, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, fmt.Errorf("ask the kernel how much memory is free: %w", err)
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "MemAvailable:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no line MemAvailable", file)
}

// physical names a word by its physical address, as the memory's slots are told by (Documentation/admin-guide/mm/pagemap.rst: bits 0-54 of an entry are the page's frame number, bit 63 says that it
// is in memory); where the kernel does not show it, by its address in the process.
func physical(at uintptr) string {
	virtual := fmt.Sprintf("virtual address %#x", at)
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return virtual
	}
	defer func() { _ = f.Close() }()
	page := uintptr(os.Getpagesize())
	var b [8]byte
	if _, err := f.ReadAt(b[:], int64(at/page*uintptr(len(b)))); err != nil {
		return virtual
	}
	entry := binary.NativeEndian.Uint64(b[:])
	frame := entry & (1<<55 - 1)
	if entry>>63 == 0 || frame == 0 {
		return virtual
	}
	return fmt.Sprintf("physical address %#x", frame*uint64(page)+uint64(at%page))
}
