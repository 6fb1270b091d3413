package difference

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"

	"github.com/ingotmetal/ingot/matrix"
)

// place is a set of interfaces of ours that both matrices treat alike.
type place struct {
	// ends are what its interfaces are in the old and in the new matrix; none where they are not there.
	ends  [2][]matrix.Endpoint
	names []string
}

// atom is a set of addresses that no row of either matrix tells apart.
type atom struct {
	// ends are what the addresses are in the old and in the new matrix; anybody is always one.
	ends [2][]matrix.Endpoint
	// groups are the group addresses (policy.Opening.Group) that it is in.
	groups []string
	// four and six say whether it has addresses of the families.
	four, six bool
	name      string
}

func (a atom) speaks(p matrix.Protocol) bool {
	switch p {
	case matrix.ICMP:
		return a.four
	case matrix.ICMPv6:
		return a.six
	default:
		return true
	}
}

// mark is a network that means something.
type mark struct {
	net   netip.Prefix
	which int
	ends  []matrix.Endpoint
	group string
	name  string
}

// span is all addresses from first to the next span's.
type span struct {
	first netip.Addr
	atom  int
}

// endsOf are all ends that something in a zone with roles is.
func endsOf(zone matrix.Zone, roles []matrix.Role) []matrix.Endpoint {
	all := []matrix.Endpoint{matrix.Anybody, {Role: matrix.AnyRole, Zone: zone}}
	for _, r := range roles {
		all = append(all, matrix.Endpoint{Role: r, Zone: zone}, matrix.Endpoint{Role: r, Zone: matrix.AnyZone})
	}
	return all
}

func compareEnds(a, b matrix.Endpoint) int {
	return cmp.Or(cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Role, b.Role))
}

func join(a, b []matrix.Endpoint) []matrix.Endpoint {
	all := slices.Concat(a, b)
	slices.SortFunc(all, compareEnds)
	return slices.Compact(all)
}

// places groups the interfaces of both matrices.
func (w *world) places() []place {
	ends := map[string]*[2][]matrix.Endpoint{}
	for which, s := range []*side{&w.old, &w.new} {
		for _, h := range s.m.Hosts {
			for _, i := range h.Interfaces {
				name := h.Name + "/" + i.Name
				if ends[name] == nil {
					ends[name] = &[2][]matrix.Endpoint{}
				}
				ends[name][which] = join(endsOf(i.Zone, i.Roles), nil)
			}
		}
	}
	var all []place
	index := map[string]int{}
	names := make([]string, 0, len(ends))
	for name := range ends {
		names = append(names, name)
	}
	slices.Sort(names)
	w.placeOf = map[string]int{}
	for _, name := range names {
		key := fmt.Sprint(*ends[name])
		n, ok := index[key]
		if !ok {
			n = len(all)
			index[key] = n
			all = append(all, place{ends: *ends[name]})
		}
		all[n].names = append(all[n].names, name)
		w.placeOf[name] = n
	}
	return all
}

// marks are all networks of a matrix: addresses of hosts, networks of zones, and of the outside parties that openings name.
func (s *side) marks(which int) []mark {
	var all []mark
	for _, h := range s.m.Hosts {
		for _, i := range h.Interfaces {
			for _, a := range slices.Concat(i.Addresses, i.Virtual) {
				all = append(all, mark{net: netip.PrefixFrom(a, a.BitLen()), which: which, ends: endsOf(i.Zone, i.Roles), name: h.Name})
			}
		}
	}
	for _, n := range s.sets {
		all = append(all, mark{net: n.net, which: which, ends: n.ends, name: n.name})
	}
	return all
}

// atoms sweeps over the addresses of both families. Networks contain each other or are apart, so that those which contain an address are a stack.
func (w *world) sweep(marks []mark) {
	marks = append(marks, mark{net: netip.MustParsePrefix("0.0.0.0/0")}, mark{net: netip.MustParsePrefix("::/0")})
	slices.SortStableFunc(marks, func(a, b mark) int {
		return cmp.Or(a.net.Addr().Compare(b.net.Addr()), cmp.Compare(a.net.Bits(), b.net.Bits()))
	})
	index := map[string]int{}
	var stack []mark
	begin := func(first netip.Addr) {
		a := atomOf(stack)
		key := fmt.Sprint(a.ends, a.groups)
		n, ok := index[key]
		if !ok {
			n = len(w.atoms)
			index[key] = n
			w.atoms = append(w.atoms, a)
		}
		if first.Is4() {
			w.atoms[n].four = true
		} else {
			w.atoms[n].six = true
		}
		if k := len(w.spans); k > 0 && w.spans[k-1].first == first {
			w.spans[k-1].atom = n
			return
		}
		w.spans = append(w.spans, span{first, n})
	}
	closeUntil := func(next netip.Addr) {
		for len(stack) > 0 {
			end := after(stack[len(stack)-1].net)
			if next.IsValid() && stack[len(stack)-1].net.Contains(next) {
				return
			}
			for len(stack) > 0 && after(stack[len(stack)-1].net) == end {
				stack = stack[:len(stack)-1]
			}
			if end.IsValid() && (!next.IsValid() || end != next) && len(stack) > 0 {
				begin(end)
			}
		}
	}
	for n, m := range marks {
		closeUntil(m.net.Addr())
		stack = append(stack, m)
		if n+1 < len(marks) && marks[n+1].net == m.net {
			continue // the atom is that of all marks on one network
		}
		begin(m.net.Addr())
	}
	closeUntil(netip.Addr{})
	w.forget()
}

// after is the first address behind a network; invalid at the end of the family.
func after(n netip.Prefix) netip.Addr {
	b := n.Addr().AsSlice()
	for bit := n.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last.Next()
}

func atomOf(stack []mark) atom {
	a := atom{ends: [2][]matrix.Endpoint{{matrix.Anybody}, {matrix.Anybody}}, name: "strangers"}
	var names []string
	for _, m := range stack {
		if m.group != "" {
			a.groups = append(a.groups, m.group)
			a.name = "group " + m.net.String()
			continue
		}
		if len(m.ends) > 0 {
			a.ends[m.which] = join(a.ends[m.which], m.ends)
			if !slices.Contains(names, m.name) {
				names = append(names, m.name)
			}
		}
	}
	slices.Sort(a.groups)
	a.groups = slices.Compact(a.groups)
	if len(names) > 0 {
		slices.Sort(names)
		a.name = strings.Join(names, "+")
	}
	return a
}

// forget drops atoms that no address is left of: a network that others divide wholly.
func (w *world) forget() {
	used := map[int]bool{}
	for _, s := range w.spans {
		used[s.atom] = true
	}
	number := map[int]int{}
	var kept []atom
	for n, a := range w.atoms {
		if used[n] {
			number[n] = len(kept)
			a.four, a.six = false, false
			kept = append(kept, a)
		}
	}
	for n, s := range w.spans {
		k := number[s.atom]
		w.spans[n].atom = k
		if s.first.Is4() {
			kept[k].four = true
		} else {
			kept[k].six = true
		}
	}
	w.atoms = kept
}

// atomAt finds an address's atom.
func (w *world) atomAt(a netip.Addr) int {
	n := sort.Search(len(w.spans), func(n int) bool { return w.spans[n].first.Compare(a) > 0 })
	return w.spans[n-1].atom
}
