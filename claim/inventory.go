package claim

import (
	"slices"
	"strings"
)

// Inventory is the hosts, indexed. It is not safe for concurrent use: a controller has one, and its choices are one at a time anyway.
type Inventory struct {
	hosts map[string]Host
	pools map[pool]*shelf
	// held counts by project and by tenant.
	held map[heldKey]int
	// holders finds the host of a request.
	holders map[string]string
}

// pool is hosts that a request without further wishes cannot tell apart.
type pool struct{ partition, size string }

// shelf is one pool by rack.
type shelf struct {
	racks map[string]*rack
	// all counts the hosts, free those that can be had by somebody.
	all, free int
	// holding counts the hosts that projects and tenants have here.
	holding map[owner]int
}

// rack holds the free hosts of a pool in one rack, sorted by name, and who has the others.
type rack struct {
	free []string
	// of counts hosts by project; tagged by project and placement tag.
	of     map[string]int
	tagged map[tagKey]int
}

type (
	tagKey  struct{ project, tag string }
	heldKey struct {
		owner owner
		role  Role
	}
)

// NewInventory indexes hosts. Of several with one name the last counts.
func NewInventory(hosts []Host) *Inventory {
	v := &Inventory{hosts: make(map[string]Host, len(hosts)), pools: map[pool]*shelf{}, held: map[heldKey]int{}, holders: map[string]string{}}
	for _, h := range hosts {
		v.Set(h)
	}
	return v
}

// Len is the number of hosts.
func (v *Inventory) Len() int { return len(v.hosts) }

// Host finds one by its name.
func (v *Inventory) Host(name string) (Host, bool) {
	h, ok := v.hosts[name]
	return h, ok
}

// Set puts a host in, or replaces what is known of it.
func (v *Inventory) Set(h Host) {
	v.Remove(h.Name)
	v.hosts[h.Name] = h
	v.shelf(h).all++
	v.count(h, 1)
	if available(h) {
		r := v.shelf(h).rack(h.Rack)
		at, _ := slices.BinarySearch(r.free, h.Name)
		r.free = slices.Insert(r.free, at, h.Name)
		v.shelf(h).free++
	}
}

// Remove takes a host out that is gone.
func (v *Inventory) Remove(name string) {
	h, ok := v.hosts[name]
	if !ok {
		return
	}
	delete(v.hosts, name)
	v.shelf(h).all--
	v.count(h, -1)
	if available(h) {
		r := v.shelf(h).rack(h.Rack)
		at, _ := slices.BinarySearch(r.free, name)
		r.free = slices.Delete(r.free, at, at+1)
		v.shelf(h).free--
	}
}

// available says whether anybody could have the host. Taints are the request's to tolerate.
func available(h Host) bool { return h.State == Offered && h.Cordoned == "" }

// count adds a held host to, or takes it from, all that counts holders.
func (v *Inventory) count(h Host, by int) {
	if h.State != Held {
		return
	}
	s := v.shelf(h)
	for _, o := range owners(h.Holder.Project, h.Holder.Tenant) {
		v.held[heldKey{o, h.Holder.Role}] += by
		s.holding[o] += by
	}
	r := s.rack(h.Rack)
	r.of[h.Holder.Project] += by
	for _, tag := range distinct(h.Holder.Placement) {
		r.tagged[tagKey{h.Holder.Project, tag}] += by
	}
	if by > 0 {
		v.holders[h.Holder.Request] = h.Name
	} else if v.holders[h.Holder.Request] == h.Name {
		delete(v.holders, h.Holder.Request)
	}
}

func distinct(tags []string) []string {
	sorted := slices.Clone(tags)
	slices.SortFunc(sorted, strings.Compare)
	return slices.Compact(sorted)
}

func (v *Inventory) shelf(h Host) *shelf {
	p := pool{h.Partition, h.Size}
	s := v.pools[p]
	if s == nil {
		s = &shelf{racks: map[string]*rack{}, holding: map[owner]int{}}
		v.pools[p] = s
	}
	return s
}

func (s *shelf) rack(name string) *rack {
	r := s.racks[name]
	if r == nil {
		r = &rack{of: map[string]int{}, tagged: map[tagKey]int{}}
		s.racks[name] = r
	}
	return r
}

// Used is how many hosts a project holds for a role, TenantUsed how many all projects of a tenant do.
func (v *Inventory) Used(project string, role Role) int {
	return v.held[heldKey{owner{name: project}, role}]
}

// TenantUsed is described with Used.
func (v *Inventory) TenantUsed(tenant string, role Role) int {
	return v.held[heldKey{owner{true, tenant}, role}]
}

// free counts what can be had in a pool, and holding what a project or tenant has there.
func (v *Inventory) free(p pool) int {
	if s := v.pools[p]; s != nil {
		return s.free
	}
	return 0
}

func (v *Inventory) holding(p pool, o owner) int {
	if s := v.pools[p]; s != nil {
		return s.holding[o]
	}
	return 0
}
