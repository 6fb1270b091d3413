package ipam

import (
	"container/heap"
	"time"

	"github.com/ingotmetal/ingot/ipam/buddy"
	"github.com/ingotmetal/ingot/ipam/span"
	"github.com/ingotmetal/ingot/ipam/sparse"
)

// State is the networks, pools and addresses of a site. It is made by Build and is not safe for concurrent use.
type State struct {
	networks map[string]*network
	pools    map[string]*pool
	vrfs     map[string]*vrf
}

// vrf is one scope of uniqueness.
type vrf struct {
	name  string
	roots *buddy.Tree[tract] // the networks that have no parent
	cells *sparse.Set[cell]  // every address that is not free
	// segments are the pools' spans cut where one begins or ends: who counts an address that is taken.
	segments []segment
	ground   map[*pool]bool // the pools without a network
	spare    []cell         // made at once by Build
	rests    resting
}

// cell is an address that is not free, for at least one reason: held, resting, kept for a holder, a gateway.
type cell struct {
	key    span.Key
	pool   *pool  // of the lease or the rest
	holder string // likewise; empty where neither
	turn   uint64
	tags   map[string]string
	until  time.Time // a rest's end; zero for a lease
	kept   *kept
	// gateways counts the ranges that name it.
	gateways int
	// more is the next address of the same pool and holder: only facts of others can say so.
	more *cell
}

type kept struct {
	pool   *pool
	holder string
}

func (c *cell) held() bool    { return c.holder != "" && c.until.IsZero() }
func (c *cell) resting() bool { return !c.until.IsZero() }
func (c *cell) idle() bool    { return c.holder == "" && c.kept == nil && c.gateways == 0 }

// tract is a block of a network's tree that is not free.
type tract struct {
	block span.Block
	owner string    // the network
	until time.Time // a rest's end; zero for a network
	fixed bool      // reserved by the network that the tree is of
}

// network is a Network with the trees that its children are cut from, one per prefix.
type network struct {
	Network
	trees    []*buddy.Tree[tract]
	children map[string]bool
	pools    map[string]bool
}

// pool is a Pool with its spans. One that facts name but that doesn't exist has no configuration: known is false.
type pool struct {
	Pool
	known   bool
	whole   []span.Span // its ranges before anything is left out
	spans   []run       // IPv4 first, each family in order
	v4      int         // how many of spans are IPv4
	totals  [2]total    // by family: see family
	leases  map[string]*cell
	cursors [2]cursor // by family
}

// cursor is the last address that was given in sequence; turn is 0 where there was none.
type cursor struct {
	key  span.Key
	turn uint64
}

// run is addresses in a row that a pool may give, and how many of them are not free.
type run struct {
	span.Span
	blocked uint64
}

type total struct {
	size    span.Key
	blocked uint64
}

// family is 0 for IPv4 and 1 for IPv6.
func family(k span.Key) int {
	if k.Is4() {
		return 0
	}
	return 1
}

func newState() *State {
	return &State{networks: map[string]*network{}, pools: map[string]*pool{}, vrfs: map[string]*vrf{}}
}

func (s *State) vrf(name string) *vrf {
	v := s.vrfs[name]
	if v == nil {
		v = &vrf{name: name, roots: buddy.New[tract](span.Block{}), cells: sparse.New[cell](), ground: map[*pool]bool{}}
		s.vrfs[name] = v
	}
	return v
}

// cell is the cell of a key, made where there is none; keep drops it again where nothing is left in it.
func (v *vrf) cell(k span.Key) *cell {
	c := v.cells.Get(k)
	if c == nil {
		if len(v.spare) > 0 {
			c, v.spare = &v.spare[0], v.spare[1:]
			c.key = k
		} else {
			c = &cell{key: k}
		}
		v.cells.Put(k, c)
		v.count(k, 1)
	}
	return c
}

func (v *vrf) keep(c *cell) {
	if c.idle() {
		v.cells.Delete(c.key)
		v.count(c.key, ^uint64(0))
	}
}

// ending is a rest with its end: of an address, or of a block in a tree.
type ending struct {
	until time.Time
	cell  *cell
	// tract is in a tree of the network parent.
	tract  *tract
	tree   *buddy.Tree[tract]
	parent string
}

// resting is a heap, the earliest end first.
type resting []ending

func (r resting) Len() int           { return len(r) }
func (r resting) Less(i, j int) bool { return r[i].until.Before(r[j].until) }
func (r resting) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }

// Push is for container/heap.
func (r *resting) Push(x any) { *r = append(*r, x.(ending)) }

// Pop is for container/heap.
func (r *resting) Pop() any {
	last := (*r)[len(*r)-1]
	(*r)[len(*r)-1] = ending{}
	*r = (*r)[:len(*r)-1]
	return last
}

// wake ends the rests that are over at now.
func (v *vrf) wake(now time.Time) {
	for len(v.rests) > 0 && !v.rests[0].until.After(now) {
		e := heap.Pop(&v.rests).(ending)
		if e.cell != nil {
			c := e.cell
			c.pool, c.holder, c.turn, c.until = nil, "", 0, time.Time{}
			v.keep(c)
			continue
		}
		e.tree.Release(e.tract.block)
	}
}

func (v *vrf) rest(c *cell, until time.Time) {
	c.until, c.tags = until.UTC().Round(0), nil
	heap.Push(&v.rests, ending{until: c.until, cell: c})
}
