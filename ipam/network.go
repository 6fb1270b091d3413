package ipam

import (
	"container/heap"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/ingotmetal/ingot/ipam/buddy"
	"github.com/ingotmetal/ingot/ipam/span"
)

// SetNetwork makes a network with the prefixes it says, or changes one: a change is made if all networks and pools can still be what they are.
func (s *State) SetNetwork(n Network, now time.Time) *Refusal {
	n = n.normal()
	if v := s.vrfs[n.VRF]; v != nil {
		v.wake(now)
	}
	if old := s.networks[n.Name]; old != nil {
		if reflect.DeepEqual(old.Network, n) {
			return nil
		}
		return s.rebuild(func(f *Facts) {
			f.Networks = append(slices.DeleteFunc(f.Networks, func(o Network) bool { return o.Name == n.Name }), n)
		})
	}
	return s.addNetwork(n)
}

// Cut asks for a child of a super network, with the first free prefix of each family.
type Cut struct {
	Name, Parent string
	Kind         Kind // Child or Shared
	// Lengths is by family: 0 is the parent's default, -1 is none of this family.
	Lengths  Lengths
	Reserved []span.Range
}

// Cut makes a child network; asked for again, it returns the one it made.
func (s *State) Cut(c Cut, now time.Time) (Network, *Refusal) {
	if old := s.networks[c.Name]; old != nil {
		if old.Parent == c.Parent && old.Kind == c.Kind {
			return old.normal(), nil
		}
		return Network{}, &Refusal{Reason: Taken, Subject: "network name " + c.Name, By: fmt.Sprintf("a network of kind %s", old.Kind)}
	}
	parent := s.networks[c.Parent]
	if parent == nil {
		return Network{}, &Refusal{Reason: Unknown, Subject: "network " + c.Parent}
	}
	s.vrf(parent.VRF).wake(now)
	n := Network{Name: c.Name, Kind: c.Kind, VRF: parent.VRF, Parent: c.Parent, Reserved: c.Reserved}.normal()
	for f, length := range []int{c.Lengths.V4, c.Lengths.V6} {
		byDefault := []int{parent.ChildLength.V4, parent.ChildLength.V6}[f]
		if length == 0 {
			length = byDefault
		}
		if length <= 0 {
			continue
		}
		prefix, refused := s.first(parent, f, length)
		if refused != nil {
			return Network{}, refused
		}
		n.Prefixes = append(n.Prefixes, prefix)
	}
	if refused := s.addNetwork(n); refused != nil {
		return Network{}, refused
	}
	return n.normal(), nil
}

// first is the first free prefix of a length in a network's prefixes of a family.
func (s *State) first(parent *network, f, length int) (netip.Prefix, *Refusal) {
	refused := &Refusal{Reason: OutsidePool, Subject: "network " + parent.Name, Detail: fmt.Sprintf("it has no IPv%d prefix that holds a /%d", []int{4, 6}[f], length)}
	if f == 0 {
		if length > 32 {
			return netip.Prefix{}, &Refusal{Reason: Invalid, Subject: refused.Subject, Detail: fmt.Sprintf("IPv4 has no /%d", length)}
		}
		length += span.Bits - 32
	}
	if length > span.Bits {
		return netip.Prefix{}, &Refusal{Reason: Invalid, Subject: refused.Subject, Detail: fmt.Sprintf("IPv6 has no /%d", length)}
	}
	for _, t := range parent.trees {
		if family(t.At().Key) != f || t.At().Len > length {
			continue
		}
		if b, ok := t.First(length); ok {
			return b.Prefix(), nil
		}
		refused.Reason, refused.Detail = NoFree, fmt.Sprintf("of length %d", span.Prefix(t.At().Key, length).Bits())
	}
	if refused.Reason == NoFree {
		for _, e := range s.vrf(parent.VRF).rests {
			if e.tree != nil && slices.Contains(parent.trees, e.tree) && family(e.tree.At().Key) == f && (refused.Until.IsZero() || e.until.Before(refused.Until)) {
				refused.Until = e.until
			}
		}
	}
	return netip.Prefix{}, refused
}

// RemoveNetwork takes a network away that has neither children nor pools; a child's prefixes rest as long as its parent says.
func (s *State) RemoveNetwork(name string, now time.Time) (existed bool, refused *Refusal) {
	n := s.networks[name]
	if n == nil {
		return false, nil
	}
	v := s.vrf(n.VRF)
	v.wake(now)
	for what, names := range map[string]map[string]bool{"network ": n.children, "pool ": n.pools} {
		if len(names) > 0 {
			return true, &Refusal{Reason: InUse, Subject: "network " + name, By: what + slices.Min(slices.Collect(maps.Keys(names)))}
		}
	}
	parent := s.networks[n.Parent]
	for _, p := range n.Prefixes {
		b := span.BlockOf(p)
		t := s.treeOf(n.Network, b)
		if parent == nil || parent.Rest == 0 {
			t.Release(b)
			continue
		}
		v.restTract(n.Parent, t, t.Get(b), now.Add(parent.Rest))
	}
	if parent != nil {
		delete(parent.children, name)
	}
	if n.Kind == Super {
		v.rests = slices.DeleteFunc(v.rests, func(e ending) bool { return e.tract != nil && e.parent == name })
		heap.Init(&v.rests)
	}
	delete(s.networks, name)
	return true, nil
}

func (v *vrf) restTract(parent string, t *buddy.Tree[tract], b *tract, until time.Time) {
	b.until = until.UTC().Round(0)
	heap.Push(&v.rests, ending{until: b.until, tract: b, tree: t, parent: parent})
}

// treeOf is the tree that a block of the network is taken from, or nil.
func (s *State) treeOf(n Network, b span.Block) *buddy.Tree[tract] {
	if n.Parent == "" {
		return s.vrf(n.VRF).roots
	}
	for _, t := range s.networks[n.Parent].trees {
		if t.Has(b) {
			return t
		}
	}
	return nil
}

func (s *State) addNetwork(n Network) *Refusal {
	subject := "network " + n.Name
	if err := n.check(); err != nil {
		return &Refusal{Reason: Invalid, Subject: subject, Detail: err.Error()}
	}
	parent := s.networks[n.Parent]
	switch {
	case n.Parent == "":
		if refused := s.clearOfGround(n); refused != nil {
			return refused
		}
	case parent == nil:
		return &Refusal{Reason: Unknown, Subject: "network " + n.Parent, Detail: "parent of " + n.Name}
	case parent.Kind != Super:
		return &Refusal{Reason: OutsidePool, Subject: subject, Detail: fmt.Sprintf("its parent %s is %s: only a %s network is cut", n.Parent, parent.Kind, Super)}
	case parent.VRF != n.VRF:
		return &Refusal{Reason: OutsidePool, Subject: subject, Detail: fmt.Sprintf("its parent %s is in VRF %q", n.Parent, parent.VRF)}
	}
	var undo []func()
	for _, p := range n.Prefixes {
		b := span.BlockOf(p)
		refused := &Refusal{Reason: OutsidePool, Subject: subject, Prefix: p, Detail: "not in " + n.Parent}
		t := s.treeOf(n, b)
		if t != nil {
			by := t.Take(b, &tract{block: b, owner: n.Name})
			if by == nil {
				undo = append(undo, func() { t.Release(b) })
				continue
			}
			refused = by.refusal(subject, p)
		}
		for _, f := range undo {
			f()
		}
		return refused
	}
	made := &network{Network: n, children: map[string]bool{}, pools: map[string]bool{}}
	if n.Kind == Super {
		made.plant()
	}
	if parent != nil {
		parent.children[n.Name] = true
	}
	s.networks[n.Name] = made
	return nil
}

func (b *tract) refusal(subject string, p netip.Prefix) *Refusal {
	r := &Refusal{Reason: Overlap, Subject: subject, Prefix: p, By: fmt.Sprintf("%s of network %s", b.block.Prefix(), b.owner)}
	if b.fixed {
		r.Reason = Excluded
	}
	if !b.until.IsZero() {
		r.Reason, r.Until = Quarantined, b.until
	}
	return r
}

// plant makes the trees of a super network.
func (n *network) plant() {
	for _, p := range n.Prefixes {
		t := buddy.New[tract](span.BlockOf(p))
		for _, r := range span.Union(spans(n.Reserved)) {
			both, ok := r.Clip(t.At().Span())
			if !ok {
				continue
			}
			for _, b := range both.Blocks() {
				t.Take(b, &tract{block: b, owner: n.Name, fixed: true})
			}
		}
		n.trees = append(n.trees, t)
	}
}

func (s *State) clearOfGround(n Network) *Refusal {
	var by string
	var at netip.Prefix
	for p := range s.vrf(n.VRF).ground {
		for _, prefix := range n.Prefixes {
			if slices.ContainsFunc(p.whole, span.OfPrefix(prefix).Overlaps) && (by == "" || p.Name < by) {
				by, at = p.Name, prefix
			}
		}
	}
	if by == "" {
		return nil
	}
	return &Refusal{Reason: Overlap, Subject: "network " + n.Name, Prefix: at, By: "pool " + by, Detail: "which is not of this network, and gives addresses there"}
}

// check looks at the network alone.
func (n Network) check() error {
	child := n.Kind == Child || n.Kind == Shared
	switch {
	case n.Name == "":
		return fmt.Errorf("it has no name")
	case !slices.Contains([]Kind{External, Underlay, Super, Child, Shared}, n.Kind):
		return fmt.Errorf("the kind %q is none of %s, %s, %s, %s, %s", n.Kind, External, Underlay, Super, Child, Shared)
	case child != (n.Parent != ""):
		return fmt.Errorf("a parent is for %s and %s, which need one: %s has %q", Child, Shared, n.Kind, n.Parent)
	case len(n.Prefixes) == 0:
		return fmt.Errorf("it has no prefix: give one, or the lengths of a child")
	case n.Kind != Super && (n.ChildLength != Lengths{} || n.Rest != 0):
		return fmt.Errorf("child length and rest are for %s networks", Super)
	case n.Rest < 0:
		return fmt.Errorf("a rest of %s is not possible", n.Rest)
	}
	for i, p := range n.Prefixes {
		if err := span.CheckPrefix(p); err != nil {
			return fmt.Errorf("prefix %d: %w", i, err)
		}
		length, longest := n.ChildLength.V6, 128
		if p.Addr().Is4() {
			length, longest = n.ChildLength.V4, 32
		}
		if length != 0 && (length < p.Bits() || length > longest) {
			return fmt.Errorf("prefix %d: %s holds no child of length %d", i, p, length)
		}
	}
	for i, r := range n.Reserved {
		if err := r.Check(); err != nil {
			return fmt.Errorf("reserved range %d: %w", i, err)
		}
	}
	return nil
}

func (n Network) normal() Network {
	n.Prefixes, n.Reserved = clone(n.Prefixes), clone(n.Reserved)
	return n
}
