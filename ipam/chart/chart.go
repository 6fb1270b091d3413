// Package chart draws a prefix as blocks: which part of it is held, rests, is given to nobody, or is free.
//
// It owns how a prefix is cut for people to look at. It refuses to say who may have what, which package ipam does, and colours and words, which are the page's.
//
// A prefix of up to 2^24 addresses is a grid: at most 256 blocks of the same length, each drawn, free or not; looking into one block is drawing that. A larger one is a list: what is in it, in order, with the
// free space between two of them as one block, since nobody sees anything in 2^64 addresses drawn one by one. What lies close together is one entry of it where there are too many.
//
// Invariants: the blocks follow one another and fill the prefix without a gap; of each block held, resting, kept and free are its size; an address that is held counts as held whatever else is said of it, and one
// that rests as resting; the same pieces give the same chart in whatever order they come.
package chart

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/ingotmetal/ingot/ipam/span"
)

// State is what a piece is.
type State int

// The states, the one that counts first where pieces overlap first.
const (
	Held State = iota
	Resting
	Kept
)

// Piece is a part of a prefix that is not free.
type Piece struct {
	Span  span.Span
	State State
	// Holder is who has it, had it, or what keeps it.
	Holder string
	// Until is the end of a rest.
	Until time.Time
}

// Count is addresses by what they are: exact to 2^53, and above that as near as people can read.
type Count struct {
	Size    float64 `json:"size"`
	Held    float64 `json:"held"`
	Resting float64 `json:"resting"`
	Kept    float64 `json:"kept"`
	Free    float64 `json:"free"`
}

// Block is a part of the prefix that is drawn as one.
type Block struct {
	Span  span.Span
	Count Count
	// Pieces are those that are in it, at most mostNamed, each clipped to it; Number is how many there are. No piece: it is free.
	Pieces []Piece
	Number int
}

// Chart is a prefix, drawn.
type Chart struct {
	// Grid: the blocks are all of one length. Otherwise they are what is in the prefix and the space between.
	Grid   bool
	Blocks []Block
}

const (
	// gridBits is the base-2 logarithm of the most blocks of a grid, mostGridBits that of the most addresses that a grid is of.
	gridBits     = 8
	mostGridBits = 24
	// mostEntries bounds a list, without the space between entries.
	mostEntries = 128
	// mostNamed is how many pieces a block names.
	mostNamed = 4
	// step is by how many bits entries of a list grow where there are too many: a digit of an address of IPv6.
	step = 4
)

// Draw draws a prefix with the pieces that are in it; others don't count.
func Draw(within netip.Prefix, pieces []Piece) Chart {
	whole := span.BlockOf(within)
	inside := make([]Piece, 0, len(pieces))
	for _, p := range pieces {
		if s, ok := p.Span.Clip(whole.Span()); ok {
			p.Span = s
			inside = append(inside, p)
		}
	}
	slices.SortFunc(inside, func(a, b Piece) int {
		return cmp.Or(a.Span.From.Compare(b.Span.From), cmp.Compare(a.State, b.State), a.Span.To.Compare(b.Span.To), cmp.Compare(a.Holder, b.Holder), a.Until.Compare(b.Until))
	})
	bits := within.Addr().BitLen() - within.Bits()
	if bits <= mostGridBits {
		return Chart{Grid: true, Blocks: fill(grid(whole, min(bits, gridBits)), inside)}
	}
	return Chart{Blocks: fill(list(whole, inside), inside)}
}

// grid cuts a block into 2^bits of one length.
func grid(whole span.Block, bits int) []span.Span {
	all := make([]span.Span, 0, 1<<bits)
	for k := whole.Key; ; {
		s := span.Block{Key: k, Len: whole.Len + bits}.Span()
		all = append(all, s)
		if s.To == whole.Span().To {
			return all
		}
		k, _ = s.To.Next()
	}
}

// list cuts a block where something is in it.
func list(whole span.Block, pieces []Piece) []span.Span {
	for length := span.Bits; ; length -= step {
		entries := apart(pieces, max(length, whole.Len))
		if len(entries) <= mostEntries || length <= whole.Len {
			return between(whole.Span(), entries)
		}
	}
}

// apart are the spans that have pieces, sorted and without overlaps: the aligned blocks of a length, and pieces that are larger than that as they are.
func apart(pieces []Piece, length int) []span.Span {
	var all []span.Span
	for _, p := range pieces {
		s := span.Span{From: start(p.Span.From, length), To: span.Block{Key: start(p.Span.To, length), Len: length}.Span().To}
		if p.Span.From != p.Span.To && length == span.Bits {
			s = p.Span
		}
		// Sorted by where they begin: only the last one can reach into this one.
		if n := len(all); n > 0 && !all[n-1].To.Less(s.From) {
			if all[n-1].To.Less(s.To) {
				all[n-1].To = s.To
			}
			continue
		}
		all = append(all, s)
	}
	return all
}

// start is the first key of the aligned block that a key is in.
func start(k span.Key, length int) span.Key {
	return k.Right(span.Bits - length).Left(span.Bits - length)
}

// between adds the space between spans.
func between(whole span.Span, entries []span.Span) []span.Span {
	all := make([]span.Span, 0, 2*len(entries)+1)
	from := whole.From
	for _, e := range entries {
		if from.Less(e.From) {
			all = append(all, span.Span{From: from, To: e.From.Sub(span.Key{Lo: 1})})
		}
		all = append(all, e)
		if e.To == whole.To {
			return all
		}
		from, _ = e.To.Next()
	}
	return append(all, span.Span{From: from, To: whole.To})
}

// fill says of each span what is in it.
func fill(spans []span.Span, pieces []Piece) []Block {
	blocks := make([]Block, len(spans))
	states := make([][Kept + 1][]span.Span, len(spans))
	for i, s := range spans {
		blocks[i].Span = s
	}
	for _, p := range pieces {
		first, _ := slices.BinarySearchFunc(spans, p.Span.From, func(s span.Span, k span.Key) int { return s.To.Compare(k) })
		for i := first; i < len(spans) && !p.Span.To.Less(spans[i].From); i++ {
			both, _ := p.Span.Clip(spans[i])
			states[i][p.State] = append(states[i][p.State], both)
			b := &blocks[i]
			if b.Number++; len(b.Pieces) < mostNamed {
				p := p
				p.Span = both
				b.Pieces = append(b.Pieces, p)
			}
		}
	}
	for i := range blocks {
		blocks[i].Count = count(spans[i], states[i])
	}
	return blocks
}

// count counts each address of a span once.
func count(whole span.Span, states [Kept + 1][]span.Span) Count {
	held := span.Union(states[Held])
	resting := span.Subtract(span.Union(states[Resting]), held)
	taken := span.Union(slices.Concat(held, resting))
	kept := span.Subtract(span.Union(states[Kept]), taken)
	free := span.Subtract([]span.Span{whole}, span.Union(slices.Concat(taken, kept)))
	return Count{Size: size([]span.Span{whole}), Held: size(held), Resting: size(resting), Kept: size(kept), Free: size(free)}
}

func size(spans []span.Span) (sum float64) {
	for _, s := range spans {
		n := s.Size()
		sum += float64(n.Hi)*(1<<64) + float64(n.Lo)
	}
	return sum
}

// Look is the smallest prefix that has all of a block, to be drawn next.
func (b Block) Look() netip.Prefix {
	length := span.Bits
	for start(b.Span.From, length) != start(b.Span.To, length) {
		length--
	}
	return span.Prefix(start(b.Span.From, length), length)
}

// Worth says whether there is more to see in a block than is said of it: it has several addresses, and not all of them are the same one's.
func (b Block) Worth() bool {
	if b.Span.From == b.Span.To || b.Number == 0 {
		return false
	}
	return b.Number > 1 || b.Pieces[0].Span != b.Span
}

// Total is the count of all blocks together.
func Total(c Chart) (sum Count) {
	for _, b := range c.Blocks {
		n := b.Count
		sum = Count{sum.Size + n.Size, sum.Held + n.Held, sum.Resting + n.Resting, sum.Kept + n.Kept, sum.Free + n.Free}
	}
	return sum
}

// Path leads from a prefix to one within it, both included, by what a grid shows as one block.
func Path(prefix, within netip.Prefix) []string {
	all := []string{prefix.String()}
	if within.Addr().BitLen()-prefix.Bits() <= mostGridBits {
		for bits := prefix.Bits() + gridBits; bits < within.Bits(); bits += gridBits {
			all = append(all, netip.PrefixFrom(within.Addr(), bits).Masked().String())
		}
	}
	if within != prefix {
		all = append(all, within.String())
	}
	return all
}
