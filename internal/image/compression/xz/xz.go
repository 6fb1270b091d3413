// Package xz reads the .xz container (https://tukaani.org/xz/xz-file-format.txt, version 1.2.1) with a bound on the dictionary.
//
// It owns the container: stream and block headers, checks, index, padding. LZMA2 itself is github.com/ulikunitz/xz/lzma. That module's own container reader
// allocates whatever dictionary a block header asks for, up to 4 GiB, which a hostile file could use against a machine with 512 MiB; hence this one.
//
// It refuses filters other than LZMA2 (executables are sometimes packed with BCJ filters, images are not). Invariant: every check that the file carries is verified.
package xz

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"runtime"

	"github.com/ulikunitz/xz/lzma"
)

// ErrUnsupported: a filter, a check or a dictionary size that is not read here.
var ErrUnsupported = errors.New("unsupported xz file")

var (
	errCorrupt  = errors.New("xz: the file is damaged")
	headerMagic = []byte{0xfd, '7', 'z', 'X', 'Z', 0}
	footerMagic = []byte("YZ")
)

// Reader unpacks one or more concatenated streams.
type Reader struct {
	in      *counter
	maxDict int
	check   check
	block   *block
	records []record
	begun   bool
	err     error
}

type record struct{ unpadded, uncompressed uint64 }

type block struct {
	data         io.Reader
	start        int64 // position of the block header
	headerSize   int64
	sum          hash.Hash
	uncompressed uint64
	// The sizes that the header announces, -1 when it does not.
	wantCompressed, wantUncompressed int64
}

// NewReader reads from r with dictionaries of at most maxDict bytes.
func NewReader(r io.Reader, maxDict int) *Reader {
	return &Reader{in: &counter{r: bufio.NewReaderSize(r, 64<<10)}, maxDict: maxDict}
}

// Read implements io.Reader.
func (x *Reader) Read(p []byte) (int, error) {
	for x.err == nil {
		if x.block == nil {
			x.err = x.nextBlock()
			continue
		}
		n, err := x.block.data.Read(p)
		x.block.uncompressed += uint64(n)
		x.block.sum.Write(p[:n])
		if errors.Is(err, io.EOF) {
			x.err = x.endBlock()
		} else if err != nil {
			x.err = fmt.Errorf("xz: %w", err)
		}
		if n > 0 || len(p) == 0 {
			return n, nil
		}
	}
	return 0, x.err
}

// nextBlock opens the next block; at the end of a stream it reads the index and goes on with the next stream. io.EOF ends the file.
func (x *Reader) nextBlock() error {
	if !x.begun {
		if err := x.streamHeader(); err != nil {
			return err
		}
		x.begun = true
	}
	start := x.in.n
	size, err := x.in.ReadByte()
	if err != nil {
		return truncated(err)
	}
	if size == 0 {
		return x.endStream(start)
	}
	head := make([]byte, (int(size)+1)*4)
	head[0] = size
	if _, err := io.ReadFull(x.in, head[1:]); err != nil {
		return truncated(err)
	}
	body, sum := head[:len(head)-4], head[len(head)-4:]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(sum) {
		return errCorrupt
	}
	b, dict, err := parseBlockHeader(body)
	if err != nil {
		return err
	}
	if dict > int64(x.maxDict) {
		return fmt.Errorf("%w: its dictionary of %d MiB is more than %d MiB", ErrUnsupported, dict>>20, x.maxDict>>20)
	}
	if dict > 16<<20 && len(x.records) > 0 {
		runtime.GC() // the last block's dictionary, before there is another one as large
	}
	b.start, b.headerSize, b.sum = start, int64(len(head)), x.check.new()
	b.data, err = lzma.Reader2Config{DictCap: int(max(dict, lzma.MinDictCap))}.NewReader2(x.in)
	if err != nil {
		return fmt.Errorf("xz: %w", err)
	}
	x.block = b
	return nil
}

func (x *Reader) endBlock() error {
	b := x.block
	x.block = nil
	unpadded := x.in.n - b.start
	compressed := unpadded - b.headerSize
	if (b.wantCompressed >= 0 && b.wantCompressed != compressed) || (b.wantUncompressed >= 0 && uint64(b.wantUncompressed) != b.uncompressed) {
		return errCorrupt
	}
	if err := x.zeros((4 - compressed%4) % 4); err != nil {
		return err
	}
	want := make([]byte, x.check.size())
	if _, err := io.ReadFull(x.in, want); err != nil {
		return truncated(err)
	}
	if !bytes.Equal(x.check.sum(b.sum), want) {
		return fmt.Errorf("%w: a block's check is wrong", errCorrupt)
	}
	if len(x.records) >= 1<<20 {
		return fmt.Errorf("%w: more than a million blocks", ErrUnsupported)
	}
	x.records = append(x.records, record{uint64(unpadded) + uint64(len(want)), b.uncompressed})
	return nil
}

func (x *Reader) streamHeader() error {
	head := make([]byte, 12)
	if _, err := io.ReadFull(x.in, head); err != nil {
		return truncated(err)
	}
	if !bytes.Equal(head[:6], headerMagic) || crc32.ChecksumIEEE(head[6:8]) != binary.LittleEndian.Uint32(head[8:]) {
		return errCorrupt
	}
	if head[6] != 0 || head[7]&0xf0 != 0 {
		return fmt.Errorf("%w: unknown stream flags", ErrUnsupported)
	}
	x.check = check(head[7])
	if x.check.new() == nil {
		return fmt.Errorf("%w: check type %d", ErrUnsupported, head[7])
	}
	x.records = nil
	return nil
}

// endStream reads index and footer (the index indicator is read already) and looks for another stream.
func (x *Reader) endStream(start int64) error {
	x.in.sum = crc32.NewIEEE()
	_, _ = x.in.sum.Write([]byte{0})
	if err := x.index(); err != nil {
		return err
	}
	if err := x.zeros((4 - (x.in.n-start)%4) % 4); err != nil {
		return err
	}
	want := x.in.sum.Sum32()
	x.in.sum = nil
	size := x.in.n - start + 4
	tail := make([]byte, 4+12)
	if _, err := io.ReadFull(x.in, tail); err != nil {
		return truncated(err)
	}
	footer := tail[4:]
	switch {
	case binary.LittleEndian.Uint32(tail) != want,
		crc32.ChecksumIEEE(footer[4:10]) != binary.LittleEndian.Uint32(footer),
		(int64(binary.LittleEndian.Uint32(footer[4:]))+1)*4 != size,
		footer[8] != 0 || footer[9] != byte(x.check),
		!bytes.Equal(footer[10:], footerMagic):
		return errCorrupt
	}
	return x.nextStream()
}

func (x *Reader) index() error {
	count, err := binary.ReadUvarint(x.in)
	if err != nil || count != uint64(len(x.records)) {
		return errCorrupt
	}
	for _, r := range x.records {
		unpadded, err1 := binary.ReadUvarint(x.in)
		uncompressed, err2 := binary.ReadUvarint(x.in)
		if err1 != nil || err2 != nil || unpadded != r.unpadded || uncompressed != r.uncompressed {
			return errCorrupt
		}
	}
	return nil
}

// nextStream skips stream padding (zeros in fours).
func (x *Reader) nextStream() error {
	for {
		head, err := x.in.r.Peek(4)
		switch {
		case len(head) == 0 && errors.Is(err, io.EOF):
			return io.EOF
		case err != nil:
			return truncated(err)
		case !bytes.Equal(head, make([]byte, 4)):
			x.begun = false
			return nil
		}
		if _, err := io.ReadFull(x.in, make([]byte, 4)); err != nil {
			return err
		}
	}
}

func (x *Reader) zeros(n int64) error {
	for range n {
		b, err := x.in.ReadByte()
		if err != nil {
			return truncated(err)
		}
		if b != 0 {
			return errCorrupt
		}
	}
	return nil
}

func truncated(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
