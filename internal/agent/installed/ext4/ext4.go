// Package ext4 reads files of an ext4 file system that is not trusted.
//
// It owns superblock, group descriptors, inodes, extents, directories and symbolic links, as far as it takes to read a file by its path. It refuses to write, to replay a journal (a file system that was not
// unmounted cleanly is an error), block maps of ext2, inline data and encryption. The layout is documented in the Linux kernel (Documentation/filesystems/ext4).
//
// It is not go-diskfs, which trusts what it reads: a symbolic link to itself overflows its stack, which in the agent is the end of the machine's first process.
//
// Invariants: no read, allocation or recursion is larger than a constant, whatever the disk says: directories, extents, links and depths are bounded.
package ext4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"path"
	"strings"
)

// The bounds.
const (
	maxDirectory = 4 << 20
	maxExtents   = 1 << 16
	maxNodes     = 2 * maxExtents
	maxLinks     = 16
	maxPath      = 4096
	maxDepth     = 5
)

// The features that change how a file is found (s_feature_incompat). What is left out is refused: meta_bg, compression, a journal to be replayed or of another device.
const (
	incompatExtents = 0x40
	incompat64Bit   = 0x80
	// filetype, extents, 64bit, mmp, flex_bg, ea_inode, csum_seed, largedir, inline_data, encrypt, casefold: those that matter to one file are seen at its inode.
	incompatKnown = 0x2 | incompatExtents | incompat64Bit | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x8000 | 0x10000 | 0x20000
	incompatDirty = 0x4
)

// FileSystem is one. It is for one goroutine.
type FileSystem struct {
	disk      io.ReaderAt
	size      int64
	block     int64
	inodeSize int64
	perGroup  uint32
	inodes    uint32
	// table is where the group descriptors begin, descriptor the size of one.
	table, descriptor int64
	wide              bool
}

// ErrNone: there is no ext4 file system.
var ErrNone = errors.New("no ext4 file system")

// Open reads the superblock of a file system of at most size bytes.
func Open(disk io.ReaderAt, size int64) (*FileSystem, error) {
	f := &FileSystem{disk: disk, size: size}
	b, err := f.read(1024, 1024)
	if err != nil || binary.LittleEndian.Uint16(b[0x38:]) != 0xef53 {
		return nil, ErrNone
	}
	le := binary.LittleEndian
	incompat := le.Uint32(b[0x60:])
	shift := le.Uint32(b[0x18:])
	switch {
	case incompat&incompatDirty != 0:
		return nil, errors.New("the file system was not unmounted cleanly")
	case incompat&^uint32(incompatKnown) != 0 || incompat&incompatExtents == 0:
		return nil, fmt.Errorf("the file system has features that are not understood: %#x", incompat)
	case shift > 6:
		return nil, fmt.Errorf("blocks of 2^%d bytes", 10+shift)
	}
	f.block, f.inodeSize, f.descriptor = 1024<<shift, int64(le.Uint16(b[0x58:])), 32
	f.inodes, f.perGroup = le.Uint32(b), le.Uint32(b[0x28:])
	if f.wide = incompat&incompat64Bit != 0; f.wide {
		f.descriptor = int64(le.Uint16(b[0xfe:]))
	}
	if f.perGroup == 0 || f.inodeSize < 128 || f.inodeSize > f.block || f.descriptor < 32 || f.wide && f.descriptor < 64 || f.descriptor > 1024 {
		return nil, errors.New("the superblock is damaged")
	}
	f.table = (int64(le.Uint32(b[0x14:])) + 1) * f.block
	return f, nil
}

// read reads a part of the file system that is all there.
func (f *FileSystem) read(at int64, n int) ([]byte, error) {
	if at < 0 || at > f.size-int64(n) {
		return nil, errors.New("the file system is larger than its place")
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(f.disk, at, int64(n)), b); err != nil {
		return nil, fmt.Errorf("read the file system at %d: %w", at, err)
	}
	return b, nil
}

// blockAt is the place of a block.
func (f *FileSystem) blockAt(n uint64) (int64, error) {
	if high, low := bits.Mul64(n, uint64(f.block)); high != 0 || low > uint64(f.size) {
		return 0, errors.New("a block is beyond the end of the file system")
	}
	return int64(n) * f.block, nil
}

// The kinds of files (i_mode) and the flags of inodes (i_flags).
const (
	kindMask  = 0xf000
	directory = 0x4000
	regular   = 0x8000
	link      = 0xa000

	flagExtents   = 0x80000
	flagEncrypted = 0x800
	flagInline    = 0x10000000
)

type inode struct {
	mode   uint16
	flags  uint32
	size   int64
	blocks []byte
}

func (f *FileSystem) inode(n uint32) (inode, error) {
	if n == 0 || n > f.inodes {
		return inode{}, fmt.Errorf("inode %d is none", n)
	}
	le := binary.LittleEndian
	d, err := f.read(f.table+int64((n-1)/f.perGroup)*f.descriptor, int(f.descriptor))
	if err != nil {
		return inode{}, err
	}
	table := uint64(le.Uint32(d[0x8:]))
	if f.wide {
		table |= uint64(le.Uint32(d[0x28:])) << 32
	}
	at, err := f.blockAt(table)
	if err != nil {
		return inode{}, err
	}
	b, err := f.read(at+int64((n-1)%f.perGroup)*f.inodeSize, 128)
	if err != nil {
		return inode{}, err
	}
	i := inode{mode: le.Uint16(b), flags: le.Uint32(b[0x20:]), blocks: b[0x28 : 0x28+60]}
	i.size = int64(le.Uint32(b[0x4:])) | int64(le.Uint32(b[0x6c:]))<<32
	if i.size < 0 || i.flags&(flagEncrypted|flagInline) != 0 {
		return inode{}, fmt.Errorf("inode %d is encrypted, inline or damaged", n)
	}
	return i, nil
}

// find follows a path from the root.
func (f *FileSystem) find(name string) (inode, error) {
	const root = 2
	at, links := []uint32{root}, 0
	rest := strings.Split(name, "/")
	for len(rest) > 0 {
		word := rest[0]
		rest = rest[1:]
		switch word {
		case "", ".":
			continue
		case "..":
			at = at[:max(len(at)-1, 1)]
			continue
		}
		dir, err := f.inode(at[len(at)-1])
		if err != nil {
			return inode{}, err
		}
		n, err := f.lookup(dir, word)
		if err != nil {
			return inode{}, err
		}
		i, err := f.inode(n)
		if err != nil {
			return inode{}, err
		}
		if i.mode&kindMask != link {
			at = append(at, n)
			continue
		}
		to, err := f.target(i)
		if links++; err != nil || links > maxLinks || len(to)+len(strings.Join(rest, "/")) > maxPath {
			return inode{}, errors.Join(errors.New("a symbolic link leads nowhere"), err)
		}
		if path.IsAbs(to) {
			at = at[:1]
		}
		rest = append(strings.Split(to, "/"), rest...)
	}
	return f.inode(at[len(at)-1])
}

// target is where a symbolic link leads; short ones stand in the inode.
func (f *FileSystem) target(i inode) (string, error) {
	if i.flags&flagExtents == 0 {
		if i.size >= 60 {
			return "", errors.New("a symbolic link is damaged")
		}
		return string(i.blocks[:i.size]), nil
	}
	if i.size > maxPath {
		return "", errors.New("a symbolic link is too long")
	}
	b, err := f.content(i)
	return string(b), err
}
