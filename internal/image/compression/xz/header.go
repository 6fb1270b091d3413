package xz

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

const lzma2Filter = 0x21

// parseBlockHeader reads a block header without its CRC and gives the dictionary's size beside it.
func parseBlockHeader(body []byte) (*block, int64, error) {
	flags := body[1]
	r := bytes.NewReader(body[2:])
	b := &block{wantCompressed: -1, wantUncompressed: -1}
	if flags&0x3c != 0 {
		return nil, 0, fmt.Errorf("%w: unknown block flags", ErrUnsupported)
	}
	for _, f := range []struct {
		bit  byte
		into *int64
	}{{0x40, &b.wantCompressed}, {0x80, &b.wantUncompressed}} {
		if flags&f.bit == 0 {
			continue
		}
		v, err := binary.ReadUvarint(r)
		if err != nil || v > 1<<62 {
			return nil, 0, errCorrupt
		}
		*f.into = int64(v)
	}
	filter, err1 := binary.ReadUvarint(r)
	size, err2 := binary.ReadUvarint(r)
	if err1 != nil || err2 != nil {
		return nil, 0, errCorrupt
	}
	if flags&0x03 != 0 || filter != lzma2Filter || size != 1 {
		return nil, 0, fmt.Errorf("%w: a filter other than LZMA2", ErrUnsupported)
	}
	bits, err := r.ReadByte()
	if err != nil {
		return nil, 0, errCorrupt
	}
	dict, err := lzma.DecodeDictCap(bits)
	if err != nil {
		return nil, 0, errCorrupt
	}
	for r.Len() > 0 {
		if pad, _ := r.ReadByte(); pad != 0 {
			return nil, 0, fmt.Errorf("%w: header padding in use", ErrUnsupported)
		}
	}
	return b, dict, nil
}

// check is the type of the check behind each block.
type check byte

const (
	checkNone   check = 0x00
	checkCRC32  check = 0x01
	checkCRC64  check = 0x04
	checkSHA256 check = 0x0a
)

// new is nil for an unknown type.
func (c check) new() hash.Hash {
	switch c {
	case checkNone, checkCRC32:
		return crc32.NewIEEE()
	case checkCRC64:
		return crc64.New(crc64.MakeTable(crc64.ECMA))
	case checkSHA256:
		return sha256.New()
	}
	return nil
}

func (c check) size() int {
	if c == checkNone {
		return 0
	}
	return c.new().Size()
}

// sum is the check as the file stores it: CRCs in little endian.
func (c check) sum(h hash.Hash) []byte {
	switch s := h.Sum(nil); c {
	case checkNone:
		return nil
	case checkSHA256:
		return s
	default:
		for i, j := 0, len(s)-1; i < j; i, j = i+1, j-1 {
			s[i], s[j] = s[j], s[i]
		}
		return s
	}
}

// counter counts what is read and, while sum is set, adds it up.
type counter struct {
	r   *bufio.Reader
	n   int64
	sum hash.Hash32
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if c.sum != nil {
		_, _ = c.sum.Write(p[:n])
	}
	return n, err
}

// ReadByte implements io.ByteReader.
func (c *counter) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.n++
		if c.sum != nil {
			_, _ = c.sum.Write([]byte{b})
		}
	}
	return b, err
}

var _ io.ByteReader = (*counter)(nil)
