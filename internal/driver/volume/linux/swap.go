package linux

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
)

// The swap header of the kernel's include/linux/swap.h (union swap_header), version 1: in the first page, with the magic at its end.
const (
	pageBytes   = 4096
	swapMagic   = "SWAPSPACE2"
	swapVersion = 1024
	swapUUID    = swapVersion + 12
	swapLabel   = swapUUID + 16
	labelBytes  = 16
)

// makeSwap writes the header of a swap area: a page, which is all that mkswap does.
func makeSwap(device, label, id string) error {
	uuid, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil || len(uuid) != 16 {
		return fmt.Errorf("%q is no UUID", id)
	}
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil && size < 10*pageBytes {
		err = fmt.Errorf("%d bytes are too few", size)
	}
	if err == nil {
		page := make([]byte, pageBytes)
		binary.LittleEndian.PutUint32(page[swapVersion:], 1)
		binary.LittleEndian.PutUint32(page[swapVersion+4:], uint32(min(size/pageBytes-1, 1<<32-1)))
		copy(page[swapUUID:], uuid)
		copy(page[swapLabel:swapLabel+labelBytes-1], label)
		copy(page[pageBytes-len(swapMagic):], swapMagic)
		_, err = f.WriteAt(page, 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
