package qcow2

import (
	"bytes"
	"cmp"
	"container/heap"
	"fmt"
	"io"
	"math/bits"
	"slices"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
)

// unpacker unpacks one cluster at a time.
type unpacker struct {
	header  Header
	in      *bytes.Reader
	deflate io.ReadCloser
	zstd    *zstd.Decoder
	out     []byte
}

func newUnpacker(h Header) *unpacker { return &unpacker{header: h, in: bytes.NewReader(nil)} }

// cluster gives the unpacked cluster, valid until the next call. Behind the packed data there may be bytes of other clusters.
func (u *unpacker) cluster(b []byte) ([]byte, error) {
	if u.out == nil {
		u.out = make([]byte, u.header.ClusterBytes())
	}
	u.in.Reset(b)
	var r io.Reader
	if u.header.Zstd {
		if u.zstd == nil {
			// The window is bounded by the cluster; one goroutine, no read ahead.
			z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderLowmem(true))
			if err != nil {
				return nil, fmt.Errorf("zstd: %w", err)
			}
			u.zstd = z
		}
		if err := u.zstd.Reset(u.in); err != nil {
			return nil, fmt.Errorf("zstd: %w", err)
		}
		r = u.zstd
	} else {
		if u.deflate == nil {
			u.deflate = flate.NewReader(u.in)
		} else if err := u.deflate.(flate.Resetter).Reset(u.in, nil); err != nil {
			return nil, fmt.Errorf("deflate: %w", err)
		}
		r = u.deflate
	}
	if _, err := io.ReadFull(r, u.out); err != nil {
		return nil, fmt.Errorf("it does not unpack to a whole cluster: %w", err)
	}
	return u.out, nil
}

// queue is a heap of extents by position in the file.
type queue []extent

// Len implements heap.Interface.
func (q queue) Len() int { return len(q) }

// Less implements heap.Interface.
func (q queue) Less(i, j int) bool { return q[i].host < q[j].host }

// Swap implements heap.Interface.
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	if e, ok := x.(extent); ok {
		*q = append(*q, e)
	}
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	*q = (*q)[:last]
	return x
}

var _ heap.Interface = (*queue)(nil)

func (q queue) sort() {
	slices.SortFunc(q, func(a, b extent) int { return cmp.Compare(a.host, b.host) })
}

// bitmap is one bit per cluster of the disk.
type bitmap struct {
	words []uint64
	n     int64
}

func newBitmap(n int64) bitmap { return bitmap{words: make([]uint64, (n+63)/64), n: n} }

// set returns false when the bit was set before.
func (b bitmap) set(i int64) bool {
	w, bit := &b.words[i/64], uint64(1)<<(i%64)
	was := *w & bit
	*w |= bit
	return was == 0
}

// gaps calls f for each run of clear bits.
func (b bitmap) gaps(f func(first, count int64) error) error {
	for i := int64(0); i < b.n; {
		first := b.next(i, false)
		if first >= b.n {
			return nil
		}
		i = b.next(first, true)
		if err := f(first, i-first); err != nil {
			return err
		}
	}
	return nil
}

// next finds the first bit from i on that is set, or clear; n when there is none.
func (b bitmap) next(i int64, set bool) int64 {
	for i < b.n {
		w := b.words[i/64]
		if !set {
			w = ^w
		}
		w &= ^uint64(0) << (i % 64)
		if w != 0 {
			return min(i/64*64+int64(bits.TrailingZeros64(w)), b.n)
		}
		i = (i/64 + 1) * 64
	}
	return b.n
}
