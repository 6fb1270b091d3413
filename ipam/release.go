package ipam

import (
	"maps"
	"time"
)

// Release takes from the holder what it has of a pool, and says what that was and how long it rests; nothing, where it has nothing: a release may be repeated after a crash.
// There is one, unless facts gave the holder several. What is kept for the holder doesn't rest.
func (s *State) Release(pool, holder string, now time.Time) []Rest {
	p := s.pools[pool]
	if p == nil || p.leases[holder] == nil {
		return nil
	}
	v := s.vrfs[p.VRF]
	v.wake(now)
	var all []Rest
	for c := p.leases[holder]; c != nil; {
		next := c.more
		c.more = nil
		rest := Rest{VRF: v.name, Pool: p.Name, Address: c.key.Addr(), Holder: holder, Turn: c.turn}
		own := c.kept != nil && c.kept.pool == p && c.kept.holder == holder
		if p.Rest > 0 && !own {
			v.rest(c, now.Add(p.Rest))
			rest.Until = c.until
		} else {
			c.pool, c.holder, c.turn, c.tags = nil, "", 0, nil
			v.keep(c)
		}
		all = append(all, rest)
		c = next
	}
	delete(p.leases, holder)
	return all
}

// Tag replaces the tags of what the holder has of a pool, and says whether it has anything.
func (s *State) Tag(pool, holder string, tags map[string]string) bool {
	p := s.pools[pool]
	if p == nil || p.leases[holder] == nil {
		return false
	}
	for c := p.leases[holder]; c != nil; c = c.more {
		c.tags = maps.Clone(tags)
	}
	return true
}
