package sweep

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// MaxAddresses is how many addresses all ranges of a partition have together: at twenty probes a second such a pass takes two hours.
const MaxAddresses = 1 << 16

// Range is a run of addresses, both ends included.
type Range struct{ First, Last netip.Addr }

// Ranges are runs of addresses, in order, which do not touch each other.
type Ranges struct {
	all  []Range
	size int
}

// Parse reads ranges as a Partition declares them: addresses, subnets, and first and last address with a dash between them. Runs that overlap are joined. The network's and the broadcast address of an IPv4 subnet,
// which no BMC has, are left out where the subnet has more than two.
func Parse(texts []string) (Ranges, error) {
	var all []Range
	for _, t := range texts {
		r, err := parse(t)
		if err == nil {
			err = r.check()
		}
		if err != nil {
			return Ranges{}, fmt.Errorf("range %q: %w", t, err)
		}
		all = append(all, r)
	}
	return join(all)
}

func parse(text string) (Range, error) {
	first, last, dashed := strings.Cut(text, "-")
	switch {
	case dashed:
		a, err := address(first)
		if err != nil {
			return Range{}, err
		}
		b, err := address(last)
		if err != nil {
			return Range{}, err
		}
		if a.Is4() != b.Is4() {
			return Range{}, errors.New("one end is IPv4 and the other IPv6")
		}
		if b.Less(a) {
			return Range{}, errors.New("the last address is before the first one")
		}
		return Range{a, b}, nil
	case strings.Contains(text, "/"):
		return subnet(text)
	}
	a, err := address(text)
	return Range{a, a}, err
}

func address(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(strings.TrimSpace(text))
	switch {
	case err != nil:
		return a, fmt.Errorf("%q is no IP address", text)
	case a.Zone() != "":
		return a, fmt.Errorf("%q has a zone, which is another on each machine: give addresses that are routed", text)
	case a.Is4In6():
		return a, fmt.Errorf("%q is an IPv4 address in IPv6's form: write it as IPv4", text)
	}
	return a, nil
}

func subnet(text string) (Range, error) {
	p, err := netip.ParsePrefix(strings.TrimSpace(text))
	if err != nil {
		return Range{}, errors.New("it is no subnet: write it like 10.0.0.0/24")
	}
	if p.Addr().Is4In6() {
		return Range{}, errors.New("it is an IPv4 subnet in IPv6's form: write it as IPv4")
	}
	if p != p.Masked() {
		return Range{}, fmt.Errorf("it has bits beyond its length: %s is meant, or write first and last address", p.Masked())
	}
	if bits := p.Addr().BitLen() - p.Bits(); bits > 16 {
		return Range{}, tooMany(p.String())
	}
	first, last := p.Addr(), lastOf(p)
	if first.Is4() && p.Bits() < 31 {
		first, last = first.Next(), last.Prev()
	}
	return Range{first, last}, nil
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}

func tooMany(what string) error {
	return fmt.Errorf("%s has more than %d addresses, which is all that is searched: declare the part that BMCs are in", what, MaxAddresses)
}

// check refuses what no BMC has, and what must not be sent to.
func (r Range) check() error {
	for _, a := range []netip.Addr{r.First, r.Last} {
		switch {
		case a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
			return fmt.Errorf("%s is no machine's address", a)
		case a.Is6() && a.IsLinkLocalUnicast():
			return fmt.Errorf("%s is good on one link only: give addresses that are routed", a)
		}
	}
	if _, ok := r.count(); !ok {
		return tooMany("it")
	}
	return nil
}

// count is how many addresses a range has; false for more than are allowed.
func (r Range) count() (int, bool) {
	a, b := r.First.As16(), r.Last.As16()
	if binary.BigEndian.Uint64(a[:8]) != binary.BigEndian.Uint64(b[:8]) {
		return 0, false
	}
	n := binary.BigEndian.Uint64(b[8:]) - binary.BigEndian.Uint64(a[8:])
	return int(n%MaxAddresses) + 1, n < MaxAddresses
}

// join sorts ranges and makes one of those that overlap or touch.
func join(all []Range) (Ranges, error) {
	slices.SortFunc(all, func(a, b Range) int { return a.First.Compare(b.First) })
	var out Ranges
	for _, r := range all {
		if n := len(out.all); n > 0 {
			before := &out.all[n-1]
			if before.First.Is4() == r.First.Is4() && (r.First.Compare(before.Last) <= 0 || r.First == before.Last.Next()) {
				if before.Last.Less(r.Last) {
					before.Last = r.Last
				}
				continue
			}
		}
		out.all = append(out.all, r)
	}
	for _, r := range out.all {
		n, ok := r.count()
		if out.size += n; !ok || out.size > MaxAddresses {
			return Ranges{}, tooMany("all ranges together")
		}
	}
	return out, nil
}

// Size is how many addresses there are.
func (r Ranges) Size() int { return r.size }

// Contains says whether an address is in one of the ranges.
func (r Ranges) Contains(a netip.Addr) bool {
	for _, x := range r.all {
		if a.IsValid() && a.Zone() == "" && a.Is4() == x.First.Is4() && a.Compare(x.First) >= 0 && a.Compare(x.Last) <= 0 {
			return true
		}
	}
	return false
}

// At is the i-th address, from 0 to Size()-1; outside of that it is the zero Addr.
func (r Ranges) At(i int) netip.Addr {
	if i < 0 {
		return netip.Addr{}
	}
	for _, x := range r.all {
		n, _ := x.count()
		if i < n {
			return add(x.First, uint64(i))
		}
		i -= n
	}
	return netip.Addr{}
}

// add is the address n after another. Ranges are too small for it to leave the lower half.
func add(a netip.Addr, n uint64) netip.Addr {
	b := a.As16()
	binary.BigEndian.PutUint64(b[8:], binary.BigEndian.Uint64(b[8:])+n)
	sum := netip.AddrFrom16(b)
	if a.Is4() {
		return sum.Unmap()
	}
	return sum
}
