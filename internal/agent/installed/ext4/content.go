package ext4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// errNotThere is wrapped by what is said of a name that is not in its directory.
var errNotThere = errors.New("there is no such file")

// Open gives a file's content and its size.
func (f *FileSystem) Open(name string) (content io.Reader, size int64, err error) {
	i, err := f.find(name)
	if err != nil {
		return nil, 0, fmt.Errorf("open %q: %w", name, err)
	}
	if i.mode&kindMask != regular {
		return nil, 0, fmt.Errorf("open %q: it is no regular file", name)
	}
	r, err := f.reader(i)
	if err != nil {
		return nil, 0, fmt.Errorf("open %q: %w", name, err)
	}
	return r, i.size, nil
}

// Names lists a directory, "." and ".." left out.
func (f *FileSystem) Names(dir string) ([]string, error) {
	i, err := f.find(dir)
	if err != nil {
		return nil, fmt.Errorf("list %q: %w", dir, err)
	}
	var names []string
	err = f.entries(i, func(name string, _ uint32) bool {
		if name != "." && name != ".." {
			names = append(names, name)
		}
		return true
	})
	return names, err
}

func (f *FileSystem) lookup(dir inode, name string) (n uint32, err error) {
	err = f.entries(dir, func(have string, i uint32) bool {
		if have == name {
			n = i
		}
		return n == 0
	})
	if err == nil && n == 0 {
		err = fmt.Errorf("%q: %w", name, errNotThere)
	}
	return n, err
}

// entries reads a directory, until do gives false. The blocks of its index look like empty ones.
func (f *FileSystem) entries(dir inode, do func(name string, n uint32) bool) error {
	if dir.mode&kindMask != directory || dir.size > maxDirectory {
		return errors.New("it is no directory, or a very large one")
	}
	b, err := f.content(dir)
	if err != nil {
		return err
	}
	for len(b) >= 8 {
		n, length, name := binary.LittleEndian.Uint32(b), int(binary.LittleEndian.Uint16(b[4:])), int(b[6])
		if length == 0 && f.block == 1<<16 {
			length = 1 << 16
		}
		if length < 8 || length > len(b) || 8+name > length {
			return errors.New("a directory is damaged")
		}
		if n != 0 && !do(string(b[8:8+name]), n) {
			return nil
		}
		b = b[length:]
	}
	return nil
}

// content is all of a small file, whose size was checked.
func (f *FileSystem) content(i inode) ([]byte, error) {
	r, err := f.reader(i)
	if err != nil {
		return nil, err
	}
	b := make([]byte, i.size)
	_, err = io.ReadFull(r, b)
	return b, err
}

// extent is a run of blocks: of the file from logical on, on the disk from physical on.
type extent struct {
	logical, length, physical uint64
}

// extents reads an inode's tree.
func (f *FileSystem) extents(i inode) ([]extent, error) {
	if i.flags&flagExtents == 0 {
		return nil, errors.New("it has a block map of ext2")
	}
	t := tree{nodes: maxNodes}
	if err := f.node(i.blocks, maxDepth, &t); err != nil {
		return nil, err
	}
	out := t.extents
	slices.SortFunc(out, func(a, b extent) int { return int(int64(a.logical) - int64(b.logical)) })
	for k := 1; k < len(out); k++ {
		if out[k].logical < out[k-1].logical+out[k-1].length {
			return nil, errors.New("its extents overlap")
		}
	}
	return out, nil
}

// tree is what was read of an inode's tree, and how many nodes of it may still be.
type tree struct {
	extents []extent
	nodes   int
}

// node reads one node of the tree, which is at most of this depth.
func (f *FileSystem) node(b []byte, depth int, t *tree) error {
	le := binary.LittleEndian
	n, level := int(le.Uint16(b[2:])), int(le.Uint16(b[6:]))
	if le.Uint16(b) != 0xf30a || level > depth || 12*(n+1) > len(b) {
		return errors.New("its extents are damaged")
	}
	for e := b[12:]; n > 0; n, e = n-1, e[12:] {
		if t.nodes--; len(t.extents) >= maxExtents || t.nodes < 0 {
			return fmt.Errorf("it has more than %d extents", maxExtents)
		}
		if level > 0 {
			at, err := f.blockAt(uint64(le.Uint32(e[4:])) | uint64(le.Uint16(e[8:]))<<32)
			if err != nil {
				return err
			}
			below, err := f.read(at, int(f.block))
			if err != nil {
				return err
			}
			if err := f.node(below, level-1, t); err != nil {
				return err
			}
			continue
		}
		x := extent{logical: uint64(le.Uint32(e)), length: uint64(le.Uint16(e[4:])), physical: uint64(le.Uint32(e[8:])) | uint64(le.Uint16(e[6:]))<<32}
		// More than 2^15 marks blocks that were reserved and never written: a hole.
		if x.length <= 1<<15 && x.length > 0 {
			t.extents = append(t.extents, x)
		}
	}
	return nil
}

// reader reads an inode's content; holes are zeros.
func (f *FileSystem) reader(i inode) (io.Reader, error) {
	x, err := f.extents(i)
	if err != nil {
		return nil, err
	}
	return &file{fs: f, extents: x, size: i.size}, nil
}

type file struct {
	fs       *FileSystem
	extents  []extent
	at, size int64
}

// Read implements io.Reader.
func (r *file) Read(p []byte) (int, error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), r.size-r.at)]
	block := r.fs.block
	for len(r.extents) > 0 && r.at >= int64(r.extents[0].logical+r.extents[0].length)*block {
		r.extents = r.extents[1:]
	}
	if len(r.extents) == 0 || r.at < int64(r.extents[0].logical)*block {
		if len(r.extents) > 0 {
			p = p[:min(int64(len(p)), int64(r.extents[0].logical)*block-r.at)]
		}
		clear(p)
		r.at += int64(len(p))
		return len(p), nil
	}
	x := r.extents[0]
	from, err := r.fs.blockAt(x.physical)
	if err != nil {
		return 0, err
	}
	in := r.at - int64(x.logical)*block
	p = p[:min(int64(len(p)), int64(x.length)*block-in)]
	if from+in > r.fs.size-int64(len(p)) {
		return 0, errors.New("the file system is larger than its place")
	}
	n, err := r.fs.disk.ReadAt(p, from+in)
	r.at += int64(n)
	if n == len(p) {
		err = nil
	}
	return n, err
}
