// Package buddy is a tree of aligned blocks of keys (prefixes), each taken by one owner, that finds the first free block of a length in one walk from its root.
//
// Each node knows the shortest block that is still free under it, so a search never enters a half that can't serve. Only the paths to blocks that are taken exist: a /48 cut into /64s
// costs what was cut. The first free block from the left is taken: blocks that are in use stay together, which leaves the large ones whole for longer.
//
// Invariants: no two taken blocks overlap; a node without owner and without halves doesn't exist.
package buddy

import "github.com/ingotmetal/ingot/ipam/span"

// none is the length of "no free block".
const none = span.Bits + 1

type node[T any] struct {
	halves [2]*node[T]
	owner  *T
	free   uint8
}

// Tree is the blocks under one root. The zero Tree is not ready: use New.
type Tree[T any] struct {
	at    span.Block
	root  *node[T]
	count int
}

// New is an empty tree of a block.
func New[T any](at span.Block) *Tree[T] { return &Tree[T]{at: at} }

// At is the block of the root.
func (t *Tree[T]) At() span.Block { return t.at }

// Len is the number of taken blocks.
func (t *Tree[T]) Len() int { return t.count }

// Has says whether the block is in the tree's own.
func (t *Tree[T]) Has(b span.Block) bool { return b.Len >= t.at.Len && t.at.Span().Has(b.Key) }

// Get is the owner of exactly this block, or nil.
func (t *Tree[T]) Get(b span.Block) *T {
	n := t.root
	for depth := t.at.Len; n != nil && depth < b.Len; depth++ {
		n = n.halves[b.Key.Bit(depth)]
	}
	if n == nil {
		return nil
	}
	return n.owner
}

// Overlap is an owner of a block that has a key in common with b, the one most to the left, or nil.
func (t *Tree[T]) Overlap(b span.Block) *T {
	n := t.root
	for depth := t.at.Len; n != nil && n.owner == nil && depth < b.Len; depth++ {
		n = n.halves[b.Key.Bit(depth)]
	}
	for n != nil && n.owner == nil {
		if n.halves[0] != nil {
			n = n.halves[0]
		} else {
			n = n.halves[1]
		}
	}
	if n == nil {
		return nil
	}
	return n.owner
}

// Take gives the block to an owner; it returns who is in the way, or nil when it was done. The block must be in the tree's own.
func (t *Tree[T]) Take(b span.Block, owner *T) (by *T) {
	if by := t.Overlap(b); by != nil {
		return by
	}
	t.count++
	t.root = take(t.root, t.at.Len, b, owner)
	return nil
}

func take[T any](n *node[T], depth int, b span.Block, owner *T) *node[T] {
	if n == nil {
		n = &node[T]{}
	}
	if depth == b.Len {
		n.owner, n.free = owner, none
		return n
	}
	half := &n.halves[b.Key.Bit(depth)]
	*half = take(*half, depth+1, b, owner)
	n.weigh(depth)
	return n
}

// Release frees exactly this block, and says whether it was taken.
func (t *Tree[T]) Release(b span.Block) bool {
	if t.Get(b) == nil {
		return false
	}
	t.count--
	t.root = release(t.root, t.at.Len, b)
	return true
}

func release[T any](n *node[T], depth int, b span.Block) *node[T] {
	if depth == b.Len {
		return nil
	}
	half := &n.halves[b.Key.Bit(depth)]
	*half = release(*half, depth+1, b)
	if n.halves[0] == nil && n.halves[1] == nil {
		return nil
	}
	n.weigh(depth)
	return n
}

func (n *node[T]) weigh(depth int) {
	n.free = min(n.halves[0].shortest(depth+1), n.halves[1].shortest(depth+1))
}

// shortest is the length of the largest free block under a node at a depth.
func (n *node[T]) shortest(depth int) uint8 {
	if n == nil {
		return uint8(depth)
	}
	return n.free
}

// First is the first free block of a length, from the left.
func (t *Tree[T]) First(length int) (span.Block, bool) {
	n, at := t.root, t.at.Key
	if length < t.at.Len || length > span.Bits || int(n.shortest(t.at.Len)) > length {
		return span.Block{}, false
	}
	for depth := t.at.Len; n != nil && depth < length; depth++ {
		next := n.halves[0]
		if int(next.shortest(depth+1)) > length {
			next = n.halves[1]
			bit := span.Key{Lo: 1}.Left(span.Bits - 1 - depth)
			at = span.Key{Hi: at.Hi | bit.Hi, Lo: at.Lo | bit.Lo}
		}
		n = next
	}
	return span.Block{Key: at, Len: length}, true
}
