package network

import (
	"cmp"
	"net/netip"
	"strings"
	"time"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/ipam"
	"github.com/ingotmetal/ingot/ipam/chart"
	"github.com/ingotmetal/ingot/ipam/span"
)

// Pieces are what a prefix of a network is to be drawn with: addresses that are held or rest, or of a Super network its children's prefixes, and what is given to nobody. They come from the books that Usages counts,
// so that a drawing says what the numbers beside it say.
func Pieces(n *ingot.Network, books Books, prefix netip.Prefix, now time.Time) ([]chart.Piece, error) {
	b := cmp.Or(books[n.Status.VRF], &book{})
	if n.Spec.Type == ingot.SuperNetwork {
		return b.children(n.Namespace+"/"+n.Name, prefix, now), nil
	}
	all, err := Kept(n, prefix)
	if err != nil {
		return nil, err
	}
	for _, e := range b.in(prefix) {
		if p, taken := piece(e.record.Until != nil, until(e.record), now); taken {
			p.Holder = e.record.Claim
			p.Span = span.Span{From: span.Of(e.address), To: span.Of(e.address)}
			all = append(all, p)
		}
	}
	return all, nil
}

func until(r *ingot.RecordedAddress) time.Time {
	if r.Until == nil {
		return time.Time{}
	}
	return r.Until.Time
}

// piece is held, or rests; a rest that is over is nothing.
func piece(rests bool, until, now time.Time) (chart.Piece, bool) {
	if !rests {
		return chart.Piece{State: chart.Held}, true
	}
	return chart.Piece{State: chart.Resting, Until: until}, until.After(now)
}

func (b *book) children(name string, prefix netip.Prefix, now time.Time) []chart.Piece {
	var all []chart.Piece
	for _, n := range b.networks {
		if n.Parent != name {
			continue
		}
		var end time.Time
		if n.Until != nil {
			end = n.Until.Time
		}
		p, taken := piece(n.Until != nil, end, now)
		if !taken {
			continue
		}
		p.Holder = "Network/" + n.Network
		for _, text := range n.Prefixes {
			if of, err := netip.ParsePrefix(text); err == nil && prefix.Contains(of.Addr()) {
				p.Span = span.OfPrefix(of)
				all = append(all, p)
			}
		}
	}
	return all
}

// Kept is what a network gives to nobody in a prefix: gateways, what is excluded, and the prefix's own edges.
func Kept(n *ingot.Network, prefix netip.Prefix) ([]chart.Piece, error) {
	reserved, err := ranges(n)
	if err != nil {
		return nil, err
	}
	var all []chart.Piece
	for i, r := range reserved {
		name := "excluded"
		if i >= len(n.Spec.Excluded) {
			name = "gateway"
		}
		all = append(all, chart.Piece{Span: r.Span(), State: chart.Kept, Holder: name})
	}
	for _, text := range n.Status.Prefixes {
		of, err := netip.ParsePrefix(text)
		if err != nil || !of.Overlaps(prefix) {
			continue
		}
		for _, s := range ipam.Edges(of) {
			name := "the network's own address"
			if s.From.Is4() && s.From != span.Of(of.Addr()) {
				name = "broadcast"
			}
			all = append(all, chart.Piece{Span: s, State: chart.Kept, Holder: name})
		}
	}
	return all, nil
}

// Claim takes the holder of a piece apart: its kind, namespace and name. Where it is none, all are empty.
func Claim(holder string) (kind, namespace, name string) {
	if part := strings.Split(holder, "/"); len(part) == 3 {
		return part[0], part[1], part[2]
	}
	return "", "", ""
}
