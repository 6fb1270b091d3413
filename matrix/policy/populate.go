package policy

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"

	"github.com/ingotmetal/ingot/matrix"
)

// Populate makes up what a matrix lacks to be proved with packets, and changes nothing that it has: a host for each role of ours that has none in a zone
// where a row needs it, with an interface in each such zone; a host without roles for a zone that only rows for everybody name; networks for outside parties and outside
// zones. All have IPv4 and IPv6 addresses.
//
// What is made up lies in networks that are kept for such use (RFC 1918, RFC 2544's 198.18.0.0/15, RFC 3849's 2001:db8::/32), apart from every address that the
// matrix has. The same matrix gets the same.
func Populate(m matrix.Matrix) matrix.Matrix {
	m.Hosts, m.Roles, m.Zones = slices.Clone(m.Hosts), slices.Clone(m.Roles), slices.Clone(m.Zones)
	p := &population{m: &m, ours: newOurs(m), taken: takenIn(m)}
	p.networks()
	p.hosts()
	return m
}

type population struct {
	m     *matrix.Matrix
	ours  ours
	taken taken
	// hosts and parties count what was made up, for the next address. Hosts are counted by zone.
	next    map[matrix.Zone]uint32
	parties uint32
}

// taken are the addresses that a matrix has.
type taken struct {
	addresses map[netip.Addr]bool
	networks  []netip.Prefix
}

func takenIn(m matrix.Matrix) taken {
	t := taken{addresses: map[netip.Addr]bool{}}
	for _, h := range m.Hosts {
		for _, i := range h.Interfaces {
			for _, a := range slices.Concat(i.Addresses, i.Virtual) {
				t.addresses[a] = true
			}
		}
	}
	for _, z := range m.Zones {
		t.networks = append(t.networks, z.Networks...)
	}
	for _, r := range m.Roles {
		t.networks = append(t.networks, r.Networks...)
	}
	// A network of everything leaves nothing apart from it: then everybody is part of it, whoever is made up too.
	t.networks = slices.DeleteFunc(t.networks, func(n netip.Prefix) bool { return n.Bits() < 8 })
	return t
}

func (t taken) overlaps(n netip.Prefix) bool {
	for a := range t.addresses {
		if n.Contains(a) {
			return true
		}
	}
	return slices.ContainsFunc(t.networks, n.Overlaps)
}

// networks gives addresses to outside parties and zones.
func (p *population) networks() {
	used := map[matrix.Zone]bool{}
	for _, e := range parties(*p.m) {
		if e.Role == matrix.AnyRole {
			used[e.Zone] = true
			continue
		}
		i := slices.IndexFunc(p.m.Roles, func(r matrix.RoleDefinition) bool { return r.Name == e.Role })
		if i < 0 || p.ours.has(e) || len(p.m.Roles[i].Networks) > 0 || e.Zone != matrix.AnyZone && len(p.ours.zones[e.Zone].Networks) > 0 {
			continue
		}
		p.m.Roles[i].Networks = p.party()
	}
	for i := range p.m.Zones {
		z := &p.m.Zones[i]
		if used[z.Name] && len(z.Networks) == 0 && (z.Outside || z.Unlisted) {
			z.Networks = p.party()
		}
	}
}

// party is a small network of each family: /30 of 198.18.0.0/15 and /64 of 2001:db8:ffff::/48.
func (p *population) party() []netip.Prefix {
	for tries := 0; ; tries++ {
		n := p.parties
		p.parties++
		four := netip.PrefixFrom(ipv4(0xC612_0000+n<<2), 30)
		six := netip.PrefixFrom(ipv6(0xffff, n, 0), 64)
		if tries > mostTries || !p.taken.overlaps(four) && !p.taken.overlaps(six) {
			return []netip.Prefix{four, six}
		}
	}
}

func ipv4(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

// ipv6 is 2001:db8:<site>:<net>::<host>.
func ipv6(site uint16, net, host uint32) netip.Addr {
	b := [16]byte{0x20, 0x01, 0x0d, 0xb8}
	binary.BigEndian.PutUint16(b[4:], site)
	binary.BigEndian.PutUint16(b[6:], uint16(net))
	binary.BigEndian.PutUint32(b[12:], host)
	return netip.AddrFrom16(b)
}

// hosts makes what rows need and nobody is.
func (p *population) hosts() {
	p.next = map[matrix.Zone]uint32{}
	there, inhabited, named := map[matrix.Endpoint]bool{}, map[matrix.Zone]bool{}, map[string]int{}
	for n, h := range p.m.Hosts {
		named[h.Name] = n
		for _, i := range h.Interfaces {
			inhabited[i.Zone] = true
			for _, r := range i.Roles {
				there[matrix.Endpoint{Role: r, Zone: i.Zone}] = true
				there[matrix.Endpoint{Role: r, Zone: matrix.AnyZone}] = true
			}
		}
	}
	made := map[string]bool{}
	add := func(name string, zone matrix.Zone, roles ...matrix.Role) {
		inhabited[zone] = true
		for !made[name] && hasHost(named, name) {
			name += "-x"
		}
		if !made[name] {
			made[name] = true
			named[name] = len(p.m.Hosts)
			p.m.Hosts = append(p.m.Hosts, matrix.Host{Name: name})
		}
		h := &p.m.Hosts[named[name]]
		h.Interfaces = append(h.Interfaces, p.iface(zone, roles))
	}
	ends := parties(*p.m)
	for _, e := range ends {
		if e.Role != matrix.AnyRole && e.Zone != matrix.AnyZone && p.ours.has(e) && !there[e] {
			there[e], there[matrix.Endpoint{Role: e.Role, Zone: matrix.AnyZone}] = true, true
			add(string(e.Role), e.Zone, e.Role)
		}
	}
	for _, e := range ends {
		switch {
		case e.Zone == matrix.AnyZone && p.ours.has(e) && !there[e]:
			if z := p.anyZone(); z != "" {
				there[e] = true
				add(string(e.Role), z, e.Role)
			}
		case e.Role == matrix.AnyRole && e.Zone != matrix.AnyZone && p.ours.has(e) && !inhabited[e.Zone]:
			add(string(e.Zone), e.Zone)
		}
	}
}

func hasHost(named map[string]int, name string) bool { _, ok := named[name]; return ok }

// anyZone is the first of ours, for a role that rows name in no zone.
func (p *population) anyZone() matrix.Zone {
	for _, z := range p.m.Zones {
		if !z.Outside && !z.Unlisted {
			return z.Name
		}
	}
	return ""
}

// iface is a place in a zone: the zone's number names it and begins its addresses, 10.<zone>.0.0/16 and 2001:db8:<zone>::/48, unless the zone has networks.
func (p *population) iface(zone matrix.Zone, roles []matrix.Role) matrix.Interface {
	index := slices.IndexFunc(p.m.Zones, func(z matrix.ZoneDefinition) bool { return z.Name == zone })
	i := matrix.Interface{Name: "eth" + strconv.Itoa(index), Zone: zone, Roles: roles}
	for tries := 0; len(i.Addresses) == 0; tries++ {
		p.next[zone]++
		n := p.next[zone]
		four, six := ipv4(0x0A00_0000+uint32(index)<<16+n), ipv6(uint16(index), 0, n)
		for _, network := range p.ours.zones[zone].Networks {
			a := at(network, n)
			switch {
			case !a.IsValid() || p.outside(a):
			case a.Is4():
				four = a
			default:
				six = a
			}
		}
		if p.free(four, zone, tries) && p.free(six, zone, tries) {
			i.Addresses = []netip.Addr{four, six}
			p.taken.addresses[four], p.taken.addresses[six] = true, true
		}
	}
	return i
}

// mostTries bounds the search for an address apart from all networks: a site may call all of 10.0.0.0/8 a party.
const mostTries = 256

// free: nobody has the address, and it is in no network but the zone's own, unless there are too many of those.
func (p *population) free(a netip.Addr, zone matrix.Zone, tries int) bool {
	return !p.taken.addresses[a] && (tries > mostTries || !slices.ContainsFunc(p.taken.networks, func(n netip.Prefix) bool {
		return n.Contains(a) && !slices.Contains(p.ours.zones[zone].Networks, n)
	}))
}

// outside says whether an address is an outside party's.
func (p *population) outside(a netip.Addr) bool {
	return slices.ContainsFunc(p.m.Roles, func(r matrix.RoleDefinition) bool {
		return slices.ContainsFunc(r.Networks, func(n netip.Prefix) bool { return n.Contains(a) })
	})
}

// at is the n-th address of a network; invalid where it has fewer, and for networks of everything.
func at(n netip.Prefix, index uint32) netip.Addr {
	if n.Bits() < 8 {
		return netip.Addr{}
	}
	b := n.Masked().Addr().AsSlice()
	low := b[len(b)-4:]
	binary.BigEndian.PutUint32(low, binary.BigEndian.Uint32(low)+index)
	a, _ := netip.AddrFromSlice(b)
	if !n.Contains(a) || a.Is4() && !n.Contains(a.Next()) { // the last of an IPv4 network is its broadcast address
		return netip.Addr{}
	}
	return a
}
