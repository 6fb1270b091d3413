package span

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Range is the addresses from From to To, both included, of one family.
type Range struct {
	From netip.Addr `json:"from"`
	To   netip.Addr `json:"to"`
}

// Parse reads "10.0.0.1-10.0.0.9", "10.0.0.0/24" or "10.0.0.1". A prefix with bits set behind its length is refused: it says two things.
func Parse(text string) (Range, error) {
	text = strings.TrimSpace(text)
	if strings.Contains(text, "/") {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return Range{}, fmt.Errorf("read the prefix %q: write it as 10.0.0.0/24", text)
		}
		if err := CheckPrefix(p); err != nil {
			return Range{}, fmt.Errorf("read the prefix %q: %w", text, err)
		}
		return OfPrefix(p).Range(), nil
	}
	from, to, two := strings.Cut(text, "-")
	if !two {
		to = from
	}
	a, errFrom := netip.ParseAddr(strings.TrimSpace(from))
	b, errTo := netip.ParseAddr(strings.TrimSpace(to))
	if errFrom != nil || errTo != nil {
		return Range{}, fmt.Errorf("read the range %q: write it as 10.0.0.1-10.0.0.9", text)
	}
	r := Range{a, b}
	if err := r.Check(); err != nil {
		return Range{}, fmt.Errorf("read the range %q: %w", text, err)
	}
	return r, nil
}

// Check says why the range can't be used.
func (r Range) Check() error {
	if err := Check(r.From); err != nil {
		return fmt.Errorf("first address: %w", err)
	}
	if err := Check(r.To); err != nil {
		return fmt.Errorf("last address: %w", err)
	}
	if r.From.Is4() != r.To.Is4() {
		return fmt.Errorf("%s and %s are of two families", r.From, r.To)
	}
	if r.To.Less(r.From) {
		return fmt.Errorf("%s stands before %s", r.To, r.From)
	}
	if !r.From.Is4() && r.Span().Overlaps(mapped) {
		return fmt.Errorf("it runs through ::ffff:0:0/96, the block that holds IPv4: split it")
	}
	return nil
}

// Span is the range by keys; the range must pass Check.
func (r Range) Span() Span { return Span{Of(r.From), Of(r.To)} }

// String is the form that Parse reads.
func (r Range) String() string {
	if r.From == r.To {
		return r.From.String()
	}
	return r.From.String() + "-" + r.To.String()
}

// CheckPrefix says why the prefix can't be used.
func CheckPrefix(p netip.Prefix) error {
	if !p.IsValid() {
		return fmt.Errorf("not a prefix")
	}
	if err := Check(p.Addr()); err != nil {
		return err
	}
	if p.Masked() != p {
		return fmt.Errorf("%s has bits set behind its length: write %s", p, p.Masked())
	}
	return OfPrefix(p).Range().Check()
}

// KeyLen is the length of the prefix among keys: 96 more for IPv4.
func KeyLen(p netip.Prefix) int {
	if p.Addr().Is4() {
		return p.Bits() + mappedLen
	}
	return p.Bits()
}

// Prefix is the prefix that begins at a key, of a length among keys.
func Prefix(k Key, length int) netip.Prefix {
	if k.Is4() && length >= mappedLen {
		return netip.PrefixFrom(k.Addr(), length-mappedLen)
	}
	return netip.PrefixFrom(k.Addr(), length)
}

// Span is the keys from From to To, both included.
type Span struct{ From, To Key }

// OfPrefix is the span of a prefix.
func OfPrefix(p netip.Prefix) Span { return block(Of(p.Addr()), KeyLen(p)) }

func block(k Key, length int) Span {
	rest := Max.Right(length)
	if length == Bits {
		rest = Key{}
	}
	return Span{k, Key{k.Hi | rest.Hi, k.Lo | rest.Lo}}
}

// Range is the span by addresses.
func (s Span) Range() Range { return Range{s.From.Addr(), s.To.Addr()} }

// Has says whether the key is in the span.
func (s Span) Has(k Key) bool { return !k.Less(s.From) && !s.To.Less(k) }

// Within says whether the whole span is in o.
func (s Span) Within(o Span) bool { return o.Has(s.From) && o.Has(s.To) }

// Overlaps says whether the two have a key in common.
func (s Span) Overlaps(o Span) bool { return !s.To.Less(o.From) && !o.To.Less(s.From) }

// Size is the number of keys, or the highest key where all 2^128 are in it.
func (s Span) Size() Key {
	n, over := s.To.Sub(s.From).Next()
	if over {
		return Max
	}
	return n
}

// Clip is what the two have in common; ok is false where that is nothing.
func (s Span) Clip(o Span) (both Span, ok bool) {
	if !s.Overlaps(o) {
		return Span{}, false
	}
	if s.From.Less(o.From) {
		s.From = o.From
	}
	if o.To.Less(s.To) {
		s.To = o.To
	}
	return s, true
}

// Union is the spans sorted, with those that overlap or touch made one.
func Union(spans []Span) []Span {
	sorted := slices.Clone(spans)
	slices.SortFunc(sorted, func(a, b Span) int { return a.From.Compare(b.From) })
	var all []Span
	for _, s := range sorted {
		if n := len(all); n > 0 {
			last := &all[n-1]
			if next, over := last.To.Next(); over || !next.Less(s.From) {
				if last.To.Less(s.To) {
					last.To = s.To
				}
				continue
			}
		}
		all = append(all, s)
	}
	return all
}

// Subtract is what is left of spans without those of cut.
func Subtract(spans, cut []Span) []Span {
	left := Union(spans)
	for _, c := range Union(cut) {
		var next []Span
		for _, s := range left {
			if !s.Overlaps(c) {
				next = append(next, s)
				continue
			}
			if s.From.Less(c.From) {
				next = append(next, Span{s.From, c.From.Sub(Key{0, 1})})
			}
			if c.To.Less(s.To) {
				after, _ := c.To.Next()
				next = append(next, Span{after, s.To})
			}
		}
		left = next
	}
	return left
}

// Blocks cuts the span into the fewest aligned blocks, each the key that it begins at and its length.
func (s Span) Blocks() []Block {
	var all []Block
	for k := s.From; ; {
		length := Bits
		for length > 0 {
			b := block(k, length-1)
			if k.Bit(length-1) != 0 || !b.Within(s) {
				break
			}
			length--
		}
		all = append(all, Block{k, length})
		next, over := block(k, length).To.Next()
		if over || s.To.Less(next) {
			return all
		}
		k = next
	}
}

// Block is an aligned block of keys: a prefix.
type Block struct {
	Key Key
	Len int
}

// BlockOf is the block of a prefix.
func BlockOf(p netip.Prefix) Block { return Block{Of(p.Addr()), KeyLen(p)} }

// Prefix is the block as a prefix.
func (b Block) Prefix() netip.Prefix { return Prefix(b.Key, b.Len) }

// Span is the keys of the block.
func (b Block) Span() Span { return block(b.Key, b.Len) }
