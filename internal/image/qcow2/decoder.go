// Package qcow2 unpacks a qcow2 file (versions 2 and 3; docs/interop/qcow2.txt of QEMU) while it streams past.
//
// It owns the parsing and the order of work. It refuses what an image for a machine must not have: backing files, external data, encryption, internal snapshots, extended L2
// entries; and whatever contradicts itself: tables that overlap or are shared, offsets outside of the file, sizes beyond the limits.
//
// qcow2 is made for random access: a header points to an L1 table, that to L2 tables, those to data clusters, each anywhere in the file. A download is not random access, and
// a machine's memory does not hold the file. Three facts make a stream enough. First, writers put an L2 table before the clusters that it maps, since they allocate it first. So
// a pass over the file keeps a heap of the places it wants, ordered by their position in the file; each table that comes by adds the places that it points to, and
// each place that comes by is written where it belongs. Second, where a table points back to what has gone by (an image that was resized or
// used by a machine before), those places are kept for another pass; three passes are enough for any file (L1, L2, data). Third, where the source can
// be read at random, Prefetch reads all tables first, so that every file needs one pass and hostile ones are refused before anything is written.
//
// Invariants: every byte that reaches the output came by in a pass, so that the digest of the passes is the digest of what was written (tables that were
// prefetched must come by again with the same hash); each cluster of the disk is put out at most once; what was not put out is zero, and Holes names it.
// Memory: the window (two clusters), the heap (16 MiB at most), one bit per cluster, 8 MiB of clusters that several goroutines unpack.
package qcow2

import (
	"bufio"
	"container/heap"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// Output takes the disk's content.
type Output interface {
	// Space gives memory for up to n bytes, at least one, that belong at off.
	Space(off, n int64) ([]byte, error)
	// Commit says that the first n bytes of the last Space are filled.
	Commit(n int) error
}

// MaxPasses is how often a file may have to be read.
const MaxPasses = 3

// Decoder unpacks one file.
type Decoder struct {
	h         Header
	fileBytes int64
	wanted    queue
	later     []extent
	tables    []int64 // where the L2 tables are, sorted
	ahead     map[int64][sha256.Size]byte
	done      bitmap
	inflaters *inflaters
	pos       int64
}

// NewDecoder starts with a file's header. fileBytes is the size of the file, -1 where it is unknown.
func NewDecoder(h Header, fileBytes int64) *Decoder {
	d := &Decoder{h: h, fileBytes: fileBytes, done: newBitmap((h.VirtualBytes-1)>>h.ClusterBits + 1)}
	d.inflaters = newInflaters(h)
	d.wanted = queue{{host: h.L1Offset, length: h.L1Entries * 8, kind: tableL1}}
	return d
}

// Prefetch reads the tables from a source of random access, at most maxTables of them; false means that there are more, and nothing was changed.
func (d *Decoder) Prefetch(r io.ReaderAt, maxTables int) (bool, error) {
	ahead := map[int64][sha256.Size]byte{}
	load := func(x extent) ([]byte, error) {
		b := make([]byte, x.length)
		if n, err := r.ReadAt(b, x.host); int64(n) < x.length {
			if err == nil || errors.Is(err, io.EOF) {
				err = fmt.Errorf("%w: a table ends behind the file", ErrCorrupt)
			}
			return nil, err
		}
		ahead[x.host] = sha256.Sum256(b)
		return b, nil
	}
	l1 := extent{host: d.h.L1Offset, length: d.h.L1Entries * 8, kind: tableL1}
	b, err := load(l1)
	if err != nil {
		return false, err
	}
	tables, err := d.parseL1(b)
	if err != nil {
		return false, err
	}
	if len(tables) > maxTables {
		return false, nil
	}
	wanted := queue{{host: l1.host, length: l1.length, kind: verify}}
	for _, t := range tables {
		b, err := load(t)
		if err != nil {
			return false, err
		}
		found, err := d.parseL2(b, t.guest)
		if err != nil {
			return false, err
		}
		if len(wanted)+len(found) > maxExtents {
			return false, nil
		}
		wanted = append(append(wanted, extent{host: t.host, length: t.length, kind: verify}), found...)
	}
	wanted.sort() // a sorted slice is a heap
	if err := overlap(wanted); err != nil {
		return false, err
	}
	d.wanted, d.ahead = wanted, ahead
	return true, nil
}

// overlap refuses clusters that are used twice. Compressed data may share the sectors at its ends.
func overlap(sorted queue) error {
	end := int64(0)
	for _, x := range sorted {
		if x.host < end {
			return fmt.Errorf("%w: the cluster at %d is used twice", ErrCorrupt, x.host)
		}
		if x.kind != packed {
			end = x.host + x.length
		}
	}
	return nil
}

// Pass reads the whole file once, from its first byte to its end, and puts out what it can. It returns true when another pass is needed.
func (d *Decoder) Pass(file io.Reader, out Output) (bool, error) {
	in := bufio.NewReaderSize(file, int(max(2*d.h.ClusterBytes()+1024, 64<<10)))
	d.pos = 0
	defer d.inflaters.stop()
	for len(d.wanted) > 0 {
		x, _ := heap.Pop(&d.wanted).(extent)
		if x.host < d.pos {
			return false, fmt.Errorf("%w: the cluster at %d is used twice", ErrCorrupt, x.host)
		}
		n, err := discard(in, x.host-d.pos)
		d.pos += n
		if err != nil {
			return false, d.ended(err, x)
		}
		if err := d.handle(in, x, out); err != nil {
			return false, err
		}
	}
	if err := d.settleAll(out); err != nil {
		return false, err
	}
	n, err := discard(in, 1<<62)
	d.pos += n
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	d.fileBytes = d.pos
	d.wanted, d.later = queue(d.later), nil
	heap.Init(&d.wanted)
	return len(d.wanted) > 0, nil
}

// discard is bufio's, for lengths beyond an int.
func discard(in *bufio.Reader, n int64) (int64, error) {
	done := int64(0)
	for done < n {
		m, err := in.Discard(int(min(n-done, 1<<30)))
		done += int64(m)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

func (d *Decoder) ended(err error, x extent) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends at byte %d, and needs %d bytes at %d", ErrCorrupt, d.pos, x.length, x.host)
	}
	return err
}

func (d *Decoder) handle(in *bufio.Reader, x extent, out Output) error {
	switch x.kind {
	case data:
		return d.copy(in, x, out)
	case packed:
		return d.inflate(in, x, out)
	case tableL1, tableL2, verify: // read whole, below
	}
	b := make([]byte, x.length)
	n, err := io.ReadFull(in, b)
	d.pos += int64(n)
	if err != nil {
		return d.ended(err, x)
	}
	if x.kind == verify {
		if sha256.Sum256(b) != d.ahead[x.host] {
			return fmt.Errorf("%w: the table at %d is not what was read before: the file changed on its way", ErrCorrupt, x.host)
		}
		return nil
	}
	var found []extent
	if x.kind == tableL1 {
		found, err = d.parseL1(b)
	} else {
		found, err = d.parseL2(b, x.guest)
	}
	if err != nil {
		return err
	}
	return d.want(found)
}

// want sorts new places into those that are still to come and those that have gone by.
func (d *Decoder) want(found []extent) error {
	if len(d.wanted)+len(d.later)+len(found) > maxExtents {
		return fmt.Errorf("%w: its data is in more than %d pieces whose places must be kept", ErrUnsupported, maxExtents)
	}
	for _, x := range found {
		if x.host < d.pos {
			d.later = append(d.later, x)
		} else {
			heap.Push(&d.wanted, x)
		}
	}
	return nil
}

// copy puts out an extent of plain clusters. The file may end inside of the last cluster; the rest of that is zero.
func (d *Decoder) copy(in io.Reader, x extent, out Output) error {
	length := min(x.length, d.h.VirtualBytes-x.guest)
	for done := int64(0); done < length; {
		p, err := out.Space(x.guest+done, length-done)
		if err != nil {
			return err
		}
		n, err := io.ReadFull(in, p)
		d.pos += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			if left := x.length - done - int64(n); left >= d.h.ClusterBytes() {
				return d.ended(err, x)
			}
			clear(p[n:])
			err = nil
		}
		if err != nil {
			return err
		}
		if err := out.Commit(len(p)); err != nil {
			return err
		}
		done += int64(len(p))
	}
	return d.mark(x.guest, length)
}

func (d *Decoder) mark(guest, length int64) error {
	first, last := guest>>d.h.ClusterBits, (guest+length-1)>>d.h.ClusterBits
	for c := first; c <= last; c++ {
		if !d.done.set(c) {
			return fmt.Errorf("%w: the cluster of byte %d is mapped twice", ErrCorrupt, c<<d.h.ClusterBits)
		}
	}
	return nil
}

// Holes calls f for each range that was not put out, in order. It is meaningful after the last pass.
func (d *Decoder) Holes(f func(off, length int64) error) error {
	return d.done.gaps(func(first, count int64) error {
		off := first << d.h.ClusterBits
		return f(off, min(count<<d.h.ClusterBits, d.h.VirtualBytes-off))
	})
}
