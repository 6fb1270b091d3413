package network

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/list"
	"github.com/ingotmetal/ingot/internal/cli/print"
	"github.com/ingotmetal/ingot/internal/cli/session"
	"github.com/ingotmetal/ingot/ipam"
	"github.com/ingotmetal/ingot/ipam/span"
)

// Usage is how full one prefix of a network is. Numbers over 2^64-1 are that.
type Usage struct {
	Namespace string `json:"namespace"`
	Network   string `json:"network"`
	Type      string `json:"type"`
	VRF       string `json:"vrf"`
	Prefix    string `json:"prefix"`
	// Size is what can be given when nothing is held: the sum of the others.
	Size uint64 `json:"size"`
	// Held are addresses with a holder, or of a Super network those in its children's prefixes; Quarantined those that rest after a release.
	Held        uint64 `json:"held"`
	Quarantined uint64 `json:"quarantined"`
	Free        uint64 `json:"free"`
}

func usageCommand(s *session.Session) *cobra.Command {
	c := list.Noun[Usage]{
		Singular: "prefix", Plural: "prefixes", Verb: "usage", Made: true, Columns: usageColumns, Load: load,
		Object: func(u *Usage) metav1.Object {
			return &metav1.ObjectMeta{Namespace: u.Namespace, Name: u.Network + "/" + u.Prefix}
		},
	}.Command(s)
	c.Short = "Count the addresses of each prefix: held, quarantined, free"
	c.Long = c.Short + ".\n\nIt counts what is recorded of addresses, for which the right to read AddressRecords is needed. `ingot network list` shows what each network says itself, some seconds late."
	return c
}

func usageColumns(time.Time) []print.Column[Usage] {
	number := func(header string, of func(Usage) uint64) print.Column[Usage] {
		return print.Column[Usage]{Header: header, Cell: func(u Usage) string { return Words(of(u)) }, Order: print.By(of)}
	}
	return []print.Column[Usage]{
		{Header: "NETWORK", Flag: "network", Cell: func(u Usage) string { return u.Network }},
		{Header: "TYPE", Wide: true, Flag: "type", Cell: func(u Usage) string { return u.Type }},
		{Header: "VRF", Wide: true, Flag: "vrf", Cell: func(u Usage) string { return u.VRF }},
		{Header: "PREFIX", Cell: func(u Usage) string { return u.Prefix }},
		number("SIZE", func(u Usage) uint64 { return u.Size }),
		number("HELD", func(u Usage) uint64 { return u.Held }),
		number("QUARANTINED", func(u Usage) uint64 { return u.Quarantined }),
		number("FREE", func(u Usage) uint64 { return u.Free }),
		{Header: "USED", Cell: func(u Usage) string {
			if u.Size == 0 {
				return ""
			}
			return fmt.Sprintf("%.0f%%", 100*(1-float64(u.Free)/float64(u.Size)))
		}, Order: print.By(func(u Usage) float64 { return 1 - float64(u.Free)/float64(max(u.Size, 1)) })},
	}
}

// Words writes numbers of a size that nobody reads as powers of two.
func Words(n uint64) string {
	const read = 1 << 40
	switch {
	case n == math.MaxUint64:
		return "2^64+"
	case n > read:
		return "~2^" + strconv.Itoa(bits.Len64(n-1))
	}
	return strconv.FormatUint(n, 10)
}

func load(ctx context.Context, c client.Client, opts ...client.ListOption) ([]Usage, error) {
	var networks ingot.NetworkList
	if err := c.List(ctx, &networks, opts...); err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	var records ingot.AddressRecordList
	if err := c.List(ctx, &records); apierrors.IsForbidden(err) {
		return nil, fmt.Errorf("list the records of addresses: %w: `ingot network list` shows what networks say themselves", err)
	} else if err != nil {
		return nil, fmt.Errorf("list the records of addresses: %w", err)
	}
	var all []Usage
	now := time.Now()
	books := Read(records.Items)
	for i := range networks.Items {
		of, err := Usages(&networks.Items[i], books, now)
		if err != nil {
			return nil, err
		}
		all = append(all, of...)
	}
	return all, nil
}

// Books are what records say, by VRF.
type Books map[string]*book

// book is one VRF's.
type book struct {
	addresses []entry // sorted
	networks  []ingot.RecordedNetwork
}

type entry struct {
	address netip.Addr
	record  *ingot.RecordedAddress
}

// Read makes books of records, which must not change afterwards.
func Read(records []ingot.AddressRecord) Books {
	all := Books{}
	for i := range records {
		s := &records[i].Spec
		b := all[s.VRF]
		if b == nil {
			b = &book{}
			all[s.VRF] = b
		}
		for j := range s.Addresses {
			if a, err := netip.ParseAddr(s.Addresses[j].Address); err == nil {
				b.addresses = append(b.addresses, entry{a, &s.Addresses[j]})
			}
		}
		b.networks = append(b.networks, s.Networks...)
	}
	for _, b := range all {
		slices.SortStableFunc(b.addresses, func(x, y entry) int { return x.address.Compare(y.address) })
	}
	return all
}

// in are the addresses of a prefix.
func (b *book) in(prefix netip.Prefix) []entry {
	before := func(e entry, a netip.Addr) int { return e.address.Compare(a) }
	from, _ := slices.BinarySearchFunc(b.addresses, prefix.Addr(), before)
	to := from
	for to < len(b.addresses) && prefix.Contains(b.addresses[to].address) {
		to++
	}
	return b.addresses[from:to]
}

// Usages counts each prefix of a network as package ipam does, by a state that has it alone.
func Usages(n *ingot.Network, books Books, now time.Time) ([]Usage, error) {
	b := cmp.Or(books[n.Status.VRF], &book{})
	reserved, err := ranges(n)
	if err != nil {
		return nil, err
	}
	var all []Usage
	for _, text := range n.Status.Prefixes {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("network %s/%s: status.prefixes: %w", n.Namespace, n.Name, err)
		}
		u := Usage{Namespace: n.Namespace, Network: n.Name, Type: string(n.Spec.Type), VRF: n.Status.VRF, Prefix: text}
		if n.Spec.Type == ingot.SuperNetwork {
			b.cut(&u, n.Namespace+"/"+n.Name, prefix, now)
		} else {
			b.given(&u, prefix, reserved, now)
		}
		all = append(all, u)
	}
	return all, nil
}

// ranges are what a network gives to nobody, beside the edges of its prefixes.
func ranges(n *ingot.Network) ([]span.Range, error) {
	var all []span.Range
	for _, text := range slices.Concat(n.Spec.Excluded, n.Spec.Gateways) {
		r, err := span.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("network %s/%s: spec.excluded: %w", n.Namespace, n.Name, err)
		}
		all = append(all, r)
	}
	return all, nil
}

// given counts addresses.
func (b *book) given(u *Usage, prefix netip.Prefix, reserved []span.Range, now time.Time) {
	const pool = "pool"
	inside := reserved[:0:0]
	for _, r := range reserved {
		if prefix.Contains(r.From) || prefix.Contains(r.To) || r.From.Is4() == prefix.Addr().Is4() && r.From.Less(prefix.Addr()) && prefix.Addr().Less(r.To) {
			inside = append(inside, r)
		}
	}
	f := ipam.Facts{
		Networks: []ipam.Network{{Name: pool, Kind: ipam.External, VRF: u.VRF, Prefixes: []netip.Prefix{prefix}, Reserved: inside}},
		Pools:    []ipam.Pool{{Name: pool, VRF: u.VRF, Network: pool}},
	}
	for _, e := range b.in(prefix) {
		a, r := e.address, e.record
		switch {
		case r.Until == nil:
			u.Held++
			f.Leases = append(f.Leases, ipam.Lease{VRF: u.VRF, Pool: pool, Address: a, Holder: r.Claim + " " + r.Address})
		case r.Until.After(now):
			u.Quarantined++
			f.Rests = append(f.Rests, ipam.Rest{VRF: u.VRF, Pool: pool, Address: a, Holder: r.Claim, Until: r.Until.Time})
		}
	}
	state, _ := ipam.Build(f)
	counted, _ := state.Usage(pool)
	of := counted.V4
	if !prefix.Addr().Is4() {
		of = counted.V6
	}
	u.Size, u.Free = of.Size, of.Free
}

// cut counts the addresses of children's prefixes.
func (b *book) cut(u *Usage, name string, prefix netip.Prefix, now time.Time) {
	var held, resting span.Key
	for _, n := range b.networks {
		if n.Parent != name || n.Until != nil && !n.Until.After(now) {
			continue
		}
		for _, text := range n.Prefixes {
			p, err := netip.ParsePrefix(text)
			if err != nil || !prefix.Contains(p.Addr()) {
				continue
			}
			if n.Until == nil {
				held, _ = held.Add(span.OfPrefix(p).Size())
			} else {
				resting, _ = resting.Add(span.OfPrefix(p).Size())
			}
		}
	}
	// What is left is counted before numbers are cut off at 2^64-1: a /48 with one /64 in it is not full.
	whole := span.OfPrefix(prefix).Size()
	taken, _ := held.Add(resting)
	if whole.Less(taken) {
		taken = whole
	}
	u.Size, u.Held, u.Quarantined, u.Free = whole.Saturate(), held.Saturate(), resting.Saturate(), whole.Sub(taken).Saturate()
}
