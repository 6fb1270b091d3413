package ipam

import (
	"net/netip"
	"time"

	"github.com/ingotmetal/ingot/ipam/span"
)

// Kind is what a network is for.
type Kind string

// The kinds, as metal-stack has them. Only Super is cut, only Child and Shared are cut from one.
const (
	External Kind = "External" // reaches outside, for example the internet
	Underlay Kind = "Underlay" // carries the switches' and firewalls' own routes
	Super    Kind = "Super"    // what children are cut from; gives no addresses itself
	Child    Kind = "Child"    // a tenant's, cut from a super network
	Shared   Kind = "Shared"   // as Child, and other projects may join
)

// Lengths is prefix lengths by family: 0 is none.
type Lengths struct {
	V4 int `json:"v4,omitempty"`
	V6 int `json:"v6,omitempty"`
}

// Network is one network as its object says.
type Network struct {
	Name   string `json:"name"`
	Kind   Kind   `json:"kind"`
	VRF    string `json:"vrf"`              // the scope of uniqueness; a child's is its parent's
	Parent string `json:"parent,omitempty"` // of Child and Shared
	// Prefixes is of either family or both, without overlaps.
	Prefixes []netip.Prefix `json:"prefixes"`
	// ChildLength is of a Super: the length of a child's prefix where the request says none.
	ChildLength Lengths `json:"childLength,omitzero"`
	// Reserved is never cut (Super) and never given (others).
	Reserved []span.Range `json:"reserved,omitempty"`
	// Rest is of a Super: how long a child's prefix rests after its release.
	Rest time.Duration `json:"restNanoseconds,omitempty"`
}

// Strategy is how an address is chosen where none is asked for.
type Strategy string

// The strategies.
const (
	Sequential Strategy = "Sequential" // the first free one after the last one given, around: what was released comes last
	Random     Strategy = "Random"     // any free one, by the request's seed
)

// PoolRange is one run of a pool. Subnet alone is all of it; Start and End narrow it; without Subnet both must be there.
type PoolRange struct {
	Start   netip.Addr   `json:"start,omitzero"`
	End     netip.Addr   `json:"end,omitzero"`
	Subnet  netip.Prefix `json:"subnet,omitzero"`
	Gateway netip.Addr   `json:"gateway,omitzero"` // given to nobody in the VRF
}

// Pool is where addresses are given from, as its object says.
//
// Of a subnet (and of each prefix of the network) the first address is never given (RFC 791's network address; RFC 4291 section 2.6.1's anycast of routers) and the last one of IPv4 neither, except where
// the prefix is a point-to-point link or a host: /31 (RFC 3021), /127 (RFC 6164) and longer.
type Pool struct {
	Name string `json:"name"`
	VRF  string `json:"vrf"`
	// Network is where the pool's ranges lie; a pool without one must stay clear of all networks of its VRF.
	Network string `json:"network,omitempty"`
	// Ranges is empty for all of the network.
	Ranges   []PoolRange  `json:"ranges,omitempty"`
	Excluded []span.Range `json:"excluded,omitempty"`
	// PreAllocations keeps addresses for holders, before they ask and after they released.
	PreAllocations map[string]netip.Addr `json:"preAllocations,omitempty"`
	Strategy       Strategy              `json:"strategy,omitempty"` // Sequential where empty
	Rest           time.Duration         `json:"restNanoseconds,omitempty"`
}

// Lease is an address and its holder.
type Lease struct {
	VRF     string     `json:"vrf"`
	Pool    string     `json:"pool"`
	Address netip.Addr `json:"address"`
	Holder  string     `json:"holder"`
	// Turn counts what the pool gave in sequence; 0 is what was asked for by address or range, or chosen at random. Kept with the lease, it tells the successor of
	// a process that was killed where the sequence stands.
	Turn uint64            `json:"turn,omitempty"`
	Tags map[string]string `json:"tags,omitempty"`
}

// Rest is an address after its release: given to nobody until Until.
type Rest struct {
	VRF     string     `json:"vrf"`
	Pool    string     `json:"pool"`
	Address netip.Addr `json:"address"`
	Holder  string     `json:"holder"` // who released it
	Turn    uint64     `json:"turn,omitempty"`
	Until   time.Time  `json:"until"`
}

// PrefixRest is a child's prefix after its release.
type PrefixRest struct {
	Parent string       `json:"parent"`
	Prefix netip.Prefix `json:"prefix"`
	Holder string       `json:"holder"` // the child that it was of
	Until  time.Time    `json:"until"`
}

// Cursor is the last address that a pool gave in sequence. It may be left out: then it is the lease or rest with the highest turn.
type Cursor struct {
	Pool    string     `json:"pool"`
	Address netip.Addr `json:"address"`
	Turn    uint64     `json:"turn"`
}

// Facts is all that a State is made of: a snapshot. State.Facts has them sorted.
type Facts struct {
	Networks    []Network    `json:"networks,omitempty"`
	Pools       []Pool       `json:"pools,omitempty"`
	Cursors     []Cursor     `json:"cursors,omitempty"`
	Leases      []Lease      `json:"leases,omitempty"`
	Rests       []Rest       `json:"rests,omitempty"`
	PrefixRests []PrefixRest `json:"prefixRests,omitempty"`
}
