package ipam

import (
	"github.com/ingotmetal/ingot/ipam/span"
)

// Count is addresses of one family in a pool. Numbers over 2^64-1 are shown as that.
type Count struct {
	Size uint64 `json:"size"` // what the pool may give when nothing is taken
	Free uint64 `json:"free"` // neither held, nor resting, nor kept, nor a gateway, by whatever pool
}

// Usage is how full a pool is. It costs the same however full.
type Usage struct {
	V4   Count `json:"v4"`
	V6   Count `json:"v6"`
	Held int   `json:"held"` // holders of this pool
}

// Usage of a pool; known is false where there is none. Rests that are over count as rests until the next operation in the VRF.
func (s *State) Usage(name string) (u Usage, known bool) {
	p := s.pools[name]
	if p == nil || !p.known {
		return Usage{}, false
	}
	u.Held = len(p.leases)
	for f, c := range []*Count{&u.V4, &u.V6} {
		t := p.totals[f]
		c.Size = t.size.Saturate()
		c.Free = t.size.Sub(span.Key{Lo: t.blocked}).Saturate()
	}
	return u, true
}

// Network returns a network as it stands.
func (s *State) Network(name string) (Network, bool) {
	n := s.networks[name]
	if n == nil {
		return Network{}, false
	}
	return n.normal(), true
}

// Pool returns a pool as it stands.
func (s *State) Pool(name string) (Pool, bool) {
	p := s.pools[name]
	if p == nil || !p.known {
		return Pool{}, false
	}
	return p.normal(), true
}

// Held returns what a holder has of a pool.
func (s *State) Held(pool, holder string) (Lease, bool) {
	p := s.pools[pool]
	if p == nil || p.leases[holder] == nil {
		return Lease{}, false
	}
	c := p.leases[holder]
	return s.vrfs[p.VRF].lease(c), true
}
