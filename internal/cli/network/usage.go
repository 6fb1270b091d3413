package network

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/bits"
	"net/netip"
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
		return print.Column[Usage]{Header: header, Cell: func(u Usage) string { return count(of(u)) }, Order: print.By(of)}
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

// count writes numbers of a size that nobody reads as powers of two.
func count(n uint64) string {
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
	book := read(records.Items)
	for i := range networks.Items {
		of, err := usages(&networks.Items[i], book, now)
		if err != nil {
			return nil, err
		}
		all = append(all, of...)
	}
	return all, nil
}

// book is what records say of one VRF.
type book struct {
	addresses []ingot.RecordedAddress
	networks  []ingot.RecordedNetwork
}

func read(records []ingot.AddressRecord) map[string]*book {
	all := map[string]*book{}
	for i := range records {
		s := &records[i].Spec
		b := all[s.VRF]
		if b == nil {
			b = &book{}
			all[s.VRF] = b
		}
		b.addresses = append(b.addresses, s.Addresses...)
		b.networks = append(b.networks, s.Networks...)
	}
	return all
}

// usages counts each prefix of a network as package ipam does, by a state that has it alone.
func usages(n *ingot.Network, books map[string]*book, now time.Time) ([]Usage, error) {
	b := cmp.Or(books[n.Status.VRF], &book{})
	var reserved []span.Range
	for _, text := range append(append([]string(nil), n.Spec.Excluded...), n.Spec.Gateways...) {
		r, err := span.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("network %s/%s: spec.excluded: %w", n.Namespace, n.Name, err)
		}
		reserved = append(reserved, r)
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
	for i := range b.addresses {
		r := &b.addresses[i]
		a, err := netip.ParseAddr(r.Address)
		if err != nil || !prefix.Contains(a) {
			continue
		}
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
	u.Size = size(prefix)
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
				u.Held = sum(u.Held, size(p))
			} else {
				u.Quarantined = sum(u.Quarantined, size(p))
			}
		}
	}
	u.Free = u.Size - min(u.Size, sum(u.Held, u.Quarantined))
}

func size(p netip.Prefix) uint64 {
	host := p.Addr().BitLen() - p.Bits()
	if host >= 64 {
		return math.MaxUint64
	}
	return 1 << host
}

func sum(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}
