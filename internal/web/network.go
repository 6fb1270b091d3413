package web

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/ip"
	netcli "github.com/ingotmetal/ingot/internal/cli/network"
	"github.com/ingotmetal/ingot/ipam/chart"
	"github.com/ingotmetal/ingot/ipam/span"
)

// NetworkBody is one network.
type NetworkBody struct {
	Row    NetworkRow        `json:"row"`
	Spec   ingot.NetworkSpec `json:"spec"`
	Status struct {
		VRFID int64 `json:"vrfID,omitempty"`
		ASN   int64 `json:"asn,omitempty"`
	} `json:"status"`
	// Hidden: the person may not read who holds which address, and sees the IPs and networks that they may see.
	Hidden bool  `json:"hidden,omitempty"`
	Uses   []Use `json:"uses,omitempty"`
	Maps   []Map `json:"maps,omitempty"`
}

// Map is a prefix, or a part of one, drawn.
type Map struct {
	// Prefix is the network's; Path leads from it to what is drawn, both included.
	Prefix string   `json:"prefix"`
	Path   []string `json:"path"`
	// Grid: the blocks are all of one length; else what is in it, and the space between.
	Grid   bool        `json:"grid"`
	Count  chart.Count `json:"count"`
	Blocks []MapBlock  `json:"blocks"`
}

// MapBlock is a part that is drawn as one.
type MapBlock struct {
	chart.Count

	// Text is the addresses: one, a prefix, or a range. Look is the prefix to draw next; empty: there is nothing to see in it.
	Text string `json:"text"`
	Look string `json:"look,omitempty"`
	// Has are the first that are in it, of Number.
	Has    []MapPiece `json:"has,omitempty"`
	Number int        `json:"number,omitempty"`
}

// MapPiece is one that has something of a block.
type MapPiece struct {
	State string `json:"state"`
	Name  string `json:"name"`
	Until string `json:"until,omitempty"`
}

// NetworkEntry is an address, or of a Super network a child's prefix: held, resting, or asked for.
type NetworkEntry struct {
	ID      string `json:"key"`
	Address string `json:"address,omitempty"`
	// State is held, resting or waiting.
	State string `json:"state"`
	// Kind, Namespace and Name are the claim's.
	Kind      string `json:"kind"`
	Namespace string `json:"claimNamespace"`
	Name      string `json:"claim"`
	// Owner is what an IP goes with, as kind/name; Static: it stays until it is deleted itself.
	Owner  string   `json:"owner,omitempty"`
	Static bool     `json:"static,omitempty"`
	Tags   []string `json:"tags,omitempty"`
	Until  string   `json:"until,omitempty"`
	Why    string   `json:"why,omitempty"`
}

// Key implements Row.
func (r NetworkEntry) Key() string { return r.ID }

// mostMaps is how many prefixes of a network are drawn; of one that has more, those after are drawn when they are asked for.
const mostMaps = 4

// network is one of them.
func network(ctx context.Context, c *reader, a ask) (Content, error) {
	c.begin(ctx, &ingot.NetworkList{}, &ingot.AddressRecordList{}, &ingot.IPList{})
	n := &ingot.Network{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: a.part[0], Name: a.part[1]}, n); err != nil {
		return Content{}, fmt.Errorf("read network %s/%s: %w", a.part[0], a.part[1], err)
	}
	recorded, known, err := books(ctx, c)
	if err != nil {
		return Content{}, err
	}
	ips, err := ipsOf(ctx, c, n)
	if err != nil {
		return Content{}, err
	}
	b := NetworkBody{Spec: n.Spec, Hidden: !known}
	b.Status.VRFID, b.Status.ASN = n.Status.VRFID, n.Status.ASN
	if b.Row, b.Uses, err = networkRow(n, recorded, a); err != nil {
		return Content{}, err
	}
	if !known {
		if recorded, err = seen(ctx, c, n, ips); err != nil {
			return Content{}, err
		}
	}
	if b.Maps, err = maps(n, recorded, a); err != nil {
		return Content{}, err
	}
	rows, err := entries(n, recorded, ips, a.now)
	return Content{Body: b, Rows: rows}, err
}

// ipsOf are the IPs of a network that the person may see, by namespace/name.
func ipsOf(ctx context.Context, c *reader, n *ingot.Network) (map[string]*ingot.IP, error) {
	var list ingot.IPList
	if err := c.List(ctx, &list); err != nil && !apierrors.IsForbidden(err) {
		return nil, fmt.Errorf("list IPs: %w", err)
	}
	all := map[string]*ingot.IP{}
	for i := range list.Items {
		o := &list.Items[i]
		if o.Spec.Network.Name == n.Name && inNamespace(o.Spec.Network.Namespace, o.Namespace) == n.Namespace {
			all[o.Namespace+"/"+o.Name] = o
		}
	}
	return all, nil
}

// seen makes books of what the person sees otherwise: IPs with addresses, and networks that are cut from this one.
func seen(ctx context.Context, c *reader, n *ingot.Network, ips map[string]*ingot.IP) (netcli.Books, error) {
	s := ingot.AddressRecordSpec{VRF: n.Status.VRF}
	for key, o := range ips {
		if o.Status.Address != "" {
			s.Addresses = append(s.Addresses, ingot.RecordedAddress{Address: o.Status.Address, Claim: "IP/" + key})
		}
	}
	if n.Spec.Type == ingot.SuperNetwork {
		var list ingot.NetworkList
		if err := c.List(ctx, &list); err != nil && !apierrors.IsForbidden(err) {
			return nil, fmt.Errorf("list networks: %w", err)
		}
		for i := range list.Items {
			o := &list.Items[i]
			if p := o.Spec.Parent; p != nil && p.Name == n.Name && inNamespace(p.Namespace, o.Namespace) == n.Namespace {
				s.Networks = append(s.Networks, ingot.RecordedNetwork{Network: o.Namespace + "/" + o.Name, Parent: n.Namespace + "/" + n.Name, Prefixes: o.Status.Prefixes})
			}
		}
	}
	return netcli.Read([]ingot.AddressRecord{{Spec: s}}), nil
}

// maps draws the network's prefixes, the one that a block was asked of at that block.
func maps(n *ingot.Network, recorded netcli.Books, a ask) ([]Map, error) {
	var asked netip.Prefix
	if text := a.query.Get("block"); text != "" {
		var err error
		if asked, err = netip.ParsePrefix(text); err != nil {
			return nil, apierrors.NewBadRequest(fmt.Sprintf("%q is no block: write a prefix like 10.0.0.0/24", text))
		}
		asked = asked.Masked()
	}
	var all []Map
	for i, text := range n.Status.Prefixes {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("network %s/%s: status.prefixes: %w", n.Namespace, n.Name, err)
		}
		within := prefix
		if asked.IsValid() && prefix.Overlaps(asked) && asked.Bits() >= prefix.Bits() {
			within = asked
		} else if i >= mostMaps {
			continue
		}
		pieces, err := netcli.Pieces(n, recorded, prefix, a.now)
		if err != nil {
			return nil, err
		}
		all = append(all, draw(prefix, within, pieces))
	}
	return all, nil
}

func draw(prefix, within netip.Prefix, pieces []chart.Piece) Map {
	drawn := chart.Draw(within, pieces)
	m := Map{Prefix: prefix.String(), Path: chart.Path(prefix, within), Grid: drawn.Grid, Count: chart.Total(drawn), Blocks: make([]MapBlock, len(drawn.Blocks))}
	for i, b := range drawn.Blocks {
		x := MapBlock{Count: b.Count, Text: rangeText(b.Span), Number: b.Number}
		if next := b.Look(); next != within && b.Worth() {
			x.Look = next.String()
		}
		for _, p := range b.Pieces {
			x.Has = append(x.Has, MapPiece{stateWords[p.State], p.Holder, timeText(p.Until)})
		}
		m.Blocks[i] = x
	}
	return m
}

var stateWords = [...]string{chart.Held: "held", chart.Resting: "resting", chart.Kept: "kept"}

// rangeText is a prefix where the span is one, else a range.
func rangeText(s span.Span) string {
	if b := s.Blocks(); len(b) == 1 && s.From != s.To {
		return b[0].Prefix().String()
	}
	return s.Range().String()
}

func timeText(t time.Time) string {
	m := metav1.NewTime(t)
	return at(&m)
}

// entries are what the maps show, a line each, and the IPs that wait for an address.
func entries(n *ingot.Network, recorded netcli.Books, ips map[string]*ingot.IP, now time.Time) ([]Row, error) {
	var rows []Row
	for _, text := range n.Status.Prefixes {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("network %s/%s: status.prefixes: %w", n.Namespace, n.Name, err)
		}
		pieces, err := netcli.Pieces(n, recorded, prefix, now)
		if err != nil {
			return nil, err
		}
		for _, p := range pieces {
			if p.State == chart.Kept {
				continue
			}
			e := NetworkEntry{ID: rangeText(p.Span), Address: rangeText(p.Span), State: stateWords[p.State], Until: timeText(p.Until)}
			e.Kind, e.Namespace, e.Name = netcli.Claim(p.Holder)
			if o := ips[e.Namespace+"/"+e.Name]; e.Kind == "IP" && o != nil {
				e.about(o)
			}
			rows = append(rows, e)
		}
	}
	for key, o := range ips {
		if o.Status.Address != "" {
			continue
		}
		e := NetworkEntry{ID: "IP/" + key, Address: o.Spec.Address, State: "waiting", Kind: "IP", Namespace: o.Namespace, Name: o.Name}
		_, reason, why := ready(o.Status.Conditions, ingot.ReadyCondition)
		e.Why = strings.TrimPrefix(reason+": "+why, ": ")
		e.about(o)
		rows = append(rows, e)
	}
	slices.SortFunc(rows, func(x, y Row) int { return strings.Compare(x.Key(), y.Key()) })
	return rows, nil
}

func (e *NetworkEntry) about(o *ingot.IP) {
	e.Owner, e.Static, e.Tags = ip.Owner(o), o.Spec.Type == ingot.StaticIP, o.Spec.Tags
}
