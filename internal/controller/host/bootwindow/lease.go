package bootwindow

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"sync"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/step"
)

// leases gives addresses of the partition's range to MAC addresses for as long as a window is open. No two windows hold one address: there is one
// leases per partition (the elected leader's), every address goes through its lock, and what earlier processes gave is taken over from the windows (adopt).
//
// The search starts at a place that the MAC chooses, so that a machine usually gets the address again that it had at its last boot, and takes at most one turn around the range.
type leases struct {
	mu sync.Mutex
	// byAddress and byWindow are two views of the same.
	byAddress map[netip.Addr]string
	byWindow  map[string][]netip.Addr
}

func newLeases() *leases {
	return &leases{byAddress: map[netip.Addr]string{}, byWindow: map[string][]netip.Addr{}}
}

// adopt takes over the addresses that a window holds.
func (l *leases) adopt(w *ingot.BootWindow) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range w.Spec.Leases {
		if p, err := netip.ParsePrefix(g.Address); err == nil {
			l.hold(w.Name, p.Addr())
		}
	}
}

// give finds an address for each MAC. The first MAC is the one that boots: without an address for it the boot cannot work, and that is a failure. MACs for which nothing is left get none.
func (l *leases) give(window string, macs []string, n ingot.ProvisioningNetwork) ([]ingot.Lease, *step.Failure) {
	r, failure := parseRange(n)
	if failure != nil {
		return nil, failure
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(window)
	var out []ingot.Lease
	for i, mac := range macs {
		a, ok := l.find(r, mac)
		if !ok && i == 0 {
			return nil, &step.Failure{Kind: step.Busy,
				Message: fmt.Sprintf("no free address for %s: all of %s to %s are in use by other boots", mac, r.first, r.last),
				Fix:     "widen provisioningNetwork.rangeStart and rangeEnd of the Partition, or wait for other boots to end"}
		}
		if !ok {
			break
		}
		l.hold(window, a)
		out = append(out, ingot.Lease{MACAddress: mac, Address: netip.PrefixFrom(a, r.bits).String()})
	}
	return out, nil
}

// release frees what a window holds.
func (l *leases) release(window string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(window)
}

func (l *leases) hold(window string, a netip.Addr) {
	l.byAddress[a] = window
	l.byWindow[window] = append(l.byWindow[window], a)
}

func (l *leases) drop(window string) {
	for _, a := range l.byWindow[window] {
		if l.byAddress[a] == window {
			delete(l.byAddress, a)
		}
	}
	delete(l.byWindow, window)
}

func (l *leases) find(r addressRange, mac string) (netip.Addr, bool) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(mac))
	start := r.at(uint64(h.Sum32()) % r.size)
	for a := start; ; {
		if _, taken := l.byAddress[a]; !taken && !slices.Contains(r.excluded, a) {
			return a, true
		}
		if a == r.last {
			a = r.first
		} else {
			a = a.Next()
		}
		if a == start {
			return netip.Addr{}, false
		}
	}
}

// addressRange is a partition's range, checked.
type addressRange struct {
	first, last netip.Addr
	size        uint64
	bits        int
	// excluded are addresses in the range that are not for machines: the gateway and the boot server.
	excluded []netip.Addr
}

// maxRange bounds the addresses that are looked at: a /16.
const maxRange = 1 << 16

func parseRange(n ingot.ProvisioningNetwork) (addressRange, *step.Failure) {
	wrong := func(what, got string) (addressRange, *step.Failure) {
		return addressRange{}, &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("the Partition's provisioningNetwork.%s %q %s", what, got, "cannot be used"),
			Fix: "correct the Partition: cidr is a subnet like 10.0.0.0/24 or fd00:1::/64, rangeStart and rangeEnd are addresses in it, in this order, at most 65536 apart, and bootServer is of the same family"}
	}
	subnet, err := netip.ParsePrefix(n.CIDR)
	if err != nil {
		return wrong("cidr", n.CIDR)
	}
	if server, err := netip.ParseAddr(n.BootServer); err == nil && server.Is4() != subnet.Addr().Is4() {
		return wrong("bootServer", n.BootServer)
	}
	r := addressRange{bits: subnet.Bits()}
	if r.first, err = netip.ParseAddr(n.RangeStart); err != nil || !subnet.Contains(r.first) {
		return wrong("rangeStart", n.RangeStart)
	}
	if r.last, err = netip.ParseAddr(n.RangeEnd); err != nil || !subnet.Contains(r.last) || r.last.Less(r.first) {
		return wrong("rangeEnd", n.RangeEnd)
	}
	for a := r.first; ; a = a.Next() {
		if r.size++; r.size > maxRange {
			return wrong("rangeEnd", n.RangeEnd)
		}
		if a == r.last {
			break
		}
	}
	for _, s := range []string{n.Gateway, n.BootServer} {
		if a, err := netip.ParseAddr(s); err == nil {
			r.excluded = append(r.excluded, a)
		}
	}
	return r, nil
}

// at is the i-th address of the range, i < size.
func (r addressRange) at(i uint64) netip.Addr {
	b := r.first.AsSlice()
	for k := len(b) - 1; k >= 0 && i > 0; k-- {
		i += uint64(b[k])
		b[k] = byte(i)
		i >>= 8
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
